"""What a transaction costs in waits for the database's thread, and that waiting less loses nothing."""

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database, Statements
from meterseal_aggregator.storage.driver import Driver
from meterseal_proto.errors import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{path}")
    async with opened.transaction() as tx:
        await tx.rows("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT")
    yield opened
    await opened.close()


def write_two(statements: Statements) -> int:
    """Write two rows; returns how many there are."""
    statements.rows("INSERT INTO t VALUES (1, 'x')")
    statements.many("INSERT INTO t VALUES (?, ?)", [(2, "y")])
    ((found,),) = statements.rows("SELECT count(*) FROM t")
    return int(found)


def write_and_fail(statements: Statements) -> None:
    """Write two rows, and fail."""
    write_two(statements)
    raise ZeroDivisionError


def committed(path: Path) -> list[int]:
    """Return the keys of the rows another process sees."""
    with sqlite3.connect(path) as connection:
        found = [key for (key,) in connection.execute("SELECT a FROM t ORDER BY a")]
    connection.close()
    return found


async def test_a_transaction_begins_with_its_first_statement_and_waits_once_to_commit(
    database: Database,
) -> None:
    before = database.waits
    async with database.transaction() as tx:
        assert await tx.run(write_two) == 2
        assert tx.statements == 3
    assert database.waits - before == 2


async def test_what_is_done_alone_is_committed_in_one_wait(
    database: Database, path: Path
) -> None:
    before = database.waits
    assert await database.at_once(write_two) == 2
    assert database.waits - before == 1
    assert committed(path) == [1, 2]


async def test_what_fails_alone_or_among_others_leaves_nothing(
    database: Database, path: Path
) -> None:
    with pytest.raises(ZeroDivisionError):
        await database.at_once(write_and_fail)
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await tx.run(write_and_fail)
    assert committed(path) == []
    assert await database.at_once(write_two) == 2


async def test_what_is_cancelled_before_its_commit_leaves_nothing(
    database: Database, path: Path
) -> None:
    writing, cancelled = threading.Event(), threading.Event()

    def work(statements: Statements) -> None:
        write_two(statements)
        writing.set()
        assert cancelled.wait(10)

    task = asyncio.create_task(database.at_once(work))
    assert await asyncio.to_thread(writing.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    cancelled.set()
    assert await database.at_once(write_two) == 2
    assert committed(path) == [1, 2]


@pytest.mark.parametrize("turns", range(6))
async def test_a_task_cancelled_at_any_turn_leaves_all_or_nothing_and_blocks_nobody(
    database: Database, path: Path, turns: int
) -> None:
    task = asyncio.create_task(database.at_once(write_two))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    await database.at_once(lambda s: s.rows("INSERT INTO t VALUES (3, 'z')"))
    assert committed(path) in ([3], [1, 2, 3])
    if not task.cancelled():
        assert committed(path) == [1, 2, 3]


async def test_a_file_that_another_process_keeps_locked_is_busy_and_then_free(
    database: Database, path: Path
) -> None:
    async with database.transaction() as tx:
        await tx.rows("PRAGMA busy_timeout=1")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable, match="busy"):
        await database.at_once(write_two)
    with pytest.raises(Unavailable, match="busy"):
        async with database.transaction() as tx:
            await tx.run(write_two)
    other.execute("ROLLBACK")
    other.close()
    assert await database.at_once(write_two) == 2


async def test_a_transaction_that_the_database_ended_writes_no_more(
    database: Database, path: Path
) -> None:
    await database.at_once(write_two)
    with pytest.raises(Unavailable, match="gave this transaction up"):
        async with database.transaction() as tx:
            await tx.rows("INSERT INTO t VALUES (3, 'z')")
            with pytest.raises(sqlite3.IntegrityError):
                await tx.rows("INSERT OR ROLLBACK INTO t VALUES (1, 'x')")
            await tx.rows("INSERT INTO t VALUES (4, 'z')")
    assert committed(path) == [1, 2]


async def test_a_closed_connection_says_so_and_an_open_one_complains_at_its_end() -> (
    None
):
    driver = Driver("file::memory:", statements_kept=1)
    await driver.close()
    await driver.close()
    with pytest.raises(ValueError, match="closed"):
        driver.run(sqlite3.Connection.commit)
    driver = Driver("file::memory:", statements_kept=1)
    with pytest.warns(ResourceWarning, match="never closed"):
        del driver


async def test_work_that_runs_out_of_what_it_reads_is_not_waited_for_for_ever(
    database: Database, path: Path
) -> None:
    async with asyncio.timeout(5):
        with pytest.raises(RuntimeError, match="StopIteration"):
            await database.at_once(
                lambda statements: next(iter(statements.rows("SELECT 1 WHERE 0")))
            )
        assert await database.at_once(write_two) == 2
    assert committed(path) == [1, 2]
