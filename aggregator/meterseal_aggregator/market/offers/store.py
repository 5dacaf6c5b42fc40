"""The tables of offers: what is offered, what is claimed of it, and what goes back.

    await claim(tx, offer.id, {start: wh})
    await give_back(tx, {(offer.id, start): wh})
    await close(tx, [(offer.id, start)], now=now)

Every function takes the transaction first; whoever opened it commits it. A slot's claimed Wh
are what open orders have of it. This module must never decide who may order.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from meterseal_aggregator.market import sales
from meterseal_aggregator.market.offers.model import NewOffer, Offer, OfferSlot
from meterseal_aggregator.storage.database import Transaction

Place = tuple[int, int]
"""An offer's number and the first second of one of its slots."""

_OFFER: Final = """
SELECT id, seller_id, meter_point_id, price, made_at, withdrawn_at FROM offers
"""
_SLOTS: Final = """
SELECT s.offer_id, s.start, p.length, s.wh, s.claimed_wh, s.closed_at
FROM offer_slots s JOIN offers o ON o.id = s.offer_id
JOIN slot_sales p ON p.meter_point_id = o.meter_point_id AND p.start = s.start
"""
# Where a slot of an offer stands. Settling it takes only what trades were not delivered
# from what is promised, so the rest is given back here, before or after.
_STANDING: Final = """
WITH wanted (offer_id, start) AS (VALUES {pairs})
SELECT s.offer_id, s.start, o.meter_point_id, s.wh - s.claimed_wh,
  s.closed_at IS NOT NULL
FROM wanted w
JOIN offer_slots s ON s.offer_id = w.offer_id AND s.start = w.start
JOIN offers o ON o.id = s.offer_id
"""


async def add(tx: Transaction, wish: NewOffer, *, now: int) -> int:
    """Write an offer down; returns its number."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM offers")
    number = int(last) + 1
    row = (number, wish.seller, wish.meter_point, wish.price, wish.key, now)
    await tx.many(
        "INSERT INTO offers (id, seller_id, meter_point_id, price, rail, request_key,"
        " made_at) VALUES (?, ?, ?, ?, 'ledger', ?, ?)",
        [row],
    )
    await tx.many(
        "INSERT INTO offer_slots (offer_id, start, wh) VALUES (?, ?, ?)",
        [(number, start, wh) for start, wh in wish.wh.items()],
    )
    return number


async def one(tx: Transaction, offer: int) -> Offer | None:
    """Return an offer with its slots."""
    found = await some(tx, [offer])
    return found[0] if found else None


async def some(tx: Transaction, numbers: Sequence[int]) -> list[Offer]:
    """Return offers with their slots, in the order of the numbers; at most a page."""
    marks = ",".join("?" for _ in numbers)
    rows = await tx.rows(f"{_OFFER} WHERE id IN ({marks})", numbers)
    slots: dict[int, dict[int, OfferSlot]] = defaultdict(dict)
    ordered = f"{_SLOTS} WHERE s.offer_id IN ({marks}) ORDER BY s.offer_id, s.start"
    for offer, *slot in await tx.rows(ordered, numbers):
        slots[offer][slot[0]] = OfferSlot(*slot)
    found = {row[0]: _offer(row, slots[row[0]]) for row in rows}
    return [found[number] for number in numbers if number in found]


async def of_key(tx: Transaction, seller: int, key: str) -> Offer | None:
    """Return what a seller offered under this key."""
    rows = await tx.rows(
        "SELECT id FROM offers WHERE seller_id = ? AND request_key = ?", (seller, key)
    )
    return await one(tx, rows[0][0]) if rows else None


async def of_seller(
    tx: Transaction, seller: int, *, after: int, limit: int
) -> list[Offer]:
    """Return a page of a seller's offers, oldest first, withdrawn ones too."""
    rows = await tx.rows(
        "SELECT id FROM offers WHERE seller_id = ? AND id > ? ORDER BY id LIMIT ?",
        (seller, after, limit),
    )
    return await some(tx, [row[0] for row in rows])


async def made_since(tx: Transaction, seller: int, since: int, limit: int) -> int:
    """Return how many of a seller's last `limit` offers were made after a second."""
    ((count,),) = await tx.rows(
        "SELECT count(*) FROM (SELECT made_at FROM offers WHERE seller_id = ?"
        " ORDER BY id DESC LIMIT ?) WHERE made_at > ?",
        (seller, limit, since),
    )
    return int(count)


async def set_withdrawn(tx: Transaction, offer: int, *, now: int) -> None:
    """Write down that an offer is withdrawn."""
    await tx.many("UPDATE offers SET withdrawn_at = ? WHERE id = ?", [(now, offer)])


async def claim(tx: Transaction, offer: int, wh: Mapping[int, int]) -> None:
    """Claim Wh of an offer's open slots; the schema refuses more than there are."""
    await tx.many(
        "UPDATE offer_slots SET claimed_wh = claimed_wh + ?"
        " WHERE offer_id = ? AND start = ?",
        [(more, offer, start) for start, more in wh.items()],
    )


async def give_back(tx: Transaction, wh: Mapping[Place, int]) -> None:
    """Give claimed Wh back: to the offer where its slot is open, else to the seller."""
    await tx.many(
        "UPDATE offer_slots SET claimed_wh = claimed_wh - ?"
        " WHERE offer_id = ? AND start = ?",
        [(less, *place) for place, less in wh.items()],
    )
    freed: Counter[tuple[int, int]] = Counter()
    for offer, start, point, _, closed in await _standing(tx, wh):
        if closed:
            freed[point, start] += wh[offer, start]
    await sales.release(tx, freed)


async def close(tx: Transaction, places: Iterable[Place], *, now: int) -> None:
    """Close open slots of offers, and give the seller back what nobody claimed of them."""
    wanted = list(places)
    freed: Counter[tuple[int, int]] = Counter()
    for _, start, point, unclaimed, closed in await _standing(tx, wanted):
        if not closed:
            freed[point, start] += unclaimed
    await tx.many(
        "UPDATE offer_slots SET closed_at = ?"
        " WHERE offer_id = ? AND start = ? AND closed_at IS NULL",
        [(now, *place) for place in wanted],
    )
    await sales.release(tx, freed)


async def begun(tx: Transaction, *, now: int, limit: int) -> list[Place]:
    """Return open slots of offers that have begun, the oldest first."""
    rows = await tx.rows(
        "SELECT offer_id, start FROM offer_slots WHERE closed_at IS NULL"
        " AND start <= ? ORDER BY start, offer_id LIMIT ?",
        (now, limit),
    )
    return [(offer, start) for offer, start in rows]


async def _standing(tx: Transaction, places: Iterable[Place]) -> list[tuple[int, ...]]:
    pairs = list(places)
    return await tx.rows_of_pairs(_STANDING, pairs) if pairs else []


def _offer(row: Sequence[Any], slots: Mapping[int, OfferSlot]) -> Offer:
    # The driver gives rows of no static type.
    number, seller, point, price, made_at, withdrawn_at = row
    return Offer(number, seller, point, price, made_at, withdrawn_at, slots)
