"""Billing in a process of its own that kills itself (SIGKILL) at the step it is told.

    python killable_billing.py

reads lines `DATABASE STEP NOW` and forks for each: the child bills who is due, and corrects
what is known otherwise, until there is nothing to do; see `killable_clearing` for steps and
answers.
"""

import asyncio
import os
import signal
import sys

from meterseal_aggregator.billing.statements import affected, duty
from meterseal_aggregator.jobs import until_idle
from tests.support.killable_clearing import Deadly, DoomedDatabase

NETWORK = bytes(range(32))


async def bill(path: str, left: int | None, now: int) -> int:
    """Bill and correct until there is nothing to do, or the end comes; returns the steps."""
    fuse = DoomedDatabase.fuse = Deadly()
    fuse.left = left
    database = await DoomedDatabase.open(f"sqlite:///{path}")
    await until_idle(lambda: duty.run_once(database, NETWORK, now))
    await until_idle(lambda: affected.run_once(database, NETWORK, now))
    await database.close()
    return fuse.burnt


def fork(path: str, step: str, now: int) -> str:
    """Bill in a process of its own; returns how it ended."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        # Whatever goes wrong, no thread of the database's keeps the process.
        try:
            left = None if step == "never" else int(step)
            steps = asyncio.run(bill(path, left, now))
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
