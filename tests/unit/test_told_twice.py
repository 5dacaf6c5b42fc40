"""Time told twice and its credit: what was committed first stands, whatever clocks say."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.storage.database import Database
from tests.support.books import LATER, held, mint, open_books, refusals, well
from tests.support.street import BEGIN, STEP, Home, settle_in

CLOCKS = (LATER - 3_600, LATER, LATER + 3_600)
"""Of the one who notes an equivocation, beside the mint's: slow, in the same second, fast."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


async def _home(database: Database) -> Home:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 7)
    return home


async def _tell_twice(database: Database, received_at: int) -> None:
    """Note an equivocation over a part of the first slot."""
    async with database.transaction() as tx:
        await tx.rows(
            "INSERT INTO equivocations (register_id, hash, from_at, to_at, seq,"
            " received_at) VALUES (1, zeroblob(32), ?, ?, 1, ?)",
            (BEGIN + 60, BEGIN + 120, received_at),
        )


@pytest.mark.parametrize("received_at", CLOCKS)
async def test_a_credit_committed_before_the_equivocation_stands_without_alarm(
    database: Database, received_at: int
) -> None:
    await _home(database)
    await mint(database, LATER)
    await _tell_twice(database, received_at)
    assert await mint(database, LATER) == 0
    assert await held(database, producer(1)) == 107
    assert await well(database)


@pytest.mark.parametrize("received_at", CLOCKS)
async def test_an_equivocation_committed_before_the_credit_refuses_it(
    database: Database, received_at: int
) -> None:
    await _home(database)
    await _tell_twice(database, received_at)
    await mint(database, LATER)
    assert await held(database, producer(1)) == 7
    assert await refusals(database) == [(BEGIN, 100, "equivocated")]
    assert await well(database)


async def test_the_database_itself_refuses_a_credit_of_time_told_twice(
    database: Database, tmp_path: Path
) -> None:
    await _home(database)
    await _tell_twice(database, LATER)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    insert = (
        "INSERT INTO credits VALUES (NULL, randomblob(32), ?, 1, 1, ?, 900, 1, 9, 9, 0)"
    )
    for revision in (0, 1):
        with pytest.raises(sqlite3.IntegrityError, match="told this time twice"):
            raw.execute(insert, (revision, BEGIN))
    raw.execute(insert, (0, BEGIN + STEP))
    raw.close()
