"""The clearing in a process of its own that kills itself (SIGKILL) at the step it is told.

    python killable_clearing.py

reads lines `DATABASE STEP NOW` and forks for each: the child clears until there is nothing
to clear and says `done STEPS`, unless STEP comes first: then it kills itself, and its parent
says `killed`. A step is each wait for the database in a writing transaction, and the moments
before and after its commit. With the last line it ends.
"""

import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.storage.database import (
    Database,
    Statements,
    T,
    Transaction,
)
from tests.support.forkedlives import Deadly, fork
from tests.support.marketplace import DEMO
from tests.support.mortal import Fuse


@dataclass(slots=True)
class DoomedTransaction(Transaction):
    """A transaction, each wait of which may be the last."""

    inner: Transaction | None = None
    fuse: Fuse | None = None

    async def run(self, work: Callable[[Statements], T]) -> T:
        """See Transaction."""
        assert self.inner is not None
        assert self.fuse is not None
        self.fuse.step()
        return await self.inner.run(work)


class DoomedDatabase(Database):
    """A database whose process may end at any step of a writing transaction."""

    fuse: Fuse

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """See Database."""
        async with super().transaction() as tx:
            yield DoomedTransaction(tx.driver, tx.begin, inner=tx, fuse=self.fuse)
            self.fuse.step()
        self.fuse.step()


async def clear(path: str, now: int, left: int | None) -> int:
    """Clear until there is nothing to clear, or the end comes; returns the steps taken."""
    fuse = DoomedDatabase.fuse = Deadly()
    fuse.left = left
    database = await DoomedDatabase.open(f"sqlite:///{path}")
    await until_idle(lambda: run_once(database, DEMO, now))
    await database.close()
    return fuse.burnt


if __name__ == "__main__":
    for line in sys.stdin:
        database_path, at, second = line.split()
        ended = fork(at, partial(clear, database_path, int(second)))
        print(ended, flush=True)
