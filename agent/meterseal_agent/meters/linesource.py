"""Chunks another program prints: run as a process of our own, or left in a file or FIFO.

A source is an endless async iterator of bytes as they come; its end is an Unavailable
with the reason. This module must never link the other program, never keep more than a
few lines, and never give what stood in a file before it was opened.
"""

import asyncio
import os
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from meterseal_proto.errors import Unavailable

CHUNK: Final = 4096
POLL_S: Final = 0.25
"""How often a plain file is looked at: the kernel wakes nobody for one."""
END_S: Final = 3.0
"""What a program gets to end before it is made to."""
MAX_WORDS: Final = 400
"""Most characters kept of what a program said last."""


class Source(Protocol):
    """Where chunks come from; `said` is called with each chunk of the error output."""

    def chunks(self, said: Callable[[bytes], None]) -> AsyncGenerator[bytes, None]:
        """Give chunks for ever; Unavailable tells why it ended. Closing it ends all."""
        ...


@dataclass(frozen=True, slots=True)
class Command:
    """A program and its arguments, run without a shell.

    It ends with the source. If we are killed, its next line finds nobody and ends it.
    """

    argv: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise ValueError("a command needs at least the name of its program")

    def __str__(self) -> str:
        return Path(self.argv[0]).name

    async def chunks(
        self, said: Callable[[bytes], None]
    ) -> AsyncGenerator[bytes, None]:
        """Run the program and give what it prints; see Source."""
        process = await self._start()
        last = _LastWords(said)
        listening = asyncio.create_task(_drain(process.stderr, last.add))
        try:
            assert process.stdout is not None
            while chunk := await process.stdout.read(CHUNK):
                yield chunk
            await listening
            status = await process.wait()
            words = f": {last.line}" if last.line else ""
            raise Unavailable(f"{self} ended with status {status}{words}")
        finally:
            listening.cancel()
            # Nobody may read this pipe while the end of the process does.
            await asyncio.wait([listening])
            await _end(process)

    async def _start(self) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        try:
            return await asyncio.create_subprocess_exec(
                *self.argv, stdin=asyncio.subprocess.DEVNULL, stdout=pipe, stderr=pipe
            )
        except OSError as error:
            raise Unavailable(
                f"cannot start {self.argv[0]}: {error.strerror}; install it or correct "
                "the command"
            ) from error


@dataclass(frozen=True, slots=True)
class Followed:
    """A file that another program appends to, or a FIFO it writes into.

    Only what comes after the opening is given. A file that is replaced or cut short is
    followed from its new beginning.
    """

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    async def chunks(
        self, said: Callable[[bytes], None]
    ) -> AsyncGenerator[bytes, None]:
        """Give what is written from now on; see Source. `said` is never called."""
        handle = self._open()
        try:
            fifo = stat.S_ISFIFO(os.fstat(handle).st_mode)
            if not fifo:
                os.lseek(handle, 0, os.SEEK_END)
            while True:
                chunk = _read(handle)
                if chunk:
                    yield chunk
                elif fifo:
                    await _readable(handle)
                else:
                    await asyncio.sleep(POLL_S)
                    handle = self._newest(handle)
        finally:
            os.close(handle)

    def _open(self) -> int:
        try:
            # Open for writing too, else a FIFO ends whenever its writer does.
            fifo = stat.S_ISFIFO(self.path.stat().st_mode)
            access = os.O_RDWR if fifo else os.O_RDONLY
            return os.open(self.path, access | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise Unavailable(f"cannot read {self.path}: {error.strerror}") from error

    def _newest(self, handle: int) -> int:
        """Return the handle to read on with: another one when the file was replaced."""
        ours = os.fstat(handle)
        try:
            there = self.path.stat()
        except OSError:
            return handle
        if (there.st_dev, there.st_ino) != (ours.st_dev, ours.st_ino):
            newer = self._open()
            os.close(handle)
            return newer
        if ours.st_size < os.lseek(handle, 0, os.SEEK_CUR):
            os.lseek(handle, 0, os.SEEK_SET)
        return handle


class _LastWords:
    """The last line of an error output, and each chunk handed on."""

    def __init__(self, said: Callable[[bytes], None]) -> None:
        self._said = said
        self._kept = b""

    def add(self, chunk: bytes) -> None:
        self._kept = (self._kept + chunk)[-MAX_WORDS:]
        self._said(chunk)

    @property
    def line(self) -> str:
        lines = self._kept.decode(errors="replace").split("\n")
        return next((line.strip() for line in reversed(lines) if line.strip()), "")


async def _drain(
    stream: asyncio.StreamReader | None, take: Callable[[bytes], None]
) -> None:
    assert stream is not None
    while chunk := await stream.read(CHUNK):
        take(chunk)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End a process: asked first, made to after END_S."""
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_S):
            await process.communicate()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def _read(handle: int) -> bytes:
    try:
        return os.read(handle, CHUNK)
    except BlockingIOError:
        return b""
    except OSError as error:
        raise Unavailable(f"it cannot be read any more: {error.strerror}") from error


async def _readable(handle: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(handle, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(handle)
