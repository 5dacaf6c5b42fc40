"""Which time a bill is of: months, leap days, summer time, moves, and tariffs that change."""

from array import array
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.affected import correct_now
from meterseal_aggregator.billing.statements.correct import Why
from meterseal_aggregator.billing.statements.draft import Draft, Moment, Wish
from meterseal_aggregator.billing.statements.duty import Biller, rate_here
from meterseal_aggregator.billing.statements.single import issue_one
from meterseal_aggregator.billing.supplies.store import end
from meterseal_proto.rating.components import Count, Flat, Price
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Cycle
from meterseal_proto.units import IMPORT, Quality
from tests.support.billinghouse import (
    APRIL,
    DAY,
    ENERGY,
    HOUR,
    JULY,
    JUNE,
    MARCH,
    MAY,
    NETWORK,
    Utility,
    a_tariff,
    a_utility,
    at,
    pack,
)

NOW = JUNE + 6 * HOUR


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as opened:
        yield opened


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


async def test_the_first_bill_of_a_year_that_begins_by_our_clocks_is_of_that_year(
    tmp_path: Path,
) -> None:
    newyear = at(2027, 1)
    async with a_utility(tmp_path, a_tariff(ENERGY)) as utility:
        home = await utility.supply("Ada", from_at=at(2026, 12))
        await utility.use(home, at(2026, 12), newyear, known_at=newyear)
        # In London it is still 2026.
        (bill,) = await utility.bill(now=newyear + 600)
    assert bill.number == "2027-00000001"


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
    dear = replace(dear, terms=replace(dear.terms, due_days=Count(30)))
    async with a_utility(tmp_path, a_tariff(ENERGY), dear) as utility:
        home = await utility.supply("Ada")
        await utility.use(home, MAY, JUNE, 1_000)
        (bill,) = await utility.bill(now=NOW)
    statement = read_statement(bill.document)
    assert statement.due_at == NOW + 30 * DAY, "by the terms that hold at its end"
    first, second = statement.segments
    assert (first.begin, first.end, second.begin, second.end) == (
        MAY, change, change, JUNE,
    )  # fmt: skip
    assert first.lines[0].amount == 10 * 96 * 30
    assert second.lines[0].amount == 21 * 96 * 60
    assert first.lines[1].quantity == Fraction(10, 31)
    assert first.lines[1].amount + second.lines[1].amount == 1_000


async def test_slots_that_midnight_cuts_belong_to_the_month_they_begin_in(
    tmp_path: Path,
) -> None:
    # Midnight in India is at half past an hour of UTC, where meters' hours begin.
    where = replace(a_tariff(ENERGY), zone="Asia/Kolkata")
    may, june = 1_777_573_800, 1_780_252_200
    async with a_utility(tmp_path, where) as utility:
        home = await utility.supply("Ada", from_at=may, step=3_600)
        begin, end = may - may % DAY, june + 2 * DAY - june % DAY
        for first in range(begin, end, DAY):
            row = array("I", [1_000] * 24)
            slots = (first, 3_600, row, bytes([Quality.VALIDATED]) * 24)
            async with utility.database.transaction() as tx:
                await pack(tx, home.registers[IMPORT], first // DAY, slots, first + DAY)
        (bill,) = await utility.bill(now=june + 2 * DAY)
    statement = read_statement(bill.document)
    assert (statement.begin, statement.end) == (may, june)
    segment = statement.segments[0]
    assert (segment.begin, segment.end) == (may + 1_800, june + 1_800)
    assert [line.quantity for line in segment.lines[:2]] == [31 * 24, 1]


async def test_months_that_were_missed_are_billed_one_after_the_other(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", from_at=MARCH)
    await utility.use(home, MARCH, JULY, 10)
    bills = await utility.bill(now=JULY + 6 * HOUR)
    assert [(one.begin, one.end) for one in bills] == [
        (MARCH, APRIL), (APRIL, MAY), (MAY, JUNE), (JUNE, JULY),
    ]  # fmt: skip


async def test_who_leaves_before_a_slot_begins_gets_no_bill_of_nothing(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", from_at=JUNE + 60, to_at=JUNE + 600)
    await utility.use(home, JUNE, JULY)
    assert await utility.bill(now=JULY + 6 * HOUR) == []
    assert await utility.waits() == []
    async with utility.database.reading() as tx:
        rows = await tx.rows("SELECT billed_to FROM supplies")
    assert rows == [(JUNE + 600,)]


async def test_a_supply_is_billed_by_the_cycle_of_the_version_it_begins_under(
    tmp_path: Path,
) -> None:
    middle = at(2026, 5, 15)
    daily = replace(a_tariff(ENERGY, valid_from=middle), cycle=Cycle.DAY)
    async with a_utility(tmp_path, a_tariff(ENERGY), daily) as utility:
        monthly = await utility.supply("Ada", from_at=MAY)
        later = await utility.supply("Ben", from_at=middle)
        for home in (monthly, later):
            await utility.use(home, MAY if home is monthly else middle, JUNE)
        bills = await utility.bill(now=NOW)
        spans = {
            (bill.supply, bill.begin, bill.end) for bill in bills if bill.end <= JUNE
        }
        assert (monthly.supply, MAY, JUNE) in spans
        assert (later.supply, middle, middle + DAY) in spans
        assert len(spans) == 1 + 17
        # A later look at one day of his rates that day again, by its own cycle.
        await utility.use(later, middle, middle + DAY, 5, known_at=NOW + DAY)
        moment = Moment.of(NETWORK, NOW + 2 * DAY)
        number = next(b.number for b in bills if b.begin == middle)
        async with utility.database.transaction() as tx:
            made = await correct_now(tx, number, moment, Why("op", "read on site"))
        assert made is not None
        assert (made.bill.begin, made.bill.end) == (middle, middle + DAY)
        assert not await utility.faults()


async def test_a_supply_that_ends_while_it_is_rated_is_billed_to_its_end(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE)
    left = at(2026, 5, 20)

    async def slow(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
        async with utility.database.transaction() as tx:
            await end(tx, home.supply, at=left)
        return await rate_here(wishes, moment)

    assert await Biller(utility.database, NETWORK, slow).run_once(NOW) == 1
    assert await utility.bills() == []
    (bill,) = await utility.bill(now=NOW)
    assert (bill.begin, bill.end) == (MAY, left)
    assert read_statement(bill.document).final


async def test_a_supply_that_is_over_and_billed_has_no_bill_to_issue(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", to_at=JUNE)
    await utility.use(home, MAY, JULY)
    await utility.bill(now=NOW)
    async with utility.database.transaction() as tx:
        with pytest.raises(Refused) as caught:
            await issue_one(
                tx, Moment.of(NETWORK, JULY + DAY), home.supply, JUNE, actor="test"
            )
    assert caught.value.cause is Cause.BILLED


async def test_who_moved_out_and_cannot_be_billed_yet_is_looked_at_once_an_hour(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", to_at=at(2026, 5, 20))
    biller = Biller(utility.database, NETWORK)
    assert [await biller.run_once(NOW + n) for n in (0, 1, HOUR - 1)] == [1, 0, 0]
    assert [one[1] for one in await utility.waits()] == ["usage-incomplete"]
    await utility.use(home, MAY, at(2026, 5, 20), known_at=NOW)
    assert [await biller.run_once(NOW + HOUR + n) for n in (0, 1)] == [1, 0]
    assert len(await utility.bills()) == 1
