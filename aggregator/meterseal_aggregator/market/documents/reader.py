"""Reads PDFs in processes of their own: few at a time, none for long.

    text = await Reader().read(raw)

The process gets the file on standard input and answers with its text. One that takes too
long, or is no longer wanted, is killed by its id. This module must never read a PDF itself.
"""

import asyncio
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from contextlib import suppress
from typing import Final

import structlog

from meterseal_aggregator.market.documents.extract import MODULE
from meterseal_aggregator.market.documents.model import MAX_TEXT, Flaw
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_proto.errors import Unavailable

AT_ONCE: Final = 2
"""Processes at a time, half a GiB of address space each."""
WAITING: Final = 16
"""Files that wait for their turn; whoever comes then is asked to come again."""
WITHIN_S: Final = 30.0
"""Real seconds for one file: three times its processor time, on a busy machine."""
MAX_ANSWER: Final = 4 * MAX_TEXT
"""Bytes: UTF-8 has at most four a character."""

_log = structlog.get_logger(__name__)


class Reader:
    """Its `within_s` is how long one file may take; tests have less patience."""

    def __init__(self, within_s: float = WITHIN_S) -> None:
        self._within_s = within_s
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._here = 0

    async def read(self, raw: bytes) -> str:
        """Return a PDF's text in one spelling.

        Raises Declined with what to do about the file, Unavailable when too many wait.
        """
        if self._here >= AT_ONCE + WAITING:
            raise Unavailable("too many documents are being read")
        self._here += 1
        try:
            async with self._turns:
                return await self._read(raw)
        finally:
            self._here -= 1

    async def _read(self, raw: bytes) -> str:
        # Isolated (-I): neither the folder we run in nor our environment tells it a thing.
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-I", "-m", MODULE),
            stdin=PIPE,
            stdout=PIPE,
            stderr=DEVNULL,
            env={},
        )
        try:
            async with asyncio.timeout(self._within_s):
                answer, status = await _exchange(process, raw)
        except TimeoutError:
            raise declined(Flaw.WORK) from None
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        if status != 0 or len(answer) > MAX_ANSWER:
            raise declined(_flaw(status))
        return answer.decode()


def declined(flaw: Flaw) -> Declined:
    """Return what a member is told of a file that has no text for us."""
    return Declined(Cause.DOCUMENT, flaw.told)


async def _exchange(process: Process, raw: bytes) -> tuple[bytes, int]:
    """Hand in the file; return the answer, no more of it than there may be, and the status."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(raw)
    # A process that gave up on the file does not read it to its end.
    with suppress(BrokenPipeError, ConnectionResetError):
        await process.stdin.drain()
    process.stdin.close()
    parts, size = [], 0
    while part := await process.stdout.read(1 << 16):
        size += len(part)
        parts.append(part)
        if size > MAX_ANSWER:
            process.kill()
            break
    return b"".join(parts), await process.wait()


def _flaw(status: int) -> Flaw:
    """Return what an exit status means; a death by signal is one of the limits."""
    try:
        return Flaw(status)
    except ValueError:
        _log.warning("document_reader_died", status=status)
        return Flaw.WORK
