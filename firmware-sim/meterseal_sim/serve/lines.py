"""Who serves what: the lines of a street, opened and closed together.

Must never leave half a street open: a line that cannot be opened closes the others.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.serve.bus import Bus, Clock
from meterseal_sim.serve.frames import MAX_UNIT
from meterseal_sim.serve.listen import listening
from meterseal_sim.serve.ports import Port, PtyPort, SerialPort, SocketPort
from meterseal_sim.serve.rtu import Talk
from meterseal_sim.serve.tcp import MAX_CLIENTS, Line
from meterseal_sim.serve.wire import Wire
from meterseal_sim.street import Home

MAX_PORT = 65535
REOPEN_S = 1.0
"""How often a serial port that was unplugged is looked for again."""


class SocketLine(Protocol):
    """A line that listens on a TCP port."""

    port: int
    bus: Bus

    async def open(self, host: str, port: int) -> None:
        """Listen; raises Refused."""
        ...

    async def close(self) -> None:
        """Hang up on everybody."""
        ...


class Speech(Protocol):
    """What is spoken on a serial line: RTU answers, or telegrams."""

    async def __call__(self, port: Port, bus: Bus, wire: Wire) -> None:
        """Hold one conversation until the port is gone."""
        ...


async def rtu(port: Port, bus: Bus, wire: Wire) -> None:
    """Speak Modbus RTU."""
    await Talk(port, bus, wire).run()


class StreamLine:
    """A serial line behind a transparent TCP gateway; RTU is spoken unless said."""

    def __init__(
        self, homes: Mapping[int, Home], now: Clock, pace: Pace, speech: Speech = rtu
    ) -> None:
        self.bus = Bus(homes, now, pace)
        self.pace = pace
        self.port = 0
        self._speech = speech
        self._wire = Wire(pace)
        self._server: asyncio.Server | None = None
        self._talks: set[asyncio.Task[None]] = set()

    async def open(self, host: str, port: int) -> None:
        """Listen; port 0 takes a free one. Raises Refused when it is taken."""
        loop = asyncio.get_running_loop()
        with listening(host, port):
            self._server = await loop.create_server(
                lambda: SocketPort(self._meet), host, port
            )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and hang up on everybody."""
        if self._server is not None:
            self._server.close()
        await _cancel(self._talks)

    def _meet(self, port: SocketPort) -> None:
        if len(self._talks) >= MAX_CLIENTS:
            port.close()
            return
        talk = asyncio.create_task(_held(self._speech, port, self.bus, self._wire))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)


@dataclass(frozen=True, slots=True)
class Device:
    """A serial place: a real port, or a terminal to be made under the path.

    A `strict` terminal understands only a client that has set the line's baud.
    """

    path: str
    real: bool = False
    strict: bool = False


class DeviceLine:
    """A terminal or a real serial port; RTU is spoken unless said."""

    def __init__(
        self,
        homes: Mapping[int, Home],
        now: Clock,
        pace: Pace,
        device: Device,
        speech: Speech = rtu,
    ) -> None:
        self.bus = Bus(homes, now, pace)
        self.pace = pace
        self.device = device
        self._speech = speech
        self._talk: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Make the terminal or open the port; raises Refused when it cannot."""
        port = port_of(self.device, self.pace)
        self._talk = asyncio.create_task(self._serve(port))

    async def close(self) -> None:
        """Let go of the device."""
        await _cancel({self._talk} if self._talk is not None else set())

    async def _serve(self, port: Port) -> None:
        """Answer; a serial port that is unplugged is opened again when it is back."""
        while True:
            await _held(self._speech, port, self.bus, Wire(self.pace))
            port = await self._again()

    async def _again(self) -> Port:
        while True:
            await asyncio.sleep(REOPEN_S)
            try:
                return port_of(self.device, self.pace)
            except Refused:
                continue


AnyLine = Line | StreamLine | DeviceLine


def lines_of(homes: Sequence[Home], now: Clock, *, gateway: bool) -> list[Line]:
    """Return one Modbus TCP line per meter (unit 1), or gateways of up to 247 units."""
    if not gateway:
        return [Line({1: home}, now) for home in homes]
    return [Line(units, now, gateway=True) for units in by_unit(homes)]


def by_unit(homes: Sequence[Home]) -> list[dict[int, Home]]:
    """Return the homes as unit ids 1 to 247, in as many lines as they need."""
    return [
        dict(enumerate(homes[first : first + MAX_UNIT], 1))
        for first in range(0, len(homes), MAX_UNIT)
    ]


def port_of(device: Device, pace: Pace) -> Port:
    """Make the terminal or open the serial port; raises Refused."""
    if device.real:
        return SerialPort(device.path, pace)
    return PtyPort(Path(device.path), strict=device.strict)


async def open_all(lines: Sequence[SocketLine], host: str, port: int) -> None:
    """Open every line from `port` on (0: free ports), or none; raises Refused."""
    if port and port + len(lines) - 1 > MAX_PORT:
        raise Refused(f"{len(lines)} ports from {port} on: choose a lower --port")
    try:
        for offset, line in enumerate(lines):
            await line.open(host, port + offset if port else 0)
    except Refused:
        await close_all(lines)
        raise


async def close_all(lines: Sequence[SocketLine | DeviceLine]) -> None:
    """Close every line."""
    await asyncio.gather(*(line.close() for line in lines))


async def _held(speech: Speech, port: Port, bus: Bus, wire: Wire) -> None:
    """Hold one conversation and hang up after it."""
    try:
        await speech(port, bus, wire)
    finally:
        port.close()


async def _cancel(tasks: set[asyncio.Task[None]]) -> None:
    running = list(tasks)
    for task in running:
        task.cancel()
    await asyncio.gather(*running, return_exceptions=True)
