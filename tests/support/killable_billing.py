"""Billing in a process of its own that kills itself (SIGKILL) at the step it is told.

    python killable_billing.py

reads lines `DATABASE STEP NOW` and forks for each: the child bills who is due, and corrects
what is known otherwise, until there is nothing to do; see `killable_clearing` for steps and
answers.
"""

import sys
from functools import partial

from meterseal_aggregator.billing.statements import affected, duty
from meterseal_aggregator.jobs import until_idle
from tests.support.forkedlives import Deadly, fork
from tests.support.killable_clearing import DoomedDatabase

NETWORK = bytes(range(32))


async def bill(path: str, now: int, left: int | None) -> int:
    """Bill and correct until there is nothing to do, or the end comes; returns the steps."""
    fuse = DoomedDatabase.fuse = Deadly()
    fuse.left = left
    database = await DoomedDatabase.open(f"sqlite:///{path}")
    await until_idle(lambda: duty.run_once(database, NETWORK, now))
    await until_idle(lambda: affected.run_once(database, NETWORK, now))
    await database.close()
    return fuse.burnt


if __name__ == "__main__":
    for line in sys.stdin:
        database_path, at, second = line.split()
        ended = fork(at, partial(bill, database_path, int(second)))
        print(ended, flush=True)
