"""What every history of random happenings stands on: its database, its chance, its keys.

    database = await HistoryDatabase.fresh()
    database.fuse.left = 7             # the power goes at the eighth statement

`tradingdays` and `billingyears` live through theirs on it.
"""

import sqlite3
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from meterseal_aggregator.storage.database import Row
from meterseal_aggregator.storage.driver import Work
from meterseal_aggregator.storage.migrate import migrate
from tests.support.mortal import Fuse, MortalDatabase

T = TypeVar("T")

_EMPTY: list[bytes] = []


class _Driver:
    """The database in memory, where each statement may be the last."""

    def __init__(self) -> None:
        self.connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=512
        )
        if _EMPTY:
            self.connection.deserialize(_EMPTY[0])
        self.connection.execute("PRAGMA foreign_keys=ON")
        self.fuse = Fuse()

    async def run(self, work: Work[T]) -> T:
        self.fuse.step()
        return work(self.connection)

    async def close(self) -> None:
        self.connection.close()


class HistoryDatabase(MortalDatabase):
    """A migrated database whose process may end at any statement."""

    memory: _Driver

    @classmethod
    async def fresh(cls) -> "HistoryDatabase":
        """Open an empty one of its own."""
        driver = _Driver()
        # It answers like the driver's, as far as a transaction asks.
        database = cls(driver, [driver])  # type: ignore[arg-type, list-item]
        database.memory, database.fuse = driver, driver.fuse
        if not _EMPTY:
            await migrate(database)
            _EMPTY.append(driver.connection.serialize())
        return database

    def begin_again(self) -> None:
        """Be what the next process finds: nothing of what was not committed."""
        self.fuse.left = None
        if self.memory.connection.in_transaction:
            self.memory.connection.rollback()

    @property
    def changes(self) -> int:
        """Count every row that was ever written."""
        return self.memory.connection.total_changes


@dataclass
class History:
    """A database, and what one seed makes happen to it."""

    database: HistoryDatabase
    chance: Random
    count: int = field(default=0, init=False)
    """Of the keys that were used."""

    async def rows(self, sql: str, *params: object) -> list[Row]:
        """Return rows of the database."""
        async with self.database.reading() as tx:
            return await tx.rows(sql, params)

    async def some(self, sql: str, *params: object) -> Row | None:
        """Return one of the rows, by chance; None where there is none."""
        rows = await self.rows(sql, *params)
        return self.chance.choice(rows) if rows else None

    def key(self) -> str:
        """A key that nobody used."""
        self.count += 1
        return f"key-{self.count}"
