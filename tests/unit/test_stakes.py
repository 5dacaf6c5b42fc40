"""A stake answers for what its seller promised, until that is settled."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import stake, user
from meterseal_aggregator.ledger.chart import DISPUTES
from meterseal_aggregator.ledger.model import Freeze, Phase, Transfer, TransferId
from meterseal_aggregator.market import stakes, standing
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.stakes import Kind, Move, Wish
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.market.trust import TrustRules
from tests.support.lanec import Lane, a_lane, promise
from tests.support.marketplace import (
    NOW,
    XTS,
    a_market,
    declare,
    fund,
    slot,
)


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    async with a_market(tmp_path) as database:
        made = await a_lane(database)
        async with database.transaction() as tx:
            await fund(tx, made.ada, 1_000, now=NOW)
        yield made


async def _stake(lane: Lane, amount: int, key: str = "in") -> Move:
    async with lane.database.transaction() as tx:
        return await stakes.stake_in(tx, Wish(lane.ada, amount, key), now=NOW)


async def _release(lane: Lane, amount: int, key: str = "out") -> Move:
    async with lane.database.transaction() as tx:
        return await stakes.release(tx, Wish(lane.ada, amount, key), now=NOW)


async def _sums(lane: Lane) -> tuple[int, int]:
    mine, aside = user(lane.ada), stake(lane.ada)
    return await lane.held(mine, XTS), await lane.held(aside, XTS)


async def test_money_is_set_aside_and_comes_back(lane: Lane) -> None:
    made = await _stake(lane, 700)
    assert (made.kind, made.held) == (Kind.STAKE, 700)
    assert await _sums(lane) == (300, 700)
    made = await _release(lane, 200)
    assert (made.kind, made.held) == (Kind.RELEASE, 500)
    assert await _sums(lane) == (500, 500)


async def test_nobody_stakes_or_takes_back_what_he_has_not(lane: Lane) -> None:
    with pytest.raises(Declined) as declined:
        await _stake(lane, 1_001)
    assert declined.value.cause is Cause.FUNDS
    await _stake(lane, 600)
    with pytest.raises(Declined) as declined:
        await _release(lane, 601)
    assert declined.value.cause is Cause.FUNDS
    assert await _sums(lane) == (400, 600)


async def test_a_stake_stays_until_every_promise_is_settled(lane: Lane) -> None:
    await _stake(lane, 600)
    async with lane.database.transaction() as tx:
        point = lane.points[lane.ada]
        await promise(tx, lane.ada, point, slot(0), 100)
        await promise(tx, lane.ada, point, slot(1), 0)
        await promise(tx, lane.bo, lane.points[lane.bo], slot(1), 100)
    with pytest.raises(Declined) as declined:
        await _release(lane, 1)
    assert declined.value.cause is Cause.STATE
    assert str(slot(0)) in declined.value.detail
    async with lane.database.transaction() as tx:
        await tx.rows(
            "UPDATE slot_sales SET settled_at = ? WHERE start = ?", (NOW, slot(0))
        )
    assert (await _release(lane, 600)).held == 0


async def test_the_same_wish_under_the_same_key_moves_money_once(lane: Lane) -> None:
    first = await _stake(lane, 600)
    await _stake(lane, 100, "more")
    assert await _stake(lane, 600) == first
    back = await _release(lane, 50)
    assert await _release(lane, 50) == back
    assert await _sums(lane) == (350, 650)
    for again, name in (
        (_stake(lane, 601), "amount_micro"),
        (_release(lane, 600, "in"), "kind"),
    ):
        with pytest.raises(Declined) as declined:
            await again
        assert declined.value.cause is Cause.KEY_USED
        assert f"different {name}," in declined.value.detail


async def test_a_disputed_stake_stays(lane: Lane) -> None:
    await _stake(lane, 600)
    freeze = Transfer(
        TransferId(b"f" * 32), 0, stake(lane.ada), DISPUTES, "dispute", NOW,
        asset=XTS, phase=Phase.HOLD, freezes=Freeze.DEBIT,
    )  # fmt: skip
    async with lane.database.transaction() as tx:
        (result,) = await ledger.post(tx, [freeze], now=NOW)
    assert result.entered
    with pytest.raises(Declined) as declined:
        await _release(lane, 600)
    assert declined.value.cause is Cause.FROZEN


async def test_enough_stake_lifts_the_limit_by_one_tier_and_never_the_score(
    lane: Lane,
) -> None:
    rules = replace(TrustRules(), stake_micro=600)
    async with lane.database.transaction() as tx:
        await declare(tx, lane.ada, 500_000)
        terms = await terms_at(tx, NOW)
    limits = []
    for amount in (599, 1):
        await _stake(lane, amount, f"in-{amount}")
        async with lane.database.reading() as tx:
            left = await standing.left_this_month(tx, rules, lane.ada, terms, slot(0))
            limits.append(left)
            assert await standing.score(tx, rules, lane.ada) == rules.start
    assert limits == [50_000, 200_000]


async def test_the_schema_keeps_stakes_for_ever(lane: Lane) -> None:
    await _stake(lane, 1)
    for sql in ("UPDATE stake_moves SET amount = 2", "DELETE FROM stake_moves"):
        with pytest.raises(sqlite3.IntegrityError):
            async with lane.database.transaction() as tx:
                await tx.rows(sql)
