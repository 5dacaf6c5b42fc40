"""The database and its transactions: one writer, many readers, nothing lost on power cuts.

SQLite runs with WAL and synchronous=FULL, asserted at every start: the DELETE default
and NORMAL both lose committed rows on a power cut. One connection writes, under a lock,
and also checkpoints; readers have connections that cannot write. Whoever opens a
transaction commits it; a store function only takes it. This module must never hold a
rule about what is written.
"""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self

import aiosqlite

from meterseal_proto.errors import Unavailable

BUSY_TIMEOUT_S: Final = 10
"""How long a statement waits for another process (a backup, `audit`) before giving up."""
READERS: Final = 4
"""Read connections kept: as many pages as two cores can answer at once, twice over."""
WAL_CHECKPOINT_PAGES: Final = 4_000
"""16 MiB of log between checkpoints: few enough to restart fast, enough to batch fsyncs."""
SQLITE_MAX_VARIABLES: Final = 30_000
"""Parameters one statement may bind; SQLite's own limit is 32,766."""
STATEMENTS_KEPT: Final = 512
"""Prepared statements a connection keeps: more than all rooms have together."""

_MODE: Final = 0o600
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_READER: Final = (f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}",)
_WRITER: Final = (
    *_READER,
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    f"PRAGMA wal_autocheckpoint={WAL_CHECKPOINT_PAGES}",
)

# What SQLite gives back has no static type; each store function names its columns.
Row = tuple[Any, ...]


@dataclass(slots=True)
class Transaction:
    """An open transaction. `statements` counts what ran, so tests can hold a room to it."""

    connection: aiosqlite.Connection
    statements: int = field(default=0)

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement of `?` parameters over many rows: the hot path of a batch."""
        if rows:
            self.statements += 1
            await self.connection.executemany(sql, rows)

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with `?` parameters; returns its rows, or none for a write."""
        self.statements += 1
        found = await self.connection.execute_fetchall(sql, params)
        return list(found)  # type: ignore[arg-type] # tuples: no row factory is set

    async def rows_of_pairs(
        self, sql: str, pairs: Sequence[tuple[int, int]]
    ) -> list[Row]:
        """Run a statement over `VALUES {pairs}`, as many at a time as it may bind."""
        found: list[Row] = []
        most = SQLITE_MAX_VARIABLES // 2
        for at in range(0, len(pairs), most):
            page = pairs[at : at + most]
            marks = ", ".join(["(?, ?)"] * len(page))
            params = [value for pair in page for value in pair]
            found += await self.rows(sql.format(pairs=marks), params)
        return found


class Database:
    """The aggregator's database; make it with `Database.open`, end it with `close`."""

    def __init__(
        self, writer: aiosqlite.Connection, readers: list[aiosqlite.Connection]
    ) -> None:
        self._writer = writer
        self._lock = asyncio.Lock()
        self._all = [writer, *readers]
        self._readers: asyncio.Queue[aiosqlite.Connection] = asyncio.Queue()
        for reader in readers:
            self._readers.put_nowait(reader)

    @classmethod
    async def open(cls, url: str) -> Self:
        """Open `sqlite:///path` and assert that it is durable.

        Raises Unavailable when the file cannot be opened or will not keep its promises.
        """
        if not url.startswith("sqlite:///"):
            raise Unavailable(
                f"{url}: write sqlite:///PATH; no other database is supported yet"
            )
        path = url.removeprefix("sqlite:///")
        _keep_to_ourselves(path)
        opened: list[aiosqlite.Connection] = []
        try:
            opened.append(await _connect(f"file:{_quoted(path)}", _WRITER))
            await _assert_durable(opened[0])
            for _ in range(READERS):
                opened.append(await _connect(f"file:{_quoted(path)}?mode=ro", _READER))
        except (sqlite3.Error, Unavailable) as error:
            for connection in opened:
                await connection.close()
            raise Unavailable(f"cannot open {path}: {error}") from error
        return cls(opened[0], opened[1:])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction: committed at the end, rolled back on an exception.

        Raises Unavailable when another process keeps the file locked.
        """
        async with self._lock, _begun(self._writer, "BEGIN IMMEDIATE") as tx:
            yield tx

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Open a transaction that sees one moment and cannot write."""
        connection = await self._readers.get()
        try:
            async with _begun(connection, "BEGIN") as tx:
                yield tx
        finally:
            self._readers.put_nowait(connection)

    async def close(self) -> None:
        """Close every connection."""
        for connection in self._all:
            await connection.close()


@asynccontextmanager
async def _begun(
    connection: aiosqlite.Connection, begin: str
) -> AsyncIterator[Transaction]:
    """Run a transaction on a connection; nobody else uses it meanwhile.

    A cancelled task still rolls back: the connection goes to the next one clean.
    """
    try:
        await connection.execute(begin)
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the database is busy: {error}") from error
    except asyncio.CancelledError:
        await asyncio.shield(_roll_back(connection))
        raise
    try:
        yield Transaction(connection)
    except BaseException:
        await asyncio.shield(_roll_back(connection))
        raise
    await asyncio.shield(_commit(connection))


async def _commit(connection: aiosqlite.Connection) -> None:
    try:
        await connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        await _roll_back(connection)
        raise Unavailable(f"the database did not commit: {error}") from error


async def _roll_back(connection: aiosqlite.Connection) -> None:
    # A cancelled statement may still run in the driver's thread; this comes after it,
    # so only SQLite itself can tell whether there is anything to roll back.
    with suppress(sqlite3.OperationalError):
        await connection.execute("ROLLBACK")


async def _connect(uri: str, pragmas: Sequence[str]) -> aiosqlite.Connection:
    # isolation_level None: the driver would begin transactions by itself, late and deferred.
    connection = await aiosqlite.connect(
        uri, uri=True, isolation_level=None, cached_statements=STATEMENTS_KEPT
    )
    for pragma in pragmas:
        await connection.execute(pragma)
    return connection


def _keep_to_ourselves(path: str) -> None:
    """Make the file if need be, and close it and its log to everybody else.

    SQLite gives its log files the mode of the database; an older one may have another.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
        for name in (path, f"{path}-wal", f"{path}-shm"):
            with suppress(FileNotFoundError):
                if os.stat(name).st_mode & _OTHERS:
                    os.chmod(name, _MODE)
    except OSError as error:
        raise Unavailable(f"cannot open {path}: {error.strerror}") from error


def _quoted(path: str) -> str:
    """Escape what a `file:` URI would read as its own punctuation."""
    return path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")


async def _assert_durable(connection: aiosqlite.Connection) -> None:
    ((mode,),) = await connection.execute_fetchall("PRAGMA journal_mode")
    ((level,),) = await connection.execute_fetchall("PRAGMA synchronous")
    if mode != "wal" or level != 2:
        raise Unavailable(
            f"journal_mode={mode}, synchronous={level}; WAL and FULL needed"
        )
