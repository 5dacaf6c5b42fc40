"""Evidence whose parts agree with one another and lie all the same is not passed."""

import json
from dataclasses import replace

import pytest

from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.billedload import load_between
from meterseal_proto.evidence.contents import numbered
from meterseal_proto.evidence.ledgerrun import LedgerRun, write_runs
from meterseal_proto.rating.components import LimitPer, Price, Slab, Tier
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.rules import Milli
from meterseal_proto.rating.statement import Segment, Statement, Usage
from meterseal_proto.rating.statement_json import write_statement
from meterseal_proto.rating.tariff import FullTariff, Split
from meterseal_proto.verify import examine, zone_clock
from tests.support import billevidence
from tests.support.billevidence import APRIL, DAY, END, MARCH, Bill, a_bill
from tests.support.evidence import GENESIS

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
MIDDLE = MARCH + DAY
TIERED = replace(
    billevidence.TARIFF,
    components=(
        Slab(
            "energy",
            (Tier(Price(100_000), Milli(15_000)), Tier(Price(900_000))),
            LimitPer.CYCLE,
        ),
    ),
    split=Split.CARRIED,
)


def failed(bill: Bill, changed: dict[str, bytes] | None = None) -> dict[str, Claim]:
    found = examine(bill.zip(changed), KNOWN)
    return {one.name: one for one in found if one.verdict is Verdict.FAIL}


def stated(bill: Bill) -> Statement:
    assert bill.statement is not None
    return bill.statement


def segment(
    bill: Bill,
    span: tuple[int, int],
    *,
    before: Carried = NOTHING_CARRIED,
    cycle: tuple[int, int] = (MARCH, APRIL),
    times: int = 1,
) -> Segment:
    """Return a segment as the tariff rates it, whether it may be or not."""
    begin, end = span
    whole = load_between([bill.slots], (), MARCH, END)
    low, high = (begin - MARCH) // whole.step, (end - MARCH) // whole.step
    load = Load(begin, whole.step, [times * n for n in whole.imported[low:high]])
    rated = rate(
        bill.tariff,
        load,
        Period(begin, end, *cycle),
        zone_clock("Europe/Berlin"),
        before,
    )
    return Segment(
        bill.tariff.hash(), begin, end, *cycle, rated.lines, before, rated.carried
    )


def forged(bill: Bill, *segments: Segment, usage: tuple[Usage, ...] = ()) -> Bill:
    """Put segments in the bill, and have the ledger post what they come to."""
    whole = stated(bill)
    bill.statement = replace(whole, segments=segments, usage=usage or whole.usage)
    bill.entries = billevidence._posted(bill.statement)
    return bill


def of_tariff(tariff: FullTariff) -> Bill:
    bill = a_bill()
    bill.tariff = tariff
    return bill


def test_a_bill_in_two_parts_that_follow_each_other_passes() -> None:
    bill = of_tariff(TIERED)
    first = segment(bill, (MARCH, MIDDLE))
    second = segment(bill, (MIDDLE, END), before=first.after)
    assert failed(forged(bill, first, second)) == {}


def test_a_day_that_is_billed_twice_fails() -> None:
    bill = a_bill()
    first, second = segment(bill, (MARCH, END)), segment(bill, (MIDDLE, END))
    assert "lines" in failed(forged(bill, first, second))


def test_a_day_that_no_part_bills_fails() -> None:
    bill = a_bill()
    assert "lines" in failed(forged(bill, segment(bill, (MARCH, MIDDLE))))


def test_a_register_that_is_named_twice_fails() -> None:
    bill = a_bill()
    (told,) = stated(bill).usage
    lie = forged(bill, segment(bill, (MARCH, END), times=2), usage=(told, told))
    files = lie.files()
    more = {
        numbered(stem, 2): files[numbered(stem, 1)]
        for stem in (parts.SEALS, parts.USAGE, parts.HISTORY)
    }
    assert "usage" in failed(lie, more)


def test_a_part_that_begins_from_other_than_the_part_before_left_fails() -> None:
    bill = of_tariff(TIERED)
    first = segment(bill, (MARCH, MIDDLE))
    (key, used), *_ = first.after.used
    more = replace(first.after, used=((key, used + 50_000),))
    lie = forged(bill, first, segment(bill, (MIDDLE, END), before=more))
    assert "lines" in failed(lie)


def test_a_cycle_that_the_calendar_does_not_have_fails() -> None:
    bill = a_bill()
    lie = forged(bill, segment(bill, (MARCH, END), cycle=(MARCH, END)))
    assert "lines" in failed(lie)


def test_a_run_of_the_ledger_that_is_shown_twice_fails() -> None:
    bill = a_bill()
    bill.entries = [replace(one, amount=one.amount // 2) for one in bill.entries]
    run = billevidence._run(bill.entries)
    found = failed(bill, {parts.LEDGER: write_runs([run, run])})
    assert "ledger-chain" in found


def test_runs_of_the_ledger_that_overlap_fail() -> None:
    bill = a_bill()
    whole = billevidence._run(bill.entries)
    last = LedgerRun(whole.before, whole.entries[1:], b"")
    again = replace(last, hash=last.last_hash())
    assert "ledger-chain" in failed(bill, {parts.LEDGER: write_runs([whole, again])})


@pytest.mark.parametrize("what", ["member", "meter_point", "currency"])
def test_a_bill_does_not_stand_in_for_one_of_somebody_else(what: str) -> None:
    bill = a_bill()
    before = replace(stated(bill), number="2026-00000011")
    other = {"member": 8, "meter_point": 4, "currency": "USD"}[what]
    strange = replace(before, **{what: other})  # type: ignore[arg-type]
    bill.statement = replace(stated(bill), replaces="2026-00000011")
    found = failed(
        bill,
        {
            parts.EARLIER: write_statement(strange),
            parts.EARLIER_SALT: parts.write_salt(bytes(16)),
        },
    )
    assert "another's" in found["earlier"].text


@pytest.mark.parametrize("at", [1 << 62, 253_402_300_000, -(1 << 62), -(10**14)])
def test_a_period_beyond_any_calendar_fails_and_never_raises(at: int) -> None:
    bill = a_bill()
    (part,) = stated(bill).segments
    strange = replace(part, begin=at, end=at + 900, cycle_begin=at, cycle_end=at + 900)
    bill.statement = replace(stated(bill), begin=at, end=at + 900, segments=(strange,))
    assert "lines" in failed(bill)


@pytest.mark.parametrize("amount", [{}, [], "5", None, True, 1.5])
def test_an_amount_that_is_no_number_fails_and_never_raises(amount: object) -> None:
    bill = a_bill()
    told = json.loads(bill.document())
    told["segments"][0]["lines"][0]["amount"] = amount
    document = json.dumps(told, sort_keys=True, separators=(",", ":")).encode()
    assert "statement" in failed(bill, {parts.STATEMENT: document})
