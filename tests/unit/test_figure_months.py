"""Months taken from more months leave no household over."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.billing.figures.model import K, Slice, total, withheld
from meterseal_aggregator.ledger.model import Asset

EUR = Asset("EUR")
MANY = Slice("home", EUR, members=K, bills=K, billed=1_000 * K)
ONE = Slice("home", EUR, members=1, bills=1, billed=777)
PAID = Slice("home", EUR, collected=5)
NOBODY = Slice("home", EUR, outstanding=9)


def _both(*months: Slice) -> list[Slice]:
    """Return the figures of months together, of members who differ."""
    whole = total(months, EUR)
    return [Slice("home", EUR, whole.members, whole.bills, whole.billed)]


def test_a_month_of_one_household_is_no_part_of_what_is_shown() -> None:
    for month in (ONE, PAID):
        assert withheld(_both(MANY, month), [[MANY], [month]]) == ([], [])


def test_months_of_many_or_of_nobody_are_shown_together() -> None:
    for month in (MANY, NOBODY):
        both = _both(MANY, month)
        assert withheld(both, [[MANY], [month]]) == (both, [total(both, EUR)])
    assert withheld(_both(MANY, NOBODY), [[MANY], []])[0]


def test_a_tariff_that_is_hidden_by_its_months_is_in_no_total_that_shows_it() -> None:
    other = Slice("pump", EUR, members=K, bills=K)
    whole = [*_both(MANY, ONE), other]
    shown, totals = withheld(whole, [[MANY, other], [ONE]])
    assert (shown, totals) == ([other], [])


_slices = st.builds(
    Slice, st.sampled_from(("a", "b")), st.just(EUR), members=st.integers(0, 2 * K)
)


@given(
    st.lists(
        st.lists(_slices, max_size=2, unique_by=lambda one: one.tariff), max_size=3
    )
)
def test_more_months_never_show_what_one_hides(months: Sequence[list[Slice]]) -> None:
    every = [one for month in months for one in month if one.members]
    whole = [
        Slice(name, EUR, sum(one.members for one in every if one.tariff == name))
        for name in ("a", "b")
    ]
    with_bills = [
        [Slice(one.tariff, EUR, one.members, one.members) for one in month]
        for month in months
    ]
    for one in withheld(whole, with_bills)[0]:
        parts = [p.members for m in with_bills for p in m if p.tariff == one.tariff]
        assert all(count == 0 or count >= K for count in parts)
