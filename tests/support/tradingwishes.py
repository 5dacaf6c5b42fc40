"""What members wish of lanes A and B on a trading day: one function a kind of wish.

    await offer(days)         # some seller, some slots, some price

Whatever makes sense and some of what does not: the rooms decline that, and what they
declined is counted.
"""

from collections.abc import Callable
from typing import Final

from meterseal_aggregator.market.auction import place as sealing
from meterseal_aggregator.market.auction.model import Side
from meterseal_aggregator.market.auction.model import Wish as Sealed
from meterseal_aggregator.market.offers import cancel, order, place
from meterseal_aggregator.market.offers.model import (
    NewCancellation,
    NewOffer,
    NewOrder,
)
from tests.support.history import Deed
from tests.support.tradingdays import (
    DAN,
    EVE,
    MEMBERS,
    WH,
    Days,
    Point,
)

PRICES: Final = (120_000, 120_000, 150_000, 150_000, 150_000, 150_000, 200_000, 999)
"""Micro-units per kWh; the last is none."""
_LEFT: Final = """
SELECT offer_id FROM offer_slots WHERE claimed_wh < wh AND closed_at IS NULL
"""
_RESERVED: Final = """
SELECT id, buyer_id FROM orders WHERE state = 'reserved'
  AND reserved_at + 900 >= (SELECT max(reserved_at) FROM orders)
"""
_CONFIRMED: Final = """
SELECT id, buyer_id, seller_id FROM orders WHERE state = 'confirmed'
"""


def _some_slots(days: Days) -> list[int]:
    slots = days.slots()
    first = days.chance.randrange(len(slots))
    return slots[first : first + days.chance.choice((1, 1, 2, 3))]


async def offer(days: Days) -> None:
    """A seller offers slots at a fixed price."""
    chance, now, point = days.chance, days.now, days.chance.choice(days.points)
    seller = point.member if chance.random() < 0.95 else EVE
    wish = NewOffer(
        seller, days.key(), point.number, chance.choice(PRICES),
        {start: chance.choice(WH) for start in _some_slots(days)},
    )  # fmt: skip
    await days.wish(
        "offer", lambda tx: place.place(tx, days.rules, wish, now=now), key=wish.key
    )


async def withdraw_offer(days: Days) -> None:
    """A seller takes what nobody claimed off the market."""
    found = await days.some(
        "SELECT id, seller_id FROM offers WHERE withdrawn_at IS NULL"
    )
    if found:
        number, seller = found
        now = days.now
        await days.wish(
            "withdraw-offer",
            lambda tx: place.withdraw(tx, seller, number, now=now),
            key="once",
        )


async def reserve(days: Days) -> None:
    """A buyer reserves some of what an offer has left, or more."""
    chance, now = days.chance, days.now
    # Mostly one that has something left.
    found = await days.some(
        _LEFT if chance.random() < 0.85 else _LEFT.partition("WHERE")[0]
    )
    if not found:
        return
    rows = await days.rows(
        "SELECT start, wh - claimed_wh FROM offer_slots WHERE offer_id = ?",
        found[0],
    )
    share = chance.choice((1, 1, 2, 3))
    some = rows[: chance.randrange(1, len(rows) + 1)]
    wh = {
        start: max(1, left // share) + (chance.random() < 0.05) for start, left in some
    }
    buyer = chance.choice((DAN, EVE, *MEMBERS))
    wish = NewOrder(buyer, days.key(), found[0], wh)
    await days.wish(
        "reserve", lambda tx: order.reserve(tx, days.rules, wish, now=now), key=wish.key
    )


async def confirm(days: Days) -> None:
    """A buyer confirms."""
    await _his(
        days,
        "confirm",
        lambda who, one, now: lambda tx: order.confirm(tx, who, one, now=now),
    )


async def release(days: Days) -> None:
    """A buyer lets a reservation go."""
    await _his(
        days,
        "release",
        lambda who, one, now: lambda tx: order.release(tx, who, one, now=now),
    )


async def _his(
    days: Days, kind: str, deed: Callable[[int, int, int], Deed[object]]
) -> None:
    found = await days.some(_RESERVED)
    if days.chance.random() < 0.2:
        found = await days.some("SELECT id, buyer_id FROM orders")
    if found:
        await days.wish(kind, deed(found[1], found[0], days.now), key="once")


async def cancel_order(days: Days) -> None:
    """Buyer or seller cancels an order, or a buyer some slots of it."""
    chance, now = days.chance, days.now
    every = "SELECT id, buyer_id, seller_id FROM orders"
    found = await days.some(every if chance.random() < 0.1 else _CONFIRMED)
    if not found:
        return
    number, buyer, seller = found
    buys = chance.random() < 0.6
    starts = None
    if buys and chance.random() < 0.5:
        rows = await days.rows(
            "SELECT start FROM order_slots WHERE order_id = ?", number
        )
        starts = frozenset(chance.choice(rows))
    wish = NewCancellation(buyer if buys else seller, days.key(), number, starts)
    await days.wish(
        "cancel" if buys else "refuse",
        lambda tx: cancel.cancel(tx, days.rules, wish, now=now),
        key=wish.key,
    )


async def ask(days: Days) -> None:
    """A seller seals an ask."""
    chance, point = days.chance, days.chance.choice(days.points)
    price = chance.choice((50_000, 70_000, 90_000, 90_000, 100_000, 130_000, 999))
    await _seal(days, point.member, Side.ASK, price, point)


async def bid(days: Days) -> None:
    """A buyer seals a bid."""
    price = days.chance.choice((110_000, 130_000, 150_000, 200_000, 200_000, 60_000))
    await _seal(days, days.chance.choice((DAN, EVE, *MEMBERS)), Side.BID, price, None)


async def _seal(
    days: Days, who: int, side: Side, price: int, point: Point | None
) -> None:
    now, key = days.now, days.key()
    # Few slots, so that asks and bids meet.
    start = days.slots()[days.chance.choice((0, 1, 1, 5, 6, 6, 6))]
    wh = days.chance.choice(WH)
    wish = Sealed(who, side, start, wh, price, point.number if point else None)
    await days.wish(
        side.value,
        lambda tx: sealing.place(tx, days.rules, wish, key, now=now),
        key=key,
    )


async def unseal(days: Days) -> None:
    """A member takes a sealed order back."""
    found = await days.some(
        "SELECT id, member_id FROM auction_orders WHERE state <> 'cancelled'"
    )
    if found:
        number, who = found
        now = days.now
        await days.wish(
            "unseal", lambda tx: sealing.cancel(tx, who, number, now=now), key="once"
        )


async def reuse(days: Days) -> None:
    """Somebody sends another wish under a key that he used."""
    found = await days.some("SELECT seller_id, request_key, meter_point_id FROM offers")
    if found:
        who, key, point = found
        wish = NewOffer(who, key, point, 121_000, {days.slots()[0]: 77})
        now = days.now
        await days.wish("reuse", lambda tx: place.place(tx, days.rules, wish, now=now))
