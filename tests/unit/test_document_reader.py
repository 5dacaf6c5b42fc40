"""A PDF is read apart, within limits; what is wrong with one, its sender is told."""

import asyncio
import subprocess
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from meterseal_aggregator.market.documents import reader as reading
from meterseal_aggregator.market.documents.extract import MODULE
from meterseal_aggregator.market.documents.model import (
    MAX_PAGES,
    MAX_PDF_BYTES,
    MAX_TEXT,
    Flaw,
)
from meterseal_aggregator.market.documents.reader import Reader
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_proto.errors import Unavailable
from tests.support import pdfs

LINE = "Monthly production: 500 kWh"
LETTERS = b"BT /F1 12 Tf (" + b"x" * MAX_TEXT + b") Tj ET"
HOSTILE = pdfs.hostile()


async def why_not(raw: bytes, reader: Reader | None = None) -> str:
    with pytest.raises(Declined) as caught:
        await (reader or Reader()).read(raw)
    assert caught.value.cause is Cause.DOCUMENT
    return caught.value.detail


async def test_the_text_of_every_page_comes_in_one_spelling() -> None:
    text = await Reader().read(pdfs.bill(LINE, "second page"))
    assert text.splitlines() == ["monthly production: 500 kwh", "second page"]


async def test_a_file_locked_against_editing_only_is_read() -> None:
    assert "500 kwh" in await Reader().read(pdfs.bill(LINE, owner="secret"))
    assert "500 kwh" in await Reader().read(b"\n" * 100 + pdfs.bill(LINE))


@pytest.mark.parametrize(
    ("raw", "flaw"),
    [
        (b"", Flaw.NOT_PDF),
        (b"hello", Flaw.NOT_PDF),
        (b"%PDF-1.7\n", Flaw.NOT_PDF),
        (pdfs.bill(LINE)[:300], Flaw.NOT_PDF),
        (pdfs.bill(LINE) + bytes(MAX_PDF_BYTES), Flaw.NOT_PDF),
        (pdfs.bill(LINE, owner="a", user="b"), Flaw.ENCRYPTED),
        (pdfs.bill(*["x"] * (MAX_PAGES + 1)), Flaw.PAGES),
        (pdfs.scan(), Flaw.NO_TEXT),
        (pdfs.one_page(pdfs.stream(LETTERS)), Flaw.TEXT),
    ],
    ids=[
        "empty", "text", "head", "cut off", "too long", "password", "pages", "scan", "letters",
    ],
)  # fmt: skip
async def test_who_sends_a_file_of_no_use_is_told_what_to_do(
    raw: bytes, flaw: Flaw
) -> None:
    assert await why_not(raw) == flaw.told


async def test_the_largest_file_that_may_be_is_read() -> None:
    raw = pdfs.bill(*[LINE] * MAX_PAGES)
    padded = raw + bytes(MAX_PDF_BYTES - len(raw))
    assert "500 kwh" in await Reader().read(padded)


@pytest.mark.parametrize("name", HOSTILE)
async def test_a_hostile_file_costs_little_and_says_nothing(name: str) -> None:
    async with asyncio.timeout(10):
        try:
            text = await Reader().read(HOSTILE[name])
        except Declined as why:
            assert why.cause is Cause.DOCUMENT
        else:
            assert len(text) < 100, text


async def test_who_takes_too_long_is_killed() -> None:
    before = children()
    assert await why_not(pdfs.tedious(), Reader(within_s=0.5)) == Flaw.WORK.told
    assert not children() - before


async def test_nobody_reads_on_when_the_answer_is_not_wanted() -> None:
    before = children()
    task = asyncio.create_task(Reader().read(pdfs.tedious()))
    async with asyncio.timeout(10):
        while not children() - before:
            await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not children() - before


async def test_more_files_than_places_are_asked_to_come_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "WAITING", 1)
    reader, raw = Reader(), pdfs.bill(LINE)
    found = await asyncio.gather(
        *(reader.read(raw) for _ in range(5)), return_exceptions=True
    )
    assert [isinstance(one, Unavailable) for one in found] == [False] * 3 + [True] * 2
    assert "500 kwh" in await reader.read(raw)


LIMITS = """
import os
from meterseal_aggregator.market.documents.extract import limit
limit()
def refused(deed):
    try:
        deed()
    except (MemoryError, OSError):
        return True
    return False
many = lambda: [open('/dev/null') for _ in range(40)]
assert refused(lambda: bytearray(600 << 20)), 'memory'
assert refused(many), 'files'
def write():
    with open('PLACE', 'w') as file:
        file.write('x' * 100)
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
assert refused(write), 'disk'
os.write(1, b'held')
while True:
    pass
"""


def test_a_reader_has_no_memory_files_or_time_to_waste(tmp_path: Path) -> None:
    code = LIMITS.replace("PLACE", str(tmp_path / "x"))
    short = code.replace("limit()\ndef", "import resource\nlimit()\n"
                         "resource.setrlimit(resource.RLIMIT_CPU, (1, 1))\ndef")  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", short], capture_output=True, check=False, timeout=30
    )
    assert ended.stdout == b"held", ended.stderr
    assert ended.returncode < 0


async def test_the_limits_hold_before_the_first_byte_is_read() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", MODULE), stdin=PIPE, stdout=PIPE
    )
    held = Path(f"/proc/{process.pid}/limits")
    try:
        async with asyncio.timeout(10):
            while not {"536870912", "10"} <= set(_column(held)):
                await asyncio.sleep(0.01)
        said, _ = await process.communicate(b"hello")
    finally:
        if process.returncode is None:
            process.kill()
    assert (process.returncode, said) == (Flaw.NOT_PDF, b"")


def _column(limits: Path) -> list[str]:
    """Return the soft limits of a process that run in bytes and seconds."""
    rows = limits.read_text().splitlines()
    return [
        row[26:47].strip() for row in rows if row.startswith(("Max address", "Max cpu"))
    ]


def children() -> set[str]:
    """Return the processes that this one started and that have not ended.

    Another test's may end at any time, so what counts is who is new.
    """
    tasks = Path("/proc/self/task")
    return {
        one
        for task in tasks.iterdir()
        for one in (task / "children").read_text().split()
    }
