"""A pulse output (S0, IEC 62053-31) behind the Meter port: edges counted, kept on disk.

From the first reading on every edge is counted as it comes; a reading is what has been
counted and synced. Bounces are passed over, and pulses faster than the meter can give
are noise: they are not counted, and nothing is answered until the line is quiet again.
This module must never count a pulse twice, take one back, or answer while it is deaf.

    meter = PulseMeter(GpioEdges(GpioLine("/dev/gpiochip0", 17)), folder, pulse)
    sample = await meter.read(now)
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final, Protocol

from meterseal_agent.meters.pulsecount import PulseCount
from meterseal_agent.meters.registers import MAX_VALUE, Absence, Sample
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId

DEBOUNCE_S: Final = 0.03
"""IEC 62053-31: a pulse lasts 30 ms at least, and so does the pause after it."""
OVERSHOOT: Final = Fraction(11, 10)
"""Meters carry a little more than their plate says."""
BURST: Final = 10
"""Pulses that may come at once beyond the rate: a gateway's backlog, a start."""
QUIET_S: Final = 60.0
"""How long a line must be without noise before it is believed again."""
SYNC_S: Final = 10.0
"""The most a power cut takes; a kill takes nothing. Oftener would wear a memory card."""
AGAIN_S: Final = 5.0
"""When a line or a disk that failed is tried again; each failure doubles it."""
LAST_AGAIN_S: Final = 300.0
_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Edge:
    """One edge: when, in ns of a steady clock, and its number since the line was opened.

    Numbers grow by one; a gap is edges that the kernel counted and could not keep.
    """

    at_ns: int
    number: int


class Edges(Protocol):
    """Where edges come from: a GPIO line, and in the tests a list."""

    name: str

    def open(self) -> None:
        """Begin to listen; edges from now on are kept. Raises Unavailable."""
        ...

    async def ready(self) -> None:
        """Wait until an edge has come. Raises Unavailable."""
        ...

    def take(self) -> Sequence[Edge]:
        """Return the edges that came since, without waiting. Raises Unavailable."""
        ...

    def close(self) -> None:
        """Stop to listen."""
        ...


@dataclass(frozen=True, slots=True)
class Pulse:
    """What a pulse is worth, exactly.

    `weight` is Wh or litres a pulse (1000 imp/kWh: 1; 10 l/imp: 10), `register` what it
    counts, `start` the register's Wh or litres when counting began, `most_per_h` the Wh
    or litres an hour that the meter can carry (0: not limited). `debounce_s` is the
    shortest time between two pulses, if the meter cannot give them faster than that.
    """

    register: RegisterId
    weight: Fraction
    start: int = 0
    most_per_h: int = 0
    debounce_s: float = DEBOUNCE_S

    def __post_init__(self) -> None:
        if self.weight <= 0:
            raise ValueError("a pulse must be worth something")
        if not 0 <= self.start <= MAX_VALUE:
            raise ValueError("a register starts at 0 or more, within 63 bits")
        if self.most_per_h < 0 or self.debounce_s < 0:
            raise ValueError("neither a rate nor a debounce time can be negative")

    def value(self, count: int) -> int:
        """Return the register after `count` pulses, in whole Wh or litres, cut off."""
        return self.start + int(count * self.weight)

    @property
    def per_s(self) -> Fraction | None:
        """Pulses a second the meter can give; None where it is not limited."""
        if not self.most_per_h:
            return None
        return self.most_per_h * OVERSHOOT / self.weight / 3600

    @property
    def gap_ns(self) -> int:
        """The shortest time between two pulses, in ns: never one that swallows pulses
        which the meter can give, even when they come unevenly."""
        per_s = self.per_s
        gap_s = Fraction(self.debounce_s)
        return round((min(gap_s, 1 / (2 * per_s)) if per_s else gap_s) * _NS)


class Gate:
    """Lets pulses through, holds bounces and noise back. Pure: time comes with edges.

    `noisy_at` is when the last pulse was held back as too fast, None if never.
    """

    def __init__(self, pulse: Pulse) -> None:
        self._gap_ns = pulse.gap_ns
        self._per_s = pulse.per_s
        self._credit = Fraction(BURST)
        self._last: Edge | None = None
        self.noisy_at: int | None = None

    def opened(self) -> None:
        """Forget the numbers: the line was opened anew, and counts from the start."""
        self._last = None

    def pulses(self, edges: Sequence[Edge]) -> int:
        """Return how many pulses `edges`, in their order, are."""
        return sum(self._pulses(edge) for edge in edges)

    def _pulses(self, edge: Edge) -> int:
        last, self._last = self._last, edge
        if last is None:
            return self._admitted(1, edge, 0)
        since_ns = edge.at_ns - last.at_ns
        lost = max(0, edge.number - last.number - 1)
        if since_ns < self._gap_ns and not lost:
            return 0
        return self._admitted(1 + lost, edge, since_ns)

    def _admitted(self, pulses: int, edge: Edge, since_ns: int) -> int:
        if self._per_s is None:
            return pulses
        earned = self._per_s * Fraction(since_ns, _NS)
        self._credit = min(Fraction(BURST), self._credit + earned)
        let_in = min(pulses, int(self._credit))
        self._credit -= let_in
        if let_in < pulses:
            self.noisy_at = edge.at_ns
        return let_in


class PulseMeter:
    """One pulse output. Counting starts with `start` or the first reading."""

    def __init__(
        self, edges: Edges, folder: Path, pulse: Pulse, again_s: float = AGAIN_S
    ) -> None:
        self._again_s = again_s
        self._edges = edges
        self._folder = folder
        self._pulse = pulse
        self._gate = Gate(pulse)
        self._count: PulseCount | None = None
        self._pending = 0
        self._deaf = ""
        self._noisy_until = 0.0
        self._turn = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to count, if not begun; needs a running event loop."""
        if self._task is None:
            self._open()
            self._task = asyncio.create_task(self._run())

    async def read(self, now: int) -> Sample:
        """Return what has been counted, synced to disk; see the port."""
        self.start()
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()
        if self._deaf:
            raise Unavailable(self._deaf)
        self._take()
        if asyncio.get_running_loop().time() < self._noisy_until:
            raise Unavailable(
                f"{self._edges.name}: pulses come faster than the meter can give; shield "
                "the cable, keep it away from mains, or correct the pulse weight"
            )
        value = self._pulse.value(await self._sync())
        if value > MAX_VALUE:
            reason = {self._pulse.register: Absence.OUT_OF_RANGE.value}
            return Sample(now, {}, None, reason)
        return Sample(now, {self._pulse.register: value}, None, {})

    def close(self) -> None:
        """Stop to count; what was counted is on disk."""
        self._deaf = f"{self._edges.name} is closed"
        if self._task is not None:
            self._task.cancel()
        self._edges.close()
        self._close_count()

    def _open(self) -> None:
        """Open count and line; what fails is said and tried again."""
        try:
            if self._count is None:
                self._count = PulseCount(self._folder)
            self._edges.open()
            self._gate.opened()
            self._deaf = ""
        except Unavailable as trouble:
            self._deaf = str(trouble)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._listen())
            group.create_task(self._keep())

    async def _listen(self) -> None:
        again_s = self._again_s
        while True:
            if self._deaf:
                await asyncio.sleep(again_s)
                again_s = min(LAST_AGAIN_S, 2 * again_s)
                self._open()
                continue
            try:
                await self._edges.ready()
                self._take()
                again_s = self._again_s
            except Unavailable as trouble:
                # Pulses that come meanwhile are lost, so it is said until it is over.
                self._deaf = str(trouble)

    async def _keep(self) -> None:
        """Sync now and then, so that a power cut takes little."""
        while True:
            await asyncio.sleep(SYNC_S)
            with suppress(Unavailable):
                await self._sync()

    def _take(self) -> None:
        before = self._gate.noisy_at
        self._pending += self._gate.pulses(self._edges.take())
        if self._gate.noisy_at != before:
            loop = asyncio.get_running_loop()
            self._noisy_until = loop.time() + QUIET_S
        with suppress(Unavailable):
            self._write()

    def _write(self) -> PulseCount:
        """Hand what is pending to the disk; what it does not take stays pending."""
        if self._count is None:
            self._count = PulseCount(self._folder)
        before = self._count.total
        try:
            self._count.add(self._pending)
        finally:
            self._pending -= self._count.total - before
        return self._count

    async def _sync(self) -> int:
        async with self._turn:
            count = self._write()
            try:
                return await asyncio.to_thread(count.sync)
            except Unavailable:
                self._close_count()
                raise

    def _close_count(self) -> None:
        if self._count is not None:
            self._count.close()
            self._count = None
