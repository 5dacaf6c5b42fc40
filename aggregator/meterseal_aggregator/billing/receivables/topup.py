"""Money that comes in, as it is recorded: to the bills it is towards, or a share of it.

    receipt = await take_in(tx, payment, now=now)     # None: all of it stays on the balance

In the transaction of `payments.record`. A prepaid member's top-up first pays what he owes,
but no more of it than his tariff's terms let old debts take. This module must never take
of anybody else's balance what he did not put towards bills.
"""

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.payments import Direction, Payment, Towards
from meterseal_aggregator.billing.receivables import store
from meterseal_aggregator.billing.receivables.model import Receipt
from meterseal_aggregator.billing.receivables.pay import settle, take_share
from meterseal_aggregator.billing.receivables.terms import share_terms
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.terms import arrears_share


async def take_in(tx: Transaction, payment: Payment, *, now: int) -> Receipt | None:
    """Pay bills with a payment that was recorded now; asked again, the answer is the same.

    Raises Refused as `pay.settle`, and STATE for money towards bills that goes out or that
    is a purse's.
    """
    known = await store.by_payment(tx, payment.id)
    if known is not None:
        return known
    if payment.recorded_at != now:
        # Asked again later: what it did not pay then, it does not pay now.
        return None
    comes_in = payment.direction is Direction.IN and payment.member is not None
    if payment.towards is Towards.BILLS:
        if not comes_in:
            detail = "only what a member pays in is towards bills: say balance"
            raise Refused(Cause.STATE, detail)
        return await settle(tx, payment, now=now)
    return await _share(tx, payment, now) if comes_in else None


async def _share(tx: Transaction, payment: Payment, now: int) -> Receipt | None:
    if payment.member is None:
        return None
    terms = await share_terms(tx, payment.member, now=now)
    if terms is None:
        return None
    owed = await store.open_bills(tx, payment.member, payment.asset)
    arrears = sum(one.standing.asked for one in owed)
    share = arrears_share(terms, top_up=payment.amount, arrears=arrears)
    return await take_share(tx, payment, share, now=now)
