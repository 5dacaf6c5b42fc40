"""Instalments to the second, whatever becomes of their bills; and bills no fee is asked of."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Act, BillAct, BillState, Cause, Refused
from meterseal_aggregator.billing.receivables import plans
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.plans import (
    Instalment,
    Plan,
    PlanState,
    Terms,
)
from meterseal_aggregator.billing.statements.store import act, standings
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.rating.statement import Rail
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
)
from tests.support.marketplace import NOW, a_market

DATES = tuple(NOW + n * 30 * DAY for n in (1, 2, 3))


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened
        async with opened.reading() as tx:
            assert [one for one in await findings(tx) if not one.ok] == []


async def work(tx: Transaction, now: int) -> None:
    while await run_batch(tx, now=now):
        pass


async def agreed(tx: Transaction, home: Household) -> None:
    """Three dates for 300 each."""
    dates = tuple(Instalment(at, 300 * CENT) for at in DATES)
    await plans.agree(tx, Terms(home.member, XTS, dates, "p"), BY, now=NOW)


async def plan_of(tx: Transaction) -> Plan:
    (found,) = await plans.plans(tx, after=0, limit=2)
    return found


async def paid(tx: Transaction, home: Household, cents: int, now: int) -> None:
    await pay(tx, Wish(home.member, cents * CENT, f"at {now}", XTS), now=now)


async def test_a_date_is_over_the_second_after_it_also_where_one_before_was_not_looked_at(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await billed(tx, ada, 900)
        await agreed(tx, ada)
        await paid(tx, ada, 300, DATES[0])
        await work(tx, DATES[1])
        assert (await plan_of(tx)).state is PlanState.OPEN
        await work(tx, DATES[1] + 1)
        assert (await plan_of(tx)).state is PlanState.BROKEN


async def test_each_date_is_looked_at_when_it_is_over(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await billed(tx, ada, 900)
        await agreed(tx, ada)
        await paid(tx, ada, 300, DATES[0])
        await work(tx, DATES[0] + 1)
        assert (await plan_of(tx)).state is PlanState.OPEN
        await work(tx, DATES[1] + 1)
        found = await plan_of(tx)
        assert (found.state, found.ended_at) == (PlanState.BROKEN, DATES[1] + 1)


async def test_a_plan_is_about_no_more_than_it_was_where_its_bill_grows(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        await agreed(tx, ada)
        await corrected(tx, ada, bill, 1_200)
        await work(tx, NOW + DAY)
        assert (await plan_of(tx)).left == 900 * CENT
        for at in DATES:
            await paid(tx, ada, 300, at)
            await work(tx, at + 1)
        assert (await plan_of(tx)).state is not PlanState.BROKEN


async def test_a_bill_of_the_chains_rail_is_overdue_and_costs_no_fee(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = replace(await a_household(tx), rail=Rail.STACKS)
        bill = await billed(tx, ada, 900)
        for day in range(14, 40):
            await work(tx, NOW + day * DAY + 1)
        found = (await standings(tx, [bill]))[bill]
        assert (found.state, found.late_fees) == (BillState.OVERDUE, 0)
        assert await tx.rows("SELECT count(*) FROM late_fee_watches") == [(0,)]


async def disputed(tx: Transaction, bill: int, cents: int, *, ended: bool) -> None:
    what = Act.RESOLVED if ended else Act.DISPUTED
    await act(tx, [BillAct(bill, what, cents * CENT, NOW, "member", "dispute 1")])


async def test_a_key_that_was_used_for_other_bills_makes_no_plan(db: Database) -> None:
    dates = (Instalment(DATES[0], 300 * CENT),)
    async with db.transaction() as tx:
        ada = await a_household(tx)
        one, other = await billed(tx, ada, 300), await billed(tx, ada, 300)
        first, second = f"B-{one}", f"B-{other}"
        wish = Terms(ada.member, XTS, dates, "p", (first,))
        plan = await plans.agree(tx, wish, BY, now=NOW)
        assert (
            await plans.agree(tx, replace(wish, bills=(first, first)), BY, now=NOW)
            == plan
        )
        for bills in ((second,), (first, second), ()):
            with pytest.raises(Refused) as caught:
                await plans.agree(tx, replace(wish, bills=bills), BY, now=NOW)
            assert caught.value.cause is Cause.KEY_USED


async def test_a_key_of_a_plan_of_before_is_compared_as_far_as_it_was_kept(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        await billed(tx, ada, 900)
        await agreed(tx, ada)
        await tx.rows("UPDATE instalment_plans SET bills = NULL")
        await agreed(tx, ada)
        assert (await plan_of(tx)).bills is None


@pytest.mark.parametrize("right", [False, True])
async def test_a_plan_that_is_all_disputed_waits_for_the_end(
    db: Database, right: bool
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        await agreed(tx, ada)
        await paid(tx, ada, 300, NOW + DAY)
        await disputed(tx, bill, 600, ended=False)
        for at in DATES:
            await work(tx, at + 1)
            found = await plan_of(tx)
            assert (found.state, found.left) == (PlanState.OPEN, 0)
            assert found.unpaid == 600 * CENT
        await disputed(tx, bill, 600, ended=True)
        now = DATES[-1] + DAY
        if right:
            await paid(tx, ada, 600, now)
        await work(tx, now + 2)
        ends = PlanState.KEPT if right else PlanState.BROKEN
        assert (await plan_of(tx)).state is ends


async def test_a_plan_goes_on_with_a_bill_that_is_all_disputed_and_was_corrected(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        await agreed(tx, ada)
        await disputed(tx, bill, 900, ended=False)
        new = await corrected(tx, ada, bill, 800)
        await disputed(tx, new, 800, ended=False)
        await work(tx, DATES[0] + 1)
        assert (await plan_of(tx)).state is PlanState.OPEN
        await disputed(tx, new, 800, ended=True)
        assert (await plan_of(tx)).left == 800 * CENT


async def test_what_was_disputed_when_a_plan_was_agreed_is_beside_it(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 1_200)
        await disputed(tx, bill, 300, ended=False)
        await agreed(tx, ada)
        assert (await plan_of(tx)).left == 900 * CENT
        await disputed(tx, bill, 300, ended=True)
        for at in DATES:
            await paid(tx, ada, 300, at)
            await work(tx, at + 1)
        assert (await plan_of(tx)).state is PlanState.KEPT
