"""A stand: the lines of a street with their places, opened and closed as one thing.

Commands, scenarios and the panel put one together and say where its meters answer.
Must never leave half of itself open.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from meterseal_sim.listing import Address, AnyAddress, SerialAddress
from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.serve.bus import Bus, Clock
from meterseal_sim.serve.frames import MAX_UNIT
from meterseal_sim.serve.lines import (
    MAX_PORT,
    AnyLine,
    Device,
    DeviceLine,
    Speech,
    StreamLine,
    by_unit,
    close_all,
)
from meterseal_sim.serve.listen import make_room
from meterseal_sim.serve.ports import Port
from meterseal_sim.serve.protocols import MODBUS, SPOKEN
from meterseal_sim.serve.speakers import Speaker
from meterseal_sim.serve.tcp import Line
from meterseal_sim.serve.wire import Wire
from meterseal_sim.street import Home

PACE = Pace()
UnitHomes = Mapping[int, Home]


@dataclass(frozen=True, slots=True)
class Wiring:
    """How meters are wired: to a device, or to TCP ports from `port` on (0: free ones).

    On TCP every meter has a port of its own unless there is a `gateway`. `rtu` puts
    RTU frames on TCP, at the line's `pace`. `interval_s` is how often a meter that
    speaks of its own accord does so, None: as often as its kind.
    """

    host: str = "127.0.0.1"
    port: int = 0
    gateway: bool = False
    rtu: bool = False
    pace: Pace = PACE
    device: Device | None = None
    interval_s: float | None = None


@dataclass(frozen=True, slots=True)
class Post:
    """A line and the TCP place where it listens; a device line has its own."""

    line: AnyLine
    host: str = ""
    port: int = 0
    protocol: str = MODBUS

    async def open(self) -> None:
        """Open the line; raises Refused when its place is taken."""
        if isinstance(self.line, DeviceLine):
            await self.line.open()
        else:
            await self.line.open(self.host, self.port)

    def address(self, unit: int) -> AnyAddress:
        """Say where a unit answers, once the line is open."""
        line = self.line
        if isinstance(line, DeviceLine):
            return SerialAddress(line.device.path, line.pace, unit, self.protocol)
        rtu = isinstance(line, StreamLine) and self.protocol == MODBUS
        framing = "rtu" if rtu else "tcp"
        return Address(self.host, line.port, unit, framing, self.protocol)


@dataclass(frozen=True, slots=True)
class Stand:
    """Every line of a street."""

    posts: Sequence[Post]

    async def open(self) -> None:
        """Open every line, or none; raises Refused."""
        make_room(len(self.posts))
        try:
            for post in self.posts:
                await post.open()
        except Refused:
            await self.close()
            raise

    async def close(self) -> None:
        """Close every line."""
        await close_all([post.line for post in self.posts])

    def places(self) -> list[tuple[Home, AnyAddress]]:
        """Return every meter and where it answers."""
        return [
            (home, post.address(unit))
            for post in self.posts
            for unit, home in post.line.bus.homes.items()
        ]


def stand_of(
    homes: Sequence[Home], now: Clock, wiring: Wiring, *, unit: int = 1
) -> Stand:
    """Return the stand of a street; raises Refused when the wiring cannot hold it.

    A meter alone on its line has the id `unit`; several count from 1.
    """
    if wiring.device is not None and len(homes) > MAX_UNIT:
        raise Refused(f"{len(homes)} meters on one line: at most {MAX_UNIT}")
    if wiring.gateway or (wiring.device is not None and len(homes) > 1):
        return posted(by_unit(homes), now, wiring)
    return posted([{unit: home} for home in homes], now, wiring)


def spoken_stand(
    lines: Sequence[UnitHomes],
    now: Clock,
    wiring: Wiring,
    protocol: str,
    speaker: Callable[[Bus], Speaker],
) -> Stand:
    """Return a stand of lines on which telegrams are spoken; raises Refused."""
    link = SPOKEN[protocol].link(wiring.interval_s)

    async def speech(port: Port, bus: Bus, wire: Wire) -> None:
        # A client of TCP has the meter for itself: each hears it from the beginning.
        await link.run(port, speaker(bus), Wire(wire.pace))

    first = _room(wiring, len(lines))
    return Stand(
        [
            Post(
                _spoken(units, now, wiring, speech),
                wiring.host,
                first + place if first else 0,
                protocol,
            )
            for place, units in enumerate(lines)
        ]
    )


def _spoken(units: UnitHomes, now: Clock, wiring: Wiring, speech: Speech) -> AnyLine:
    if wiring.device is not None:
        return DeviceLine(units, now, wiring.pace, wiring.device, speech)
    return StreamLine(units, now, wiring.pace, speech)


def _room(wiring: Wiring, count: int) -> int:
    """Return the first port, 0 for free ones; raises Refused when they run out."""
    first = wiring.port
    if wiring.device is None and first and first + count - 1 > MAX_PORT:
        raise Refused(f"{count} ports from {first} on: choose a lower --port")
    return first


def posted(lines: Sequence[UnitHomes], now: Clock, wiring: Wiring) -> Stand:
    """Return a stand of these lines, each its meters by unit id; raises Refused."""
    first = _room(wiring, len(lines))
    return Stand(
        [
            Post(_line(units, now, wiring), wiring.host, first + place if first else 0)
            for place, units in enumerate(lines)
        ]
    )


def _line(units: UnitHomes, now: Clock, wiring: Wiring) -> AnyLine:
    if wiring.device is not None:
        return DeviceLine(units, now, wiring.pace, wiring.device)
    if wiring.rtu:
        return StreamLine(units, now, wiring.pace)
    return Line(units, now, gateway=wiring.gateway)
