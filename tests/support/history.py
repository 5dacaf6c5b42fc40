"""What every history of random happenings stands on: its database, its chance, its keys.

    database = await HistoryDatabase.fresh()
    database.fuse.left = 7             # the power goes at the eighth statement

`tradingdays` and `billingyears` live through theirs on it.
"""

import sqlite3
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar, TypeVar

from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.driver import Work
from meterseal_aggregator.storage.migrate import migrate
from tests.support.mortal import Fuse, MortalDatabase, PowerCut

T = TypeVar("T")
Deed = Callable[[Transaction], Awaitable[T]]

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

    longest_cut: ClassVar[int] = 40
    """Statements after which the power goes at the latest."""
    database: HistoryDatabase
    chance: Random
    cuts: float
    """How often the power is cut, of all that is done."""
    count: int = field(default=0, init=False)
    """Of the keys that were used."""
    met: Counter[tuple[str, str]] = field(default_factory=Counter, init=False)
    """How often each kind of step ended how."""

    async def in_one(self, deed: Deed[T]) -> T:
        """Do it in one transaction, with no power cut."""
        async with self.database.transaction() as tx:
            return await deed(tx)

    async def through(self, kind: str, act: Callable[[], Awaitable[T]]) -> T:
        """Do it, now and then with the power cut, and then again."""
        fuse = self.database.fuse
        cut = self.chance.randrange(self.longest_cut)
        fuse.left = cut if self.chance.random() < self.cuts else None
        try:
            return await act()
        except PowerCut:
            self.met["cut", kind] += 1
            self.database.begin_again()
            return await act()
        finally:
            fuse.left = None

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
