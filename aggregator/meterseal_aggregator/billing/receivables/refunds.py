"""Refunds: money that goes out again for a bill, never more than came in for it.

    made = await payments.record(tx, wish, by, now=now)      # out, with a bill's number
    await check_refund(tx, made, now=now)

What a member paid too much, or what a correction gave back, is on his balance; a refund is
a payment out of that, with the bill's number beside it. This module must never move money:
`payments` does, and refuses more than the balance holds.
"""

from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.payments import Direction, Payment
from meterseal_aggregator.storage.database import Transaction

# What was paid on a bill and on those it stands in the place of, or that stand in its place.
_PAID: Final = """
WITH RECURSIVE chain (id) AS (
  SELECT id FROM bills WHERE number = ? AND member_id = ?
  UNION SELECT b.replaces_id FROM bills b JOIN chain c ON b.id = c.id
    WHERE b.replaces_id IS NOT NULL
  UNION SELECT b.id FROM bills b JOIN chain c ON b.replaces_id = c.id)
SELECT (SELECT count(*) FROM chain),
  (SELECT coalesce(sum(p.amount), 0) FROM bill_payment_parts p
    JOIN chain c ON c.id = p.bill_id),
  (SELECT coalesce(sum(p.amount), 0) FROM payments p
    JOIN bills b ON b.number = p.bill JOIN chain c ON c.id = b.id
    WHERE p.direction = 'out' AND p.id <> ?),
  (SELECT max(b.asset) FROM bills b JOIN chain c ON c.id = b.id)
"""


async def check_refund(tx: Transaction, made: Payment, *, now: int) -> None:
    """Go on if a payment is no refund, or gives back no more than was paid on its bill.

    Raises Refused: UNKNOWN for a bill that is not this member's, CURRENCY, STATE for more.
    """
    if made.direction is not Direction.OUT or not made.bill or made.recorded_at != now:
        return
    rows = await tx.rows(_PAID, (made.bill, made.member, made.id))
    ((count, paid, back, asset),) = rows
    if not count:
        detail = f"there is no bill {made.bill} of that member: look at the number"
        raise Refused(Cause.UNKNOWN, detail)
    if asset != made.asset:
        detail = f"bill {made.bill} was paid in {asset}: give that back"
        raise Refused(Cause.CURRENCY, detail)
    if made.amount > paid - back:
        detail = (
            f"{paid - back} micro-units paid on bill {made.bill} were not given back yet:"
            " pay out less, or without its number"
        )
        raise Refused(Cause.STATE, detail)
