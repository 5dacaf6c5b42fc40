"""What follows from paying early, late or in parts, by a tariff's terms of payment."""

import pytest

from meterseal_proto.rating.components import Count, Minor
from meterseal_proto.rating.terms import (
    DAY_S,
    Terms,
    arrears_share,
    due_at,
    late_fee,
    reward,
)

TERMS = Terms(
    due_days=Count(10),
    grace_days=Count(3),
    late_fee=Minor(200),
    late_bp=Count(150),
    late_most_bp=Count(1_000),
    reward_bp=Count(250),
    arrears_bp=Count(3_000),
)
ISSUED = 1_790_000_000
DUE = ISSUED + 10 * DAY_S
LATE = DUE + 3 * DAY_S + 1


def test_a_bill_is_due_so_many_days_after_it_was_issued() -> None:
    assert due_at(TERMS, ISSUED) == DUE


@pytest.mark.parametrize(
    ("outstanding", "now", "fee"),
    [
        (100_000, DUE, 0),
        (100_000, LATE - 1, 0),
        (100_000, LATE, 200 + 1_500),
        (1_000, LATE, 100),
        (0, LATE, 0),
        (-5, LATE, 0),
        (10_099, LATE, 200 + 151),
    ],
)
def test_a_late_fee_is_owed_after_the_days_of_grace_and_has_a_cap(
    outstanding: int, now: int, fee: int
) -> None:
    assert late_fee(TERMS, outstanding=outstanding, due_at=DUE, now=now, unit=1) == fee


def test_a_late_fee_is_the_same_in_micro_units() -> None:
    fee = late_fee(
        TERMS, outstanding=100_000 * 10_000, due_at=DUE, now=LATE, unit=10_000
    )
    assert fee == 1_700 * 10_000


@pytest.mark.parametrize(
    ("paid", "paid_at", "found"),
    [(10_000, DUE, 250), (10_000, DUE + 1, 0), (39, DUE, 0), (0, DUE, 0)],
)
def test_who_pays_in_time_is_rewarded_and_a_rest_is_left(
    paid: int, paid_at: int, found: int
) -> None:
    assert reward(TERMS, paid=paid, due_at=DUE, paid_at=paid_at) == found


@pytest.mark.parametrize(
    ("top_up", "arrears", "taken"),
    [(1_000, 5_000, 300), (1_000, 120, 120), (1_000, 0, 0), (3, 5_000, 0)],
)
def test_old_debts_take_a_capped_share_of_a_top_up(
    top_up: int, arrears: int, taken: int
) -> None:
    assert arrears_share(TERMS, top_up=top_up, arrears=arrears) == taken
