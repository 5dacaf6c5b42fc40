"""The duty that corrects: bills that stand on what is known otherwise now.

    done = await run_once(database, network, now)        # 0: nothing is known otherwise

A bill is rated again with its period's tariff when a later version of one of its days is
known, when neighbours' Wh were delivered for one of its slots after it was made, or when the
bill before it leaves something else to it (`touched`). Where the lines are the same, only the
look is noted. This module must never correct a private bill: its device opens anew.
"""

import json
from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.model import BillRow, BillState, Cause, Refused
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.correct import (
    Correction,
    Why,
    replace_all,
)
from meterseal_aggregator.billing.statements.draft import (
    Draft,
    Moment,
    told_by,
)
from meterseal_aggregator.billing.statements.due import supply_of
from meterseal_aggregator.billing.statements.duty import ACTOR, Rater, rate_here
from meterseal_aggregator.billing.statements.gather import (
    Ask,
    Batch,
    Wait,
    cycle_around,
    gather,
    sharing,
)
from meterseal_aggregator.billing.statements.issue import keep_waits
from meterseal_aggregator.billing.statements.touched import (
    Marks,
    Reason,
    pass_marks,
    passed,
    touched,
)
from meterseal_aggregator.billing.statements.write import end_waits
from meterseal_aggregator.storage.database import Database, Transaction

BATCH: Final = 200
"""Bills a transaction: each writes two documents."""
WHYS: Final = {
    Reason.USAGE: Why(ACTOR, "usage is known otherwise"),
    Reason.DELIVERED: Why(ACTOR, "neighbours' Wh were delivered after it was made"),
}
_SUPPLIES: Final = """
SELECT s.id, s.member_id, s.meter_point_id, s.tariff_code, s.rail, s.prepaid, s.from_at,
  s.to_at, s.billed_to
FROM json_each(?) p CROSS JOIN supplies s ON s.id = p.value
"""
_LOOKED: Final = "UPDATE bill_standings SET looked_to = ? WHERE bill_id = ?"


async def run_once(
    database: Database,
    network: bytes,
    now: int,
    limit: int = BATCH,
    *,
    rater: Rater = rate_here,
) -> int:
    """Look at the next bills that are touched at Unix second `now`; returns how many."""
    moment = Moment.of(network, now)
    async with database.reading() as tx:
        named = await touched(tx, moment)
        # One transaction corrects for one reason, which it writes down.
        reason = min(named.values(), default=Reason.USAGE)
        ids = [bill for bill, why in named.items() if why is reason]
        batch, bills = await _prepared(tx, ids[:limit], moment)
        past = None if named else await passed(tx, moment)
    if past is not None:
        return await _pass(database, past)
    if not bills:
        return 0
    found = await rater(batch.wishes, moment)
    async with database.transaction() as tx:
        await _settle(tx, batch, found, bills, moment, WHYS[reason])
    return batch.count


async def _pass(database: Database, past: Marks) -> int:
    """Note how far was looked, and that something was done."""
    async with database.transaction() as tx:
        await pass_marks(tx, past)
    return 1


async def correct_now(
    tx: Transaction, number: str, moment: Moment, why: Why
) -> Correction | None:
    """Rate one bill again as usage is known now; None where its lines stay the same.

    Raises Refused: UNKNOWN, PRIVATE, STATE, and what stands against billing.
    """
    bill = await store.bill(tx, number)
    if bill.private_bill is not None:
        raise Refused(Cause.PRIVATE, "ask the meter's device to open the period anew")
    await _check_in_force(tx, bill)
    batch, bills = await _prepared(tx, [bill.id], moment)
    for wait in batch.waits:
        raise wait.refused
    found = await rate_here(batch.wishes, moment)
    for one in found:
        if isinstance(one, Refused):
            raise one
    made = await _settle(tx, batch, found, bills, moment, why)
    return made[0] if made else None


async def _check_in_force(tx: Transaction, bill: BillRow) -> None:
    standing = (await store.standings(tx, [bill.id])).get(bill.id)
    if standing is None or standing.state is BillState.CORRECTED:
        raise Refused(
            Cause.STATE,
            f"{bill.number} was taken back, or takes one back: correct the bill in its place",
        )


async def _prepared(
    tx: Transaction, ids: Sequence[int], moment: Moment
) -> tuple[Batch, dict[tuple[int, int], BillRow]]:
    """Return what the first of some bills, and all of its tariff and cycle, are made of.

    The bills come by (supply, begin). One that was taken back raises Refused (STATE).
    """
    found = await store.bills_by_id(tx, ids)
    if not found:
        return Batch(), {}
    wanted = json.dumps(sorted({one.supply for one in found.values()}))
    supplies = {row[0]: supply_of(row) for row in await tx.rows(_SUPPLIES, (wanted,))}
    bills = sorted(found.values(), key=lambda one: (one.begin, one.id))
    first = supplies[bills[0].supply]
    code = first.terms.tariff_code
    bills = [one for one in bills if supplies[one.supply].terms.tariff_code == code]
    try:
        cycle = await cycle_around(tx, first, bills[0].begin)
        begins = await sharing(tx, first, cycle, {one.begin for one in bills})
    except Refused as refused:
        wait = Wait(first, bills[0].begin, refused)
        return Batch(waits=(wait,)), {(first.id, bills[0].begin): bills[0]}
    alike = {(one.supply, one.begin): one for one in bills if one.begin in begins}
    asks = [
        Ask(supplies[one.supply], one.begin, one.end, one.number)
        for one in alike.values()
    ]
    return await gather(tx, asks, cycle, moment), alike


async def _settle(
    tx: Transaction,
    batch: Batch,
    found: Sequence[Draft | Refused],
    bills: dict[tuple[int, int], BillRow],
    moment: Moment,
    why: Why,
) -> list[Correction]:
    """Correct what came out otherwise, and note the look at the others."""
    waits, pairs, same = list(batch.waits), [], []
    for wish, draft in zip(batch.wishes, found, strict=True):
        bill = bills[wish.supply.id, wish.begin]
        if isinstance(draft, Refused):
            waits.append(Wait(wish.supply, wish.begin, draft))
        elif _same(draft, bill):
            same.append(bill)
        else:
            pairs.append((bill, draft))
    current = await store.standings(tx, [bill.id for bill, _ in pairs])
    pairs = [
        (bill, d)
        for bill, d in pairs
        if current[bill.id].state is not BillState.CORRECTED
    ]
    made = await replace_all(tx, pairs, moment, why)
    # Who waits is found by that from now on: the mark goes on without him.
    waiting = [bills[one.supply.id, one.begin] for one in waits]
    looked = [(moment.known_at, one.id) for one in same]
    await tx.many(_LOOKED, [*looked, *((0, one.id) for one in waiting)])
    await end_waits(tx, same)
    await keep_waits(tx, waits, now=moment.issued_at)
    return made


def _same(draft: Draft, bill: BillRow) -> bool:
    told = told_by(draft.document, yearly=draft.yearly)
    return told == told_by(bill.document, yearly=draft.yearly)
