"""What was carried into a bill is what the one before it left, or its evidence fails by name."""

from dataclasses import replace
from fractions import Fraction

import pytest

from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.evidence import contents as parts
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line
from meterseal_proto.rating.statement import Segment, Statement, StatementKind
from meterseal_proto.verify import examine, zone_clock
from tests.support import billevidence
from tests.support.billevidence import DAY, MARCH, Bill, a_bill, a_following_bill
from tests.support.evidence import GENESIS

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)


def judged(bill: Bill) -> dict[str, Claim]:
    return {one.name: one for one in examine(bill.zip(), KNOWN)}


def failed(bill: Bill) -> dict[str, str]:
    found = judged(bill).values()
    return {one.name: one.text for one in found if one.verdict is Verdict.FAIL}


def before(bill: Bill) -> Statement:
    assert bill.previous is not None
    return bill.previous


def stated(bill: Bill) -> Statement:
    assert bill.statement is not None
    return bill.statement


def test_the_first_bill_of_a_supply_begins_from_nothing() -> None:
    found = judged(a_bill())["carried"]
    assert found.verdict is Verdict.PASS
    assert "first bill" in found.text


def test_a_later_bill_begins_from_what_the_one_before_it_left() -> None:
    bill = a_following_bill()
    assert failed(bill) == {}
    assert "where 2026-00000009 ended" in judged(bill)["carried"].text


def test_what_no_bill_left_is_not_carried() -> None:
    bill = a_following_bill()
    bill.previous = None
    assert set(failed(bill)) == {"carried"}


@pytest.mark.parametrize(
    "other",
    [
        NOTHING_CARRIED,
        Carried(charged=Fraction(1_235, 100)),
        Carried(bank=(("", 300),), charged=Fraction(1_234, 100)),
        Carried(used=(("energy", 5),), charged=Fraction(1_234, 100)),
    ],
)
def test_a_bill_that_begins_from_other_than_was_left_fails(other: Carried) -> None:
    bill = a_following_bill()
    (segment,) = before(bill).segments
    bill.previous = replace(before(bill), segments=(replace(segment, after=other),))
    assert set(failed(bill)) == {"carried"}
    assert "other than 2026-00000009 left" in failed(bill)["carried"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"member": 8}, "another's"),
        ({"meter_point": 4}, "another's"),
        ({"network": bytes(32)}, "another's"),
        ({"end": MARCH - 900}, "this one begins at"),
        ({"end": MARCH + 900}, "this one begins at"),
        ({"final": True}, "closed its supply"),
        ({"kind": StatementKind.CREDIT_NOTE}, "no bill"),
    ],
)
def test_only_the_bill_of_the_supplys_period_before_counts(
    change: dict[str, object], why: str
) -> None:
    bill = a_following_bill()
    bill.previous = replace(before(bill), **change)  # type: ignore[arg-type]
    assert why in failed(bill)["carried"]


def test_a_register_that_showed_otherwise_at_a_later_bills_begin_fails() -> None:
    bill = a_following_bill()
    (usage,) = stated(bill).usage
    bill.statement = replace(stated(bill), usage=(replace(usage, first=39_999),))
    assert set(failed(bill)) == {"usage"}


def test_a_bill_before_that_the_log_does_not_have_fails() -> None:
    bill = a_following_bill()
    files = bill.files()
    bill.previous = None
    there = {name: files[name] for name in (parts.PREVIOUS, parts.PREVIOUS_SALT)}
    found = {one.name: one for one in examine(bill.zip(there), KNOWN)}
    assert found["carried"].verdict is Verdict.FAIL
    assert "not among the log's entries" in found["carried"].text


def test_a_bill_before_that_was_logged_after_this_one_fails() -> None:
    bill = a_following_bill()
    bill.behind = True
    assert "came later" in failed(bill)["carried"]


def test_a_tariff_that_was_logged_behind_readings_it_prices_fails() -> None:
    bill = a_bill()
    bill.late_tariff = True
    assert set(failed(bill)) == {"tariff"}
    assert "behind readings" in failed(bill)["tariff"]


def a_note(bill: Bill) -> Bill:
    """Make the credit note of a bill out of its evidence."""
    taken = stated(bill)
    bill.earlier = taken
    bill.statement = replace(
        taken, number="2026-00000013", kind=StatementKind.CREDIT_NOTE,
        issued_at=taken.issued_at + DAY, due_at=taken.issued_at + DAY,
        segments=tuple(map(taken_back, taken.segments)), corrects=taken.number,
    )  # fmt: skip
    bill.entries = billevidence._posted(taken)
    return bill


def taken_back(segment: Segment) -> Segment:
    return replace(segment, lines=tuple(map(negated, segment.lines)))


def negated(line: Line) -> Line:
    quantity = None if line.quantity is None else -line.quantity
    return replace(line, quantity=quantity, exact=-line.exact, amount=-line.amount)


def test_a_credit_note_carries_what_the_bill_it_takes_back_did() -> None:
    found = judged(a_note(a_following_bill()))
    assert found["carried"].verdict is found["earlier"].verdict is Verdict.PASS
    assert found["lines"].verdict is Verdict.UNCHECKED


@pytest.mark.parametrize(
    "change",
    [
        {"begin": MARCH - 900},
        {"zone": "Europe/Vienna"},
        {"final": False},
        {"known_at": MARCH},
        {"usage": ()},
    ],
)
def test_a_credit_note_that_says_other_things_than_its_bill_fails(
    change: dict[str, object],
) -> None:
    bill = a_note(a_following_bill())
    bill.statement = replace(stated(bill), **change)  # type: ignore[arg-type]
    assert "other things" in failed(bill)["earlier"]


def test_a_credit_note_that_leaves_other_than_its_bill_fails() -> None:
    bill = a_note(a_following_bill())
    (segment,) = stated(bill).segments
    other = replace(segment, after=NOTHING_CARRIED)
    bill.statement = replace(stated(bill), segments=(other,))
    assert "other things" in failed(bill)["earlier"]


def test_a_credit_note_that_gives_back_other_lines_than_were_billed_fails() -> None:
    bill = a_note(a_following_bill())
    (segment,) = stated(bill).segments
    first, *rest = segment.lines
    other = replace(segment, lines=(replace(first, amount=first.amount + 1), *rest))
    bill.statement = replace(stated(bill), segments=(other,))
    assert "opposite sign" in failed(bill)["earlier"]
