"""Where bytes come in and go out: a pseudo terminal, a serial port, a TCP connection.

A port knows no protocol and no pace. It must never keep bytes for somebody who is not
there: a wire does not wait either.
"""

import asyncio
import errno
import os
import select
import termios
import tty
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import serial  # type: ignore[import-untyped]

from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused

LOOK_S = 0.02
"""How often a pseudo terminal without a client looks whether one has come."""
CHUNK = 4096
MAX_WAITING = 65_536
"""What a client may send without being listened to; more is thrown away."""
TERMINALS = Path("/dev/pts")
SPEEDS = {
    getattr(termios, f"B{baud}"): baud
    for baud in (300, 600, 1200, 2400, 4800, 9600, 19_200, 38_400, 57_600, 115_200)
}
"""The kernel's codes of the speeds that meters have."""


class Gone(Exception):
    """The other end has hung up, or the port was closed."""


class Port(Protocol):
    """Bytes in, bytes out. `paced` says that somebody must keep the line's time."""

    paced: bool

    async def receive(self) -> bytes:
        """Return what came, at least a byte; raises Gone."""
        ...

    def send(self, data: bytes) -> None:
        """Put bytes on the wire now; they are lost when nobody is there."""
        ...

    def discard(self) -> int:
        """Forget what came and was not received; returns how many bytes."""
        ...

    def heard_at(self) -> int | None:
        """Return the baud at which a client speaks; None where nobody can tell."""
        ...

    def close(self) -> None:
        """Hang up."""
        ...


class Inbox:
    """Bytes that came and wait to be received."""

    def __init__(self) -> None:
        self._waiting = bytearray()
        self._news = asyncio.Event()
        self._over = False

    def put(self, data: bytes) -> None:
        """Add what came."""
        if len(self._waiting) + len(data) <= MAX_WAITING:
            self._waiting += data
        self._news.set()

    def end(self) -> None:
        """Say that nothing will come any more."""
        self._over = True
        self._news.set()

    def clear(self) -> int:
        """Forget what waits; returns how many bytes."""
        count = len(self._waiting)
        self._waiting.clear()
        if not self._over:
            self._news.clear()
        return count

    async def get(self) -> bytes:
        """Return everything that waits, at least a byte; raises Gone."""
        await self._news.wait()
        if not self._waiting:
            raise Gone
        data = bytes(self._waiting)
        self.clear()
        return data


class PtyPort:
    """A pseudo terminal under a path of its own: `link` leads to it.

    While no client has it open, what is sent is lost and what was not read is flushed,
    as on a wire without anybody at its end.
    """

    paced = True

    def __init__(self, link: Path, *, strict: bool = False) -> None:
        """Make the terminal and its link; raises Refused when the path is in use.

        A `strict` one tells the baud its client has set, which no bit here obeys.
        """
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        self.device = os.ttyname(slave)
        os.close(slave)
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLIN)
        self._strict = strict
        self._attended = False
        self._next_look: asyncio.TimerHandle | None = None
        self.link = link
        try:
            _lead(link, self.device)
        except OSError as trouble:
            os.close(self._master)
            raise Refused(f"{link} cannot be made: {trouble.strerror}") from None
        except Refused:
            os.close(self._master)
            raise
        self._look()

    async def receive(self) -> bytes:
        """Return what the client wrote."""
        return await self._inbox.get()

    def send(self, data: bytes) -> None:
        """Write to the client; what it does not fetch in time is lost."""
        if not self._attended:
            return
        try:
            os.write(self._master, data)
        except OSError as trouble:
            if trouble.errno not in (errno.EAGAIN, errno.EIO):
                raise

    def discard(self) -> int:
        """Forget what came and was not received."""
        return self._inbox.clear()

    def heard_at(self) -> int | None:
        """Return the baud the client has set: the kernel keeps it on a terminal too."""
        if not self._strict:
            return None
        return SPEEDS.get(termios.tcgetattr(self._master)[4], 0)

    def close(self) -> None:
        """Close the terminal and take the link away."""
        self._inbox.end()
        if self._next_look is not None:
            self._next_look.cancel()
        self._loop.remove_reader(self._master)
        os.close(self._master)
        if self.link.is_symlink() and os.readlink(self.link) == self.device:
            self.link.unlink()

    def _look(self) -> None:
        """Wait for a client: without one the terminal reports a hang-up for ever."""
        hung_up = any(event & select.POLLHUP for _, event in self._poll.poll(0))
        if hung_up:
            self._forget()
            self._next_look = self._loop.call_later(LOOK_S, self._look)
            return
        self._attended = True
        self._loop.add_reader(self._master, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            self._attended = False
            self._loop.remove_reader(self._master)
            self._flush()
            self._look()
            return
        self._inbox.put(data)

    def _forget(self) -> None:
        """Drop what a client wrote that had left again before anybody looked."""
        with suppress(OSError):
            os.read(self._master, CHUNK)

    def _flush(self) -> None:
        """Throw away what the client that left did not read: the next must not get it."""
        self._inbox.clear()
        try:
            slave = os.open(self.device, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        except OSError:
            return  # A client has it for itself again and will flush it.
        termios.tcflush(slave, termios.TCIOFLUSH)
        os.close(slave)


class SerialPort:
    """A real serial port, whose own wire keeps the time."""

    paced = False

    def __init__(self, device: str, pace: Pace) -> None:
        """Open it for nobody else; raises Refused in a sentence that says what to do."""
        self._loop = asyncio.get_running_loop()
        self._inbox = Inbox()
        try:
            self._serial = serial.Serial(
                device,
                baudrate=pace.baud,
                bytesize=pace.bits,
                parity=pace.parity,
                stopbits=pace.stop,
                timeout=0,
                exclusive=True,
            )
        except (OSError, ValueError) as trouble:
            raise Refused(
                f"serial port {device} cannot be opened: {trouble}; look under"
                " /dev/serial/by-id, and join the group dialout"
            ) from None
        self._fd = self._serial.fileno()
        self._loop.add_reader(self._fd, self._readable)

    async def receive(self) -> bytes:
        """Return what came over the wire."""
        return await self._inbox.get()

    def send(self, data: bytes) -> None:
        """Write to the wire."""
        try:
            os.write(self._fd, data)
        except BlockingIOError:
            return  # The kernel's buffer is full: the wire is slower than we are.
        except OSError:
            self._end()

    def discard(self) -> int:
        """Forget what came and was not received."""
        return self._inbox.clear()

    def heard_at(self) -> int | None:
        """Return None: the wire itself, or nobody, knows."""
        return None

    def close(self) -> None:
        """Let go of the port."""
        self._end()
        self._serial.close()

    def _end(self) -> None:
        self._inbox.end()
        self._loop.remove_reader(self._fd)

    def _readable(self) -> None:
        try:
            data = os.read(self._fd, CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._inbox.put(data)
        else:
            self._end()


class SocketPort(asyncio.Protocol):
    """One TCP connection; `talk` is started with it and cancelled when it ends."""

    paced = True

    def __init__(self, met: Callable[["SocketPort"], None]) -> None:
        self._inbox = Inbox()
        self._met = met
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up the connection."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._met(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came."""
        self._inbox.put(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """Say that nothing more comes."""
        self._inbox.end()

    async def receive(self) -> bytes:
        """Return what the client sent."""
        return await self._inbox.get()

    def send(self, data: bytes) -> None:
        """Send to the client; one that does not read loses it."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() <= MAX_WAITING:
            transport.write(data)

    def discard(self) -> int:
        """Forget what came and was not received."""
        return self._inbox.clear()

    def heard_at(self) -> int | None:
        """Return None: the wire itself, or nobody, knows."""
        return None

    def close(self) -> None:
        """Hang up."""
        self._inbox.end()
        if self._transport is not None:
            self._transport.close()


def _lead(link: Path, device: str) -> None:
    """Let `link` lead to `device`, in one step; an older terminal's link gives way."""
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.is_symlink() and Path(os.readlink(link)).parent != TERMINALS:
        raise Refused(f"{link} leads elsewhere: choose another name")
    if link.exists() and not link.is_symlink():
        raise Refused(f"{link} is a file: choose another name")
    draft = link.with_name(link.name + ".part")
    draft.unlink(missing_ok=True)
    draft.symlink_to(device)
    os.replace(draft, link)
