"""Telemetry's way through the agent: from a sample to the ring, and from there to the link.

A sample is only put aside in memory, so no reading waits for the card; a duty of its own
writes what has gathered, in the ring's own thread. Whatever goes wrong here costs
telemetry. This module must never hold a seal up, nor ask for more than it is given room.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from meterseal_agent.meters.registers import Sample
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.sampler import Clock
from meterseal_agent.telemetry.collect import Collector
from meterseal_agent.telemetry.ring import Ring, RingState
from meterseal_agent.telemetry.tellable import Mode, tellable
from meterseal_agent.uplink.beside import Post
from meterseal_proto.backfill import Backfill
from meterseal_proto.errors import Unavailable
from meterseal_proto.spans import Spans
from meterseal_proto.telemetry import Batch
from meterseal_proto.units import MeterId, RegisterId

FILE: Final = "telemetry.sqlite"
FLUSH_S: Final = 2.0
"""Real seconds between two looks for batches to write."""
MAX_HEARD: Final = 1000
"""Requests for telemetry remembered while they are good: the operator's own, signed."""
MAX_PENDING: Final = 500
"""Batches in memory while the card does not take them: half an hour of a large agent."""
_TRUST: Final = {Clock.UNSET: 0, Clock.DOUBTFUL: 1, Clock.TRUSTED: 2}

_log = logging.getLogger("meterseal.telemetry")
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Plan:
    """How one meter's telemetry is kept: its raster in seconds, its registers' modes."""

    every_s: int
    modes: Mapping[RegisterId, Mode]


@dataclass(slots=True)
class TelemetryCounters:
    """What happened since the start: samples kept, and batches lost before the ring."""

    samples: int = 0
    lost: int = 0
    failures: int = 0
    turns: int = 0
    """Looks for batches to write: while it grows the duty gets on."""


class Telemetry:
    """The agent's telemetry, for all meters that are to have some.

    telemetry = Telemetry(folder, now); telemetry.plan(plans)
    telemetry.take(meter, sample, clock)    # from the bus
    await telemetry.run()                   # the duty that writes
    """

    def __init__(
        self, folder: Path, now: Callable[[], float], wake: Callable[[], None]
    ) -> None:
        self._path = folder / FILE
        self._now = now
        self._wake = wake
        self._thread = FileThread("telemetry")
        self._ring: Ring | None = None
        self._plans: dict[MeterId, Plan] = {}
        self._collectors: dict[MeterId, Collector] = {}
        self._pending: deque[Batch] = deque()
        self._heard: set[Backfill] = set()
        self.counters = TelemetryCounters()

    def plan(self, plans: Mapping[MeterId, Plan]) -> None:
        """Keep telemetry of these meters from now on; what others have in hand is closed."""
        for meter in [m for m in self._plans if self._plans[m] != plans.get(m)]:
            self._push(self._collectors.pop(meter).close())
            del self._plans[meter]
        for meter, plan in plans.items():
            if meter not in self._plans:
                self._plans[meter] = plan
                self._collectors[meter] = Collector(meter, plan.every_s)

    def take(self, meter: MeterId, sample: Sample, clock: Clock) -> None:
        """Take a sample; before the clock is set it has no time, and is not kept."""
        plan = self._plans.get(meter)
        if plan is None or clock is Clock.UNSET:
            return
        values = tellable(sample, plan.modes)
        if values:
            self.counters.samples += 1
            collector = self._collectors[meter]
            self._push(collector.take(sample.at, values, clock=_TRUST[clock]))

    async def run(self) -> None:
        """Write what has gathered, for ever; a card that fails costs telemetry only."""
        while True:
            self.counters.turns += 1
            if self._ring is None and (self._plans or self._path.exists()):
                await self._open()
            for collector in self._collectors.values():
                self._push(collector.flush(int(self._now())))
            await self._write()
            await asyncio.sleep(FLUSH_S)

    async def next_post(self) -> Post | None:
        """Return the batch to send, for a courier."""
        now = int(self._now())
        held = await self._ask(lambda ring: ring.next(now))
        if held is None:
            return None

        async def taken() -> None:
            await self._ask(lambda ring: ring.take(held))

        return Post("tel", held.payload, taken)

    async def asked(self, request: Backfill) -> None:
        """Lay out for sending again what the aggregator lacks; what is stale is ignored.

        So is a request that was heard before: a pipe that repeats it would have a week of
        telemetry sent over and over.
        """
        now = int(self._now())
        self._heard = {one for one in self._heard if one.until >= now}
        known = request in self._heard or len(self._heard) >= MAX_HEARD
        if request.until < now or known:
            _log.warning("backfill_ignored until=%d", request.until)
            return
        self._heard.add(request)

        def again(ring: Ring) -> int:
            return sum(ring.again(w.meter, w.span, now) for w in request.wanted)

        batches = await self._ask(again)
        if batches is None:
            self._heard.discard(request)
        _log.info("backfill_asked spans=%d batches=%s", len(request.wanted), batches)

    async def state(self) -> RingState | None:
        """Return how full the ring is; None without a ring."""
        return await self._ask(lambda ring: ring.state())

    async def missing(self) -> dict[MeterId, Spans]:
        """Return each meter's gap map: what is in the ring and was not taken yet."""
        meters = list(self._plans)
        found = await self._ask(lambda ring: {m: ring.missing(m) for m in meters})
        return found or {}

    async def close(self) -> None:
        """Write what is in hand and close the ring."""
        for collector in self._collectors.values():
            self._push(collector.close())
        if self._ring is not None:
            await self._write()
            self._ring.close()
        self._thread.close()

    async def _open(self) -> None:
        try:
            self._ring = await self._thread.do(Ring, self._path)
        except Unavailable as trouble:
            self.counters.failures += 1
            if self.counters.failures == 1:
                _log.error("telemetry_not_kept trouble=%r", str(trouble))
        else:
            if self._ring.damaged:
                _log.error("telemetry_damaged laid_aside=%s", self._path)

    def _push(self, batches: list[Batch]) -> None:
        for batch in batches:
            if len(self._pending) >= MAX_PENDING:
                self._pending.popleft()
                self.counters.lost += 1
            self._pending.append(batch)

    async def _write(self) -> None:
        if self._ring is None or not self._pending:
            return
        batches = list(self._pending)
        self._pending.clear()
        if await self._ask(lambda ring: ring.add(batches)) is None:
            self.counters.lost += len(batches)
            return
        self._wake()

    async def _ask(self, deed: Callable[[Ring], _T]) -> _T | None:
        """Return what the ring says; None without one, or when its card fails."""
        ring = self._ring
        if ring is None:
            return None
        try:
            return await self._thread.do(deed, ring)
        except (Unavailable, sqlite3.Error) as trouble:
            self.counters.failures += 1
            _log.error("telemetry_failed trouble=%r", str(trouble))
            # The next look opens it anew: what failed once must not be trusted.
            self._ring = None
            ring.close()
            return None
