"""The database and its transactions: one writer, many readers, nothing lost on power cuts.

SQLite runs with WAL and synchronous=FULL, asserted at every start: the DELETE default
and NORMAL both lose committed rows on a power cut. One connection writes, under a lock,
and also checkpoints; readers have connections that cannot write. Whoever opens a
transaction commits it; a store function only takes it. This module must never hold a
rule about what is written.

A statement of its own costs a wait for the driver's thread, most of its time; a store
function that has several and is called often runs them together:

    async def move(tx: Transaction, ...) -> Result:
        return await tx.run(lambda statements: _move(statements, ...))
"""

import asyncio
import os
import sqlite3
import stat
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final, Self, TypeVar

from meterseal_aggregator.storage.driver import Driver
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

_READ: Final = "BEGIN"
_WRITE: Final = "BEGIN IMMEDIATE"
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
T = TypeVar("T")


@dataclass(slots=True)
class Statements:
    """Statements of an open transaction, run at once: for `Transaction.run` alone."""

    connection: sqlite3.Connection
    ran: int = field(default=0)

    def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement of `?` parameters over many rows: the hot path of a batch."""
        if rows:
            self.ran += 1
            self.connection.executemany(sql, rows)

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with `?` parameters; returns its rows, or none for a write."""
        self.ran += 1
        return self.connection.execute(sql, params).fetchall()


@dataclass(slots=True)
class Transaction:
    """An open transaction, which begins with its first statement.

    `statements` counts what ran, so that tests can hold a room to it.
    """

    driver: Driver
    begin: str
    statements: int = field(default=0)
    begun: bool = field(default=False)
    given_up: bool = field(default=False)

    async def run(self, work: Callable[[Statements], T]) -> T:
        """Run a function of statements in one wait; returns what it returns or raises.

        It runs in the driver's thread: whole, even if the task is cancelled meanwhile,
        and must touch nothing that somebody else changes. Raises Unavailable when
        another process keeps the file locked.
        """
        return await self.driver.run(lambda connection: _do(self, work, connection))

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """See Statements."""
        if rows:
            await self.run(lambda statements: statements.many(sql, rows))

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """See Statements."""
        return await self.run(lambda statements: statements.rows(sql, params))

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

    def __init__(self, writer: Driver, readers: list[Driver]) -> None:
        self._writer = writer
        self._lock = asyncio.Lock()
        self._all = [writer, *readers]
        self._readers: asyncio.Queue[Driver] = asyncio.Queue()
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
        opened: list[Driver] = []
        try:
            opened.append(_driver(f"file:{_quoted(path)}"))
            await opened[0].run(_begin_writing)
            for _ in range(READERS):
                opened.append(_driver(f"file:{_quoted(path)}?mode=ro"))
                await opened[-1].run(_begin_reading)
        except (sqlite3.Error, Unavailable) as error:
            for driver in opened:
                await driver.close()
            raise Unavailable(f"cannot open {path}: {error}") from error
        return cls(opened[0], opened[1:])

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one writing transaction: committed at the end, rolled back on an exception.

        Its first statement raises Unavailable when another process keeps the file locked.
        """
        async with self._lock, _transaction(self._writer, _WRITE) as tx:
            yield tx

    @property
    def waits(self) -> int:
        """How often anybody has waited for the writer, so that tests can hold a room to it."""
        return self._writer.waits

    async def at_once(self, work: Callable[[Statements], T]) -> T:
        """Run one function as a writing transaction of its own, in one wait for all of it.

        Committed when it returns, rolled back when it raises or when the task was
        cancelled before the commit. Raises Unavailable as `transaction` does.
        """
        async with self._lock:
            tx = Transaction(self._writer, _WRITE)
            try:
                return await self._writer.run(
                    lambda connection: _do_alone(tx, work, connection)
                )
            except asyncio.CancelledError:
                tx.given_up = True
                raise

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        """Open a transaction that sees the moment of its first statement and cannot write."""
        driver = await self._readers.get()
        try:
            async with _transaction(driver, _READ) as tx:
                yield tx
        finally:
            self._readers.put_nowait(driver)

    async def scrub(self) -> bool:
        """Write the file anew, so that nothing of what was deleted or changed is left in it.

        Its log is emptied before and after. False where a reader was in the way of that:
        then some of it may still stand in the log, and it is done again later. Nobody
        writes meanwhile; it takes as long as copying the file twice.
        """
        async with self._lock:
            return await self._writer.run(_scrub)

    async def close(self) -> None:
        """Close every connection."""
        for driver in self._all:
            await driver.close()


@asynccontextmanager
async def _transaction(driver: Driver, begin: str) -> AsyncIterator[Transaction]:
    """Run a transaction on a connection; nobody else uses it meanwhile.

    A cancelled task still rolls back, or commits whole: what a driver was given is done,
    and the connection goes to the next one clean.
    """
    tx = Transaction(driver, begin)
    try:
        yield tx
    except BaseException:
        await driver.run(_roll_back)
        raise
    await driver.run(lambda connection: _commit(tx, connection))


def _driver(uri: str) -> Driver:
    return Driver(uri, statements_kept=STATEMENTS_KEPT)


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


# From here on everything runs in the driver's thread.
def _do(
    tx: Transaction, work: Callable[[Statements], T], connection: sqlite3.Connection
) -> T:
    if not tx.begun:
        try:
            connection.execute(tx.begin)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database is busy: {error}") from error
        tx.begun = True
    elif not connection.in_transaction:
        # A full disk ends a transaction by itself; the rest must not stand alone.
        raise Unavailable("the database gave this transaction up; begin it again")
    statements = Statements(connection)
    try:
        return work(statements)
    finally:
        tx.statements += statements.ran


def _do_alone(
    tx: Transaction, work: Callable[[Statements], T], connection: sqlite3.Connection
) -> T:
    try:
        done = _do(tx, work, connection)
    except BaseException:
        _roll_back(connection)
        raise
    if tx.given_up:
        _roll_back(connection)
    else:
        _commit(tx, connection)
    return done


def _commit(tx: Transaction, connection: sqlite3.Connection) -> None:
    if not tx.begun:
        return
    try:
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        _roll_back(connection)
        raise Unavailable(f"the database did not commit: {error}") from error


def _roll_back(connection: sqlite3.Connection) -> None:
    # What was cancelled may have begun or not: only SQLite itself can tell.
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def _scrub(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise Unavailable(f"the database is busy: {error}") from error
    return not busy


def _begin_writing(connection: sqlite3.Connection) -> None:
    for pragma in _WRITER:
        connection.execute(pragma)
    ((mode,),) = connection.execute("PRAGMA journal_mode")
    ((level,),) = connection.execute("PRAGMA synchronous")
    if mode != "wal" or level != 2:
        raise Unavailable(
            f"journal_mode={mode}, synchronous={level}; WAL and FULL needed"
        )


def _begin_reading(connection: sqlite3.Connection) -> None:
    for pragma in _READER:
        connection.execute(pragma)
