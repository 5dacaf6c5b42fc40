"""A seller offers energy of the slots to come at a fixed price, and withdraws what is left.

    offer = await place(tx, rules, NewOffer(seller, key, meter_point, price, {start: wh}),
                        now=now)
    await withdraw(tx, seller, offer.id, now=now)

What is offered is promised (`sales`) before it is shown. This module must never take back
what a buyer has claimed.
"""

from typing import Final

from meterseal_aggregator.market import sales
from meterseal_aggregator.market.model import Cause, Declined, check_same
from meterseal_aggregator.market.offers import store
from meterseal_aggregator.market.offers.model import NewOffer, Offer
from meterseal_aggregator.market.terms import MarketRules, MarketTerms, terms_at
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clearing import TICK_UNIT

MAX_A_DAY: Final = 500
"""Offers of a seller in 24 hours, withdrawn ones too: a new price each three minutes. None is
ever deleted, and each may have 192 slots."""
DAY_S: Final = 86_400


async def place(
    tx: Transaction, rules: MarketRules, wish: NewOffer, *, now: int
) -> Offer:
    """Offer energy; the same wish under the same key is the same offer.

    Raises Declined: KEY_USED, FULL, PRICE, and all that `sales.promise` may.
    """
    known = await store.of_key(tx, wish.seller, wish.key)
    if known is not None:
        return _again(known, wish)
    if await store.made_since(tx, wish.seller, now - DAY_S, MAX_A_DAY) >= MAX_A_DAY:
        raise Declined(
            Cause.FULL,
            f"{MAX_A_DAY} offers in 24 hours are the most: offer more at once",
        )
    terms = await terms_at(tx, now)
    check_price(wish.price, terms)
    promised = sales.Selling(wish.seller, wish.meter_point, wish.wh)
    await sales.promise(tx, rules, promised, terms, now=now)
    number = await store.add(tx, wish, now=now)
    made = await store.one(tx, number)
    assert made is not None
    return made


async def withdraw(tx: Transaction, seller: int, offer: int, *, now: int) -> Offer:
    """Take what nobody claimed of an offer off the market; once done, it changes nothing.

    Orders of it stay as they are. Raises Declined (UNKNOWN).
    """
    found = await store.one(tx, offer)
    if found is None or found.seller != seller:
        raise Declined(Cause.UNKNOWN, "there is no such offer of yours")
    if found.withdrawn_at is not None:
        return found
    still = [(offer, slot.start) for slot in found.slots.values()]
    await store.close(tx, still, now=now)
    await store.set_withdrawn(tx, offer, now=now)
    gone = await store.one(tx, offer)
    assert gone is not None
    return gone


def check_price(price: int, terms: MarketTerms) -> None:
    """Go on if an offer may have this price, micro-units per kWh; raises Declined."""
    least = max(terms.fee, terms.feed_in, TICK_UNIT)
    if price % TICK_UNIT or not least <= price <= terms.retail:
        raise Declined(
            Cause.PRICE,
            f"a price is a multiple of {TICK_UNIT} from {least} to {terms.retail}"
            " micro-units per kWh",
        )


def _again(known: Offer, wish: NewOffer) -> Offer:
    """Return what a key made already; raises Declined for another wish under it."""
    offered = {slot.start: slot.wh for slot in known.slots.values()}
    compared = (
        ("meter_point", known.meter_point, wish.meter_point),
        ("price_micro_per_kwh", known.price, wish.price),
        ("slots", offered, dict(wish.wh)),
    )
    check_same(f"offer {known.id}", compared)
    return known
