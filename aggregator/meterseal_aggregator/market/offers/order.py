"""A buyer reserves what he wants of an offer, confirms it with his money, or lets it go.

    order = await reserve(tx, rules, NewOrder(buyer, key, offer, {start: wh}), now=now)
    order = await confirm(tx, buyer, order.id, now=now)      # or `release`

All of an order's slots or none: whatever raises leaves the transaction to be rolled back.
This module must never take money for energy that is not claimed.
"""

from collections.abc import Mapping
from typing import Final

from meterseal_aggregator.ledger.model import MAX_AMOUNT
from meterseal_aggregator.market import sales, standing, trades
from meterseal_aggregator.market.delivery import Lane, Terms, cost
from meterseal_aggregator.market.discovery import LEAST_TRUST
from meterseal_aggregator.market.lifecycle import Event, State, reservation_over
from meterseal_aggregator.market.model import Cause, Declined, check_same
from meterseal_aggregator.market.offers import orders, store
from meterseal_aggregator.market.offers.model import NewOrder, Offer, Order
from meterseal_aggregator.market.terms import MarketRules, terms_at
from meterseal_aggregator.market.trades import NewTrade
from meterseal_aggregator.storage.database import Transaction

MAX_RESERVED: Final = 20
"""Reservations one buyer may have open: a cart, not a corner of the market for ten minutes."""
MAX_LET_GO: Final = 5
"""Orders of one offer a buyer may let go, or cancel, within LET_GO_S: who wavers, not who
keeps others off by reserving anew each ten minutes."""
LET_GO_S: Final = 86_400
MAX_COST: Final = MAX_AMOUNT // 2
"""Micro-units of one order: with all its buyer ever spent it stays within an account."""


async def reserve(
    tx: Transaction, rules: MarketRules, wish: NewOrder, *, now: int
) -> Order:
    """Claim all of these Wh for ten minutes; the same wish under the same key is the same.

    Raises Declined: KEY_USED, UNKNOWN, SELF_TRADE, SLOT, TOO_LATE, SOLD_OUT, BOTH_SIDES,
    LOW_TRUST, FULL.
    """
    known = await orders.of_key(tx, wish.buyer, wish.key)
    if known is not None:
        return _again(known, wish)
    offer = await store.one(tx, wish.offer)
    if offer is None:
        raise Declined(Cause.UNKNOWN, "there is no such offer")
    if offer.seller == wish.buyer:
        raise Declined(Cause.SELF_TRADE, "this offer is yours: buy from somebody else")
    _check_claimable(offer, wish.wh, now)
    await _check_people(tx, rules, wish, offer, now=now)
    await _check_backed(tx, rules, offer, wish.wh)
    await store.claim(tx, offer.id, wish.wh)
    number = await orders.add(tx, wish, offer.seller, now=now)
    made = await orders.one(tx, number)
    assert made is not None
    await orders.tell_both(tx, made, made.state, now=now)
    return made


async def confirm(tx: Transaction, buyer: int, order: int, *, now: int) -> Order:
    """Make the trades of a reservation at today's terms, and hold its buyer's money.

    Confirming what is confirmed changes nothing. Raises Declined: UNKNOWN, EXPIRED,
    TOO_LATE, PRICE, FUNDS, FROZEN (the reservation then stays) and STATE.
    """
    found = await _of_buyer(tx, buyer, order)
    if found.state is State.CONFIRMED:
        return found
    _check_confirmable(found, now)
    wishes = await _trades(tx, found, now)
    if not await orders.move(tx, found, Event.CONFIRM, now=now):
        raise Declined(Cause.STATE, "the order has changed just now: look at it again")
    await trades.make(tx, wishes, now=now)
    return await _of_buyer(tx, buyer, order)


async def release(tx: Transaction, buyer: int, order: int, *, now: int) -> Order:
    """Let a reservation go; its Wh are for sale again. Once done, it changes nothing.

    Raises Declined: UNKNOWN, STATE.
    """
    found = await _of_buyer(tx, buyer, order)
    if found.state is State.RELEASED:
        return found
    if found.state is not State.RESERVED:
        raise Declined(
            Cause.STATE,
            f"the order is {found.state.value}: only a reservation is released",
        )
    if not await orders.move(tx, found, Event.RELEASE, now=now):
        raise Declined(Cause.STATE, "the order has changed just now: look at it again")
    claimed = {(found.offer, start): wh for start, wh in found.slots.items()}
    await store.give_back(tx, claimed)
    return await _of_buyer(tx, buyer, order)


def _check_claimable(offer: Offer, wh: Mapping[int, int], now: int) -> None:
    """Go on if an offer has all of this; raises Declined."""
    if not 1 <= len(wh) <= sales.MAX_SLOTS or min(wh.values()) < 1:
        raise Declined(
            Cause.SLOT, f"order 1 Wh or more of 1 to {sales.MAX_SLOTS} slots"
        )
    if offer.withdrawn_at is not None:
        raise Declined(Cause.SOLD_OUT, "the offer was withdrawn: order another")
    for start, wanted in wh.items():
        slot = offer.slots.get(start)
        if slot is None:
            raise Declined(
                Cause.SLOT, f"the offer has no slot at {start}: order of those it has"
            )
        if start <= now or slot.closed_at is not None:
            raise Declined(Cause.TOO_LATE, f"the slot at {start} has begun")
        if slot.left_wh < wanted:
            raise Declined(
                Cause.SOLD_OUT,
                f"of the slot at {start} {slot.left_wh} Wh are left, not {wanted}: order"
                " less, or of another offer",
            )
    if cost(sum(wh.values()), offer.price) > MAX_COST:
        raise Declined(Cause.FUNDS, "no balance covers this: order less")


async def _check_people(
    tx: Transaction, rules: MarketRules, wish: NewOrder, offer: Offer, *, now: int
) -> None:
    selling = await sales.sells_in(tx, wish.buyer, wish.wh)
    if selling:
        raise Declined(
            Cause.BOTH_SIDES, f"you sell in the slot at {min(selling)}: buy in another"
        )
    if await standing.score(tx, rules.trust, offer.seller) < LEAST_TRUST:
        raise Declined(
            Cause.LOW_TRUST, "this seller failed too often of late: order of another"
        )
    if await orders.reserved_by(tx, wish.buyer, now=now) >= MAX_RESERVED:
        raise Declined(
            Cause.FULL,
            f"you have {MAX_RESERVED} reservations: confirm or release one first",
        )
    since = now - LET_GO_S
    if await orders.let_go(tx, wish.buyer, offer.id, since, now=now) >= MAX_LET_GO:
        raise Declined(
            Cause.FULL,
            f"you let go {MAX_LET_GO} orders of this offer in a day: order of another",
        )


async def _check_backed(
    tx: Transaction, rules: MarketRules, offer: Offer, wh: Mapping[int, int]
) -> None:
    places = {(offer.meter_point, start) for start in wh}
    lost = places - await sales.backed(tx, rules, places)
    if lost:
        _, start = min(lost)
        raise Declined(
            Cause.SOLD_OUT,
            f"its seller can no longer deliver the slot at {start}: order of another",
        )


def _check_confirmable(order: Order, now: int) -> None:
    if order.state is State.EXPIRED or (
        order.state is State.RESERVED and reservation_over(order.reserved_at, now)
    ):
        raise Declined(Cause.EXPIRED, "the reservation is over: order again")
    if order.state is not State.RESERVED:
        raise Declined(
            Cause.STATE,
            f"the order is {order.state.value}: only a reservation is confirmed",
        )
    if min(order.slots) <= now:
        raise Declined(
            Cause.TOO_LATE, f"the slot at {min(order.slots)} has begun: order others"
        )


async def _trades(tx: Transaction, order: Order, now: int) -> list[NewTrade]:
    """Return an order's trades, one a slot, by the terms in force."""
    offer = await store.one(tx, order.offer)
    assert offer is not None
    market = await terms_at(tx, now)
    if market.fee > order.price:
        raise Declined(
            Cause.PRICE,
            "the market's fee is above this offer's price now: order another",
        )
    terms = Terms(order.price, market.fee, market.losses_bp, market.retail)
    return [
        NewTrade(
            Lane.OFFER, order.meter_point, start, offer.slots[start].length,
            order.seller, order.buyer, wh, terms, market.asset, order=order.id,
        )
        for start, wh in order.slots.items()
    ]  # fmt: skip


async def _of_buyer(tx: Transaction, buyer: int, order: int) -> Order:
    found = await orders.one(tx, order)
    if found is None or found.buyer != buyer:
        raise Declined(Cause.UNKNOWN, "there is no such order of yours")
    return found


def _again(known: Order, wish: NewOrder) -> Order:
    """Return what a key reserved already; raises Declined for another wish under it."""
    compared = (
        ("offer", known.offer, wish.offer),
        ("slots", dict(known.slots), dict(wish.wh)),
    )
    check_same(f"order {known.id}", compared)
    return known
