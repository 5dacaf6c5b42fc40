"""What is not sold: kept, or fed in at the price of its slot."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import UTILITY, buyer, producer, user
from meterseal_aggregator.ledger.model import WH, AccountCode
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.market.surplus import Choice, choose
from meterseal_aggregator.parameters.model import Name
from tests.support.lanes import promise
from tests.support.marketplace import a_market, set_parameter
from tests.support.settling import World, a_world, slot

RETIRED = AccountCode("retired:utility")
MONTH = due_at(Run.MONTH, slot(0), "UTC")
RUNS = (
    "SELECT start, export_wh, traded_wh, fed_in_wh, kept_wh, owed_wh FROM slot_runs"
    " ORDER BY start, run"
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        yield await a_world(database)


async def test_what_was_not_sold_is_fed_in_at_the_price_of_its_slot(
    world: World,
) -> None:
    seller = world.producers[0].member
    await chosen(world, Choice.FEED_IN, 0)
    async with world.database.transaction() as tx:
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, 81_000, 0)
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, 40_000, slot(1))
    await world.sell(world.buyers[0], 0, 500)
    await world.tell(601, 100)
    await world.run()
    assert await world.settle() == 0
    assert await world.rows(RUNS) == [
        (slot(0), 601, 500, 101, 0, 0),
        (slot(1), 100, 0, 100, 0, 0),
    ]
    assert await world.energy(RETIRED) == 201
    assert await world.energy(producer(seller)) == 0
    # 101 Wh at 81 a kWh in thousandths, 100 at 40, beside what Ada pays.
    assert await world.held(user(seller)) == 67_900 + 101 * 81 + 100 * 40
    assert await world.owed(UTILITY) == 101 * 81 + 100 * 40
    assert (
        await world.rows("SELECT holder, beneficiary, start, wh FROM retirements")
        == [
            (f"producer:{seller}", "utility", slot(0), 101),
            (f"producer:{seller}", "utility", slot(1), 100),
        ]
        or len(await world.rows("SELECT 1 FROM retirements")) == 2
    )
    assert await world.well()


async def test_who_chose_nothing_keeps_his_credits(world: World) -> None:
    await world.tell(100, 200)
    await world.run()
    assert await world.rows(RUNS) == []
    assert await world.energy(producer(world.producers[0].member)) == 300


async def test_a_choice_counts_from_the_first_slot_that_begins_under_it(
    world: World,
) -> None:
    await chosen(world, Choice.FEED_IN, slot(1) + 1)
    await chosen(world, Choice.KEEP, slot(4))
    await world.tell(1, 2, 4, 8, 16, 32)
    await world.run()
    assert await world.rows(
        "SELECT start, fed_in_wh FROM slot_runs ORDER BY start"
    ) == [
        (slot(2), 4),
        (slot(3), 8),
    ]
    assert await world.energy(RETIRED) == 12
    assert await world.well()


async def test_feeding_in_goes_on_where_it_stopped_and_reads_nothing_twice(
    world: World,
) -> None:
    await chosen(world, Choice.FEED_IN, 0)
    await world.tell(10)
    assert await world.run() == 1
    assert await world.run() == 0
    await world.tell(0, 20)
    assert await world.run() == 1
    assert await world.energy(RETIRED) == 30
    assert await world.rows("SELECT through FROM feed_in_marks") == [(slot(3),)]


async def test_trades_of_later_slots_come_before_what_is_fed_in(world: World) -> None:
    seller = world.producers[0].member
    await world.tell(100)
    await world.sell(world.buyers[0], 0, 100)
    await world.run()
    await chosen(world, Choice.FEED_IN, 0)
    # A debt of 100 takes what slot 1 brings; slot 2 is promised.
    await world.revise(0, 0, 1)
    await world.sell(world.buyers[0], 1, 1)
    await world.sell(world.buyers[1], 2, 100)
    await world.mint()
    await world.tell(100, 100)
    await world.run()
    assert await world.energy(buyer(world.buyers[1])) == 100 - 1
    assert await world.energy(RETIRED) == 0
    assert await world.energy(producer(seller)) == 0


@pytest.mark.parametrize("sold", [0, 1])
async def test_the_wh_of_a_trade_in_dispute_are_not_fed_in(
    world: World, sold: int
) -> None:
    ada, bob = world.buyers
    await world.sell(ada, 0, 100)
    await world.tell(100)
    await world.run()
    await chosen(world, Choice.FEED_IN, slot(2))
    # Slot 1 repays the debt; what is left for its trade came from slot 2.
    await world.revise(0, 0, 1)
    await world.mint()
    disputed = await world.sell(bob, 1, 100)
    dispute = await world.freeze(disputed)
    if sold:
        await world.sell(ada, 2, 1)
    await world.tell(100, 101)
    await world.run()
    assert await world.energy(RETIRED) == 1 - sold
    await world.thaw(dispute)
    await world.run()
    assert (await world.trade(disputed)).delivered_wh == 100
    assert await world.well()


async def test_a_correction_feeds_in_what_is_more_and_owes_what_is_less(
    world: World,
) -> None:
    seller = world.producers[0].member
    await chosen(world, Choice.FEED_IN, 0)
    await world.tell(100, 100)
    await world.run()
    await world.revise(0, 130, 1)
    world.now = MONTH
    await world.run()
    await world.revise(0, 60, 2)
    world.now = due_at(Run.LAST, slot(0), "UTC")
    await world.run()
    assert await world.rows(f"{RUNS} LIMIT 3") == [
        (slot(0), 100, 0, 100, 0, 0),
        (slot(0), 130, 0, 130, 0, 0),
        (slot(0), 60, 0, 130, 0, 70),
    ]
    # What is retired stays retired, and what was paid for it paid.
    assert await world.energy(RETIRED) == 230
    assert await world.held(user(seller)) == 230 * 80
    assert await world.owed(AccountCode(f"debt:{seller}"), WH) == 70
    assert await world.well()


async def test_what_a_run_left_with_the_producer_is_not_fed_in_by_the_next(
    world: World,
) -> None:
    seller = world.producers[0].member
    await world.sell(world.buyers[0], 0, 100)
    await world.tell(100)
    await world.run()
    await chosen(world, Choice.FEED_IN, slot(1))
    await chosen(world, Choice.KEEP, slot(2))
    # Slot 1 repays a debt, so nothing of it is there to be fed in; slot 2 is kept.
    await world.revise(0, 0, 1)
    await world.mint()
    await world.tell(100)
    await world.run()
    assert await world.slot_run(1) == (1, SlotRun(100, 0, 0, 100, 0))
    await world.tell(100)
    await world.run()
    world.now = MONTH + 86_400
    await world.run()
    assert await world.slot_run(1) == (2, SlotRun(100, 0, 0, 100, 0))
    assert await world.energy(producer(seller)) == 100
    assert await world.energy(RETIRED) == 0


async def test_what_was_offered_and_not_bought_is_fed_in(world: World) -> None:
    await chosen(world, Choice.FEED_IN, 0)
    async with world.database.transaction() as tx:
        await promise(tx, world.producers[0], slot(0), 500)
    await world.promise(0, -500)
    await world.tell(300)
    assert await world.run() == 2
    assert await world.slot_run(0) == (1, SlotRun(300, 0, 300, 0, 0))
    assert await world.well()


async def test_slots_of_an_hour_take_all_their_intervals(world: World) -> None:
    async with world.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_SLOT_S, 3_600)
    await chosen(world, Choice.FEED_IN, 0)
    await world.tell(1, 2, 4)
    assert await world.run() == 0
    await world.tell(8, 16)
    await world.run()
    assert await world.rows(RUNS) == [(slot(0), 15, 0, 15, 0, 0)]


async def test_marks_pass_more_credits_than_one_look_takes(world: World) -> None:
    await chosen(world, Choice.FEED_IN, 0)
    world.now = slot(700)
    for _ in range(6):
        await world.tell(*[1] * 100)
    await world.run()
    assert await world.energy(RETIRED) == 600
    assert await world.rows("SELECT count(*), sum(fed_in_wh) FROM slot_runs") == [
        (600, 600)
    ]
    assert await world.well()


async def chosen(world: World, choice: Choice, at: int) -> None:
    async with world.database.transaction() as tx:
        await choose(tx, world.producers[0].member, choice, at)
