"""Buyer or seller cancels a confirmed order, or what is left of it, and it costs him trust.

    order = await cancel(tx, rules, NewCancellation(member, key, order, None), now=now)

A buyer may within the window after his confirmation, all or some slots, and pays in
proportion; a seller may until a slot begins, all of them at once, and pays more when the
buyer counted on him already. Money and energy go back in the same transaction. This module
must never cancel what flows already.
"""

from meterseal_aggregator.market import standing, trades
from meterseal_aggregator.market.lifecycle import Event, State
from meterseal_aggregator.market.model import (
    Cause,
    Declined,
    Trade,
    TradeState,
    check_same,
)
from meterseal_aggregator.market.offers import orders, store
from meterseal_aggregator.market.offers.model import NewCancellation, Order
from meterseal_aggregator.market.standing import TrustChange
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.market.trust import (
    TrustRules,
    buyer_cancel_change,
    buyer_may_cancel,
    seller_cancel_change,
)
from meterseal_aggregator.storage.database import Transaction


async def cancel(
    tx: Transaction, rules: MarketRules, wish: NewCancellation, *, now: int
) -> Order:
    """Cancel and give back; the same wish under the same key is done once.

    Where no slots are named, all that has not begun. Raises Declined: UNKNOWN, KEY_USED,
    STATE, SLOT, TOO_LATE, FROZEN.
    """
    order = await orders.one(tx, wish.order)
    if order is None or wish.member not in {order.buyer, order.seller}:
        raise Declined(Cause.UNKNOWN, "there is no such order of yours")
    if await _done_before(tx, wish):
        return order
    held = await _held(tx, order)
    gone = _chosen(order, wish, held, now)
    _check_time(rules.trust, order, wish, gone, now=now)
    wh = sum(trade.wh for trade in gone)
    change = await _change(tx, rules.trust, order, wish, wh, now=now)
    await trades.cancel(tx, gone, now=now)
    await store.give_back(tx, {(order.offer, one.start): one.wh for one in gone})
    await standing.record(tx, rules.trust, change, now=now)
    await orders.add_cancellation(tx, wish, wh, now=now)
    await _end(tx, order, wh, now=now)
    after = await orders.one(tx, wish.order)
    assert after is not None
    return after


async def _done_before(tx: Transaction, wish: NewCancellation) -> bool:
    """Tell whether this wish was done; raises Declined where its key was another's."""
    known = await orders.cancellation_of_key(tx, wish.member, wish.key)
    if known is None:
        return False
    order, starts = known
    compared = (("order", order, wish.order), ("starts", starts, orders.named(wish)))
    check_same(f"a cancellation of order {order}", compared)
    return True


async def _held(tx: Transaction, order: Order) -> list[Trade]:
    """Return an order's trades that wait for their slot; raises Declined."""
    if order.state is not State.CONFIRMED:
        more = ": release it" if order.state is State.RESERVED else ""
        raise Declined(Cause.STATE, f"the order is {order.state.value}{more}")
    return await trades.where(
        tx, "order_id = ? AND state = ?", (order.id, TradeState.HELD.value)
    )


def _chosen(
    order: Order, wish: NewCancellation, held: list[Trade], now: int
) -> list[Trade]:
    """Return the trades to cancel, at least one; raises Declined."""
    if wish.starts is None:
        found = [trade for trade in held if trade.start > now]
        if not found:
            raise Declined(Cause.TOO_LATE, "every slot of the order has begun")
        return found
    if wish.member != order.buyer:
        raise Declined(
            Cause.SLOT, "a seller cancels all that has not begun: name no slots"
        )
    if not wish.starts or not wish.starts <= order.slots.keys():
        raise Declined(Cause.SLOT, "name slots of this order, or none for all of it")
    found = [trade for trade in held if trade.start in wish.starts]
    if len(found) < len(wish.starts):
        ended = min(wish.starts - {trade.start for trade in found})
        raise Declined(
            Cause.STATE, f"the slot at {ended} is cancelled or settled already"
        )
    return found


def _check_time(
    rules: TrustRules,
    order: Order,
    wish: NewCancellation,
    gone: list[Trade],
    *,
    now: int,
) -> None:
    confirmed_at = _confirmed_at(order)
    for trade in gone:
        if trade.start <= now:
            raise Declined(Cause.TOO_LATE, f"the slot at {trade.start} has begun")
        if wish.member == order.buyer and not buyer_may_cancel(
            rules, confirmed_at, trade.start, now
        ):
            minutes = rules.cancel_window_s // 60
            raise Declined(
                Cause.TOO_LATE,
                f"a buyer may cancel until {minutes} minutes after he confirmed",
            )


async def _change(
    tx: Transaction,
    rules: TrustRules,
    order: Order,
    wish: NewCancellation,
    wh: int,
    *,
    now: int,
) -> TrustChange:
    """Return what cancelling costs: parts of an order cost together what the whole does."""
    subject = f"order {order.id}"
    if wish.member == order.seller:
        change = seller_cancel_change(rules, _confirmed_at(order), now)
        return TrustChange(order.seller, subject, "seller-cancel", change)
    before = await orders.cancelled_before(tx, order.id, order.buyer)
    count = await orders.cancellations(tx, order.id)
    change = buyer_cancel_change(rules, order.wh, before + wh)
    if before:
        change -= buyer_cancel_change(rules, order.wh, before)
    return TrustChange(order.buyer, subject, f"buyer-cancel-{count + 1}", change)


async def _end(tx: Transaction, order: Order, wh: int, *, now: int) -> None:
    """End an order of which nothing is left; tell both sides either way."""
    left = await trades.where(
        tx, "order_id = ? AND state <> 'cancelled'", (order.id,), 1
    )
    if left:
        await orders.tell_both(tx, order, order.state, now=now, cancelled_wh=wh)
        return
    moved = await orders.move(tx, order, Event.CANCEL, now=now)
    assert moved, "the one writer read this state in the same transaction"


def _confirmed_at(order: Order) -> int:
    assert order.confirmed_at is not None, "the schema keeps it with the state"
    return order.confirmed_at
