"""One supply's next bill, asked for by a person: shown without writing, or issued at once.

    draft = await preview(tx, network, supply, now=now)
    bill = await issue_one(tx, network, supply, begin, now=now, actor="token:ab12")

A preview of a cycle that is not over goes to the last midnight that is final: usage is
packed by local days. This module must never
issue before the cycle is over: who moves out has his supply ended instead.
"""

import asyncio
from dataclasses import replace
from datetime import datetime, time

from meterseal_aggregator.billing.model import BillRow, Cause, Refused
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.draft import Draft, Moment, drafted
from meterseal_aggregator.billing.statements.due import ask_of, final_second, not_over
from meterseal_aggregator.billing.statements.gather import Ask, cycle_around, gather
from meterseal_aggregator.billing.statements.issue import issue
from meterseal_aggregator.billing.supplies.model import NotSupplied, Supply
from meterseal_aggregator.billing.supplies.store import supply as supply_row
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.parameters.zone import second_of, zone_of
from meterseal_aggregator.storage.database import Transaction


async def preview(
    tx: Transaction, network: bytes, supply_id: int, *, now: int
) -> Draft:
    """Return a supply's next bill as it would be, and write nothing; raises Refused."""
    supply = await _supply(tx, supply_id)
    cycle = await cycle_around(tx, supply, supply.billed_to)
    ask = ask_of(supply, cycle)
    final = await final_second(tx, now)
    if ask.end > final:
        where = zone_of(await text_at(tx, Name.ZONE, now))
        today = datetime.fromtimestamp(final, where).date()
        ask = replace(ask, end=second_of(today, time(0), where))
    return await _draft(tx, ask, cycle, Moment.of(network, now))


async def issue_one(
    tx: Transaction, moment: Moment, supply_id: int, begin: int, *, actor: str
) -> BillRow:
    """Issue a supply's bill from a second on; asked again, answer the bill there is.

    Raises Refused: BILLED where no bill begins there, NOT_DUE before its cycle is over.
    """
    supply = await _supply(tx, supply_id)
    if begin < supply.billed_to:
        return await _issued(tx, supply, begin)
    if begin != supply.billed_to or begin == supply.to_at:
        raise _no_such(supply, begin)
    cycle = await cycle_around(tx, supply, begin)
    ask = ask_of(supply, cycle)
    if ask.end > await final_second(tx, moment.issued_at):
        raise not_over(supply)
    draft = await _draft(tx, ask, cycle, moment)
    (bill,) = await issue(tx, [draft], moment, actor=actor)
    return bill


async def _draft(
    tx: Transaction, ask: Ask, cycle: tuple[int, int], moment: Moment
) -> Draft:
    if ask.begin >= ask.end:
        raise not_over(ask.supply)
    batch = await gather(tx, [ask], cycle, moment)
    for wait in batch.waits:
        raise wait.refused
    # Beside the loop: a tariff of many calendars takes seconds.
    made = await asyncio.to_thread(drafted, batch.wishes[0], moment)
    if isinstance(made, Refused):
        raise made
    return made


async def _issued(tx: Transaction, supply: Supply, begin: int) -> BillRow:
    """Return the bill in force that begins there."""
    found = await store.bills_where(
        tx,
        "b.supply_id = ? AND b.from_at = ? AND b.kind = 'bill' AND NOT EXISTS"
        " (SELECT 1 FROM bills c WHERE c.corrects_id = b.id)",
        (supply.id, begin),
        limit=1,
    )
    if not found:
        raise _no_such(supply, begin)
    return found[0]


def _no_such(supply: Supply, begin: int) -> Refused:
    return Refused(
        Cause.BILLED,
        f"supply {supply.id} is billed to {supply.billed_to}: no bill begins at {begin}",
    )


async def _supply(tx: Transaction, supply_id: int) -> Supply:
    try:
        return await supply_row(tx, supply_id)
    except NotSupplied as error:
        raise Refused(Cause.UNKNOWN, error.detail) from None
