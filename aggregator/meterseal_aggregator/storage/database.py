"""The engine and its transactions: one writer, many readers, nothing lost on power cuts.

SQLite runs with WAL and synchronous=FULL, asserted at every start: the DELETE default
and NORMAL both lose committed rows on a power cut. One connection writes, under a lock,
and also checkpoints; readers have connections that cannot write. Whoever opens a
transaction commits it; a store function only takes it. This module must never hold a
rule about what is written.
"""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final, Self

import aiosqlite
from sqlalchemy import Executable, event
from sqlalchemy.engine import Row
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from meterseal_proto.errors import Unavailable

BUSY_TIMEOUT_S: Final = 10
"""How long a statement waits for another process (a backup, `audit`) before giving up."""
READERS: Final = 4
"""Read connections kept: as many pages as two cores can answer at once, twice over."""
WAL_CHECKPOINT_PAGES: Final = 4_000
"""16 MiB of log between checkpoints: few enough to restart fast, enough to batch fsyncs."""
SQLITE_MAX_VARIABLES: Final = 30_000
"""Parameters one statement may bind; SQLite's own limit is 32,766."""

_PRAGMAS: Final = (
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA wal_autocheckpoint={WAL_CHECKPOINT_PAGES}",
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}",
)


@dataclass(frozen=True, slots=True)
class Transaction:
    """An open transaction. `statements` counts what ran, so tests can hold a room to it."""

    connection: AsyncConnection
    driver: aiosqlite.Connection
    counter: list[int]

    async def execute(
        self,
        statement: Executable,
        params: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    ) -> Sequence[Row[Any]]:
        """Run a SQLAlchemy Core statement; returns its rows, or none for a write."""
        self.counter[0] += 1
        result = await self.connection.execute(statement, params)
        return result.all() if result.returns_rows else ()

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement of `?` parameters over many rows, on the raw driver: the hot path."""
        if rows:
            self.counter[0] += 1
            await self.driver.executemany(sql, rows)

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of a raw select with `?` parameters."""
        self.counter[0] += 1
        return [tuple(row) for row in await self.driver.execute_fetchall(sql, params)]

    @property
    def statements(self) -> int:
        """How many statements ran in this transaction."""
        return self.counter[0]


class Database:
    """The aggregator's database; make it with `Database.open`, end it with `close`."""

    def __init__(self, writer: AsyncEngine, readers: AsyncEngine) -> None:
        self._writer = writer
        self._readers = readers
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open `sqlite:///path` and assert that it is durable.

        Raises Unavailable when the file cannot be opened or will not keep its promises.
        """
        if not url.startswith("sqlite:///"):
            raise Unavailable(f"{url}: write sqlite:///PATH; no other database is supported yet")
        path = url.removeprefix("sqlite:///")
        writer = _engine(f"sqlite+aiosqlite:///{path}", 1, "BEGIN IMMEDIATE")
        readers = _engine(f"sqlite+aiosqlite:///file:{path}?mode=ro&uri=true", READERS, "BEGIN")
        database = cls(writer, readers)
        try:
            async with database.transaction() as tx:
                await _assert_durable(tx)
        except (OperationalError, sqlite3.OperationalError) as error:
            await database.close()
            raise Unavailable(f"cannot open {path}: {error.__cause__ or error}") from error
        return database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction: committed at the end, rolled back on an exception."""
        async with self._lock, self._writer.begin() as connection:
            yield await _transaction(connection)

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Open a transaction that sees one moment and cannot write."""
        async with self._readers.begin() as connection:
            yield await _transaction(connection)

    async def close(self) -> None:
        """Close every connection."""
        await self._readers.dispose()
        await self._writer.dispose()


async def _transaction(connection: AsyncConnection) -> Transaction:
    raw = await connection.get_raw_connection()
    driver = raw.driver_connection
    assert isinstance(driver, aiosqlite.Connection)
    return Transaction(connection, driver, [0])


def _engine(url: str, size: int, begin: str) -> AsyncEngine:
    engine = create_async_engine(url, pool_size=size, max_overflow=0)

    # The driver would begin transactions by itself, late and deferred; we do it.
    @event.listens_for(engine.sync_engine, "connect")
    def configure(connection: Any, _record: Any) -> None:  # SQLAlchemy's adapter types
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in _PRAGMAS if begin == "BEGIN IMMEDIATE" else _PRAGMAS[-1:]:
            cursor.execute(pragma)
        cursor.close()

    @event.listens_for(engine.sync_engine, "begin")
    def start(connection: Any) -> None:  # SQLAlchemy's adapter type
        connection.exec_driver_sql(begin)

    return engine


async def _assert_durable(tx: Transaction) -> None:
    ((mode,),) = await tx.rows("PRAGMA journal_mode")
    ((level,),) = await tx.rows("PRAGMA synchronous")
    if mode != "wal" or level != 2:
        raise Unavailable(f"SQLite keeps journal_mode={mode}, synchronous={level}; WAL and FULL needed")
