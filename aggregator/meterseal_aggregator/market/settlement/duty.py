"""The duty that settles slots: a bounded batch at a time, in one transaction.

    done = await run_once(database, rules, now)       # 0: nothing more to do

First slots that wait for their first metering, then those that a later run looks at again,
then what producers feed in without having sold. A slot that has to wait holds up only
itself. This module must never settle a slot twice in one run.
"""

from collections.abc import Awaitable, Callable
from typing import Final

from meterseal_aggregator.credits.final import final_before
from meterseal_aggregator.identity.events import tell
from meterseal_aggregator.market.settlement import feeding, store
from meterseal_aggregator.market.settlement.batch import settle
from meterseal_aggregator.market.settlement.model import Slot
from meterseal_aggregator.market.settlement.repute import conclude, left_open
from meterseal_aggregator.market.settlement.runs import Run, due_before
from meterseal_aggregator.market.settlement.store import NOWHERE, Clock, Place
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import number_at, text_at
from meterseal_aggregator.storage.database import Database, Transaction

BATCH: Final = 100
"""Slots a transaction: the writer is held for a fraction of a second."""
CREDITS: Final = 500
"""Credits a look for what is fed in."""

_Page = Callable[[Place], Awaitable[list[Slot]]]


async def run_once(database: Database, rules: MarketRules, now: int) -> int:
    """Settle the next batch at Unix second `now`; returns how much was done, 0 for nothing."""
    async with database.transaction() as tx:
        return await run_batch(tx, rules, now)


async def run_batch(tx: Transaction, rules: MarketRules, now: int) -> int:
    """Settle the next batch within an open transaction; raises BooksDiffer."""
    clock = await _clock(tx, rules, now)
    for page in _pages(tx, clock):
        done = await _first_that_goes_on(tx, rules, clock, page)
        if done:
            return done
    return await _feed(tx, rules, clock) or await _close(tx, rules, now)


def _pages(tx: Transaction, clock: Clock) -> list[_Page]:
    async def sold(after: Place) -> list[Slot]:
        return await store.unsettled(tx, clock, after, BATCH)

    async def late(after: Place) -> list[Slot]:
        return await store.again(tx, clock, Run.LAST, after, BATCH)

    async def later(after: Place) -> list[Slot]:
        return await store.again(tx, clock, Run.MONTH, after, BATCH)

    return [sold, late, later]


async def _first_that_goes_on(
    tx: Transaction, rules: MarketRules, clock: Clock, page: _Page
) -> int:
    """Settle the first page in which anything can be: slots in dispute are passed by."""
    after = NOWHERE
    while slots := await page(after):
        done, last = await settle(tx, rules, slots, clock)
        if done:
            return done
        after = (last.start, last.meter_point)
    return 0


async def _feed(tx: Transaction, rules: MarketRules, clock: Clock) -> int:
    found = await feeding.unsold(tx, clock, limit=CREDITS)
    if found.slots:
        await settle(tx, rules, found.slots, clock)
    await feeding.pass_marks(tx, found)
    return len(found.marks)


async def _close(tx: Transaction, rules: MarketRules, now: int) -> int:
    """Close orders whose last open trade was cancelled after the others were settled."""
    left = await left_open(tx, BATCH)
    if left:
        await tell(tx, await conclude(tx, rules.trust, left, now=now), now=now)
    return len(left)


async def _clock(tx: Transaction, rules: MarketRules, now: int) -> Clock:
    zone = await text_at(tx, Name.ZONE, now)
    mock = None
    if rules.mock is not None:
        delay_s = await number_at(tx, Name.FINALITY_DELAY_S, now)
        mock = final_before(now, delay_s, zone)
    return Clock(
        now=now,
        zone=zone,
        month=due_before(Run.MONTH, now, zone),
        last=due_before(Run.LAST, now, zone),
        mock=mock,
    )
