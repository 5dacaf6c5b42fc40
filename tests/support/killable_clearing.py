"""The clearing in a process of its own that kills itself (SIGKILL) at the step it is told.

    python killable_clearing.py

reads lines `DATABASE STEP NOW` and forks for each: the child clears until there is nothing
to clear and says `done STEPS`, unless STEP comes first: then it kills itself, and its parent
says `killed`. A step is each wait for the database in a writing transaction, and the moments
before and after its commit. With the last line it ends.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.storage.database import (
    Database,
    Statements,
    T,
    Transaction,
)
from tests.support.marketplace import DEMO
from tests.support.mortal import Fuse


class Deadly(Fuse):
    """Ends the process, where it burns down, as a power cut would."""

    def step(self) -> None:
        """See Fuse."""
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        super().step()


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


async def clear(path: str, left: int | None, now: int) -> int:
    """Clear until there is nothing to clear, or the end comes; returns the steps taken."""
    fuse = DoomedDatabase.fuse = Deadly()
    fuse.left = left
    database = await DoomedDatabase.open(f"sqlite:///{path}")
    await until_idle(lambda: run_once(database, DEMO, now))
    await database.close()
    return fuse.burnt


def fork(path: str, step: str, now: int) -> str:
    """Clear in a process of its own; returns how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        # Whatever goes wrong, no thread of the database's keeps the process.
        try:
            left = None if step == "never" else int(step)
            steps = asyncio.run(clear(path, left, now))
            os.write(writing, b"%d" % steps)
            os._exit(0)
        finally:
            os._exit(1)
    os.close(writing)
    _, status = os.waitpid(child, 0)
    with os.fdopen(reading) as said:
        steps_taken = said.read()
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return "killed"
    return f"done {steps_taken}" if status == 0 else f"failed {status}"


if __name__ == "__main__":
    for line in sys.stdin:
        database_path, at, second = line.split()
        print(fork(database_path, at, int(second)), flush=True)
