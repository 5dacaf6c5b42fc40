"""Bills as they are issued: what they ask, what they post, what they refuse, and when."""

from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillState
from meterseal_aggregator.ledger.accounts import UTILITY, arrears, tax, user
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.components import Flat, Price
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement import statement_hash
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import EXPORT, IMPORT, Quality
from tests.support.billinghouse import (
    APRIL,
    CODE,
    DAY,
    ENERGY,
    FED_IN,
    HOUR,
    JULY,
    JUNE,
    MARCH,
    MAY,
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


async def test_numbers_of_a_year_have_no_gap_and_begin_anew_with_the_year(
    tmp_path: Path,
) -> None:
    tariff = a_tariff(ENERGY, valid_from=at(2025, 11))
    async with a_utility(tmp_path, tariff) as utility:
        homes = [
            await utility.supply(name, from_at=at(2026, 11)) for name in ("Ada", "Ben")
        ]
        for home in homes:
            await utility.use(home, at(2026, 11), at(2027, 1))
        await utility.bill(now=at(2026, 12, 1, 6))
        bills = await utility.bill(now=at(2027, 1, 1, 6))
    assert [one.number for one in bills] == [
        "2026-00000001", "2026-00000002", "2027-00000001", "2027-00000002",
    ]  # fmt: skip


async def test_a_month_with_an_hour_less_and_one_with_an_hour_more_bill_all_their_slots(
    tmp_path: Path,
) -> None:
    async with a_utility(tmp_path) as utility:
        home = await utility.supply("Ada", from_at=MARCH)
        await utility.use(home, MARCH, MAY, 1_000)
        october = at(2026, 10)
        autumn = await utility.supply("Ben", from_at=october)
        await utility.use(autumn, october, at(2026, 11), 1_000)
        bills = await utility.bill(now=at(2026, 11, 1, 6))
        kwh = [
            sum(
                (line.quantity or Fraction(0))
                for line in read_statement(one.document).lines
                if line.kind is LineKind.ENERGY
            )
            for one in bills
        ]
        # Ada's May and later have no usage: she waits.
        assert kwh == [31 * 96 - 4, 30 * 96, 31 * 96 + 4]
        ((supply, cause, detail),) = await utility.waits()
    assert (supply, cause) == (home.supply, "usage-incomplete")
    assert "1-0:1.8.0" in detail
    assert str(MAY) in detail


async def test_a_leap_february_has_29_days_to_bill(tmp_path: Path) -> None:
    begin, end = at(2028, 2), at(2028, 3)
    async with a_utility(tmp_path, a_tariff(ENERGY)) as utility:
        home = await utility.supply("Ada", from_at=begin)
        await utility.use(home, begin, end, 1_000)
        (bill,) = await utility.bill(now=end + DAY)
    lines = read_statement(bill.document).lines
    assert lines[0].quantity == 29 * 96
    assert lines[1].amount == 1_000


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


async def test_who_moves_in_within_a_month_pays_his_days_of_what_is_charged_a_month(
    tmp_path: Path,
) -> None:
    async with a_utility(tmp_path, a_tariff(ENERGY)) as utility:
        begin = at(2026, 5, 17)
        home = await utility.supply("Ada", from_at=begin)
        await utility.use(home, begin, JUNE, 100)
        (bill,) = await utility.bill(now=NOW)
    statement = read_statement(bill.document)
    assert (statement.begin, statement.end) == (begin, JUNE)
    assert statement.segments[0].cycle_begin == MAY
    assert statement.lines[1].quantity == Fraction(15, 31)
    assert statement.lines[1].amount == round(1_000 * 15 / 31)


async def test_who_moves_out_gets_a_final_bill_of_the_rest(utility: Utility) -> None:
    begin, end = at(2026, 5, 17, 10, 7), at(2026, 6, 9, 13)
    home = await utility.supply("Ada", from_at=begin, to_at=end)
    await utility.use(home, at(2026, 5, 17), JULY, 100)
    bills = await utility.bill(now=at(2026, 6, 10, 6))
    read = [read_statement(one.document) for one in bills]
    assert [(one.begin, one.end, one.final) for one in read] == [
        (begin, JUNE, False),
        (JUNE, end, True),
    ]
    # The slot in which she came is her predecessor's.
    assert read[0].usage[0].begin == at(2026, 5, 17, 10, 15)
    assert read[1].usage[0].end == end
    assert await utility.bill(now=JULY + DAY) == bills


async def test_a_tariff_that_changes_within_a_month_rates_each_part_by_its_own(
    tmp_path: Path,
) -> None:
    change = at(2026, 5, 11)
    dear = a_tariff(Flat("energy", Price(600_000)), valid_from=change)
    async with a_utility(tmp_path, a_tariff(ENERGY), dear) as utility:
        home = await utility.supply("Ada")
        await utility.use(home, MAY, JUNE, 1_000)
        (bill,) = await utility.bill(now=NOW)
    first, second = read_statement(bill.document).segments
    assert (first.begin, first.end, second.begin, second.end) == (
        MAY, change, change, JUNE,
    )  # fmt: skip
    assert first.lines[0].amount == 10 * 96 * 30
    assert second.lines[0].amount == 21 * 96 * 60
    assert first.lines[1].quantity == Fraction(10, 31)
    assert first.lines[1].amount + second.lines[1].amount == 1_000


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
