"""Later runs: what a correction delivers, charges, takes back and never takes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import (
    MUTUAL_FUND,
    buyer,
    producer,
    stake,
    user,
)
from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.settlement.runs import Run, due_at
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world, slot

MONTH, LAST = due_at(Run.MONTH, slot(0), "UTC"), due_at(Run.LAST, slot(0), "UTC")
RUN = (
    "SELECT run, metered_wh, delivered_wh, paid, to_seller, fee, losses, from_stake,"
    " from_fund, uncovered, arrears FROM trade_runs WHERE trade_id = ? ORDER BY run"
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        yield await a_world(database)


async def test_what_comes_later_is_delivered_and_charged_by_the_next_run(
    world: World,
) -> None:
    made = await short(world)
    ada = made.buyer
    assert await world.held(user(ada)) == 9_940_000
    await world.revise(0, 480, 1)
    await world.run()
    # Not before a month has passed, to the second.
    world.now = MONTH - 1
    assert await world.run() == 0
    world.now += 1
    assert await world.run() == 2
    assert await world.settle() == 0
    trade = await world.trade(made)
    assert (trade.metered_wh, trade.delivered_wh, trade.run) == (480, 480, 2)
    assert await world.rows(RUN, made.id) == [
        (1, 400, 400, 60_000, 54_320, 4_000, 1_680, 0, 0, 10_000, 0),
        (2, 480, 480, 12_000, 10_864, 800, 336, 0, 0, -8_000, 0),
    ]
    assert await world.held(user(ada)) == 10_000_000 - 72_000
    assert await world.energy(buyer(ada)) == 480
    assert await world.slot_run(0) == (2, SlotRun(480, 480, 0, 0, 0))
    assert await world.rows("SELECT promised_wh FROM slot_sales") == [(480,)]
    assert await world.trust() == [
        (f"order {made.order}", "delivered", -200),
        (f"order {made.order}", f"corrected-2-{made.id}", 160),
    ]
    assert await world.well()


async def test_what_the_buyer_cannot_pay_becomes_arrears_and_the_seller_is_paid(
    world: World,
) -> None:
    made = await short(world)
    ada, seller = made.buyer, made.seller
    await spend(world, ada, 5_000)
    await world.revise(0, 480, 1)
    world.now = MONTH
    await world.run()
    assert await world.held(user(ada)) == 0
    assert await world.owed(AccountCode(f"arrears:{ada}")) == 7_000
    assert await world.held(user(seller)) == 54_320 + 10_864
    assert (await world.rows(RUN, made.id))[1][-1] == 7_000
    assert await world.well()


async def test_compensation_for_wh_that_come_after_all_goes_back_to_who_paid_it(
    world: World,
) -> None:
    seller = world.producers[0].member
    await world.pay_in(stake(seller), 6_000)
    await world.pay_in(MUTUAL_FUND, 20_000)
    made = await short(world)
    assert await world.held(MUTUAL_FUND) == 16_000
    # 30 Wh more: 3,000 less is owed, and the fund paid last.
    await world.revise(0, 430, 1)
    world.now = MONTH
    await world.run()
    assert (await world.held(MUTUAL_FUND), await world.held(stake(seller))) == (
        19_000,
        0,
    )
    assert (await world.rows(RUN, made.id))[1][-4:] == (0, -3_000, 0, 0)
    # All of it: the stake has its own again, and who has spent it owes it.
    await spend(world, made.buyer, 10_500 + 1_000 + 2_000)
    await world.revise(0, 500, 2)
    world.now = LAST
    await world.run()
    assert (await world.held(MUTUAL_FUND), await world.held(stake(seller))) == (
        20_000,
        6_000,
    )
    assert (await world.rows(RUN, made.id))[2][-4:] == (-6_000, -1_000, 0, 4_000)
    assert await world.owed(AccountCode(f"arrears:{made.buyer}")) == 4_000
    assert await world.well()


async def test_a_correction_downwards_takes_nothing_from_the_buyer(
    world: World,
) -> None:
    ada, bob = world.buyers
    made = await world.sell(ada, 0, 400)
    other = await world.sell(bob, 0, 100, lane=Lane.AUCTION)
    await world.tell(500)
    await world.run()
    money = await world.held(user(ada))
    await world.revise(0, 300, 1)
    world.now = MONTH
    await world.run()
    trade, less = await world.trade(made), await world.trade(other)
    assert (trade.metered_wh, trade.delivered_wh) == (300, 400)
    assert (less.metered_wh, less.delivered_wh) == (0, 100)
    assert await world.held(user(ada)) == money
    assert await world.energy(buyer(ada)) == 400
    assert await world.slot_run(0) == (2, SlotRun(300, 500, 0, 0, 200))
    assert await world.order_state(made) == "partial"
    assert await world.trust() == [
        (f"order {made.order}", "delivered", 500),
        (f"ask {other.ask}", "delivered", 500),
        (f"order {made.order}", f"corrected-2-{made.id}", -750),
        (f"ask {other.ask}", f"corrected-2-{other.id}", -1_500),
    ]
    assert await world.well()
    # And up again: what was delivered is not delivered twice.
    await world.revise(0, 500, 2)
    world.now = LAST
    await world.run()
    assert await world.held(user(ada)) == money
    assert await world.energy(buyer(ada)) == 400
    assert await world.energy(producer(made.seller)) == 0
    assert await world.slot_run(0) == (3, SlotRun(500, 500, 0, 0, 0))
    assert await world.order_state(made) == "delivered"
    assert (await world.trust())[-1][2] == 1_500
    assert await world.well()


async def test_a_run_that_finds_the_same_is_noted_once(world: World) -> None:
    made = await short(world)
    world.now = MONTH
    assert await world.run() == 1
    assert await world.run() == 0
    world.now = LAST
    assert await world.run() == 1
    assert await world.run() == 0
    assert len(await world.rows(RUN, made.id)) == 1
    assert await world.rows("SELECT run FROM slot_runs ORDER BY run") == [
        (1,),
        (2,),
        (3,),
    ]


async def test_a_house_that_was_away_looks_once_by_the_last_run_that_is_due(
    world: World,
) -> None:
    made = await short(world)
    await world.revise(0, 500, 1)
    world.now = LAST
    await world.run()
    assert (await world.trade(made)).run == 3
    assert await world.rows("SELECT run FROM slot_runs ORDER BY run") == [(1,), (3,)]
    assert await world.run() == 0


async def test_after_the_last_run_nothing_changes_any_more(world: World) -> None:
    made = await short(world)
    world.now = LAST
    await world.run()
    await world.revise(0, 500, 1)
    world.now += 40 * 86_400
    assert await world.run() == 0
    assert (await world.trade(made)).delivered_wh == 400


async def test_a_slot_that_stays_unmetered_is_given_up_in_the_second_of_the_last_run(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    world.now = LAST - 1
    assert await world.run() == 0
    world.now = LAST
    assert await world.run() == 2
    assert (await world.trade(made)).state is TradeState.VOIDED
    assert await world.order_state(made) == "voided"
    assert await world.held(user(ada)) == 10_000_000
    assert await world.trust() == []
    assert await world.rows("SELECT promised_wh, settled_at FROM slot_sales") == [
        (0, LAST)
    ]
    # Its meter speaks too late: the Wh are the producer's.
    await world.tell(500)
    await world.run()
    assert await world.energy(producer(made.seller)) == 500
    assert await world.well()


async def test_a_disputed_trade_is_given_up_only_after_its_dispute(
    world: World,
) -> None:
    ada, bob = world.buyers
    made = await world.sell(ada, 0, 500)
    other = await world.sell(bob, 0, 500)
    dispute = await world.freeze(made)
    world.now = LAST
    assert await world.run() == 1
    assert (await world.trade(other)).state is TradeState.VOIDED
    assert (await world.trade(made)).state is TradeState.HELD
    await world.thaw(dispute)
    await world.run()
    assert (await world.trade(made)).state is TradeState.VOIDED
    assert await world.well()


async def test_a_dispute_about_one_trade_stops_no_later_run_of_another(
    world: World,
) -> None:
    ada, bob = world.buyers
    disputed = await world.sell(ada, 0, 100)
    other = await world.sell(bob, 0, 100)
    dispute = await world.freeze(disputed)
    await world.tell(150)
    await world.run()
    await world.revise(0, 180, 1)
    world.now = MONTH
    await world.run()
    assert (await world.trade(other)).delivered_wh == 80
    await world.thaw(dispute)
    await world.run()
    trade = await world.trade(disputed)
    assert (trade.delivered_wh, trade.run) == (100, 2)
    assert await world.slot_run(0) == (2, SlotRun(180, 180, 0, 0, 0))
    assert await world.well()


async def test_a_trade_that_thaws_late_takes_nothing_from_another_slot(
    world: World,
) -> None:
    ada, bob = world.buyers
    disputed = await world.sell(ada, 0, 100)
    await world.sell(bob, 0, 100)
    dispute = await world.freeze(disputed)
    await world.tell(150, 500)
    await world.run()
    # Its slot has 50 less than was shared out, and 50 are Bob's already.
    await world.revise(0, 100, 1)
    await world.mint()
    await world.thaw(dispute)
    await world.run()
    trade = await world.trade(disputed)
    assert (trade.metered_wh, trade.delivered_wh) == (100, 50)
    assert await world.energy(producer(trade.seller)) == 500
    assert await world.slot_run(0) == (1, SlotRun(100, 100, 0, 0, 0))
    assert await world.well()


async def short(world: World) -> Trade:
    """Sell 500 Wh of which 400 come."""
    made = await world.sell(world.buyers[0], 0, 500)
    await world.tell(400)
    await world.run()
    return made


async def spend(world: World, member: int, keep: int) -> None:
    """Let a member pay all he has out, but for so much."""
    have = await world.held(user(member))
    await world.pay_out(user(member), have - keep)
