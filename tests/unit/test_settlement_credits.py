"""A loss that a dispute made good is not compensated again, however late settlement looks."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.disputes import audit as disputes_audit
from meterseal_aggregator.disputes.decide import decide
from meterseal_aggregator.disputes.model import (
    Cause,
    Decision,
    Dispute,
    NotDisputed,
    Remedy,
    State,
    Wish,
)
from meterseal_aggregator.disputes.open import open_trade
from meterseal_aggregator.ledger.accounts import MUTUAL_FUND, stake, user
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.market.settlement.audit import MONEY, findings
from meterseal_aggregator.market.settlement.runs import Run, due_at
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world, slot

MONTH, LAST = due_at(Run.MONTH, slot(0), "UTC"), due_at(Run.LAST, slot(0), "UTC")
LOSS = 10_000
"""What 100 Wh that do not come cost the buyer elsewhere: 0.25 less 0.15 a kWh."""
RUN = (
    "SELECT run, from_stake, from_fund, uncovered FROM trade_runs"
    " WHERE trade_id = ? ORDER BY run"
)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        yield await a_world(database)


async def opened(world: World, trade: Trade, claimed: int, key: str = "k") -> Dispute:
    wish = Wish(trade.buyer, "less came than I bought", key, amount=claimed)
    async with world.database.transaction() as tx:
        return await open_trade(tx, trade.id, wish, now=world.now)


async def credited(world: World, made: Dispute, amount: int) -> None:
    verdict = State.UPHELD if amount == made.claimed else State.PART_UPHELD
    decision = Decision(verdict, Remedy.CREDIT, amount, "token:op", "as it shows")
    async with world.database.transaction() as tx:
        await decide(tx, made.id, decision, now=world.now, real_now=world.now)


async def well(world: World) -> bool:
    async with world.database.reading() as tx:
        found = await disputes_audit.findings(tx)
    return await world.well() and all(one.ok for one in found)


@pytest.mark.parametrize("credit", [4_000, LOSS, LOSS + 2_000])
@pytest.mark.parametrize("at", [MONTH, LAST])
async def test_what_was_credited_before_the_first_run_is_not_compensated_again(
    world: World, credit: int, at: int
) -> None:
    seller = world.producers[0].member
    await world.pay_in(MUTUAL_FUND, 50_000)
    await world.pay_in(stake(seller), 1_000)
    made = await world.sell(world.buyers[0], 0, 500)
    dispute = await opened(world, made, 60_000)
    await world.tell(400)
    await world.run()
    assert await world.rows(RUN, made.id) == []
    before = await world.held(user(made.buyer))
    await credited(world, dispute, credit)
    world.now = at
    await world.run()
    # The hold gives back what the 100 Wh would have cost, whatever was credited.
    given = await world.held(user(made.buyer)) - before - 100 * 150
    assert given == max(credit, LOSS)
    ((_, staked, fund, uncovered),) = await world.rows(RUN, made.id)
    assert (staked + fund, uncovered) == (max(0, LOSS - credit), min(credit, LOSS))
    assert await well(world)


async def test_wh_that_come_after_a_credit_take_compensation_back_as_far_as_there_is(
    world: World,
) -> None:
    await world.pay_in(MUTUAL_FUND, 3_000)
    made = await world.sell(world.buyers[0], 0, 500)
    await world.tell(400)
    await world.run()
    assert await world.rows(RUN, made.id) == [(1, 0, 3_000, 7_000)]
    await world.pay_in(MUTUAL_FUND, 50_000)
    await credited(world, await opened(world, made, 7_000), 7_000)
    # 20 Wh more: 2,000 less was lost than fund and credit made good.
    await world.revise(0, 420, 1)
    world.now = MONTH
    await world.run()
    # All of it comes: the rest of the fund's; the credit was decided and stands.
    await world.revise(0, 500, 2)
    world.now = LAST
    await world.run()
    assert (await world.rows(RUN, made.id))[1:] == [
        (2, 0, -2_000, 0),
        (3, 0, -1_000, -7_000),
    ]
    assert await world.held(MUTUAL_FUND) == 50_000 - 7_000 + 3_000
    assert await well(world)


async def test_a_credit_of_something_else_takes_no_compensation_back(
    world: World,
) -> None:
    await world.pay_in(MUTUAL_FUND, 50_000)
    made = await world.sell(world.buyers[0], 0, 500)
    await world.tell(400)
    await world.run()
    await credited(world, await opened(world, made, 5_000), 5_000)
    await world.revise(0, 420, 1)
    world.now = MONTH
    await world.run()
    assert await world.rows(RUN, made.id) == [(1, 0, LOSS, 0), (2, 0, -2_000, 0)]
    assert await well(world)


async def test_no_more_is_credited_of_a_trade_than_its_compensation_left_to_lose(
    world: World,
) -> None:
    await world.pay_in(MUTUAL_FUND, 500_000)
    made = await world.sell(world.buyers[0], 0, 500)
    await world.tell(400)
    await world.run()
    dispute = await opened(world, made, 500 * 250)
    with pytest.raises(NotDisputed) as caught:
        await credited(world, dispute, 500 * 250)
    assert caught.value.cause is Cause.AMOUNT
    await credited(world, dispute, 500 * 250 - LOSS)
    other = await opened(world, made, 1, "other")
    with pytest.raises(NotDisputed):
        await credited(world, other, 1)


async def test_the_audit_names_a_trade_that_was_made_good_twice(world: World) -> None:
    await world.pay_in(MUTUAL_FUND, 50_000)
    made = await world.sell(world.buyers[0], 0, 500)
    dispute = await opened(world, made, 4_000)
    await credited(world, dispute, 4_000)
    await world.tell(400)
    await world.run()
    async with world.database.transaction() as tx:
        await tx.rows("DROP TRIGGER IF EXISTS trade_runs_are_never_changed")
        await tx.rows(
            "UPDATE trade_runs SET from_fund = from_fund + 1, uncovered = uncovered - 1"
        )
        wrong = [one for one in await findings(tx) if not one.ok]
    assert [one.invariant for one in wrong] == [MONEY]
    assert f"trade {made.id}: what a dispute credited" in wrong[0].detail
