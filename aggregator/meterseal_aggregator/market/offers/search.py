"""Which offers there are: browsed by page, or the best for what a buyer wants.

    page = await browse(tx, Sought(begin, end), now=now, after=0, limit=100)
    found = await best(tx, rules, Wanted("7", begin, end, wh, price), now=now, limit=20)

What is shown may be gone a moment later. A seller is a number with his trust and stars, and
has no name here. This module must never claim anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.market import ratings
from meterseal_aggregator.market.discovery import (
    LEAST_TRUST,
    Found,
    Shown,
    Wanted,
    ranked,
)
from meterseal_aggregator.market.offers import store
from meterseal_aggregator.market.offers.model import Offer
from meterseal_aggregator.market.ratings import Rating
from meterseal_aggregator.market.standing import scores
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.market.trust import Tier, tier_of
from meterseal_aggregator.storage.database import Transaction

MAX_CANDIDATES: Final = 500
"""Offers that are scored a question: the cheapest that suit; a buyer reads twenty."""

_LEFT: Final = """
SELECT s.offer_id FROM offer_slots s JOIN offers o ON o.id = s.offer_id
WHERE s.closed_at IS NULL AND s.start > ? AND s.start >= ? AND s.start < ?
  AND s.claimed_wh < s.wh AND o.price <= ? AND (? IS NULL OR o.seller_id = ?)
  AND s.offer_id > ?
GROUP BY s.offer_id HAVING sum(s.wh - s.claimed_wh) >= ?
ORDER BY s.offer_id LIMIT ?
"""
_CANDIDATES: Final = """
SELECT s.offer_id, o.seller_id, min(s.start), max(s.start + p.length),
  sum(s.wh - s.claimed_wh), o.price, coalesce(t.score, ?) AS trust
FROM offer_slots s JOIN offers o ON o.id = s.offer_id
JOIN slot_sales p ON p.meter_point_id = o.meter_point_id AND p.start = s.start
LEFT JOIN trust_scores t ON t.member_id = o.seller_id
WHERE s.closed_at IS NULL AND s.start > ? AND s.start + p.length > ? AND s.start < ?
  AND s.claimed_wh < s.wh AND o.price <= ? AND o.seller_id <> ?
  AND coalesce(t.score, ?) >= ?
GROUP BY s.offer_id HAVING sum(s.wh - s.claimed_wh) >= ?
ORDER BY o.price, trust DESC, s.offer_id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Sought:
    """What offers are listed: with slots that begin in [begin, end), and of these `least_wh`.

    Prices in micro-units per kWh; `seller` None is anybody.
    """

    begin: int
    end: int
    max_price: int
    least_wh: int = 1
    seller: int | None = None


@dataclass(frozen=True, slots=True)
class Seller:
    """What others see of a seller: his trust, 0 to 10,000, and what buyers gave him."""

    member: int
    score: int
    rating: Rating

    @property
    def tier(self) -> Tier:
        """The tier of his score."""
        return tier_of(self.score)


async def browse(
    tx: Transaction, sought: Sought, *, now: int, after: int, limit: int
) -> list[Offer]:
    """Return a page of offers that have something left, by number."""
    rows = await tx.rows(
        _LEFT,
        (
            now, sought.begin, sought.end, sought.max_price, sought.seller,
            sought.seller, after, sought.least_wh, limit,
        ),
    )  # fmt: skip
    return await store.some(tx, [row[0] for row in rows])


async def best(
    tx: Transaction, rules: MarketRules, wanted: Wanted, *, now: int, limit: int
) -> list[tuple[Offer, Found]]:
    """Return offers that suit a buyer, the best first, with their score."""
    start = rules.trust.start
    rows = await tx.rows(
        _CANDIDATES,
        (
            start, now, wanted.start, wanted.end, wanted.price, int(wanted.buyer),
            start, LEAST_TRUST, wanted.wh, MAX_CANDIDATES,
        ),
    )  # fmt: skip
    shown = [Shown(str(offer), str(seller), *rest) for offer, seller, *rest in rows]
    found = ranked(shown, wanted, limit)
    offers = await store.some(tx, [int(one.offer.id) for one in found])
    return list(zip(offers, found, strict=True))


async def sellers(
    tx: Transaction, rules: MarketRules, members: Sequence[int]
) -> dict[int, Seller]:
    """Return what others see of these sellers; at most a page of them."""
    known = await scores(tx, rules.trust, members)
    rated = await ratings.shown(tx, members)
    return {who: Seller(who, score, rated[who]) for who, score in known.items()}
