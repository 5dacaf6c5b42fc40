"""A slot settled: delivered, short, missing, disputed, corrected; to the micro-unit."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.model import TradeState, buyer, producer, stake, user
from meterseal_aggregator.market.settlement.model import FUND, SlotRun
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world

FEE, WHEELING = AccountCode("fee"), AccountCode("wheeling")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        yield await a_world(database)


async def test_what_was_metered_is_delivered_and_paid(world: World) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    await world.tell(600)
    assert await world.run() == 2
    assert await world.settle() == 0
    seller = world.producers[0].member
    trade = await world.trade(made)
    assert (trade.state, trade.metered_wh, trade.delivered_wh) == (
        TradeState.SETTLED,
        500,
        500,
    )
    # 500 Wh at 0.15: 75,000; fee 5,000; losses 3 % of 70,000.
    assert await world.held(user(ada)) == 10_000_000 - 75_000
    assert await world.held(user(seller)) == 75_000 - 5_000 - 2_100
    assert await world.held(FEE) == 5_000
    assert await world.held(WHEELING) == 2_100
    assert await world.energy(buyer(ada)) == 500
    assert await world.energy(producer(seller)) == 100
    assert await world.slot_run(0) == (1, SlotRun(600, 500, 0, 100, 0))
    assert await world.order_state(made) == "delivered"
    assert await world.trust() == [(f"order {made.order}", "delivered", 500)]
    assert await world.well()


async def test_a_shortfall_is_paid_by_the_stake_and_then_by_the_fund(
    world: World,
) -> None:
    ada, _ = world.buyers
    seller = world.producers[0].member
    await world.pay_in(stake(seller), 6_000)
    await world.pay_in(FUND, 1_000_000)
    made = await world.sell(ada, 0, 500)
    await world.tell(400)
    await world.run()
    # 100 Wh cost 0.10 a kWh more elsewhere: 10,000.
    assert await world.held(stake(seller)) == 0
    assert await world.held(FUND) == 996_000
    assert await world.held(user(ada)) == 10_000_000 - 60_000 + 10_000
    assert await world.order_state(made) == "partial"
    assert await world.trust() == [(f"order {made.order}", "delivered", -200)]
    assert await world.well()


async def test_the_rest_of_an_auction_goes_by_largest_remainder_after_the_offers(
    world: World,
) -> None:
    ada, bob = world.buyers
    x = await world.sell(ada, 0, 300, lane=Lane.AUCTION)
    y = await world.sell(bob, 0, 200, lane=Lane.AUCTION)
    z = await world.sell(bob, 0, 500)
    await world.tell(600)
    await world.run()
    assert [(await world.trade(one)).delivered_wh for one in (x, y, z)] == [60, 40, 500]
    assert await world.trust() == [
        (f"order {z.order}", "delivered", 500),
        (f"ask {x.ask}", "delivered", -800),
    ]
    assert await world.well()
