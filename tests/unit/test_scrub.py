"""Nothing that was deleted stays in the file, and not a byte that a page uses is written."""

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from random import Random
from typing import Final

import pytest

from meterseal_aggregator.storage import scrub
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.scrub import unused

ROWS: Final = 12_000
BATCH: Final = 1_000
_SECRET: Final = re.compile(rb"secret-(\d{6})-of-his")
_TABLES: Final = (
    "CREATE TABLE salts (k INTEGER PRIMARY KEY, told BLOB NOT NULL) STRICT, WITHOUT ROWID",
    "CREATE TABLE letters (k INTEGER PRIMARY KEY, told BLOB NOT NULL) STRICT",
    "CREATE INDEX letters_by_text ON letters (told)",
)


def secret(k: int) -> bytes:
    return b"secret-%06d-of-his" % k


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/scrub.sqlite")
    yield opened
    await opened.close()


async def fill(database: Database, keys: list[int]) -> None:
    """Insert in no order, so that pages are split, and some letters longer than a page."""
    async with database.transaction() as tx:
        for sql in _TABLES:
            await tx.rows(sql)
    for at in range(0, len(keys), BATCH):
        async with database.transaction() as tx:
            page = keys[at : at + BATCH]
            await tx.many(
                "INSERT INTO salts VALUES (?, ?)", [(k, secret(k)) for k in page]
            )
            letters = [(k, secret(k) * (600 if k % 97 == 0 else 1)) for k in page[::4]]
            await tx.many("INSERT INTO letters VALUES (?, ?)", letters)


async def forget(database: Database, keys: Iterable[int]) -> None:
    gone = [(k,) for k in keys]
    async with database.transaction() as tx:
        await tx.many("DELETE FROM salts WHERE k = ?", gone)
        await tx.many("DELETE FROM letters WHERE k = ?", gone)


def left(folder: Path, keys: Iterable[int]) -> list[int]:
    whole = b"".join(
        path.read_bytes() for path in folder.iterdir() if path.suffix != ".sqlite-shm"
    )
    found = {int(number) for number in _SECRET.findall(whole)}
    return [k for k in keys if k in found]


async def everything(database: Database) -> list[tuple[object, ...]]:
    async with database.reading() as tx:
        assert await tx.rows("PRAGMA integrity_check") == [("ok",)]
        salts = await tx.rows("SELECT k, told FROM salts ORDER BY k")
        return salts + await tx.rows("SELECT k, told FROM letters ORDER BY k")


async def a_file_with_leftovers(database: Database, folder: Path) -> list[int]:
    """Return keys that were deleted, of which some can be read from the file still."""
    chance = Random(7)
    keys = list(range(ROWS))
    chance.shuffle(keys)
    await fill(database, keys)
    gone = chance.sample(keys, ROWS // 3)
    await forget(database, gone)
    with sqlite3.connect(folder / "scrub.sqlite") as other:
        other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    other.close()
    assert left(folder, gone), "what finds nothing must be shown to find something"
    return gone


async def test_no_copy_of_a_deleted_row_stays_and_every_other_row_does(
    database: Database, tmp_path: Path
) -> None:
    gone = await a_file_with_leftovers(database, tmp_path)
    before = await everything(database)
    assert await database.scrub()
    assert left(tmp_path, gone) == []
    assert await everything(database) == before
    assert len(left(tmp_path, range(ROWS))) == ROWS - len(gone)


async def test_what_the_writer_had_read_before_does_not_come_back_with_its_next_row(
    database: Database, tmp_path: Path
) -> None:
    gone = await a_file_with_leftovers(database, tmp_path)
    async with database.transaction() as tx:
        await tx.rows("SELECT sum(length(told)) FROM salts")
    assert await database.scrub()
    async with database.transaction() as tx:
        # Each page is changed, so each is written as the writer's cache has it.
        await tx.rows("UPDATE salts SET told = CAST(upper(told) AS BLOB)")
        await tx.rows("UPDATE letters SET told = zeroblob(length(told))")
    assert left(tmp_path, gone) == []


async def test_others_write_while_the_file_is_cleared(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "STRETCH_PAGES", 16)
    gone = await a_file_with_leftovers(database, tmp_path)
    wrote = 0

    async def write() -> None:
        nonlocal wrote
        while True:
            key = ROWS + wrote
            async with database.transaction() as tx:
                await tx.rows("INSERT INTO salts VALUES (?, ?)", (key, secret(key)))
            wrote += 1

    writing = asyncio.create_task(write())
    done = await database.scrub()
    writing.cancel()
    await asyncio.gather(writing, return_exceptions=True)
    assert done
    assert wrote > 10
    assert left(tmp_path, gone) == []
    kept = await everything(database)
    assert len([row for row in kept if row[0] in range(ROWS, ROWS + wrote)]) >= wrote


async def test_a_reader_who_needs_the_log_is_waited_for_and_then_it_is_done_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_aggregator.storage.database.SCRUB_TRIES", 2)
    gone = await a_file_with_leftovers(database, tmp_path)
    async with database.reading() as tx:
        await tx.rows("SELECT count(*) FROM salts")
        async with database.transaction() as other:
            await other.rows("DELETE FROM salts WHERE k = ?", (gone[0],))
            await other.rows("INSERT INTO salts VALUES (?, x'00')", (2 * ROWS,))
        assert not await database.scrub()
    assert await database.scrub()
    assert left(tmp_path, gone) == []


async def test_a_file_with_too_many_pages_to_be_sure_is_written_anew(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scrub, "MOST_PAGES", 8)
    gone = await a_file_with_leftovers(database, tmp_path)
    before = await everything(database)
    assert await database.scrub()
    assert left(tmp_path, gone) == []
    assert await everything(database) == before


@pytest.mark.parametrize(
    ("begin", "spans"),
    [
        # A leaf with two cells from 90 on: between their pointers and the first of them.
        (bytes([13, 0, 0, 0, 2, 0, 90, 0]), [(12, 90)]),
        # A free block of ten bytes from 92 on: its first four bytes are its own.
        (bytes([13, 0, 92, 0, 2, 0, 90, 0]), [(12, 90), (96, 102)]),
        # An inner page has a longer header.
        (bytes([5, 0, 0, 0, 2, 0, 90, 0]), [(16, 90)]),
        # An overflow page or a free one begins with a page's number.
        (bytes([0, 0, 0, 9, 2, 0, 90, 0]), []),
        # More pointers than there is room before the first cell: not a tree's page.
        (bytes([13, 0, 0, 0, 80, 0, 90, 0]), []),
    ],
)
def test_what_no_cell_uses_is_as_the_file_format_says(
    begin: bytes, spans: list[tuple[int, int]]
) -> None:
    page = bytearray(128)
    page[: len(begin)] = begin
    page[92:96] = b"\x00\x00\x00\x0a"
    assert unused(memoryview(bytes(page))) == spans
