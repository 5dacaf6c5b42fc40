"""What two who work together can take from the mutual fund, and what they cannot."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import MUTUAL_FUND, stake, user
from meterseal_aggregator.market import standing
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.terms import terms_at
from tests.support.marketplace import a_market, declare
from tests.support.settling import World, a_world, slot

MONTHLY_WH = 100_000
LIMIT_WH = MONTHLY_WH // 10
CHEAP = Terms(price=80_000, fee=0, losses_bp=0, retail=250_000)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        opened = await a_world(database)
        async with database.transaction() as tx:
            await declare(tx, opened.producers[0].member, MONTHLY_WH)
        yield opened


async def left(world: World) -> int:
    """What the seller may still promise in the month of the world's slots."""
    seller = world.producers[0].member
    async with world.database.reading() as tx:
        terms = await terms_at(tx, slot(0))
        rules = world.rules.trust
        return await standing.left_this_month(tx, rules, seller, terms, slot(0))


@pytest.mark.parametrize("lane", Lane)
async def test_what_the_fund_made_good_is_not_promised_again_this_month(
    world: World, lane: Lane
) -> None:
    await world.pay_in(MUTUAL_FUND, 1_000_000)
    await world.sell(world.buyers[0], 0, 1_000, lane=lane, terms=CHEAP)
    assert await left(world) == LIMIT_WH - 1_000
    await world.tell(300)
    await world.run()
    assert await world.held(MUTUAL_FUND) == 1_000_000 - 700 * 170
    assert await left(world) == LIMIT_WH - 1_000
    assert await world.well()


async def test_what_came_late_after_all_counts_once(world: World) -> None:
    await world.pay_in(MUTUAL_FUND, 1_000_000)
    await world.sell(world.buyers[0], 0, 1_000, terms=CHEAP)
    await world.tell(300)
    await world.run()
    assert await left(world) == LIMIT_WH - 1_000
    await world.revise(0, 600, 1)
    world.now += 70 * 86_400
    await world.run()
    assert await world.held(MUTUAL_FUND) == 1_000_000 - 400 * 170
    assert await left(world) == LIMIT_WH - 1_000


async def test_what_a_stake_or_nobody_made_good_may_be_promised_again(
    world: World,
) -> None:
    await world.pay_in(stake(world.producers[0].member), 700 * 170)
    await world.sell(world.buyers[0], 0, 1_000, terms=CHEAP)
    await world.sell(world.buyers[0], 1, 1_000, terms=CHEAP)
    await world.tell(300, 0)
    await world.run()
    assert await world.held(MUTUAL_FUND) == 0
    assert await left(world) == LIMIT_WH - 300


async def test_thirteen_orders_of_one_wh_each_are_worth_platinum(world: World) -> None:
    """What SECURITY.md says of trust: two who work together have it for a few Wh."""
    ada, seller = world.buyers[0], world.producers[0].member
    before = await world.held(user(ada)) + await world.held(user(seller))
    for _ in range(13):
        await world.sell(ada, 0, 1, terms=CHEAP)
    await world.tell(13)
    await world.run()
    async with world.database.reading() as tx:
        assert await standing.score(tx, world.rules.trust, seller) == 9_500
    assert await left(world) == MONTHLY_WH - 13
    assert await world.held(user(ada)) + await world.held(user(seller)) == before
