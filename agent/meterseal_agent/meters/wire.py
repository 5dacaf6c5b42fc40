"""One stream of bytes to a meter or a bus: a serial line or a TCP connection, alike.

A wire is opened, used by one adapter alone and closed; when a device vanishes it raises
Unavailable, and the next `open_wire` finds the device again once it is plugged in. It
must never block the event loop, share a line with another program, or know a protocol.

    wire = await open_wire(SerialPlace("/dev/serial/by-id/usb-FTDI_A1-port0"))
    wire.drain()
    await wire.send(question)
    chunk = await wire.receive(0.8)
    wire.close()
"""

import asyncio
import errno
import os
import socket
import termios
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Protocol

from meterseal_proto.errors import Unavailable

CONNECT_S: Final = 3.0
"""What a TCP connection gets to come about: two lost SYNs on a local network."""
SEND_S: Final = 5.0
"""What a wire gets to take what is sent: 1.5 kB at 3000 baud; more means it is stuck."""
CHUNK: Final = 4096
"""Most bytes of one read: more than any frame here."""
PARITIES: Final = ("N", "E", "O")
PSEUDO_TERMINALS: Final = Path("/dev/pts")
"""Where Linux keeps lines that are none: a simulator's, or those of a network tool."""


class Silent(Unavailable):
    """Nothing came in time; the wire itself stands."""


@dataclass(frozen=True, slots=True)
class SerialPlace:
    """A serial line: its device, best `/dev/serial/by-id/...`, and how it is set.

    `baud` in bit/s, `bits` 5 to 8, `parity` N, E or O, `stop` 1 or 2 bits.
    """

    device: str
    baud: int = 9600
    bits: int = 8
    parity: str = "N"
    stop: int = 1

    @property
    def char_s(self) -> float:
        """Seconds one character takes, start, parity and stop bits included."""
        return (1 + self.bits + (self.parity != "N") + self.stop) / self.baud

    def __str__(self) -> str:
        return self.device


@dataclass(frozen=True, slots=True)
class TcpPlace:
    """A TCP port: a meter, a gateway, or a serial device server."""

    host: str
    port: int

    @property
    def char_s(self) -> float:
        """0: what a character takes behind a network nobody can tell."""
        return 0.0

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Place = SerialPlace | TcpPlace


class _Port(Protocol):
    """What is used of pyserial's Serial, which comes without types."""

    baudrate: int
    bytesize: int
    parity: str

    def fileno(self) -> int: ...

    def close(self) -> None: ...


class Wire:
    """An open wire; made by `open_wire`. One task at a time may receive from it.

    Every method raises Unavailable when the other end or the device is gone; the wire
    is then good for `close` only.
    """

    def __init__(self, place: Place, port: _Port | socket.socket) -> None:
        self.place: Place = place
        self._port = port
        self._fd = port.fileno()
        self._sent_at = 0.0

    async def receive(self, timeout_s: float) -> bytes:
        """Return what has come, at least a byte; Silent after `timeout_s` of nothing."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout_s):
                await _ready(self._fd, loop.add_reader, loop.remove_reader)
        except TimeoutError:
            raise Silent(f"{self.place}: nothing came in {timeout_s:g} s") from None
        chunk = self._read()
        if not chunk:
            raise self._gone("it hung up")
        return chunk

    async def send(self, data: bytes) -> None:
        """Hand `data` to the line; `sent` tells when it is out on a serial one."""
        loop = asyncio.get_running_loop()
        rest = memoryview(data)
        try:
            async with asyncio.timeout(SEND_S):
                while rest:
                    rest = rest[self._write(rest) :]
                    if rest:
                        await _ready(self._fd, loop.add_writer, loop.remove_writer)
        except TimeoutError:
            raise Unavailable(
                f"{self.place} takes nothing: unplug the adapter and plug it in again"
            ) from None
        out_s = len(data) * self.place.char_s
        self._sent_at = max(self._sent_at, loop.time()) + out_s

    async def sent(self) -> None:
        """Wait until the last character sent has left a serial line, by its speed."""
        await asyncio.sleep(self._sent_at - asyncio.get_running_loop().time())

    def drain(self) -> bytes:
        """Discard what has come and return it, without waiting."""
        found = bytearray()
        while chunk := self._read():
            found += chunk
        return bytes(found)

    async def set_line(self, baud: int, bits: int, parity: str) -> None:
        """Change a serial line's setting once all that was sent is out (mode C).

        Raises Unavailable on a TCP wire: a device server keeps its own speed.
        """
        if isinstance(self.place, TcpPlace) or isinstance(self._port, socket.socket):
            raise Unavailable(f"{self.place} keeps its own speed, it cannot be changed")
        await self.sent()
        try:
            self._port.baudrate = baud
            if not _pseudo(self.place):
                self._port.bytesize = bits
                self._port.parity = parity
        except (OSError, ValueError, termios.error) as error:
            raise self._gone(str(error)) from error
        self.place = replace(self.place, baud=baud, bits=bits, parity=parity)

    def close(self) -> None:
        """Give the line back; a second time it does nothing."""
        self._port.close()

    def _read(self) -> bytes:
        """Return what waits; b"" is nothing on a serial line, the end on a TCP one."""
        try:
            return os.read(self._fd, CHUNK)
        except BlockingIOError:
            return b""
        except OSError as error:
            raise self._gone(str(error.strerror)) from error

    def _write(self, rest: memoryview) -> int:
        try:
            return os.write(self._fd, rest)
        except BlockingIOError:
            return 0
        except OSError as error:
            raise self._gone(str(error.strerror)) from error

    def _gone(self, why: str) -> Unavailable:
        return Unavailable(f"{self.place} is gone: {why}")


async def open_wire(place: Place, connect_s: float = CONNECT_S) -> Wire:
    """Return the wire at `place`, what waited on it discarded.

    Raises Unavailable with one sentence on what to do: no such device, no permission,
    in use, nobody listening. Cancelling it leaves nothing open.
    """
    if isinstance(place, SerialPlace):
        return Wire(place, _open_serial(place))
    try:
        async with asyncio.timeout(connect_s):
            return Wire(place, await _connect(place))
    except TimeoutError:
        why = f"no connection in {connect_s:g} s"
    except OSError as error:
        why = error.strerror or str(error)
    raise Unavailable(f"cannot connect to {place}: {why}")


async def _connect(place: TcpPlace) -> socket.socket:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    trouble: OSError = OSError(errno.EHOSTUNREACH, "no address")
    for family, kind, protocol, _, address in found:
        sock = socket.socket(family, kind, protocol)
        try:
            sock.settimeout(0)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(sock, address)
        except OSError as error:
            sock.close()
            trouble = error
        except asyncio.CancelledError:
            sock.close()
            raise
        else:
            return sock
    raise trouble


def _open_serial(place: SerialPlace) -> _Port:
    # Imported here: an agent with network meters only never pays for it.
    import serial  # type: ignore[import-untyped]

    pseudo = _pseudo(place)
    try:
        port: _Port = serial.Serial(
            place.device,
            baudrate=place.baud,
            bytesize=8 if pseudo else place.bits,
            parity="N" if pseudo else place.parity,
            stopbits=1 if pseudo else place.stop,
            timeout=0,
            exclusive=True,
        )
    except (OSError, ValueError, termios.error) as error:
        raise Unavailable(f"{place}: {_advice(error)}") from error
    # Only some adapters have the mode; without it an answer takes up to 16 ms more.
    with suppress(ValueError, RuntimeError):
        serial.Serial.set_low_latency_mode(port, True)  # noqa: FBT003
    return port


def _pseudo(place: SerialPlace) -> bool:
    """Tell a pseudo-terminal: it carries bytes, and refuses to be set to 7 or to parity."""
    return Path(place.device).resolve().parent == PSEUDO_TERMINALS


def _advice(error: Exception) -> str:
    code = error.errno if isinstance(error, OSError) else None
    match code:
        case errno.ENOENT | errno.ENXIO | errno.ENODEV | errno.EIO:
            return "no such device; plug the adapter in or correct the name"
        case errno.EACCES | errno.EPERM:
            return "no permission; put the agent's user into the group dialout"
        case errno.EAGAIN | errno.EBUSY:
            return "in use by another program; stop that first"
        case _:
            return f"cannot be used as a serial line ({error})"


async def _ready(
    fd: int,
    watch: Callable[[int, Callable[[], None]], None],
    unwatch: Callable[[int], bool],
) -> None:
    """Wait until `fd` can be read or written."""
    happened = asyncio.get_running_loop().create_future()

    def wake() -> None:
        if not happened.done():
            happened.set_result(None)

    watch(fd, wake)
    try:
        await happened
    finally:
        unwatch(fd)
