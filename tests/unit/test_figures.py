"""Figures of billing: what bills, payments, fees and balances come to, and who may see it."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.billing.figures.model import (
    COUNTED,
    K,
    Slice,
    total,
    withheld,
)
from meterseal_aggregator.billing.figures.query import Span, slices
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import (
    CENT,
    DAY,
    KES,
    MSU,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
    disputed,
)
from tests.support.marketplace import NOW, a_market

SPAN = Span(NOW - DAY, NOW + 20 * DAY)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


async def figures(tx: Transaction, now: int, span: Span = SPAN) -> dict[str, Slice]:
    found = await slices(tx, span, reward=MSU, now=now)
    return {one.tariff: one for one in found}


async def paid(tx: Transaction, home: Household, cents: int, now: int = NOW) -> None:
    wish = Wish(home.member, cents * CENT, f"k{now}", XTS)
    await pay(tx, wish, now=now)


async def test_what_was_billed_collected_and_is_owed_is_summed_by_tariff(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        bo = await a_household(tx, "Bo", cents=5_000)
        await billed(tx, ada, 1_000)
        await billed(tx, ada, 500)
        await billed(tx, bo, 300)
        await paid(tx, ada, 1_200)
        found = await figures(tx, NOW)
        assert found["of-ada"] == Slice(
            "of-ada", XTS, members=1, bills=2, billed=1_500 * CENT, asked=1_500 * CENT,
            settled=1_200 * CENT, wh=625_000, collected=1_200 * CENT,
            outstanding=300 * CENT,
        )  # fmt: skip
        assert found["of-ada"].collection_bp == 8_000
        assert found["of-bo"].collection_bp == 0
        whole = total(found.values(), XTS)
        assert (whole.members, whole.billed, whole.collection_bp) == (
            2,
            1_800 * CENT,
            6_666,
        )


async def test_what_is_late_is_summed_by_its_age(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        for cents, days in ((1, 0), (2, 30), (4, 31), (8, 60), (16, 90), (32, 91)):
            await billed(tx, ada, cents, issued_at=NOW - days * DAY)
        due = NOW + 14 * DAY
        one = (await figures(tx, due))["of-ada"]
        assert (one.overdue_30, one.overdue_60) == (2 * CENT, 12 * CENT)
        assert (one.overdue_90, one.overdue_more) == (16 * CENT, 32 * CENT)
        assert one.outstanding == 63 * CENT
        later = (await figures(tx, due + 1))["of-ada"]
        assert (later.overdue_30, later.overdue_60) == (1 * CENT, 6 * CENT)
        assert (later.overdue_90, later.overdue_more) == (8 * CENT, 48 * CENT)


async def test_what_is_disputed_is_not_overdue(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_000)
        await disputed(tx, bill, 400)
        one = (await figures(tx, NOW + 15 * DAY))["of-ada"]
        assert (one.overdue_30, one.disputed) == (600 * CENT, 400 * CENT)


async def test_fees_are_of_the_months_in_which_they_were_charged(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        await billed(tx, ada, 1_000)
        for _ in range(4):
            await run_batch(tx, now=NOW + 18 * DAY)
        fee = 115 * CENT
        one = (await figures(tx, NOW + 18 * DAY))["of-ada"]
        assert (one.late_fees, one.asked) == (fee, 1_000 * CENT + fee)
        later = Span(SPAN.end, SPAN.end + DAY)
        next_month = (await figures(tx, NOW + 18 * DAY, later))["of-ada"]
        assert (next_month.late_fees, next_month.bills) == (0, 0)
        assert next_month.outstanding == 1_000 * CENT + fee


async def test_a_bill_in_place_of_another_counts_alone(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        bill = await billed(tx, ada, 1_000)
        await corrected(tx, ada, bill, 800)
        one = (await figures(tx, NOW))["of-ada"]
        assert (one.bills, one.billed, one.outstanding) == (1, 800 * CENT, 800 * CENT)


async def test_prepaid_balances_are_those_of_prepaid_members(db: Database) -> None:
    async with db.transaction() as tx:
        await a_household(tx, cents=5_000)
        await a_household(tx, "Bo", cents=700, prepaid=True)
        found = await figures(tx, NOW)
        assert list(found) == ["of-bo"]
        assert found["of-bo"].prepaid == 700 * CENT


async def test_assets_are_never_added_up(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        eve = await a_household(tx, "Eve", asset=KES)
        for home in (ada, eve):
            await billed(tx, home, 1_000)
        found = await slices(tx, SPAN, reward=MSU, now=NOW)
        assert [one.asset for one in found] == [XTS, KES]
        assert total(found, KES).billed == 1_000 * CENT


async def test_a_figure_is_one_statement_for_any_number_of_members(
    db: Database,
) -> None:
    counts = []
    for name in ("Ada", "Bo", "Cleo"):
        async with db.transaction() as tx:
            home = await a_household(tx, name, cents=5_000)
            await billed(tx, home, 1_000)
            await paid(tx, home, 100)
        async with db.reading() as tx:
            await slices(tx, SPAN, reward=MSU, now=NOW)
            counts.append(tx.statements)
    assert counts == [7, 7, 7]


slice_of = st.builds(
    lambda name, members, billed: Slice(name, XTS, members=members, billed=billed),
    st.uuids().map(str),
    st.integers(0, 40),
    st.integers(0, 10**9),
)


@given(st.lists(slice_of, max_size=8))
def test_no_slice_of_a_few_members_is_shown_or_follows(found: list[Slice]) -> None:
    shown, totals = withheld(found)
    assert all(one.members >= K for one in (*shown, *totals))
    for whole in totals:
        hidden = whole.members - sum(one.members for one in shown)
        assert hidden == 0 or hidden >= K
    assert {one.tariff for one in shown} == {
        one.tariff for one in found if one.members >= K
    }


def test_a_total_that_would_tell_a_small_slice_is_left_out() -> None:
    many = Slice("many", XTS, members=50, billed=5)
    few = Slice("few", XTS, members=K - 1, billed=7)
    assert withheld([many, few]) == ([many], [])
    more = replace(few, tariff="more", members=1)
    (whole,) = withheld([many, few, more])[1]
    assert (whole.members, whole.billed) == (70, 19)
    assert set(COUNTED) < {"tariff", "asset", *COUNTED}
