"""Bills as they are issued: what they ask, what they post, what they refuse, and when."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillState
from meterseal_aggregator.billing.statements.duty import run_once
from meterseal_aggregator.ledger.accounts import UTILITY, arrears, tax, user
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.statement import Rail, statement_hash
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Commodity
from meterseal_proto.units import EXPORT, IMPORT, WATER, Quality
from tests.support.billinghouse import (
    APRIL,
    CODE,
    DAY,
    ENERGY,
    FED_IN,
    HOUR,
    JUNE,
    MAY,
    NETWORK,
    Home,
    Utility,
    a_tariff,
    a_utility,
    add_meter,
    at,
)

CENT = 10_000
NOW = JUNE + 6 * HOUR
SLOTS_OF_MAY = 31 * 96


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as opened:
        yield opened


async def test_a_month_is_billed_by_its_lines_and_posted_to_whom_they_are_owed(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, 250)
    (bill,) = await utility.bill(now=NOW)
    # 15 of 24 hours are day: 465 kWh at 0.32, 279 at 0.20, 10.00 standing, and 19 % of it.
    net = 14_880 + 5_580 + 1_000
    assert bill.amount == (net + 4_077) * CENT
    assert await utility.balance(arrears(home.member)) == -bill.amount
    assert await utility.balance(UTILITY) == net * CENT
    assert await utility.balance(tax("vat")) == 4_077 * CENT
    statement = read_statement(bill.document)
    assert (
        statement.total == sum(line.amount for line in statement.lines) == net + 4_077
    )
    assert (bill.number, statement.number) == ("2026-00000001", "2026-00000001")
    assert [one.quantity for one in statement.usage] == [250 * SLOTS_OF_MAY]
    standing = await utility.standing(bill)
    assert (standing.state, standing.outstanding) == (BillState.ISSUED, bill.amount)
    assert standing.due_at == statement.due_at == NOW + 14 * DAY


async def test_only_a_salted_hash_is_in_the_log(utility: Utility) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE)
    (bill,) = await utility.bill(now=NOW)
    assert bill.salt is not None
    assert bill.hash == statement_hash(bill.salt, bill.document)
    async with utility.database.reading() as tx:
        rows = await tx.rows(
            "SELECT body FROM log_entries WHERE id = ?", (bill.log_entry,)
        )
    assert rows == [(bill_hash_entry(bill.hash),)]


async def test_the_member_is_told(utility: Utility) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE)
    await utility.bill(now=NOW)
    async with utility.database.reading() as tx:
        rows = await tx.rows("SELECT member_id, kind, body FROM member_events")
    ((member, kind, body),) = rows
    assert (member, kind) == (home.member, "bill")
    assert '"number":"2026-00000001"' in body


async def test_a_gap_is_refused_by_register_and_span_and_billed_once_it_is_filled(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada")
    other = await utility.supply("Ben")
    await utility.use(home, MAY, at(2026, 5, 10))
    await utility.use(home, at(2026, 5, 11), JUNE)
    await utility.use(other, MAY, JUNE)
    bills = await utility.bill(now=NOW)
    assert [one.supply for one in bills] == [other.supply]
    ((supply, cause, detail),) = await utility.waits()
    assert (supply, cause) == (home.supply, "usage-incomplete")
    assert f"from {at(2026, 5, 10)} to {at(2026, 5, 11)}" in detail
    await utility.use(
        home, at(2026, 5, 10), at(2026, 5, 11), quality=Quality.ESTIMATED, known_at=NOW
    )
    assert len(await utility.bill(now=NOW + 1_800)) == 1
    bills = await utility.bill(now=NOW + 2 * HOUR)
    assert len(bills) == 2
    (usage,) = read_statement(bills[1].document).usage
    assert usage.estimated == 96 * 250
    assert await utility.waits() == []


async def test_what_is_fed_in_beyond_what_is_used_is_given_to_the_members_money(
    tmp_path: Path,
) -> None:
    async with a_utility(tmp_path, a_tariff(ENERGY, FED_IN)) as utility:
        home = await utility.supply("Ada", registers=(IMPORT, EXPORT))
        await utility.use(home, MAY, JUNE, 10)
        await utility.use(home, MAY, JUNE, 1_000, register=EXPORT)
        (bill,) = await utility.bill(now=NOW)
        assert bill.amount < 0
        assert await utility.balance(user(home.member)) == -bill.amount
        assert await utility.balance(arrears(home.member)) == 0
        standing = await utility.standing(bill)
    assert (standing.state, standing.given, standing.outstanding) == (
        BillState.PAID, -bill.amount, 0,
    )  # fmt: skip


async def test_a_meter_that_replaced_another_goes_on_where_that_one_ended(
    utility: Utility,
) -> None:
    swap = at(2026, 5, 12, 14, 40)
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, 100)
    async with utility.database.transaction() as tx:
        await tx.rows("UPDATE installations SET to_at = ? WHERE to_at IS NULL", (swap,))
        rows = await add_meter(
            tx, home.point, (IMPORT,), from_at=at(2026, 5, 12, 14, 45)
        )
    after = Home(home.member, home.point, home.supply, rows)
    await utility.use(after, at(2026, 5, 12, 14, 45), JUNE, 200)
    (bill,) = await utility.bill(now=NOW)
    first, second = read_statement(bill.document).usage
    assert first.end == second.begin == at(2026, 5, 12, 14, 45)
    assert second.first == 0
    assert (first.quantity, second.quantity) == (
        100 * (first.end - first.begin) // 900,
        200 * (second.end - second.begin) // 900,
    )


async def test_a_span_without_any_meter_is_refused(utility: Utility) -> None:
    home = await utility.supply("Ada", registers=())
    await utility.bill(now=NOW)
    assert [(one[0], one[1]) for one in await utility.waits()] == [
        (home.supply, "no-meter")
    ]


async def test_a_private_register_is_left_to_its_device(utility: Utility) -> None:
    home = await utility.supply("Ada", registers=())
    async with utility.database.transaction() as tx:
        ((meter,),) = await tx.rows("SELECT max(id) FROM meters")
        await tx.rows(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash, mode, bits)"
            " VALUES (99, ?, ?, 900, 9000, 0, 0, ?, 1, 16)",
            (meter, IMPORT, bytes(32)),
        )
    await utility.bill(now=NOW)
    assert [(one[0], one[1]) for one in await utility.waits()] == [
        (home.supply, "private")
    ]


async def test_a_bill_waits_for_its_cycle_to_be_over_and_final(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE)
    assert await utility.bill(now=JUNE - 1) == []
    assert await utility.waits() == []
    assert len(await utility.bill(now=JUNE + 2 * HOUR)) == 1


async def test_usage_known_in_the_last_minute_is_for_the_next_look(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, known_at=NOW - 59)
    assert await utility.bill(now=NOW) == []
    assert len(await utility.bill(now=NOW + 2 * HOUR)) == 1


async def test_a_currency_that_the_ledger_does_not_know_is_refused(
    tmp_path: Path,
) -> None:
    async with a_utility(tmp_path) as utility:
        foreign = a_tariff(ENERGY, code="foreign", currency="USD")
        async with utility.database.transaction() as tx:
            (entry,) = await log.append(tx, [b"foreign"])
            await tx.rows(
                "INSERT INTO full_tariffs (hash, code, valid_from, asset, document,"
                " recorded_at, log_entry_id) VALUES (?, 'foreign', ?, 'USD', ?, ?, ?)",
                (foreign.hash(), foreign.valid_from, foreign.document(), 0, entry),
            )
        home = await utility.supply("Ada", code="foreign")
        await utility.use(home, MAY, JUNE)
        assert await utility.bill(now=NOW) == []
        ((supply, cause, detail),) = await utility.waits()
    assert (supply, cause) == (home.supply, "currency")
    assert "USD" in detail


async def test_households_of_several_tariffs_are_all_billed(tmp_path: Path) -> None:
    tariffs = (a_tariff(code="a"), a_tariff(ENERGY, code="b"), a_tariff(code="c"))
    async with a_utility(tmp_path, *tariffs) as utility:
        for n, code in enumerate("abcabcab"):
            home = await utility.supply(f"home {n}", code=code, from_at=APRIL)
            await utility.use(home, APRIL, JUNE, 10 * n)
        bills = await utility.bill(now=NOW, limit=2)
        assert len(bills) == 16
        assert CODE not in {one.number for one in bills}


async def test_a_batch_costs_the_same_statements_however_many_it_bills(
    tmp_path: Path,
) -> None:
    counts = []
    for many in (3, 12):
        folder = tmp_path / str(many)
        folder.mkdir()
        async with a_utility(folder) as utility:
            for n in range(many):
                home = await utility.supply(f"home {n}")
                await utility.use(home, MAY, JUNE, 10)
            before = utility.database.waits
            await utility.bill(now=NOW)
            counts.append(utility.database.waits - before)
    assert counts[0] == counts[1] <= 60


async def test_two_who_bill_at_once_bill_once(utility: Utility) -> None:
    for n in range(5):
        await utility.use(await utility.supply(f"home {n}"), MAY, JUNE, 10)
    await asyncio.gather(*(run_once(utility.database, NETWORK, NOW) for _ in range(3)))
    bills = await utility.bills()
    assert sorted(one.supply for one in bills) == [1, 2, 3, 4, 5]
    assert [one.number[-1] for one in bills] == ["1", "2", "3", "4", "5"]


async def test_water_is_billed_by_the_cubic_metre_and_has_no_export(
    tmp_path: Path,
) -> None:
    water = replace(a_tariff(ENERGY), commodity=Commodity.WATER)
    async with a_utility(tmp_path, water) as utility:
        home = await utility.supply("Ada", registers=(WATER,))
        await utility.use(home, MAY, JUNE, 2, register=WATER)
        (bill,) = await utility.bill(now=NOW)
    line = read_statement(bill.document).lines[0]
    assert (line.quantity, line.unit) == (Fraction(2 * SLOTS_OF_MAY, 1_000), "m3")


async def test_a_bill_on_the_chains_rail_posts_nothing_on_the_ledger(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", rail=Rail.STACKS)
    await utility.use(home, MAY, JUNE)
    (bill,) = await utility.bill(now=NOW)
    assert bill.rail is Rail.STACKS
    assert await utility.balance(arrears(home.member)) == 0
    assert (await utility.standing(bill)).outstanding == bill.amount
