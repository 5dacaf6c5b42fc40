"""The database keeps its promises on a real file: durable, one writer, read-only readers."""

import asyncio
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate, migrations, statements
from meterseal_proto.errors import Unavailable


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path}/a.sqlite")
    async with opened.transaction() as tx:
        await tx.rows("CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT) STRICT")
    yield opened
    await opened.close()


async def count(database: Database) -> int:
    async with database.reading() as tx:
        ((found,),) = await tx.rows("SELECT count(*) FROM t")
    return int(found)


async def test_a_transaction_commits_whole_or_not_at_all(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.many("INSERT INTO t VALUES (?, ?)", [(1, "x"), (2, "y")])
    with pytest.raises(ZeroDivisionError):
        async with database.transaction() as tx:
            await tx.many("INSERT INTO t VALUES (?, ?)", [(3, "z")])
            raise ZeroDivisionError
    assert await count(database) == 2


@pytest.mark.parametrize("kept", [False, True], ids=["new", "kept open to others"])
async def test_the_files_are_their_owners_alone_whatever_the_umask(
    tmp_path: Path, *, kept: bool
) -> None:
    before = os.umask(0)
    try:
        if kept:
            sqlite3.connect(tmp_path / "b.sqlite").close()
            (tmp_path / "b.sqlite").touch(0o666)
        opened = await Database.open(f"sqlite:///{tmp_path}/b.sqlite")
        async with opened.transaction() as tx:
            await tx.rows("CREATE TABLE t (a INTEGER PRIMARY KEY) STRICT")
        files = {f.name: stat.S_IMODE(f.stat().st_mode) for f in tmp_path.iterdir()}
        await opened.close()
    finally:
        os.umask(before)
    assert files == dict.fromkeys(("b.sqlite", "b.sqlite-wal", "b.sqlite-shm"), 0o600)


async def test_a_reader_cannot_write(database: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        async with database.reading() as tx:
            await tx.rows("INSERT INTO t VALUES (1, 'x')")
    assert await count(database) == 0


async def test_a_reader_sees_one_moment_while_a_writer_goes_on(
    database: Database,
) -> None:
    async with database.reading() as reader:
        before = await reader.rows("SELECT count(*) FROM t")
        async with database.transaction() as tx:
            await tx.many("INSERT INTO t VALUES (?, ?)", [(1, "x")])
        assert await reader.rows("SELECT count(*) FROM t") == before
    assert await count(database) == 1


async def test_writers_take_turns(database: Database) -> None:
    async def write(key: int) -> None:
        async with database.transaction() as tx:
            ((before,),) = await tx.rows("SELECT count(*) FROM t")
            await asyncio.sleep(0)
            await tx.many("INSERT INTO t VALUES (?, ?)", [(key, str(before))])

    await asyncio.gather(*(write(key) for key in range(20)))
    async with database.reading() as tx:
        seen = await tx.rows("SELECT b FROM t ORDER BY CAST(b AS INTEGER)")
    assert [int(text) for (text,) in seen] == list(range(20))


@pytest.mark.parametrize("turns", range(12))
async def test_a_cancelled_transaction_leaves_nothing_and_blocks_nobody(
    database: Database, turns: int
) -> None:
    async def write() -> None:
        async with database.transaction() as tx:
            await tx.many("INSERT INTO t VALUES (?, ?)", [(1, "x")])
            await tx.rows("SELECT 1")
            raise ZeroDivisionError

    task = asyncio.create_task(write())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises((asyncio.CancelledError, ZeroDivisionError)):
        await task
    async with database.transaction() as tx:
        await tx.many("INSERT INTO t VALUES (?, ?)", [(2, "y")])
    assert await count(database) == 1


async def test_statements_are_counted(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.many("INSERT INTO t VALUES (?, ?)", [(key, "") for key in range(500)])
        await tx.many("INSERT INTO t VALUES (?, ?)", [])
        await tx.rows("SELECT 1")
        assert tx.statements == 2


@pytest.mark.parametrize(
    "url", ["postgresql://x", "sqlite:///no/such/folder/a.sqlite", "a.sqlite"]
)
async def test_a_database_that_cannot_be_opened_is_said_to_be_so(url: str) -> None:
    with pytest.raises(Unavailable):
        await Database.open(url)


async def test_migrations_run_once_in_order(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/m.sqlite")
    names = await migrate(database)
    assert names == [migration.name for migration in migrations()]
    assert names == sorted(names)
    assert await migrate(database) == []
    await database.close()


async def test_a_database_of_another_release_is_refused(tmp_path: Path) -> None:
    database = await Database.open(f"sqlite:///{tmp_path}/m.sqlite")
    await migrate(database)
    async with database.transaction() as tx:
        await tx.rows("INSERT INTO migrations VALUES (9999, '9999_later.sql', '00')")
    with pytest.raises(Unavailable, match="9999_later"):
        await migrate(database)
    await database.close()


def test_a_trigger_is_one_statement() -> None:
    sql = "CREATE TABLE a (\n  x INT -- why\n);\nCREATE TRIGGER t\nBEGIN\n  SELECT 1;\n  SELECT 2;\nEND;\n"
    assert [text.split()[1] for text in statements(sql)] == ["TABLE", "TRIGGER"]


def test_a_statement_without_an_end_is_refused() -> None:
    with pytest.raises(ValueError, match="semicolon"):
        statements("CREATE TABLE a (\n  x INT\n)")


WRITER = """
import asyncio, sys
from meterseal_aggregator.storage.database import Database

async def main(path):
    database = await Database.open(f"sqlite:///{path}")
    async with database.transaction() as tx:
        await tx.rows("CREATE TABLE IF NOT EXISTS t (a INTEGER PRIMARY KEY)")
    for key in range(10**9):
        async with database.transaction() as tx:
            await tx.many("INSERT INTO t VALUES (?)", [(2 * key,), (2 * key + 1,)])
        print(2 * key + 1, flush=True)

asyncio.run(main(sys.argv[1]))
"""


def test_what_was_committed_survives_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "k.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    acknowledged = [int(writer.stdout.readline()) for _ in range(25)][-1]
    os.kill(writer.pid, signal.SIGKILL)
    writer.wait()
    writer.stdout.close()
    with sqlite3.connect(path) as connection:
        (kept, highest) = connection.execute(
            "SELECT count(*), max(a) FROM t"
        ).fetchone()
    connection.close()
    assert highest >= acknowledged
    assert kept == highest + 1, "each transaction is there whole"
