"""Which offers suit a buyer, the best first: price, the seller's trust and the hours.

    found = ranked(offers, Wanted(buyer, start, end, wh, price), limit)

An offer suits when its hours meet the wanted ones, it has the energy left, costs no more,
its seller is trusted and is not the buyer. Its score is 40 % price, 35 % trust and 25 %
time, each from 0 to 10,000. Integers, pure, and the same for every listing of the same
offers. This module must never reserve what it shows: an offer may be gone a moment later.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from meterseal_proto.clearing import MAX_TRUST

PRICE_WEIGHT: Final = 40
TRUST_WEIGHT: Final = 35
TIME_WEIGHT: Final = 25
LEAST_TRUST: Final = 2_000
"""Below 0.2 a seller is not shown: he failed more than he delivered."""
WHOLE: Final = MAX_TRUST
"""Each part of a score is at most this, so the score in percent of it is too."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An offer as discovery sees it: hours [start, end) in Unix seconds, `left_wh` unsold.

    price: micro-units per kWh; trust: the seller's, in 1/10,000.
    """

    id: str
    seller: str
    start: int
    end: int
    left_wh: int
    price: int
    trust: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a buyer looks for: at least `wh` within [start, end), at `price` or less."""

    buyer: str
    start: int
    end: int
    wh: int
    price: int


@dataclass(frozen=True, slots=True)
class Found:
    """An offer and its score, 0 to 10,000."""

    offer: Shown
    score: int


def ranked(offers: Iterable[Shown], wanted: Wanted, limit: int) -> list[Found]:
    """Return up to `limit` suiting offers by score; ties by price, trust, start, id.

    ValueError for hours that end before they begin.
    """
    if wanted.end <= wanted.start:
        raise ValueError("the wanted hours end before they begin")
    suiting = [offer for offer in offers if suits(offer, wanted)]
    prices = [offer.price for offer in suiting] or [0]
    bounds = (min(prices), max(prices))
    found = [Found(offer, score(offer, wanted, bounds)) for offer in suiting]
    return sorted(found, key=_place)[:limit]


def suits(offer: Shown, wanted: Wanted) -> bool:
    """Tell whether an offer may be shown to this buyer at all."""
    return (
        offer.seller != wanted.buyer
        and offer.left_wh >= wanted.wh
        and offer.price <= wanted.price
        and offer.trust >= LEAST_TRUST
        and _overlap(offer, wanted) > 0
    )


def score(offer: Shown, wanted: Wanted, prices: tuple[int, int]) -> int:
    """Return 0 to 10,000, floored, beside the lowest and highest price that suits."""
    low, high = prices
    cheap = (high - offer.price) * WHOLE // (high - low) if high > low else WHOLE
    hours = _overlap(offer, wanted) * WHOLE // (wanted.end - wanted.start)
    parts = cheap * PRICE_WEIGHT + offer.trust * TRUST_WEIGHT + hours * TIME_WEIGHT
    return parts // 100


def _overlap(offer: Shown, wanted: Wanted) -> int:
    return min(offer.end, wanted.end) - max(offer.start, wanted.start)


def _place(found: Found) -> tuple[int, int, int, int, str]:
    offer = found.offer
    return -found.score, offer.price, -offer.trust, offer.start, offer.id
