"""Sealing an order and taking it back, both before the slot's gate closes.

    order = await place(tx, rules, wish, key, now=now)
    order = await cancel(tx, member, order.id, now=now)

An ask is a promise of energy, a bid has its most money put aside. The last second is the
one before `start - gate_s`. This module must never look at another member's price.
"""

from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.market import sales
from meterseal_aggregator.market.auction import money, store
from meterseal_aggregator.market.auction.book import terms_of
from meterseal_aggregator.market.auction.model import (
    MAX_EVER,
    MAX_OF_MEMBER,
    MAX_SEALED,
    OrderState,
    SealedOrder,
    Side,
    Wish,
)
from meterseal_aggregator.market.auction.money import Fate
from meterseal_aggregator.market.model import Cause, Declined, check_same
from meterseal_aggregator.market.sales import Selling
from meterseal_aggregator.market.terms import MarketRules, MarketTerms, terms_at
from meterseal_aggregator.storage.database import Transaction


async def place(
    tx: Transaction, rules: MarketRules, wish: Wish, key: str, *, now: int
) -> SealedOrder:
    """Seal an order; the same wish under the same key is the same order.

    Raises Declined with what to do; then nothing is promised or held.
    """
    known = await store.of_key(tx, wish.member, key)
    if known is not None:
        return _again(known, wish)
    terms = await terms_at(tx, now)
    sales.check_slots([wish.start], terms, now=now)
    _check_gate(wish.start, terms, now)
    _check_price(wish, terms)
    await _check_room(tx, wish, terms)
    if wish.side is Side.ASK:
        await _promise(tx, rules, wish, terms, now)
        return await store.add(tx, wish, terms.slot_s, key, now=now)
    if await sales.sells_in(tx, wish.member, [wish.start]):
        raise Declined(
            Cause.BOTH_SIDES, f"you sell in the slot at {wish.start}: buy in another"
        )
    bid = await store.add(tx, wish, terms.slot_s, key, now=now)
    await money.put_aside(tx, bid, terms.asset, now=now)
    return bid


async def cancel(tx: Transaction, member: int, number: int, *, now: int) -> SealedOrder:
    """Take back a sealed order of a member's; who did so already is told the same.

    Raises Declined: UNKNOWN, TOO_LATE from gate closure on, FROZEN while disputed.
    """
    order = await store.one(tx, number)
    if order is None or order.wish.member != member:
        raise Declined(Cause.UNKNOWN, "there is no such order of yours")
    if order.state is OrderState.CANCELLED:
        return order
    _check_gate(order.wish.start, await terms_at(tx, now), now)
    if order.state is OrderState.CLEARED:
        raise Declined(Cause.TOO_LATE, "this order is cleared")
    await _undo(tx, order, now)
    await store.end(tx, [(order, 0)], OrderState.CANCELLED, now)
    body = {"order": number, "start": order.wish.start, "state": "cancelled"}
    await tell(tx, [Told(member, "auction", body)], now=now)
    ended = await store.one(tx, number)
    assert ended is not None
    return ended


async def _undo(tx: Transaction, order: SealedOrder, now: int) -> None:
    wish = order.wish
    if wish.meter_point is not None:
        await sales.release(tx, {(wish.meter_point, wish.start): wish.wh})
        return
    fates = await money.give_back(tx, [order], money.ANY_ASSET, now=now)
    if fates[order.id] is Fate.FROZEN:
        raise Declined(
            Cause.FROZEN, "a dispute is open about this bid: wait for its end"
        )


async def _promise(
    tx: Transaction, rules: MarketRules, wish: Wish, terms: MarketTerms, now: int
) -> None:
    if wish.meter_point is None:
        raise Declined(Cause.NOT_YOURS, "name the meter point that you sell from")
    selling = Selling(wish.member, wish.meter_point, {wish.start: wish.wh})
    await sales.promise(tx, rules, selling, terms, now=now)


def _again(known: SealedOrder, wish: Wish) -> SealedOrder:
    before = known.wish
    compared = (
        ("side", before.side, wish.side),
        ("start", before.start, wish.start),
        ("wh", before.wh, wish.wh),
        ("price_micro_per_kwh", before.price, wish.price),
        ("meter_point", before.meter_point, wish.meter_point),
    )
    check_same(f"order {known.id}", compared)
    return known


def _check_gate(start: int, terms: MarketTerms, now: int) -> None:
    if now >= start - terms.gate_s:
        raise Declined(
            Cause.TOO_LATE,
            f"the gate of the slot at {start} closed {terms.gate_s} s before it: choose a"
            " later slot, or an offer",
        )


def _check_price(wish: Wish, terms: MarketTerms) -> None:
    """Go on where some price there may be could serve this order."""
    bounds = terms_of(terms, wish.start)
    if bounds is None:
        raise Declined(
            Cause.PRICE, "no price lies between feed-in and retail: ask the operator"
        )
    if wish.price % terms.tick:
        raise Declined(
            Cause.PRICE, f"a price is a multiple of {terms.tick} micro-units"
        )
    if wish.side is Side.ASK:
        least, most = 0, max(0, bounds.left_of(bounds.highest))
    else:
        least, most = bounds.lowest, bounds.highest
    if not least <= wish.price <= most:
        raise Declined(
            Cause.PRICE, f"name a price of {least} to {most} micro-units per kWh"
        )


async def _check_room(tx: Transaction, wish: Wish, terms: MarketTerms) -> None:
    if await store.is_cleared(tx, wish.start, terms.slot_s):
        raise Declined(Cause.TOO_LATE, f"the slot at {wish.start} is cleared")
    sealed, own, ever = await store.counts(tx, wish.start, wish.member)
    if own >= MAX_OF_MEMBER or ever >= MAX_EVER:
        raise Declined(
            Cause.FULL,
            f"{MAX_OF_MEMBER} orders a slot are the most, {MAX_EVER} with cancelled ones",
        )
    if sealed >= MAX_SEALED:
        raise Declined(
            Cause.FULL, f"the slot at {wish.start} is full: choose another, or an offer"
        )
