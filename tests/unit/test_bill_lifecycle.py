"""A bill's life, its numbers, what it posts and what goes over to another: pure rules."""

import pickle
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.billing.model import (
    Act,
    BillState,
    Cause,
    Refused,
    Standing,
    micro,
)
from meterseal_aggregator.billing.statements.carry import carry
from meterseal_aggregator.billing.statements.lifecycle import after, begun
from meterseal_aggregator.billing.statements.number import (
    count_of,
    number_of,
    numbers,
)
from meterseal_aggregator.billing.statements.posting import (
    Difference,
    Money,
    corrected,
    difference,
    issued,
    payee,
    shares,
)
from meterseal_aggregator.ledger.chart import opened
from meterseal_aggregator.ledger.model import AccountCode, Asset
from meterseal_proto.rating.line import Line, LineKind, Unit

EUR = Asset("EUR")
MONEY = Money(7, EUR, 1_000)
BILL = begun(1, 1_000, due_at=5, known_at=3)

# What is done, in order, and where the bill stands then: state, outstanding, asked.
LIVES: list[tuple[list[tuple[Act, int]], tuple[BillState, int, int]]] = [
    ([], (BillState.ISSUED, 1_000, 1_000)),
    ([(Act.PAID, 400)], (BillState.PART_PAID, 600, 600)),
    ([(Act.PAID, 400), (Act.PAID, 600)], (BillState.PAID, 0, 0)),
    ([(Act.PAID, 1_000), (Act.UNPAID, 1)], (BillState.PART_PAID, 1, 1)),
    ([(Act.PAID, 9), (Act.UNPAID, 9)], (BillState.ISSUED, 1_000, 1_000)),
    ([(Act.OVERDUE, 0)], (BillState.OVERDUE, 1_000, 1_000)),
    ([(Act.OVERDUE, 0), (Act.PAID, 400)], (BillState.OVERDUE, 600, 600)),
    ([(Act.OVERDUE, 0), (Act.LATE_FEE, 50)], (BillState.OVERDUE, 1_050, 1_050)),
    (
        [(Act.LATE_FEE, 50), (Act.WAIVED, 20), (Act.PAID, 1_030)],
        (BillState.PAID, 0, 0),
    ),
    ([(Act.DISPUTED, 300)], (BillState.ISSUED, 1_000, 700)),
    ([(Act.DISPUTED, 300), (Act.PAID, 800)], (BillState.PART_PAID, 200, 0)),
    ([(Act.DISPUTED, 300), (Act.RESOLVED, 100)], (BillState.ISSUED, 1_000, 800)),
    ([(Act.GIVEN, 25)], (BillState.ISSUED, 1_025, 1_025)),
    ([(Act.PAID, 500), (Act.CORRECTED, 0)], (BillState.CORRECTED, 0, 0)),
]


@pytest.mark.parametrize(("acts", "leads_to"), LIVES)
def test_each_act_leads_where_the_table_says(
    acts: list[tuple[Act, int]], leads_to: tuple[BillState, int, int]
) -> None:
    found = BILL
    for act, amount in acts:
        found = after(found, act, amount)
    assert (found.state, found.outstanding, found.asked) == leads_to


@pytest.mark.parametrize(
    "acts",
    [
        [(Act.PAID, 1_001)],
        [(Act.PAID, 0)],
        [(Act.PAID, -1)],
        [(Act.UNPAID, 1)],
        [(Act.WAIVED, 1)],
        [(Act.DISPUTED, 1_001)],
        [(Act.DISPUTED, 600), (Act.DISPUTED, 401)],
        [(Act.RESOLVED, 1)],
        [(Act.PAID, 1_000), (Act.OVERDUE, 0)],
        [(Act.DISPUTED, 1_000), (Act.OVERDUE, 0)],
        [(Act.CORRECTED, 0), (Act.PAID, 1)],
        [(Act.CORRECTED, 0), (Act.CORRECTED, 0)],
    ],
)
def test_what_cannot_be_done_to_a_bill_is_refused(acts: list[tuple[Act, int]]) -> None:
    found = BILL
    for act, amount in acts[:-1]:
        found = after(found, act, amount)
    with pytest.raises(Refused) as caught:
        after(found, *acts[-1])
    assert caught.value.cause is Cause.STATE


def test_a_bill_of_nothing_or_less_asks_for_nothing() -> None:
    assert begun(1, 0, due_at=5, known_at=3).state is BillState.PAID
    credited = after(begun(1, -70, due_at=5, known_at=3), Act.GIVEN, 70)
    assert (credited.state, credited.outstanding) == (BillState.PAID, 0)


def test_a_refusal_comes_back_from_another_process_with_its_cause() -> None:
    sent = pickle.loads(pickle.dumps(Refused(Cause.GUARD, "too much")))  # noqa: S301
    assert (sent.cause, sent.detail, str(sent)) == (Cause.GUARD, "too much", "too much")


def test_numbers_follow_each_other_and_sort_as_they_count() -> None:
    assert numbers(None, 2026, 2) == ["2026-00000001", "2026-00000002"]
    assert numbers("2026-00000009", 2026, 2) == ["2026-00000010", "2026-00000011"]
    assert count_of(number_of(2026, 123)) == (2026, 123)
    for wrong in ("2026-123", "x", "2026-000000001"):
        with pytest.raises(ValueError, match="is no number of a bill"):
            count_of(wrong)
    with pytest.raises(ValueError, match="a year has 1 to"):
        number_of(2026, 10**8)


def test_micro_units_are_minor_units_with_what_decimals_lack() -> None:
    assert [micro(7, minor) for minor in (0, 2, 6)] == [7_000_000, 70_000, 7]
    with pytest.raises(ValueError, match="0 to 6 decimals"):
        micro(1, 7)


def line(kind: LineKind, amount: int, component: str = "c") -> Line:
    return Line(
        component, kind, "", None, Unit.ONCE, None, Fraction(amount, 100), amount
    )


@pytest.mark.parametrize(
    ("kind", "component", "account"),
    [
        (LineKind.ENERGY, "energy", "utility"),
        (LineKind.DEMAND, "peak", "utility"),
        (LineKind.EXPORT, "feed-in", "utility"),
        (LineKind.WHEELING, "lines", "wheeling"),
        (LineKind.LOSSES, "lost", "wheeling"),
        (LineKind.LEVY, "fund", "tax:fund"),
        (LineKind.TAX, "vat", "tax:vat"),
        (LineKind.ROUNDING, "cash", "rounding"),
    ],
)
def test_each_line_is_owed_to_whom_its_kind_says(
    kind: LineKind, component: str, account: str
) -> None:
    assert payee(line(kind, 1, component)) == account


def test_a_tax_whose_name_no_account_may_have_goes_by_its_digest() -> None:
    found = payee(line(LineKind.TAX, 1, "tax on light"))
    assert opened(EUR, found) is not None
    assert found != payee(line(LineKind.TAX, 1, "tax on lights"))


ACCOUNTS = [AccountCode(one) for one in ("utility", "tax:vat", "wheeling", "rounding")]
owed = st.dictionaries(st.sampled_from(ACCOUNTS), st.integers(-900, 900).filter(bool))


def moved(chain: list[tuple[str, str, int]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for debit, credit, amount in chain:
        assert amount > 0
        found[debit] = found.get(debit, 0) - amount
        found[credit] = found.get(credit, 0) + amount
    return {account: amount for account, amount in found.items() if amount}


@given(owed)
def test_a_bill_posts_each_account_what_it_is_owed_and_the_member_the_rest(
    lines: dict[AccountCode, int],
) -> None:
    chain = issued("2026-00000001", MONEY, lines)
    found = moved([(t.debit, t.credit, t.amount) for t in chain])
    total = sum(lines.values())
    party = {"arrears:7": -total} if total >= 0 else {"user:7": -total}
    assert found == lines | {k: v for k, v in party.items() if v}
    assert [t.linked for t in chain] == [True] * (len(chain) - 1) + [False] * bool(
        chain
    )
    assert len({t.id for t in chain}) == len(chain)


@given(owed, owed, st.integers(0, 2_000), st.integers(0, 500), st.integers(0, 300))
def test_a_correction_leaves_the_member_owing_what_the_new_bill_has_outstanding(
    before: dict[AccountCode, int],
    then: dict[AccountCode, int],
    paid: int,
    fees: int,
    disputed: int,
) -> None:
    old_total, new_total = sum(before.values()), sum(then.values())
    old = begun(1, old_total, due_at=5, known_at=3)
    if old_total < 0:
        old = after(old, Act.GIVEN, -old_total)
    for act, amount in (
        (Act.LATE_FEE, fees),
        (Act.DISPUTED, disputed),
        (Act.PAID, paid),
    ):
        most = old.outstanding - (old.disputed if act is Act.DISPUTED else 0)
        done = amount if act is Act.LATE_FEE else min(amount, most)
        if done:
            old = after(old, act, done)
    over = carry(old, new_total)
    new = begun(2, new_total, due_at=9, known_at=8)
    for act, amount, _ in over.acts("x"):
        new = after(new, act, amount)
    assert new.outstanding >= 0
    assert new.disputed <= new.outstanding
    change = Difference(difference(then, before), over.now_given)
    chain = corrected("2026-00000003", MONEY, change)
    # On the way the account never owes less than nothing.
    owing = old.outstanding
    for one in chain:
        owing += one.amount * ((one.debit == "arrears:7") - (one.credit == "arrears:7"))
        assert owing >= 0
    assert owing == new.outstanding
    found = moved([(t.debit, t.credit, t.amount) for t in chain])
    assert found.get("user:7", 0) == over.now_given
    assert {a: found.get(a, 0) for a in ACCOUNTS} == {
        a: then.get(a, 0) - before.get(a, 0) for a in ACCOUNTS
    }


def test_lines_of_one_account_are_posted_together_and_nothings_not_at_all() -> None:
    lines = [
        line(LineKind.ENERGY, 500),
        line(LineKind.FIXED, 100),
        line(LineKind.ROUNDING, 0),
        line(LineKind.TAX, -3, "vat"),
    ]
    assert shares(lines, 2) == {"utility": 6_000_000, "tax:vat": -30_000}


def test_a_standing_that_was_taken_back_owes_nothing() -> None:
    taken = replace(Standing(1, 5, BillState.ISSUED, 9), state=BillState.CORRECTED)
    assert taken.outstanding == taken.asked == 0
