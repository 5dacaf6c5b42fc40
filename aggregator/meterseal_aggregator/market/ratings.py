"""What the two sides of a trade thought of each other: 1 to 5 stars, once, and shown.

    await rate(tx, Wish(trade=12, rater=7, stars=5), now=now)
    found = await shown(tx, [3, 7])

Anybody can be kind or unkind; meters are neither. So this module must never move trust,
nor what anybody may sell.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.identity import events
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.model import Cause, Declined, TradeState
from meterseal_aggregator.storage.database import Transaction

STARS: Final = 5
"""The most; 1 is the least."""
HUNDREDTHS: Final = 100
"""An average is shown in 1/100 of a star, rounded half up."""

_STARS: Final = "SELECT rated_id, sum(stars), count(*) FROM ratings"


@dataclass(frozen=True, slots=True)
class Wish:
    """`stars` (1 to STARS) from one side of a trade to the other."""

    trade: int
    rater: int
    stars: int


@dataclass(frozen=True, slots=True)
class Rating:
    """What others think of a member: the average in 1/100 star (0 without any), how many."""

    average_x100: int
    count: int


UNRATED: Final = Rating(0, 0)


async def rate(tx: Transaction, wish: Wish, *, now: int) -> int:
    """Note what one side thinks of the other; returns who was rated.

    The same stars again change nothing. Raises Declined: UNKNOWN for a trade that is not
    his, STATE before it is settled or with other stars than he gave. ValueError for stars
    there are not.
    """
    if not 1 <= wish.stars <= STARS:
        raise ValueError(f"{wish.stars} stars; there are 1 to {STARS}")
    trade = await trades.by_id(tx, wish.trade)
    if trade is None or wish.rater not in (trade.seller, trade.buyer):
        raise Declined(Cause.UNKNOWN, "there is no such trade of yours")
    if trade.state is not TradeState.SETTLED:
        raise Declined(
            Cause.STATE, f"the trade is {trade.state}: rate it once it is settled"
        )
    rated = trade.buyer if wish.rater == trade.seller else trade.seller
    known = await tx.rows(
        "SELECT stars FROM ratings WHERE trade_id = ? AND rater_id = ?",
        (wish.trade, wish.rater),
    )
    if known and known[0][0] != wish.stars:
        raise Declined(Cause.STATE, f"you gave this trade {known[0][0]} stars already")
    if not known:
        await _keep(tx, wish, rated, now)
    return rated


async def shown(tx: Transaction, members: Sequence[int]) -> dict[int, Rating]:
    """Return how members are rated, UNRATED where nobody did."""
    wanted = sorted(set(members))
    marks = ",".join("?" for _ in wanted)
    where = f" WHERE rated_id IN ({marks}) GROUP BY rated_id"
    rows = await tx.rows(_STARS + where, wanted)
    found = {
        member: Rating((stars * HUNDREDTHS * 2 + count) // (count * 2), count)
        for member, stars, count in rows
    }
    return dict.fromkeys(wanted, UNRATED) | found


async def _keep(tx: Transaction, wish: Wish, rated: int, now: int) -> None:
    await tx.many(
        "INSERT INTO ratings (trade_id, rater_id, rated_id, stars, rated_at)"
        " VALUES (?, ?, ?, ?, ?)",
        [(wish.trade, wish.rater, rated, wish.stars, now)],
    )
    body = {"trade": wish.trade, "stars": wish.stars}
    await events.tell(tx, [events.Told(rated, "rating", body)], now=now)
