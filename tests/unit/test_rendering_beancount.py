"""A member's ledger in beancount: bean-check finds nothing, and finds what is missing."""

from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.rendering import Cause, Unrenderable, beancount
from meterseal_aggregator.billing.rendering.beancount import (
    Book,
    BookEntry,
    EntryKind,
    Side,
)
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.statement import Statement, StatementKind
from tests.support.beancheck import complaints
from tests.support.statements import DAY, JUNE, line, plain_statement

PAID = BookEntry(
    JUNE + 3 * DAY, EntryKind.PAYMENT, 100_000_000, "EUR", "2026-000042", 'FT "77" \\'
)


def credit_note(bill: Statement, number: str) -> Statement:
    segments = tuple(
        replace(
            segment,
            lines=tuple(replace(row, amount=-row.amount) for row in segment.lines),
        )
        for segment in bill.segments
    )
    return replace(
        bill,
        number=number,
        kind=StatementKind.CREDIT_NOTE,
        corrects=bill.number,
        segments=segments,
        issued_at=bill.issued_at + 90 * DAY,
    )


def book(side: Side = Side.MEMBER, **changed: object) -> Book:
    bill = plain_statement()
    lines = (
        line("energy", LineKind.ENERGY, 7_000),
        line("sun", LineKind.EXPORT, -9_050),
    )
    segment = replace(bill.segments[0], lines=lines)
    mended = plain_statement(
        number="2026-000051",
        replaces=bill.number,
        issued_at=bill.issued_at + 90 * DAY,
        segments=(segment,),
    )
    entries = (
        PAID,
        BookEntry(JUNE + 20 * DAY, EntryKind.LATE_FEE, 1_234_567, "EUR", bill.number),
        BookEntry(
            JUNE + 21 * DAY, EntryKind.REWARD, 500_000, "util-token", bill.number
        ),
        BookEntry(JUNE + 99 * DAY, EntryKind.REFUND, 20_000_000, "EUR", mended.number),
    )
    made = Book(
        7,
        (mended, bill, credit_note(bill, "2026-000050")),
        entries,
        "Europe/Berlin",
        side,
    )
    # The names are those of the fields; a wrong one fails at once.
    return replace(made, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize("side", Side)
def test_bean_check_finds_nothing(side: Side, tmp_path: Path) -> None:
    assert complaints(beancount.beancount(book(side)), tmp_path) == ""


def test_bean_check_finds_a_payment_that_was_left_out(tmp_path: Path) -> None:
    text = beancount.beancount(book()).decode()
    assert text.count("-100.00 EUR") == 1
    broken = text.replace("  Assets:Bank  -100.00 EUR\n", "  Assets:Bank  -99.00 EUR\n")
    assert "does not balance" in complaints(broken.encode(), tmp_path)
    transaction = next(part for part in text.split("\n\n") if "Payment" in part)
    without = text.replace(transaction.split("2026-06-05 balance")[0], "")
    assert "Balance failed" in complaints(without.encode(), tmp_path)


def test_the_last_balance_is_what_is_still_owed() -> None:
    text = beancount.beancount(book()).decode()
    # 121.37 billed and taken back, 20.50 credited, 100 paid, a fee of 1.234567, 20 back.
    assert text.rstrip().splitlines()[-1] == (
        "2026-09-09 balance Liabilities:Utility  99.265433 EUR"
    )


def test_an_empty_book_is_a_ledger_too(tmp_path: Path) -> None:
    assert complaints(beancount.beancount(Book(7, (), (), "UTC")), tmp_path) == ""


def test_texts_stay_in_their_quotes() -> None:
    text = beancount.beancount(book(entries=(PAID,))).decode()
    assert r'"Payment FT \"77\" \\"' in text


@pytest.mark.parametrize("currency", ["E", "12", "é", "a b", "x" * 25])
def test_a_currency_beancount_cannot_name_is_refused(currency: str) -> None:
    with pytest.raises(Unrenderable, match="no name of its own") as refused:
        beancount.beancount(book(entries=(replace(PAID, currency=currency),)))
    assert refused.value.cause is Cause.NOT_SAYABLE


def test_two_currencies_of_one_name_are_refused() -> None:
    with pytest.raises(Unrenderable, match="'eur'"):
        beancount.beancount(book(entries=(replace(PAID, currency="eur"),)))


def test_an_entry_that_moves_nothing_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="moves something"):
        beancount.beancount(book(entries=(replace(PAID, amount=0),)))


def test_a_book_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beancount, "MAX_BOOK", 3)
    with pytest.raises(Unrenderable, match="at most 3"):
        beancount.beancount(book())
