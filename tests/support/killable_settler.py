"""Settlement in processes that kill themselves (SIGKILL) after so many waits for the disk.

    python killable_settler.py BEFORE NOW COUNT...

For each COUNT the file BEFORE is copied to BEFORE.COUNT and a forked process settles there
until it has waited so often. One line a life: the count and how it ended, `killed` or `N`,
the number of waits it took to live.
"""

import asyncio
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.market.settlement import duty
from meterseal_aggregator.storage.database import Database, Statements, Transaction
from tests.support.marketplace import REAL

T = TypeVar("T")
_WAITED = [0]


def limit(count: int) -> None:
    """Let this process die before it waits for the database once more than `count` times."""
    run = Transaction.run

    async def mortal(self: Transaction, work: Callable[[Statements], T]) -> T:
        if _WAITED[0] == count:
            os.kill(os.getpid(), signal.SIGKILL)
        _WAITED[0] += 1
        return await run(self, work)

    Transaction.run = mortal  # type: ignore[method-assign] # this process is made to die


async def settle(path: Path, now: int) -> None:
    """Settle until nothing is left to do."""
    database = await Database.open(f"sqlite:///{path}")
    await until_idle(lambda: duty.run_once(database, REAL, now))
    await database.close()


def live(before: Path, now: int, count: int) -> str:
    """Live once, in a process of its own; returns how it ended."""
    path = before.with_name(f"{before.name}.{count}")
    shutil.copy(before, path)
    read, write = os.pipe()
    child = os.fork()
    if not child:
        limit(count)
        asyncio.run(settle(path, now))
        os.write(write, str(_WAITED[0]).encode())
        os._exit(0)
    os.close(write)
    _, status = os.waitpid(child, 0)
    with os.fdopen(read) as said:
        told = said.read()
    return told if os.WIFEXITED(status) else "killed"


def main() -> None:
    """Live as often as there are counts."""
    before, now = Path(sys.argv[1]), int(sys.argv[2])
    for count in map(int, sys.argv[3:]):
        print(count, live(before, now, count), flush=True)


if __name__ == "__main__":
    main()
