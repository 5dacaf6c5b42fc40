"""Bills taken back: a later reading, what was paid, what is carried, and nothing twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import (
    Act,
    BillAct,
    BillRow,
    BillState,
    Cause,
    Refused,
)
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.affected import correct_now
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, UTILITY, arrears, tax, user
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_proto.rating.components import (
    Bank,
    Base,
    Count,
    Flat,
    Minimum,
    NetMetering,
    PayoutOf,
    Price,
    SpanOf,
)
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import EXPORT, IMPORT, Quality
from tests.support.billedmay import BILLED, LATER, TENTH, WHY, may
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    EUR,
    FED_IN,
    HOUR,
    JULY,
    JUNE,
    MAY,
    NETWORK,
    Utility,
    a_tariff,
    a_utility,
    at,
)

CENT = 10_000


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path, a_tariff(ENERGY, FED_IN)) as opened:
        yield opened


async def pay(utility: Utility, bill: BillRow, micro: int) -> None:
    """Pay a bill, as the room of receivables does."""
    member = bill.member
    async with utility.database.transaction() as tx:
        ((n,),) = await tx.rows("SELECT count(*) FROM ledger_transfers")
        moves = [
            Transfer(
                TransferId(bytes([n, k]) * 8), micro, debit, credit, "test", BILLED, EUR
            )
            for k, (debit, credit) in enumerate(
                ((CASH, user(member)), (user(member), arrears(member)))
            )
        ]
        assert all(one.entered for one in await ledger.post(tx, moves, now=BILLED))
        await store.act(tx, [BillAct(bill.id, Act.PAID, micro, BILLED, "test")])


async def test_a_reading_corrected_three_months_later_posts_only_the_difference(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await pay(utility, bill, bill.amount)
    before = await utility.balance(UTILITY), await utility.balance(tax("vat"))
    await utility.use(home, TENTH, TENTH + DAY, 3_000, known_at=LATER - HOUR)
    old, note, new = await utility.correct(now=LATER)
    assert old == bill
    assert (note.kind, note.corrects, note.amount) == (
        StatementKind.CREDIT_NOTE, bill.id, -bill.amount,
    )  # fmt: skip
    # 192 kWh more at 0.30; 19 % of all was 171.532, rounded to 171.53, and is 182.476.
    more, tax_more = 96 * 2 * 30 * CENT, 1_095 * CENT
    assert (new.replaces, new.amount) == (bill.id, bill.amount + more + tax_more)
    after = await utility.balance(UTILITY), await utility.balance(tax("vat"))
    assert after == (before[0] + more, before[1] + tax_more)
    assert await utility.balance(arrears(home.member)) == -(new.amount - bill.amount)
    standing = await utility.standing(new)
    assert (standing.paid, standing.outstanding) == (
        bill.amount, new.amount - bill.amount,
    )  # fmt: skip
    assert standing.state is BillState.PART_PAID
    assert (await utility.standing(bill)).state is BillState.CORRECTED
    statement = read_statement(new.document)
    assert (statement.replaces, statement.known_at) == (bill.number, LATER - 60)
    assert read_statement(note.document).corrects == bill.number
    assert await utility.correct(now=LATER) == [old, note, new]


async def test_the_tariff_is_that_of_the_period_however_late(tmp_path: Path) -> None:
    dear = a_tariff(Flat("energy", Price(900_000)), valid_from=JULY)
    async with a_utility(tmp_path, a_tariff(ENERGY), dear) as utility:
        home, bill = await may(utility)
        await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER - HOUR)
        *_, new = await utility.correct(now=LATER)
    assert read_statement(new.document).segments[0].tariff == a_tariff(ENERGY).hash()
    # 28.80, and 177.004 of VAT after 171.532.
    assert new.amount - bill.amount == (2_880 + 547) * CENT


async def test_what_was_paid_too_much_goes_to_the_members_money(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await pay(utility, bill, bill.amount)
    await utility.use(home, TENTH, TENTH + DAY, 0, known_at=LATER - HOUR)
    *_, new = await utility.correct(now=LATER)
    less = bill.amount - new.amount
    assert less == (2_880 + 547) * CENT
    assert await utility.balance(user(home.member)) == less
    assert await utility.balance(arrears(home.member)) == 0
    standing = await utility.standing(new)
    assert (standing.state, standing.paid) == (BillState.PAID, new.amount)


async def test_what_a_negative_bill_gave_is_owed_when_it_is_corrected(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", registers=(IMPORT, EXPORT))
    await utility.use(home, MAY, JUNE, 0)
    await utility.use(home, MAY, JUNE, 1_000, register=EXPORT)
    (bill,) = await utility.bill(now=BILLED)
    assert bill.amount < 0
    await utility.use(home, MAY, JUNE, 100, register=EXPORT, known_at=LATER - HOUR)
    *_, new = await utility.correct(now=LATER)
    owed = new.amount - bill.amount
    assert owed == 21_427 * CENT
    assert await utility.balance(user(home.member)) == -bill.amount
    assert await utility.balance(arrears(home.member)) == -owed
    standing = await utility.standing(new)
    assert (standing.given, standing.outstanding) == (-bill.amount, owed)
    # And again, to where it was: nothing is owed, and nothing is given twice.
    await utility.use(home, MAY, JUNE, 1_000, register=EXPORT, known_at=LATER + HOUR)
    *_, last = await utility.correct(now=LATER + DAY)
    assert last.amount == bill.amount
    assert await utility.balance(arrears(home.member)) == 0
    assert await utility.balance(user(home.member)) == -bill.amount


async def test_late_fees_and_disputes_stay_with_the_bill_in_place(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    fee = TransferId(bytes(32))
    async with utility.database.transaction() as tx:
        charge = Transfer(
            fee, 5 * CENT, arrears(home.member), UTILITY, "fee", BILLED, EUR
        )
        await ledger.post(tx, [charge], now=BILLED)
        acts = [
            BillAct(bill.id, Act.LATE_FEE, 5 * CENT, BILLED, "test"),
            BillAct(bill.id, Act.DISPUTED, 7 * CENT, BILLED, "test"),
        ]
        await store.act(tx, acts)
    await utility.use(home, TENTH, TENTH + DAY, 1_100, known_at=LATER - HOUR)
    *_, new = await utility.correct(now=LATER)
    standing = await utility.standing(new)
    assert (standing.late_fees, standing.disputed) == (5 * CENT, 7 * CENT)
    assert standing.outstanding == new.amount + 5 * CENT
    assert await utility.balance(arrears(home.member)) == -standing.outstanding


async def test_usage_that_is_told_again_alike_changes_nothing(utility: Utility) -> None:
    home, bill = await may(utility)
    await utility.use(home, TENTH, TENTH + DAY, 1_000, known_at=LATER - HOUR)
    assert await utility.correct(now=LATER) == [bill]
    assert (await utility.standing(bill)).looked_to == LATER - 60


async def test_a_day_of_another_register_or_month_touches_no_bill(
    utility: Utility,
) -> None:
    home, _ = await may(utility)
    other = await utility.supply("Ben", from_at=JUNE)
    for _ in range(2):
        await utility.use(home, JUNE, JUNE + DAY, 7, known_at=BILLED)
        await utility.use(other, JUNE, JUNE + DAY, 7, known_at=BILLED)
    assert len(await utility.correct(now=LATER)) == 1


async def test_a_bill_is_taken_back_once(utility: Utility) -> None:
    home, bill = await may(utility)
    await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER - HOUR)
    await utility.correct(now=LATER)
    moment = Moment.of(NETWORK, LATER)
    async with utility.database.transaction() as tx:
        with pytest.raises(Refused) as caught:
            await correct_now(tx, bill.number, moment, WHY)
    assert caught.value.cause is Cause.STATE


async def test_a_bill_corrected_at_once_says_who_did_it_and_why(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER - HOUR)
    async with utility.database.transaction() as tx:
        made = await correct_now(tx, bill.number, Moment.of(NETWORK, LATER), WHY)
        assert made is not None
        acts = await store.acts_of(tx, bill.id)
        assert (
            await correct_now(tx, made.bill.number, Moment.of(NETWORK, LATER), WHY)
            is None
        )
    assert (acts[-1].act, acts[-1].actor, acts[-1].note) == (
        Act.CORRECTED, WHY.actor, WHY.note,
    )  # fmt: skip


async def test_a_correction_waits_for_usage_that_became_unknown(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await utility.use(
        home, TENTH, TENTH + DAY, 0, known_at=LATER - HOUR, quality=Quality.MISSING
    )
    assert await utility.correct(now=LATER) == [bill]
    assert [one[1] for one in await utility.waits()] == ["usage-incomplete"]
    # However much else becomes known meanwhile, it is not forgotten.
    other = await utility.supply("Ben", from_at=JUNE)
    for n in range(2):
        known = LATER + n * DAY
        await utility.use(other, JUNE, JUNE + DAY, n, known_at=known)
        await utility.correct(now=known + HOUR)
    await utility.use(home, TENTH, TENTH + DAY, 500, known_at=LATER)
    assert len(await utility.correct(now=LATER + 3 * DAY)) == 3
    assert await utility.waits() == []


async def test_a_corrected_bill_may_be_corrected_again(utility: Utility) -> None:
    home, _ = await may(utility)
    for n in range(1, 4):
        known = LATER + n * DAY
        await utility.use(home, TENTH, TENTH + DAY, 1_000 + 100 * n, known_at=known)
        await utility.correct(now=known + HOUR)
    bills = await utility.bills()
    assert len(bills) == 7
    assert await utility.balance(arrears(home.member)) == -bills[-1].amount
    assert [one.number for one in bills] == [f"2026-{n:08}" for n in range(1, 8)]


async def test_many_bills_are_corrected_in_one_transaction_of_as_many_statements(
    tmp_path: Path,
) -> None:
    counts = []
    for many in (2, 7):
        folder = tmp_path / str(many)
        folder.mkdir()
        async with a_utility(folder) as utility:
            homes = [await utility.supply(f"home {n}") for n in range(many)]
            for home in homes:
                await utility.use(home, MAY, JUNE)
            await utility.bill(now=BILLED)
            for home in homes:
                await utility.use(home, TENTH, TENTH + DAY, 9, known_at=LATER - HOUR)
            before = utility.database.waits
            assert len(await utility.correct(now=LATER)) == 3 * many
            counts.append(utility.database.waits - before)
    assert counts[0] == counts[1]


async def test_what_a_corrected_bill_leaves_over_is_taken_up_by_the_bills_after_it(
    tmp_path: Path,
) -> None:
    bank = NetMetering("roof", Bank.ONE, Count(12), Price(0), PayoutOf.BANK)
    async with a_utility(tmp_path, a_tariff(ENERGY, bank)) as utility:
        home = await utility.supply("Ada", registers=(IMPORT, EXPORT))
        for begin, end, given in ((MAY, JUNE, 1_500), (JUNE, JULY, 0)):
            await utility.use(home, begin, end, 1_000)
            await utility.use(home, begin, end, given, register=EXPORT)
        await utility.use(home, JULY, at(2026, 8), 1_000)
        await utility.use(home, JULY, at(2026, 8), 0, register=EXPORT)
        bills = await utility.bill(now=at(2026, 8, 1, 6))
        kept = 500 * 31 * 96
        used = [read_statement(one.document).segments[-1] for one in bills]
        assert [one.after.bank for one in used[:1]] == [(("", kept),)]
        # Half of May's surplus was none: June pays more, July as before.
        await utility.use(
            home, MAY, JUNE, 1_250, register=EXPORT, known_at=LATER - HOUR
        )
        found = await utility.correct(now=LATER)
        new = {one.begin: one for one in found if one.replaces}
        assert set(new) == {MAY, JUNE}
        assert new[MAY].amount == bills[0].amount
        segment = read_statement(new[JUNE].document).segments[0]
        assert segment.before.bank == (("", kept // 2),)
        assert new[JUNE].amount > bills[1].amount
        assert await utility.balance(arrears(home.member)) == -(
            new[MAY].amount + new[JUNE].amount + bills[2].amount
        )


async def test_a_tax_that_fell_to_a_credit_is_taken_back_from_its_authority(
    utility: Utility,
) -> None:
    home, bill = await may(utility, delta=100)
    await utility.use(home, MAY, JUNE, 0, known_at=LATER - HOUR)
    *_, new = await utility.correct(now=LATER)
    assert new.amount == (1_000 + 190) * CENT
    assert await utility.balance(tax("vat")) == 190 * CENT
    assert bill.amount > new.amount


async def test_a_year_minimum_that_comes_with_a_later_version_hears_of_a_correction(
    tmp_path: Path,
) -> None:
    least = Minimum(
        "least", Price(500_000_000), SpanOf.YEAR, Base.EXACT, (ENERGY.name,)
    )
    later = a_tariff(ENERGY, least, FED_IN, valid_from=JUNE)
    async with a_utility(tmp_path, a_tariff(ENERGY, FED_IN), later) as utility:
        home = await utility.supply("Ada")
        await utility.use(home, MAY, JULY)
        await utility.bill(now=JULY + DAY)
        await utility.use(home, MAY, MAY + DAY, 100, known_at=JULY + 2 * DAY)
        await utility.correct(now=JULY + 3 * DAY)
        june = next(
            one
            for one in reversed(await utility.bills())
            if one.begin == JUNE and one.kind is StatementKind.BILL
        )
        async with utility.database.transaction() as tx:
            moment = Moment.of(NETWORK, JULY + 4 * DAY)
            made = await correct_now(tx, june.number, moment, WHY)
        assert made is None, "nobody had to ask"
