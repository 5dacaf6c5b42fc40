"""Ratings are given once by each side of a settled trade, shown, and move nothing."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.identity.events import told
from meterseal_aggregator.market import ratings, standing
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.ratings import Rating, Wish
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.market.trust import TrustRules
from tests.support.lanec import Lane, a_lane, a_trade, promise
from tests.support.marketplace import NOW, a_market, declare, slot

SETTLED, HELD, VOIDED = 1, 2, 3


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    """Cleo bought of Ada three times: settled, held and voided."""
    async with a_market(tmp_path) as database:
        made = await a_lane(database)
        async with database.transaction() as tx:
            await declare(tx, made.ada, 500_000)
            await promise(tx, made.ada, made.points[made.ada], slot(0), 300)
        await _trade(made, SETTLED, "settled")
        await _trade(made, HELD, "held")
        await _trade(made, VOIDED, "voided")
        yield made


async def _trade(lane: Lane, number: int, state: str) -> None:
    async with lane.database.transaction() as tx:
        sides = (lane.ada, lane.cleo)
        await a_trade(tx, number, sides, lane.points[lane.ada], slot(0), state)


async def _rate(lane: Lane, rater: int, stars: int, trade: int = SETTLED) -> int:
    async with lane.database.transaction() as tx:
        return await ratings.rate(tx, Wish(trade, rater, stars), now=NOW)


async def _shown(lane: Lane, member: int) -> Rating:
    async with lane.database.reading() as tx:
        return (await ratings.shown(tx, [member]))[member]


async def test_each_side_rates_the_other_once(lane: Lane) -> None:
    assert await _rate(lane, lane.cleo, 4) == lane.ada
    assert await _rate(lane, lane.ada, 5) == lane.cleo
    assert await _rate(lane, lane.cleo, 4) == lane.ada
    assert await _shown(lane, lane.ada) == Rating(400, 1)
    assert await _shown(lane, lane.cleo) == Rating(500, 1)
    assert await _shown(lane, lane.bo) == Rating(0, 0)
    with pytest.raises(Declined) as declined:
        await _rate(lane, lane.cleo, 1)
    assert declined.value.cause is Cause.STATE
    assert await _shown(lane, lane.ada) == Rating(400, 1)


async def test_an_average_is_rounded_half_up_to_a_hundredth(lane: Lane) -> None:
    for number, stars in ((11, 5), (12, 5), (13, 4), (14, 1), (15, 1), (16, 1)):
        await _trade(lane, number, "settled")
        await _rate(lane, lane.cleo, stars, number)
    assert await _shown(lane, lane.ada) == Rating(283, 6)
    for number, stars in ((17, 5), (18, 1)):
        await _trade(lane, number, "settled")
        await _rate(lane, lane.cleo, stars, number)
    # 23 of 8: 2.875 stars.
    assert await _shown(lane, lane.ada) == Rating(288, 8)


@pytest.mark.parametrize("trade", [HELD, VOIDED])
async def test_only_what_was_settled_is_rated(lane: Lane, trade: int) -> None:
    with pytest.raises(Declined) as declined:
        await _rate(lane, lane.cleo, 5, trade)
    assert declined.value.cause is Cause.STATE


async def test_a_stranger_learns_nothing_of_a_trade(lane: Lane) -> None:
    answers = []
    for trade in (SETTLED, HELD, 99):
        with pytest.raises(Declined) as declined:
            await _rate(lane, lane.bo, 5, trade)
        answers.append((declined.value.cause, declined.value.detail))
    assert set(answers) == {(Cause.UNKNOWN, "there is no such trade of yours")}


@pytest.mark.parametrize("stars", [0, 6, -1])
async def test_there_are_one_to_five_stars(lane: Lane, stars: int) -> None:
    with pytest.raises(ValueError, match="1 to 5"):
        await _rate(lane, lane.cleo, stars)


async def test_a_rating_moves_neither_trust_nor_what_may_be_sold(lane: Lane) -> None:
    rules = TrustRules()
    async with lane.database.reading() as tx:
        terms = await terms_at(tx, NOW)
        before = await standing.left_this_month(tx, rules, lane.ada, terms, slot(0))
    await _rate(lane, lane.cleo, 1)
    await _rate(lane, lane.ada, 5)
    async with lane.database.reading() as tx:
        after = await standing.left_this_month(tx, rules, lane.ada, terms, slot(0))
        scores = await standing.scores(tx, rules, lane.members)
        assert await tx.rows("SELECT 1 FROM trust_events") == []
    assert after == before
    assert set(scores.values()) == {rules.start}


async def test_who_is_rated_is_told_the_stars(lane: Lane) -> None:
    await _rate(lane, lane.cleo, 3)
    async with lane.database.reading() as tx:
        (news,) = await told(tx, lane.ada, after=0, limit=9)
    assert (news.kind, news.body) == ("rating", '{"trade":1,"stars":3}')
