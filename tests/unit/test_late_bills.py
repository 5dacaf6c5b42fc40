"""Bills that are late: overdue, fees once, instalments that keep both away, rewards in time."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillState, Cause, Refused
from meterseal_aggregator.billing.receivables import plans, rewards
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.plans import Instalment, PlanState, Terms
from meterseal_aggregator.billing.receivables.rewards import WAIT_S, State
from meterseal_aggregator.billing.statements.store import standings
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, FEE, REWARD_POOL, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import AccountCode, Asset, Transfer
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    MSU,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
    disputed,
)
from tests.support.marketplace import NOW, a_market

DUE = NOW + 14 * DAY
FEE_FROM = DUE + 3 * DAY


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened
        async with opened.reading() as tx:
            assert [one for one in await findings(tx) if not one.ok] == []


async def held(tx: Transaction, code: AccountCode, asset: Asset = XTS) -> int:
    found = (await ledger.balances(tx, asset, [code])).get(code)
    return found.held if found else 0


async def work(tx: Transaction, now: int) -> int:
    """Do all that time has brought; returns how often there was something."""
    runs = 0
    while await run_batch(tx, now=now):
        runs += 1
        assert runs < 50
    return runs


async def state(tx: Transaction, bill: int) -> BillState:
    return (await standings(tx, [bill]))[bill].state


async def late_fee(tx: Transaction, bill: int) -> int:
    return (await standings(tx, [bill]))[bill].late_fees // CENT


async def fill(tx: Transaction, micro: int) -> None:
    await declare(tx, MSU, now=NOW)
    ((count,),) = await tx.rows("SELECT count(*) FROM ledger_transfers")
    made = Transfer(
        transfer_id("fill", count), micro, CASH, REWARD_POOL, "payment", NOW, MSU
    )
    (result,) = await ledger.post(tx, [made], now=NOW)
    assert result.entered


async def paid(
    tx: Transaction, home: Household, cents: int, now: int, key: str = "k"
) -> None:
    await pay(tx, Wish(home.member, cents * CENT, key, XTS), now=now)


async def kinds(tx: Transaction, home: Household, kind: str) -> list[str]:
    found = await events.told(tx, home.member, after=0, limit=100)
    return [one.body for one in found if one.kind == kind]


async def test_a_bill_is_overdue_the_second_after_it_was_due(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_000)
        await work(tx, DUE)
        assert await state(tx, bill) is BillState.ISSUED
        await work(tx, DUE + 1)
        assert await state(tx, bill) is BillState.OVERDUE
        (told,) = await kinds(tx, ada, "bill")
        assert '"overdue"' in told


async def test_a_late_fee_is_charged_once_after_its_grace(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_000)
        for at in (DUE + 1, FEE_FROM):
            await work(tx, at)
            assert await late_fee(tx, bill) == 0
        for at in (FEE_FROM + 1, FEE_FROM + 2, FEE_FROM + 90 * DAY):
            await work(tx, at)
            # A unit, and 1.5 % of ten.
            assert await late_fee(tx, bill) == 115
        assert await held(tx, FEE) == 115 * CENT
        assert (await standings(tx, [bill]))[bill].outstanding == 1_115 * CENT


async def test_a_bill_in_place_of_a_charged_one_is_not_charged_again(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_000)
        await work(tx, FEE_FROM + 1)
        new = await corrected(tx, ada, bill, 900)
        await work(tx, FEE_FROM + 90 * DAY)
        assert await state(tx, new) is BillState.OVERDUE
        assert await late_fee(tx, new) == 115
        assert await held(tx, FEE) == 115 * CENT


async def test_a_late_fee_is_whole_minor_units(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_033)
        await work(tx, FEE_FROM + 1)
        assert (await standings(tx, [bill]))[bill].late_fees == 115 * CENT


async def test_no_fee_is_on_what_is_disputed(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        part, whole = await billed(tx, ada, 1_000), await billed(tx, ada, 1_000)
        await disputed(tx, part, 600)
        await disputed(tx, whole, 1_000)
        await work(tx, FEE_FROM + 1)
        assert await late_fee(tx, part) == 106
        assert await late_fee(tx, whole) == 0
        assert await state(tx, whole) is BillState.ISSUED


async def test_what_was_paid_before_costs_no_fee(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        one = await billed(tx, ada, 1_000)
        await billed(tx, ada, 1_000, issued_at=NOW + DAY)
        await work(tx, DUE + 1)
        await paid(tx, ada, 1_000, DUE + 2)
        await work(tx, FEE_FROM + 1)
        assert await late_fee(tx, one) == 0
        assert await state(tx, one) is BillState.PAID


def monthly(total: int, months: int = 3) -> tuple[Instalment, ...]:
    return tuple(
        Instalment(NOW + n * 30 * DAY, total // months * CENT)
        for n in range(1, months + 1)
    )


async def test_a_plan_that_is_kept_costs_no_fee(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        plan = await plans.agree(
            tx, Terms(ada.member, XTS, monthly(900), "p"), BY, now=NOW
        )
        assert (plan.state, plan.left) == (PlanState.OPEN, 900 * CENT)
        for n, one in enumerate(plan.dates):
            await work(tx, one.due_at - 1)
            assert await late_fee(tx, bill) == 0
            await paid(tx, ada, 300, one.due_at, f"k{n}")
            await work(tx, one.due_at + 1)
            (plan,) = await plans.plans(tx, after=0, limit=2)
            assert plan.left == (600 - 300 * n) * CENT
        assert plan.state is PlanState.KEPT
        assert await state(tx, bill) is BillState.PAID
        assert await kinds(tx, ada, "late-fee") == []


async def test_a_plan_that_is_broken_falls_due_and_costs_a_fee(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        await plans.agree(tx, Terms(ada.member, XTS, monthly(900), "p"), BY, now=NOW)
        first = NOW + 30 * DAY
        await paid(tx, ada, 299, first)
        await work(tx, first)
        assert await state(tx, bill) is BillState.PART_PAID
        await work(tx, first + 1)
        (plan,) = await plans.plans(tx, after=0, limit=2)
        assert (plan.state, plan.ended_at) == (PlanState.BROKEN, first + 1)
        assert await state(tx, bill) is BillState.OVERDUE
        await work(tx, first + 1 + 3 * DAY)
        assert await late_fee(tx, bill) == 0
        await work(tx, first + 2 + 3 * DAY)
        assert await late_fee(tx, bill) == 109


async def test_a_plan_goes_on_with_the_bill_in_place_of_one(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bill = await billed(tx, ada, 900)
        await plans.agree(tx, Terms(ada.member, XTS, monthly(900), "p"), BY, now=NOW)
        new = await corrected(tx, ada, bill, 700)
        await work(tx, NOW + 29 * DAY)
        (plan,) = await plans.plans(tx, after=0, limit=2)
        assert plan.left == 700 * CENT
        assert await state(tx, new) is BillState.ISSUED
        await paid(tx, ada, 100, NOW + 30 * DAY)
        await work(tx, NOW + 30 * DAY + 1)
        (plan,) = await plans.plans(tx, after=0, limit=2)
        assert plan.state is PlanState.OPEN


async def refused(tx: Transaction, wish: Terms) -> Cause:
    with pytest.raises(Refused) as caught:
        await plans.agree(tx, wish, BY, now=NOW)
    return caught.value.cause


async def test_instalments_come_to_what_is_owed_at_dates_ahead(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        await billed(tx, ada, 900)
        good = monthly(900)

        def wish(dates: Sequence[Instalment], *bills: str, key: str = "x") -> Terms:
            return Terms(ada.member, XTS, tuple(dates), key, bills)

        for dates in (good[:2], good[::-1], (), (Instalment(NOW, 900 * CENT),)):
            assert await refused(tx, wish(dates)) is Cause.STATE
        assert await refused(tx, wish(good, "B-9")) is Cause.UNKNOWN
        made = await plans.agree(tx, wish(good, "B-1", key="p"), BY, now=NOW)
        again = wish(good, "B-1", key="p")
        assert await plans.agree(tx, again, BY, now=NOW) == made
        assert await refused(tx, wish(good[:2], key="p")) is Cause.KEY_USED
        assert await refused(tx, wish(good)) is Cause.STATE


async def tokens(tx: Transaction, home: Household) -> int:
    return await held(tx, user(home.member), MSU)


async def test_who_pays_in_time_is_given_tokens_once(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await fill(tx, 10**6)
        await billed(tx, ada, 1_000)
        await paid(tx, ada, 400, NOW + 1)
        assert await tokens(tx, ada) == 0
        await paid(tx, ada, 600, DUE, "k2")
        # 2 % of ten units, in millionths of a token.
        assert await tokens(tx, ada) == 200_000
        await work(tx, DUE + DAY)
        assert await tokens(tx, ada) == 200_000
        assert await held(tx, REWARD_POOL, MSU) == 800_000


async def test_who_pays_a_second_late_is_given_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await fill(tx, 10**6)
        await billed(tx, ada, 1_000)
        await paid(tx, ada, 1_000, DUE + 1)
        await work(tx, DUE + 2)
        assert await rewards.rewards(tx, member=ada.member, after=0, limit=5) == []


async def test_an_empty_pool_is_said_tried_daily_and_dropped(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bo = await a_household(tx, "Bo", cents=5_000)
        for home in (ada, bo):
            await billed(tx, home, 1_000)
            await paid(tx, home, 1_000, NOW)
        assert '"waiting"' in (await kinds(tx, ada, "reward"))[0]
        assert await work(tx, NOW + 1) <= 1
        await fill(tx, 200_000)
        await work(tx, NOW + DAY)
        assert (await tokens(tx, ada), await tokens(tx, bo)) == (200_000, 0)
        for day in range(2, 92):
            await work(tx, NOW + day * DAY)
        (left,) = await rewards.rewards(tx, member=bo.member, after=0, limit=5)
        assert (left.state, left.ended_at) == (State.DROPPED, NOW + WAIT_S)
        assert len(await kinds(tx, bo, "reward")) == 2
        await fill(tx, 10**6)
        await work(tx, NOW + 100 * DAY)
        assert await tokens(tx, bo) == 0


async def test_a_smaller_bill_takes_back_what_was_too_much(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await fill(tx, 10**6)
        bill = await billed(tx, ada, 1_000)
        await paid(tx, ada, 1_000, NOW)
        new = await corrected(tx, ada, bill, 400)
        await work(tx, NOW + 1)
        assert await tokens(tx, ada) == 80_000
        newest = await corrected(tx, ada, new, 900)
        await paid(tx, ada, 500, NOW, "k2")
        await work(tx, NOW + 2)
        (one,) = await rewards.rewards(tx, member=ada.member, after=0, limit=5)
        assert (one.bill, one.stands_on, one.net) == (bill, newest, 80_000)
        assert await tokens(tx, ada) == 80_000


async def test_tokens_that_are_spent_are_not_taken_back(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await fill(tx, 10**6)
        bill = await billed(tx, ada, 1_000)
        await paid(tx, ada, 1_000, NOW)
        spent = Transfer(
            transfer_id("spent"), 150_000, user(ada.member), CASH, "payment", NOW, MSU
        )
        assert (await ledger.post(tx, [spent], now=NOW))[0].entered
        await corrected(tx, ada, bill, 0)
        await work(tx, NOW + 1)
        (one,) = await rewards.rewards(tx, member=ada.member, after=0, limit=5)
        assert (one.taken_back, one.lost, one.net) == (50_000, 150_000, 0)
        assert await tokens(tx, ada) == 0
