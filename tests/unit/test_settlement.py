"""A slot settled: delivered, short, missing, disputed; to the micro-unit."""

import asyncio
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
from meterseal_aggregator.market.model import TradeState
from meterseal_aggregator.market.settlement.duty import run_once
from meterseal_aggregator.market.settlement.model import SlotRun
from meterseal_aggregator.market.settlement.runs import Run, due_at
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world, slot

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
    await world.pay_in(MUTUAL_FUND, 1_000_000)
    made = await world.sell(ada, 0, 500)
    await world.tell(400)
    await world.run()
    # 100 Wh cost 0.10 a kWh more elsewhere: 10,000.
    assert await world.held(stake(seller)) == 0
    assert await world.held(MUTUAL_FUND) == 996_000
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


@pytest.mark.parametrize(
    ("wh", "change"), [(495, 500), (494, -12), (0, -1_000), (500, 500), (900, 500)]
)
async def test_trust_goes_up_from_99_percent_on(
    world: World, wh: int, change: int
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    await world.tell(wh)
    await world.run()
    assert await world.trust() == [(f"order {made.order}", "delivered", change)]
    state = {0: "failed", 500: "delivered", 900: "delivered"}.get(wh, "partial")
    assert await world.order_state(made) == state


async def test_nothing_delivered_gives_all_the_money_back_and_the_rest_is_written_down(
    world: World,
) -> None:
    ada, _ = world.buyers
    await world.pay_in(MUTUAL_FUND, 20_000)
    made = await world.sell(ada, 0, 500)
    await world.tell(0)
    await world.run()
    assert (await world.trade(made)).state is TradeState.SETTLED
    # 50,000 are owed to him: neither the empty stake nor the fund covers 30,000 of it.
    assert await world.held(user(ada)) == 10_020_000
    assert await world.held(MUTUAL_FUND) == 0
    assert await world.rows("SELECT paid, from_fund, uncovered FROM trade_runs") == [
        (0, 20_000, 30_000)
    ]
    assert await world.well()


async def test_one_missing_meter_holds_only_its_own_slots(tmp_path: Path) -> None:
    async with a_market(tmp_path) as database:
        world = await a_world(database, producers=2)
        ada, bob = world.buyers
        silent = await world.sell(ada, 0, 500, seller=0)
        other = await world.sell(bob, 0, 500, seller=1)
        later = await world.sell(ada, 1, 500, seller=1)
        await world.tell(500, 500, seller=1)
        await world.run()
        assert (await world.trade(other)).state is TradeState.SETTLED
        assert (await world.trade(later)).state is TradeState.SETTLED
        assert (await world.trade(silent)).state is TradeState.HELD
        # Its meter speaks a week later: that is still its first run.
        world.now += 7 * 86_400
        await world.tell(450, seller=0)
        await world.run()
        trade = await world.trade(silent)
        assert (trade.delivered_wh, trade.run) == (450, 1)
        assert await world.well()


async def test_a_debt_is_repaid_before_anything_is_delivered(world: World) -> None:
    ada, bob = world.buyers
    seller = world.producers[0].member
    await world.tell(400)
    made = await world.sell(ada, 0, 400)
    await world.run()
    # The Wh are Ada's; the correction leaves a debt of 300.
    await world.revise(0, 100, 1)
    first = await world.sell(ada, 1, 250)
    second = await world.sell(bob, 1, 250)
    await world.mint()
    await world.tell(500)
    await world.run()
    assert (await world.trade(made)).delivered_wh == 400
    found = [await world.trade(one) for one in (first, second)]
    assert [one.metered_wh for one in found] == [250, 250]
    assert [one.delivered_wh for one in found] == [200, 0]
    assert await world.energy(producer(seller)) == 0
    # Trust follows the meter, money what was delivered.
    assert [one[2] for one in await world.trust()] == [500, 500, 500]
    assert await world.held(user(bob)) == 10_000_000
    assert await world.well()


async def test_a_disputed_trade_waits_with_its_share_and_others_go_on(
    world: World,
) -> None:
    ada, bob = world.buyers
    first = await world.sell(ada, 0, 300)
    second = await world.sell(bob, 0, 300)
    dispute = await world.freeze(first)
    await world.tell(400)
    await world.run()
    assert (await world.trade(first)).state is TradeState.HELD
    assert (await world.trade(second)).delivered_wh == 100
    assert await world.rows("SELECT settled_at FROM slot_sales") == [(None,)]
    assert await world.rows("SELECT * FROM slot_runs") == []
    assert await world.settle() == 0
    await world.thaw(dispute)
    assert await world.settle() > 0
    assert (await world.trade(first)).delivered_wh == 300
    assert await world.slot_run(0) == (1, SlotRun(400, 400, 0, 0, 0))
    assert await world.well()


async def test_a_stake_in_dispute_holds_up_nobodys_trade(world: World) -> None:
    ada, _ = world.buyers
    seller = world.producers[0].member
    await world.pay_in(stake(seller), 1_000_000)
    await world.pay_in(MUTUAL_FUND, 1_000_000)
    await world.freeze_stake(seller)
    await world.sell(ada, 0, 500)
    await world.tell(400)
    await world.run()
    assert await world.held(stake(seller)) == 1_000_000
    assert await world.held(MUTUAL_FUND) == 990_000
    assert await world.well()


async def test_an_order_is_concluded_when_all_its_slots_are(world: World) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    await world.sell(ada, 2, 500, order=made.order)
    await world.tell(500, 0)
    await world.run()
    assert await world.order_state(made) == "confirmed"
    assert await world.trust() == []
    await world.tell(250)
    await world.run()
    assert await world.order_state(made) == "partial"
    assert await world.trust() == [(f"order {made.order}", "delivered", -250)]


async def test_an_order_whose_last_slots_were_cancelled_is_concluded_by_the_others(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    last = await world.sell(ada, 39, 500, order=made.order)
    await world.tell(500)
    await world.run()
    assert await world.order_state(made) == "confirmed"
    await world.cancel(last)
    assert await world.settle() == 1
    assert await world.order_state(made) == "delivered"
    assert await world.trust() == [(f"order {made.order}", "delivered", 500)]


async def test_both_sides_are_told(world: World) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 0, 500)
    await world.tell(400)
    await world.run()
    rows = await world.rows("SELECT member_id, kind, body FROM member_events")
    seller = world.producers[0].member
    assert [row[:2] for row in rows] == [
        (ada, "trade"), (seller, "trade"), (seller, "order"), (ada, "order"),
    ]  # fmt: skip
    assert '"delivered_wh":400' in rows[0][2]
    assert '"paid_micro":60000' in rows[0][2]
    assert f'"id":{made.order},"state":"partial"' in rows[2][2]


async def test_what_is_promised_falls_to_what_was_delivered_and_no_further(
    world: World,
) -> None:
    ada, _ = world.buyers
    await world.sell(ada, 0, 500)
    # 200 Wh of an offer that lane A has not closed yet.
    await world.promise(0, 200)
    await world.tell(400)
    await world.run()
    assert await world.rows("SELECT promised_wh FROM slot_sales") == [(600,)]
    await world.promise(0, -200)
    assert await world.rows("SELECT promised_wh FROM slot_sales") == [(400,)]


async def test_a_batch_of_any_size_costs_the_same_number_of_statements(
    world: World,
) -> None:
    ada, bob = world.buyers
    counts = []
    for number, trades in ((0, 2), (1, 40)):
        for n in range(trades):
            await world.sell((ada, bob)[n % 2], number, 10, lane=Lane.AUCTION)
        await world.tell(5)
        await world.mint()
        counts.append(await world.statements())
    assert counts[0] == counts[1]


async def test_two_who_settle_at_once_settle_once(world: World) -> None:
    ada, _ = world.buyers
    await world.sell(ada, 0, 500)
    await world.tell(500)
    await world.mint()
    done = await asyncio.gather(
        *(run_once(world.database, world.rules, world.now) for _ in range(5))
    )
    assert sorted(done) == [0, 0, 0, 0, 2]
    assert await world.energy(buyer(ada)) == 500
    assert await world.well()


async def test_a_slot_in_which_the_meter_was_changed_is_told_by_nobody(
    world: World,
) -> None:
    ada, _ = world.buyers
    made = await world.sell(ada, 1, 500)
    after = await world.sell(ada, 2, 500)
    await world.tell(300)
    # The old meter leaves 100 s into the slot; the new one tells of those to come.
    fresh = await world.change_meter(slot(1) + 100)
    async with world.database.transaction() as tx:
        await fresh.tell(tx, 200)
    await world.run()
    assert (await world.trade(made)).state is TradeState.HELD
    assert (await world.trade(after)).delivered_wh == 200
    world.now = due_at(Run.LAST, slot(1), "UTC")
    await world.run()
    assert (await world.trade(made)).state is TradeState.VOIDED
    assert await world.well()


async def test_what_the_next_tenant_exports_is_not_delivered_for_the_one_who_left(
    world: World,
) -> None:
    ada, bob = world.buyers
    before = await world.sell(ada, 0, 100)
    made = await world.sell(ada, 1, 100)
    point = world.producers[0].point
    async with world.database.transaction() as tx:
        await tx.rows("UPDATE tenancies SET to_at = ?", (slot(1),))
        await tx.rows("UPDATE certifications SET to_at = ?", (slot(1),))
        row = (point, slot(1))
        await tx.rows(
            "INSERT INTO tenancies (meter_point_id, from_at, member_id) VALUES (?, ?, ?)",
            (*row, bob),
        )
        await tx.rows(
            "INSERT INTO certifications (meter_point_id, from_at, capacity_w)"
            " VALUES (?, ?, 20000)",
            row,
        )
    await world.tell(150, 100)
    await world.run()
    assert (await world.trade(before)).delivered_wh == 100
    assert (await world.trade(made)).delivered_wh == 0
    assert await world.energy(producer(made.seller)) == 50
    assert await world.energy(producer(bob)) == 100
    assert await world.well()
