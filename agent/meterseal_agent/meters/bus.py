"""Many meters polled at their own rates: each line asks one meter at a time.

Lines run side by side; on a line the schedule decides. A meter that fails is noted
and left to its back-off, nothing else happens to the others. The stations can be
replaced while it runs: one that is as before keeps its turn and loses no reading. This
module must never read a clock of its own, retry at once, or let one meter's trouble end
the run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.schedule import Round, Turn
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId

Deliver = Callable[[MeterId, Sample], Awaitable[None]]
"""Takes a sample; the line waits for it, so it must be quick."""


@dataclass(frozen=True, slots=True)
class Station:
    """A meter on the bus: its id, its port, the line it shares and how often it is read.

    Stations with the same `line` are asked one after another. `period_s` and
    `timeout_s` are in this network's seconds; `timeout_s` is the most one reading
    of a silent meter takes.
    """

    meter: MeterId
    port: Meter
    line: str
    period_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks a bus lives by, all in this network's seconds.

    `wall` is UTC Unix time, for samples; `steady` never jumps, for the schedule;
    `sleep` waits for a span of the same seconds.
    """

    wall: Callable[[], float]
    steady: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Health:
    """How a meter does: readings answered and missed in all, failures in a row, and
    why the last one failed ("" when it did not)."""

    answers: int
    missed: int
    failures: int
    trouble: str


@dataclass(slots=True)
class _Place:
    """A station, its turn, and why its last reading failed."""

    station: Station
    turn: Turn
    trouble: str = ""

    def health(self) -> Health:
        turn = self.turn
        return Health(turn.answers, turn.missed, turn.failures, self.trouble)


@dataclass(slots=True)
class _Line:
    """The stations of one line in their round, and who is being asked.

    `changed` wakes the line when its stations are others; `free` is set while nobody is
    asked.
    """

    places: dict[MeterId, _Place]
    order: Round
    asked: _Place | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    free: asyncio.Event = field(default_factory=asyncio.Event)

    def keep(self, stations: Sequence[Station]) -> None:
        """Drop every place whose station is not among `stations` as it is."""
        self.places = {
            meter: place
            for meter, place in self.places.items()
            if place.station in stations
        }
        self.order.keep(place.turn for place in self.places.values())
        self.changed.set()

    def add(self, stations: Sequence[Station], now: float) -> None:
        """Give the stations that have none a place, their first turns spread out."""
        new = [
            _Place(s, Turn(s.meter, s.period_s, s.timeout_s))
            for s in stations
            if s.meter not in self.places
        ]
        self.places |= {place.station.meter: place for place in new}
        self.order.add([place.turn for place in new], now)
        self.changed.set()


class Bus:
    """Polls its stations until cancelled.

    bus = Bus(stations, clocks)
    await bus.run(deliver)
    await bus.replace(others, close_what_is_left)     # while it runs
    """

    def __init__(self, stations: Sequence[Station], clocks: Clocks) -> None:
        self._clocks = clocks
        self._lines: dict[str, _Line] = {}
        self._serving: Callable[[_Line], None] | None = None
        self._add(stations)

    def health(self) -> Mapping[MeterId, Health]:
        """Return how every meter does now."""
        return {
            meter: place.health()
            for line in self._lines.values()
            for meter, place in line.places.items()
        }

    async def run(self, deliver: Deliver) -> None:
        """Poll for ever. An error of `deliver`, or a bug of a port, ends the run."""
        async with asyncio.TaskGroup() as group:

            def serve(line: _Line) -> None:
                group.create_task(self._serve(line, deliver))

            for line in self._lines.values():
                serve(line)
            self._serving = serve
            try:
                # Lines come and go; only an error or a cancellation ends this.
                await asyncio.Event().wait()
            finally:
                self._serving = None

    async def replace(
        self, stations: Sequence[Station], let_go: Callable[[], None] = lambda: None
    ) -> None:
        """Poll these stations from now on; those that are as before are not disturbed.

        The others are asked no more, and a reading in hand is awaited. Then `let_go` is
        called, which may close their lines, and only then the new ones are asked: they
        may want the same device. Raises ValueError, having changed nothing, when two
        stations have one meter id.
        """
        _check(stations)
        gone: list[_Line] = []
        for name, line in list(self._lines.items()):
            line.keep([s for s in stations if s.line == name])
            if line.asked is not None and line.asked.station not in stations:
                gone.append(line)
            if not line.places:
                del self._lines[name]
        for line in gone:
            await line.free.wait()
        let_go()
        self._add(stations)

    def _add(self, stations: Sequence[Station]) -> None:
        _check(stations)
        now = self._clocks.steady()
        for name in dict.fromkeys(station.line for station in stations):
            line = self._lines.get(name)
            begun = line is not None
            line = line or _Line({}, Round((), now))
            line.add([s for s in stations if s.line == name], now)
            self._lines[name] = line
            if self._serving is not None and not begun:
                self._serving(line)

    async def _serve(self, line: _Line, deliver: Deliver) -> None:
        line.free.set()
        while line.places:
            now = self._clocks.steady()
            meter, until = line.order.next(now)
            if meter is None:
                await self._pause(line, until - now)
            else:
                await self._ask(line, line.places[meter], deliver)

    async def _pause(self, line: _Line, span_s: float) -> None:
        """Wait for a span, or until the line's stations are others."""
        line.changed.clear()
        waits = [
            asyncio.ensure_future(self._clocks.sleep(span_s)),
            asyncio.ensure_future(line.changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    async def _ask(self, line: _Line, place: _Place, deliver: Deliver) -> None:
        line.asked = place
        line.free.clear()
        try:
            sample = await self._read(line, place)
        finally:
            line.asked = None
            line.free.set()
        if sample is not None:
            await deliver(place.station.meter, sample)

    async def _read(self, line: _Line, place: _Place) -> Sample | None:
        meter, began = place.station.meter, self._clocks.steady()
        try:
            sample = await place.station.port.read(int(self._clocks.wall()))
        except Unavailable as trouble:
            place.trouble = str(trouble)
            now = self._clocks.steady()
            line.order.failed(meter, now, now - began)
            return None
        place.trouble = ""
        line.order.answered(meter, self._clocks.steady())
        return sample


def _check(stations: Sequence[Station]) -> None:
    if len({station.meter for station in stations}) < len(stations):
        raise ValueError("two stations have one meter id: give each meter its own")
