"""The DISCOM mock: what it says, how often, and where it may speak at all."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import buyer, producer, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import AccountCode, Asset, Transfer
from meterseal_aggregator.ledger.store import post
from meterseal_aggregator.market.model import TradeState, transfer_id
from meterseal_aggregator.market.settlement.mock import verified
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.market.terms import MarketRules, Mock
from tests.support.lanes import PAST
from tests.support.marketplace import a_market, certify, make_home
from tests.support.settling import World, a_world, slot

KES = Asset("KES")


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    rules = MarketRules(mock=Mock(success_bp=8_500, seed=7))
    async with a_market(tmp_path) as database:
        yield await a_world(database, producers=1, bare=1, rules=rules)


def test_the_mock_says_the_same_for_ever_and_as_often_as_it_should() -> None:
    mock = Mock(success_bp=8_500, seed=7)
    found = [verified(mock, trade, 10_000) for trade in range(1, 20_001)]
    assert found == [verified(mock, trade, 10_000) for trade in range(1, 20_001)]
    full = sum(wh == 10_000 for wh in found)
    failed = sum(wh == 0 for wh in found)
    parts = [wh for wh in found if 0 < wh < 10_000]
    assert 16_800 < full < 17_200
    assert 900 < failed < 1_100
    assert 1_900 < len(parts) < 2_100
    assert 2_000 <= min(parts) < 2_050
    assert 7_950 < max(parts) <= 8_000
    assert 4_850 < sum(parts) / len(parts) < 5_150


def test_another_seed_says_something_else() -> None:
    one, other = Mock(seed=1), Mock(seed=2)
    assert [verified(one, n, 100) for n in range(99)] != [
        verified(other, n, 100) for n in range(99)
    ]
    assert all(verified(Mock(success_bp=10_000), n, 100) == 100 for n in range(99))
    assert all(verified(Mock(success_bp=0), n, 100) < 100 for n in range(99))


async def test_an_unmetered_trade_of_a_demo_moves_money_and_trust_and_no_energy(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500, seller=1)
    wh = verified(Mock(seed=7), made.id, 500)
    assert await world.settle() > 0
    trade = await world.trade(made)
    assert (trade.state, trade.delivered_wh) == (TradeState.SETTLED, wh)
    assert await world.held(user(ada)) == 10_000_000 - wh * 150
    assert await world.energy(buyer(ada)) == 0
    assert await world.energy(producer(world.producers[1].member)) == 0
    assert len(await world.trust(1)) == 1
    assert await world.slot_run(0, seller=1) == (1, SlotRun(wh, wh, 0, 0, 0))
    assert await world.well()
    # No later run asks the mock again.
    world.now = due_at(Run.LAST, slot(0), "UTC")
    assert await world.settle() == 0


async def test_the_mock_never_speaks_where_a_meter_stands(world: World) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    assert await world.run() == 0
    assert (await world.trade(made)).state is TradeState.HELD
    await world.tell(0)
    await world.run()
    assert (await world.trade(made)).delivered_wh == 0


async def test_a_meter_that_stays_silent_is_not_replaced_by_the_mock(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    world.now = due_at(Run.LAST, slot(0), "UTC")
    await world.run()
    assert (await world.trade(made)).state is TradeState.VOIDED


async def test_a_meter_that_comes_after_the_sale_replaces_the_mock(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500, seller=1)
    bare = world.producers[1]
    async with world.database.transaction() as tx:
        bare.home = await make_home(tx, bare.member, bare.point)
        await certify(tx, bare.point)
    assert await world.settle() == 0
    await world.tell(123, seller=1)
    await world.run()
    assert (await world.trade(made)).delivered_wh == 123
    assert await world.energy(buyer(ada)) == 123


async def test_the_mock_never_settles_money_that_is_real(world: World) -> None:
    ada, _ = world.buyers
    async with world.database.transaction() as tx:
        await declare(tx, KES, now=0)
        entry = Transfer(
            id=transfer_id("kes"), amount=1_000_000, debit=AccountCode("cash"),
            credit=user(ada), purpose="deposit", asset=KES,
        )  # fmt: skip
        (result,) = await post(tx, [entry], now=PAST)
        assert result.entered
    made = await world.sell(ada, 0, 500, seller=1, asset=KES)
    play = await world.sell(ada, 0, 500, seller=1)
    await world.settle()
    assert (await world.trade(play)).state is TradeState.SETTLED
    for run in (Run.MONTH, Run.LAST):
        assert (await world.trade(made)).state is TradeState.HELD
        world.now = due_at(run, slot(0), "UTC")
        await world.settle()
    assert (await world.trade(made)).state is TradeState.VOIDED
    assert await world.held(user(ada), KES) == 1_000_000
    assert await world.well()


async def test_without_a_mock_an_unmetered_slot_waits_and_is_given_up(
    world: World,
) -> None:
    world.rules = MarketRules()
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500, seller=1)
    world.now = due_at(Run.LAST, slot(0), "UTC") - 1
    assert await world.settle() == 0
    world.now += 1
    assert await world.settle() > 0
    assert (await world.trade(made)).state is TradeState.VOIDED
    assert await world.held(user(ada)) == 10_000_000
    assert await world.trust(1) == []
