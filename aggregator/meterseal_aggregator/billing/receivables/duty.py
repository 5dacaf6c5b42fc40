"""The duty of receivables: a bounded batch of whatever time has brought, in one transaction.

    done = await run_once(database, now)       # 0: nothing more to do now

What usage drew pays its bill before anything else does; plans are looked at before anything becomes overdue, and bills become overdue before a fee
is charged, so that one run and many come to the same. This module must never do in one run
what the next one would do again.
"""

from meterseal_aggregator.billing.receivables import (
    corrections,
    late,
    plans,
    prepaid,
    rewards,
)
from meterseal_aggregator.storage.database import Database, Transaction


async def run_once(database: Database, now: int) -> int:
    """Do the next batch at Unix second `now`; returns how much was done, 0 for nothing."""
    async with database.transaction() as tx:
        return await run_batch(tx, now=now)


async def run_batch(tx: Transaction, *, now: int) -> int:
    """Do the next batch within an open transaction."""
    return (
        await corrections.follow_up(tx, now=now)
        or await prepaid.settle_bills(tx, now=now)
        or await prepaid.draw(tx, now=now)
        or await plans.look(tx, now=now)
        or await late.mark_overdue(tx, now=now)
        or await late.charge(tx, now=now)
        or await rewards.pay_waiting(tx, now=now)
    )
