"""The database in memory and in this thread: SQL as it is, without a disk to wait for.

For simulations that run thousands of histories one after another. Nothing here survives
the process, and two transactions at once would be one: whoever wants durability or
readers beside a writer opens the real one.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Self

from tests.support.mortal import MortalDatabase


class QuickConnection:
    """What the database asks of its driver, done at once."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=512
        )
        self._connection.execute("PRAGMA foreign_keys=ON")

    async def execute(self, sql: str, params: Sequence[Any] = ()) -> None:
        self._connection.execute(sql, params)

    async def executemany(self, sql: str, rows: Iterable[Sequence[Any]]) -> None:
        self._connection.executemany(sql, rows)

    async def execute_fetchall(
        self, sql: str, params: Sequence[Any] = ()
    ) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql, params).fetchall()

    async def close(self) -> None:
        self._connection.close()


class QuickDatabase(MortalDatabase):
    """The database, each transaction of which may be the last."""

    @classmethod
    async def in_memory(cls) -> Self:
        """Open one of its own."""
        connection = QuickConnection()
        # It answers like the driver's, as far as a transaction asks.
        return cls(connection, [connection])  # type: ignore[arg-type, list-item]
