"""The database in memory and in this thread: SQL as it is, without a disk to wait for.

For simulations that run thousands of histories one after another. Nothing here survives
the process, and two transactions at once would be one: whoever wants durability or
readers beside a writer opens the real one.
"""

import sqlite3
from typing import Self

from meterseal_aggregator.storage.driver import T, Work
from tests.support.mortal import MortalDatabase


class QuickDriver:
    """What the database asks of its driver, done at once."""

    def __init__(self) -> None:
        self._connection = sqlite3.connect(
            ":memory:", isolation_level=None, cached_statements=512
        )
        self._connection.execute("PRAGMA foreign_keys=ON")

    async def run(self, work: Work[T]) -> T:
        return work(self._connection)

    async def close(self) -> None:
        self._connection.close()


class QuickDatabase(MortalDatabase):
    """The database, each transaction of which may be the last."""

    @classmethod
    async def in_memory(cls) -> Self:
        """Open one of its own."""
        driver = QuickDriver()
        # It answers like the driver's, as far as a transaction asks.
        return cls(driver, [driver])  # type: ignore[arg-type, list-item]
