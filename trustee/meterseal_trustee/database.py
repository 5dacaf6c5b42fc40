"""The trustee's database: one connection, one transaction at a time, nothing lost or changed.

SQLite with WAL and synchronous=FULL, asserted at every start: what a transaction returned
survives a power cut. One connection is enough: a trustee is asked a few times a day. The
schema is in numbered files, each run once. This module must never hold a rule.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from importlib import resources
from pathlib import Path
from typing import Any, Final, Self

import aiosqlite

from meterseal_proto.errors import Unavailable

BUSY_TIMEOUT_S: Final = 10
"""How long a statement waits for another process (a backup, `audit`) before giving up."""
_MODE: Final = 0o600
_PRAGMAS: Final = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_S * 1000}",
    "PRAGMA journal_mode=WAL",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
)

# What SQLite gives back has no static type; each store function names its columns.
Row = tuple[Any, ...]


class Transaction:
    """An open transaction; whoever opened it commits it."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def rows(self, sql: str, params: Sequence[Any] = ()) -> list[Row]:
        """Run a statement with `?` parameters; returns its rows, or none for a write."""
        found = await self._connection.execute_fetchall(sql, params)
        return list(found)  # type: ignore[arg-type] # tuples: no row factory is set

    async def many(self, sql: str, rows: Sequence[Sequence[Any]]) -> None:
        """Run one statement over many rows."""
        await self._connection.executemany(sql, rows)


class Database:
    """The open database; make it with `Database.open`, end it with `close`."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection
        self._lock = asyncio.Lock()

    @classmethod
    async def open(cls, path: Path) -> Self:
        """Open the file, make its tables where they are missing, assert that it is durable.

        Raises Unavailable when the file cannot be opened or will not keep its promises.
        """
        connection = None
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, _MODE))
            # Without an isolation level the driver begins no transaction by itself.
            connection = await aiosqlite.connect(path, isolation_level=None)
            for pragma in _PRAGMAS:
                await connection.execute(pragma)
            await _assert_durable(connection)
            database = cls(connection)
            await database._migrate()
        except (OSError, sqlite3.Error, Unavailable) as error:
            if connection is not None:
                await connection.close()
            raise Unavailable(f"cannot open {path}: {error}") from error
        return database

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open the one transaction: durable when this returns, undone on an exception."""
        async with self._lock:
            try:
                await self._connection.execute("BEGIN IMMEDIATE")
                yield Transaction(self._connection)
                # A commit that was begun ends, even when nobody waits for it any more.
                await asyncio.shield(self._connection.execute("COMMIT"))
            except sqlite3.OperationalError as error:
                await asyncio.shield(self._undo())
                raise Unavailable(f"the database did not commit: {error}") from error
            except BaseException:
                await asyncio.shield(self._undo())
                raise

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()

    async def _undo(self) -> None:
        with suppress(
            sqlite3.OperationalError
        ):  # nothing was begun, or it is committed
            await self._connection.execute("ROLLBACK")

    async def _migrate(self) -> None:
        """Run the numbered files this database lacks, all in one transaction."""
        folder = resources.files("meterseal_trustee") / "migrations"
        files = sorted((f.name, f) for f in folder.iterdir() if f.name.endswith(".sql"))
        async with self.transaction() as tx:
            ((done,),) = await tx.rows("PRAGMA user_version")
            if done > len(files):
                raise Unavailable("a later release made it; install that one")
            for _, file in files[done:]:
                for statement in _statements(file.read_text("utf-8")):
                    await tx.rows(statement)
            await tx.rows(f"PRAGMA user_version={len(files)}")


def _statements(sql: str) -> list[str]:
    """Split a file: a statement ends with a line that is not indented and ends with `;`."""
    found: list[str] = []
    lines: list[str] = []
    for line in sql.splitlines():
        bare = line.split("--")[0].rstrip()
        lines.append(bare)
        if bare.endswith(";") and not bare.startswith(" "):
            found.append("\n".join(lines))
            lines = []
    return found


async def _assert_durable(connection: aiosqlite.Connection) -> None:
    ((mode,),) = await connection.execute_fetchall("PRAGMA journal_mode")
    ((level,),) = await connection.execute_fetchall("PRAGMA synchronous")
    if mode != "wal" or level != 2:
        raise Unavailable(
            f"journal_mode={mode}, synchronous={level}; WAL and FULL needed"
        )
