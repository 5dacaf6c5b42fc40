"""A slot's book as it is stored and shown: BOOK.json of `meterseal-verify clearing`.

Orders are numbered by submission within the slot, members have a name of this slot alone,
and of a score only its tier is told, by its lower bound: a book names nobody, and nothing in it
links one slot to another. Pure. This module must never decide who trades.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Final

from meterseal_aggregator.market.auction.model import SealedOrder, Side
from meterseal_aggregator.market.terms import MarketTerms
from meterseal_proto.clearing import TIERS, Terms, tier

_BOUNDS: Final = (0, *TIERS)


def terms_of(terms: MarketTerms, start: int) -> Terms | None:
    """Return by what a slot is cleared, None where the network's terms allow no price."""
    try:
        found = Terms(
            slot=start,
            tick=terms.tick,
            floor=terms.feed_in,
            ceiling=terms.retail,
            fee=terms.fee,
            losses_bp=terms.losses_bp,
        )
    except ValueError:
        return None
    return found


def tier_bound(score: int) -> int:
    """Return the lower bound of a score's tier: all that the auction looks at."""
    return _BOUNDS[tier(score)]


def book_bytes(
    terms: Terms,
    orders: Sequence[SealedOrder],
    names: Mapping[int, str],
    scores: Mapping[int, int],
) -> bytes:
    """Return the book of orders given by submission; names and scores are by member."""
    sides: dict[Side, list[dict[str, object]]] = {Side.ASK: [], Side.BID: []}
    for number, order in enumerate(orders, 1):
        wish = order.wish
        sides[wish.side].append(
            {
                "id": str(number),
                "party": names[wish.member],
                "wh": wish.wh,
                "price": wish.price,
                "trust": tier_bound(scores[wish.member]),
            }
        )
    book = {
        "slot": terms.slot,
        "tick": terms.tick,
        "floor": terms.floor,
        "ceiling": terms.ceiling,
        "fee": terms.fee,
        "losses_bp": terms.losses_bp,
        "asks": sides[Side.ASK],
        "bids": sides[Side.BID],
    }
    return json.dumps(book, separators=(",", ":")).encode()
