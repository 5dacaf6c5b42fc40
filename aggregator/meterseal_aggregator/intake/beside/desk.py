"""The desk for what is told beside: a short queue, looked through a few times a second.

Taking a message is putting it into the queue, so the sockets that carry seals lose
nothing by it; when the queue is full, or one agent fills it, the agent is told to come
again. Shapes are checked in a thread, and a meter's telemetry counts only from the agent
it is enrolled with. This module must never answer, and must never keep what fails a check.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

import structlog
from structlog.typing import FilteringBoundLogger

from meterseal_aggregator.intake.beside import store
from meterseal_aggregator.intake.beside.store import KEEP_S, KeptBatch, KeptHealth
from meterseal_aggregator.intake.port import BesideMessage
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Database
from meterseal_proto.errors import Rejected
from meterseal_proto.health import SignedHealth, open_health
from meterseal_proto.keys import PublicKey
from meterseal_proto.telemetry import decode_batch
from meterseal_proto.units import MeterId

MAX_QUEUED: Final = 4000
MAX_QUEUED_BYTES: Final = 16 << 20
"""Together what a village sends in its first minute after an outage."""
MAX_OF_ONE: Final = 500
"""Messages of one agent in the queue: a week of its meters goes by in minutes."""
MAX_BYTES_OF_ONE: Final = 2 << 20
"""And their bytes: MAX_OF_ONE batches of some kilobytes; else large ones of a single agent
would fill the queue, and nobody else's telemetry would be taken."""
BURST_BYTES: Final = 128 << 20
"""What an agent may tell at once after an outage: more than its ring holds (96 MiB)."""
BYTES_PER_S: Final = 2048
"""And what it may tell for ever, in the network's seconds: 247 meters every ten seconds.
Without it one agent could fill the disk that everybody's seals are kept on."""
LOOK_S: Final = 0.25
"""Between two looks, real seconds; a transaction a look, whatever came."""
PRUNE_S: Final = 600.0
AHEAD_S: Final = 300
"""How far a device's clock may be ahead before its telemetry is not believed."""

_log: FilteringBoundLogger = structlog.get_logger()


@dataclass(slots=True)
class BesideTally:
    """What became of messages since the start, for the metrics page."""

    kept: Counter[str] = field(default_factory=Counter)
    """By kind: tel, health."""
    refused: Counter[str] = field(default_factory=Counter)
    """By reason: shape, stranger, time, signature; and looks that failed: failure."""


class BesideDesk:
    """Takes messages and keeps them; `network` is the 32-byte id, `now` its time."""

    def __init__(
        self, database: Database, network: bytes, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._network = network
        self._now = now
        self._queue: deque[BesideMessage] = deque()
        self._bytes = 0
        self._of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()
        self._paid_until: dict[str, float] = {}
        self.tally = BesideTally()

    def take(self, told: BesideMessage) -> bool:
        """Queue a message, or say that there is no room now."""
        if (
            len(self._queue) >= MAX_QUEUED
            or self._bytes + len(told.payload) > MAX_QUEUED_BYTES
            or self._of[told.agent] >= MAX_OF_ONE
            or self._bytes_of[told.agent] + len(told.payload) > MAX_BYTES_OF_ONE
            or not self._pays(told)
        ):
            return False
        self._queue.append(told)
        self._bytes += len(told.payload)
        self._of[told.agent] += 1
        self._bytes_of[told.agent] += len(told.payload)
        return True

    def _pays(self, told: BesideMessage) -> bool:
        """Charge a message to its agent (the generic cell rate algorithm, ITU-T I.371)."""
        now = self._now()
        paid = max(self._paid_until.get(told.agent, now), now)
        paid += len(told.payload) / BYTES_PER_S
        if paid - now > BURST_BYTES / BYTES_PER_S:
            return False
        self._paid_until[told.agent] = paid
        return True

    async def run(self) -> None:
        """Keep what was taken, for ever; a database that fails costs what was in hand."""
        loop = asyncio.get_running_loop()
        prune_at = loop.time()
        while True:
            try:
                await self.keep_taken()
                if loop.time() >= prune_at:
                    prune_at = loop.time() + PRUNE_S
                    await self.prune()
            except Exception:
                # Whatever is wrong with telemetry, seals are taken on.
                self.tally.refused["failure"] += 1
                _log.exception("telemetry_not_kept")
            await asyncio.sleep(LOOK_S)

    async def keep_taken(self) -> int:
        """Check and keep what is queued; returns how many messages were kept."""
        told = list(self._queue)
        self._queue.clear()
        self._of.clear()
        self._bytes_of.clear()
        self._bytes = 0
        if not told:
            return 0
        batches, records = await asyncio.to_thread(self._opened, told)
        meters = {one.batch.meter for _, one in batches}
        meters |= {m.meter for _, signed, _ in records for m in signed.record.meters}
        async with self._database.reading() as tx:
            known = await claims(tx, meters)
        owners = {meter: claim.agent for (meter, _), claim in known.items()}
        keys = {meter: claim.keys[-1].public for (meter, _), claim in known.items()}
        good = [one for agent, one in batches if owners.get(one.batch.meter) == agent]
        self.tally.refused["stranger"] += len(batches) - len(good)
        healthy = [
            kept
            for agent, signed, kept in records
            if self._is_its_own(agent, signed, owners, keys)
        ]
        async with self._database.transaction() as tx:
            await store.keep_batches(tx, good)
            await store.keep_health(tx, healthy)
        self.tally.kept["tel"] += len(good)
        self.tally.kept["health"] += len(healthy)
        return len(good) + len(healthy)

    async def prune(self) -> int:
        """Delete what has left the window; returns how many batches."""
        gone, now = 0, self._now()
        self._paid_until = {a: t for a, t in self._paid_until.items() if t > now}
        while True:
            async with self._database.transaction() as tx:
                deleted = await store.prune(tx, int(now))
            gone += deleted
            if deleted < store.DELETED_AT_ONCE:
                return gone

    def _opened(
        self, told: Sequence[BesideMessage]
    ) -> tuple[list[tuple[str, KeptBatch]], list[tuple[str, SignedHealth, KeptHealth]]]:
        """Return what has the right shape and time, each with who sent it."""
        batches: list[tuple[str, KeptBatch]] = []
        records: list[tuple[str, SignedHealth, KeptHealth]] = []
        now = int(self._now())
        for one in told:
            try:
                if one.kind == "tel":
                    batches += self._batch(one, now)
                else:
                    records += self._health(one, now)
            except Rejected:
                self.tally.refused["shape"] += 1
        return batches, records

    def _batch(self, told: BesideMessage, now: int) -> list[tuple[str, KeptBatch]]:
        batch = decode_batch(told.payload)
        if batch.span.end > now + AHEAD_S or batch.span.end < now - KEEP_S:
            self.tally.refused["time"] += 1
            return []
        return [(told.agent, KeptBatch(batch, told.payload))]

    def _health(
        self, told: BesideMessage, now: int
    ) -> list[tuple[str, SignedHealth, KeptHealth]]:
        signed = open_health(told.payload)
        record = signed.record
        if (record.network, record.agent) != (self._network, told.agent):
            self.tally.refused["stranger"] += 1
            return []
        if record.at > now + AHEAD_S:
            self.tally.refused["time"] += 1
            return []
        kept = KeptHealth(told.agent, record.at, now, told.payload)
        return [(told.agent, signed, kept)]

    def _is_its_own(
        self,
        agent: str,
        signed: SignedHealth,
        owners: dict[MeterId, str],
        keys: dict[MeterId, PublicKey],
    ) -> bool:
        """Tell whether the agent's own seal key signed; all its meters have the same."""
        named = [m.meter for m in signed.record.meters]
        if not named or any(owners.get(meter) != agent for meter in named):
            self.tally.refused["stranger"] += 1
            return False
        if not signed.is_signed_by(keys[named[0]]):
            self.tally.refused["signature"] += 1
            return False
        return True
