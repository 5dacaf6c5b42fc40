"""Bills that are late: marked overdue, and the fee their tariff asks for, once a bill.

    done = await mark_overdue(tx, now=now) + await charge(tx, now=now)

Overdue is what is asked for and not disputed after its due second, outside a plan that is
kept. The fee is on what is then unpaid of the bill itself, never on a fee and never on what
is disputed; it is charged once for a bill and those in its place, so what was disputed then
stays free of it. A broken plan counts as due when it broke. This module must never charge a bill of the chain's rail: its
contract asks for nothing but the bill.
"""

from typing import Final

from meterseal_aggregator.billing.model import Act, BillAct, BillState
from meterseal_aggregator.billing.receivables import store
from meterseal_aggregator.billing.receivables.model import Owed, transfer_id
from meterseal_aggregator.billing.receivables.terms import BillTerms, terms_of
from meterseal_aggregator.billing.statements.store import act
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import FEE, arrears
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.terms import DAY_S, Terms, late_fee

# Whether a bill, or one it stands in the place of, was charged already.
_CHARGED: Final = """
WITH RECURSIVE before (id) AS (
  SELECT ? UNION SELECT b.replaces_id FROM bills b JOIN before p ON b.id = p.id
  WHERE b.replaces_id IS NOT NULL)
SELECT 1 FROM before JOIN late_fees f ON f.bill_id = before.id LIMIT 1
"""
BATCH: Final = 200
"""Bills a transaction: some acts and an entry of the ledger each."""
PURPOSE: Final = "late-fee"
ACTOR: Final = "billing"

# A bill in a plan that is kept is late by the plan's dates alone.
_LATE: Final = """
SELECT b.id, b.number, b.member_id, b.rail FROM bill_standings s JOIN bills b ON b.id = s.bill_id
WHERE s.state IN ('issued', 'part-paid') AND s.due_at < ?
  AND b.amount + s.late_fees + s.given - s.paid - s.disputed > 0
  AND NOT EXISTS (SELECT 1 FROM instalment_bills i JOIN instalment_plans p
    ON p.id = i.plan_id AND p.state = 'open' WHERE i.bill_id = b.id)
ORDER BY s.due_at, b.id LIMIT ?
"""
_WATCH: Final = """
INSERT INTO late_fee_watches (bill_id, next_at) VALUES (?, ?)
ON CONFLICT (bill_id) DO UPDATE SET next_at = excluded.next_at
"""
_WATCHED: Final = """
SELECT bill_id FROM late_fee_watches WHERE next_at <= ? ORDER BY next_at, bill_id LIMIT ?
"""
# Whether a plan about a bill is kept, and when the last one broke.
_PLANS: Final = """
SELECT i.bill_id, max(p.state = 'open'), max(CASE p.state WHEN 'broken' THEN p.ended_at END)
FROM instalment_bills i JOIN instalment_plans p ON p.id = i.plan_id
WHERE i.bill_id IN ({marks}) GROUP BY i.bill_id
"""


async def mark_overdue(tx: Transaction, *, now: int) -> int:
    """Mark the next batch of late bills; returns how many."""
    rows = await tx.rows(_LATE, (now, BATCH))
    if not rows:
        return 0
    await act(tx, [BillAct(row[0], Act.OVERDUE, 0, now, ACTOR) for row in rows])
    await tx.many(_WATCH, [(row[0], now) for row in rows if row[3] == "ledger"])
    told = [
        events.Told(member, "bill", {"id": bill, "number": number, "state": "overdue"})
        for bill, number, member, _ in rows
    ]
    await events.tell(tx, told, now=now)
    return len(rows)


async def charge(tx: Transaction, *, now: int) -> int:
    """Charge the next batch of late bills that are due for their fee; returns how many."""
    rows = await tx.rows(_WATCHED, (now, BATCH))
    if not rows:
        return 0
    bills = [row[0] for row in rows]
    terms = await terms_of(tx, bills)
    marks = ",".join("?" for _ in bills)
    found = await tx.rows(_PLANS.format(marks=marks), bills)
    plans = {bill: (bool(kept), broke) for bill, kept, broke in found}
    owed = {one.bill: one for one in await store.among(tx, bills)}
    for bill in bills:
        kept, broke = plans.get(bill, (False, None))
        next_at: int | None = now + DAY_S
        if not kept:
            next_at = await _charge(tx, owed[bill], terms[bill], (broke, now))
        await tx.many(_WATCH, [(bill, next_at)])
    return len(rows)


def base_of(one: Owed) -> int:
    """Return what a fee is on: unpaid, undisputed, and of the bill itself."""
    standing = one.standing
    if standing.state is not BillState.OVERDUE:
        return 0
    unpaid = standing.amount + standing.given - standing.paid
    return max(0, min(unpaid - standing.disputed, standing.asked))


async def _charge(
    tx: Transaction, one: Owed, by: BillTerms, when: tuple[int | None, int]
) -> int | None:
    """Charge one bill's fee if it is due; returns when to look again, None for never."""
    broke, now = when
    if one.standing.state is not BillState.OVERDUE or not _asks(by.terms):
        return None
    due_at = max(one.standing.due_at, broke or 0)
    begins = due_at + by.terms.grace_days * DAY_S + 1
    if now < begins:
        return begins
    base = base_of(one)
    fee = late_fee(by.terms, outstanding=base, due_at=due_at, now=now, unit=by.unit)
    # What is no whole minor unit could not be paid: it is left.
    fee -= fee % by.unit
    if fee <= 0:
        return now + DAY_S
    if await tx.rows(_CHARGED, (one.bill,)):
        return None
    await _post(tx, one, fee, now)
    await tx.many(
        "INSERT INTO late_fees (bill_id, asset, base, amount, at) VALUES (?, ?, ?, ?, ?)",
        [(one.bill, one.asset, base, fee, now)],
    )
    return None


def _asks(terms: Terms) -> bool:
    return terms.late_fee > 0 or terms.late_bp > 0


async def _post(tx: Transaction, one: Owed, fee: int, now: int) -> None:
    entry = Transfer(
        id=transfer_id(PURPOSE, one.bill),
        amount=fee,
        debit=arrears(one.member),
        credit=FEE,
        purpose=PURPOSE,
        effective_at=now,
        asset=one.asset,
        reference=one.number.encode(),
    )
    (result,) = await ledger.post(tx, [entry], now=now)
    assert result.entered, result
    await act(tx, [BillAct(one.bill, Act.LATE_FEE, fee, now, ACTOR)])
    body = {"id": one.bill, "number": one.number, "late_fee_micro": fee}
    await events.tell(tx, [events.Told(one.member, "late-fee", body)], now=now)
