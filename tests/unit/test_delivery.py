"""Sharing a slot's export and paying for it: laws over random slots, and a few by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.delivery import (
    Lane,
    Payment,
    Promise,
    Terms,
    largest_remainder,
    payment,
    shared,
)

PROMISES = st.lists(
    st.builds(
        Promise, st.text("abcdef", min_size=1, max_size=3), st.sampled_from(Lane),
        st.integers(0, 5), st.integers(1, 3_000),
    ),
    max_size=8, unique_by=lambda one: one.trade,
)  # fmt: skip
TERMS = st.builds(
    lambda price, fee, losses, retail: Terms(
        price * 1_000, min(price, fee) * 1_000, losses, retail * 1_000
    ),
    st.integers(0, 400), st.integers(0, 50), st.integers(0, 2_000), st.integers(0, 500),
)  # fmt: skip


def test_offers_are_served_in_order_then_the_auction_in_proportion() -> None:
    promises = [
        Promise("late", Lane.OFFER, 2, 400), Promise("early", Lane.OFFER, 1, 500),
        Promise("x", Lane.AUCTION, 1, 300), Promise("y", Lane.AUCTION, 2, 200),
    ]  # fmt: skip
    assert shared(1_000, promises) == {"early": 500, "late": 400, "x": 60, "y": 40}
    assert shared(700, promises) == {"early": 500, "late": 200, "x": 0, "y": 0}
    assert shared(0, promises) == dict.fromkeys(("early", "late", "x", "y"), 0)


def test_the_largest_remainder_gets_what_flooring_left() -> None:
    assert largest_remainder(10, {"a": 7, "b": 7, "c": 7}) == {"a": 4, "b": 3, "c": 3}
    assert largest_remainder(5, {"a": 1, "b": 9}) == {"a": 1, "b": 4}
    assert largest_remainder(0, {}) == {}


@given(export=st.integers(0, 20_000), promises=PROMISES)
def test_what_is_delivered_is_all_there_is_and_no_more_than_was_sold(
    export: int, promises: list[Promise]
) -> None:
    found = shared(export, promises)
    assert set(found) == {one.trade for one in promises}
    assert all(0 <= found[one.trade] <= one.wh for one in promises)
    assert sum(found.values()) == min(export, sum(one.wh for one in promises))


@given(export=st.integers(0, 20_000), more=st.integers(0, 50), promises=PROMISES)
def test_more_export_never_delivers_an_offer_less(
    export: int, more: int, promises: list[Promise]
) -> None:
    before, after = shared(export, promises), shared(export + more, promises)
    offers = [one.trade for one in promises if one.lane is Lane.OFFER]
    assert all(before[trade] <= after[trade] for trade in offers)


@given(export=st.integers(0, 20_000), promises=PROMISES)
def test_auctioned_trades_are_within_a_watt_hour_of_their_share(
    export: int, promises: list[Promise]
) -> None:
    found = shared(export, promises)
    auctioned = [one for one in promises if one.lane is Lane.AUCTION]
    left = sum(found[one.trade] for one in auctioned)
    whole = sum(one.wh for one in auctioned)
    for one in auctioned:
        assert abs(found[one.trade] * whole - left * one.wh) < whole


@given(terms=TERMS, ordered=st.integers(1, 9_999), data=st.data())
def test_no_micro_unit_is_lost(terms: Terms, ordered: int, data: st.DataObject) -> None:
    delivered = data.draw(st.integers(0, ordered))
    paid = payment(terms, ordered, delivered)
    assert paid.held == paid.seller + paid.fee + paid.losses + paid.returned
    assert min(paid.seller, paid.fee, paid.losses, paid.returned, paid.owed) >= 0
    assert payment(terms, ordered, ordered).returned == 0
    nothing = payment(terms, ordered, 0)
    assert (nothing.seller, nothing.fee, nothing.returned) == (0, 0, nothing.held)


def test_a_short_delivery_pays_its_part_and_owes_the_difference_to_retail() -> None:
    terms = Terms(price=200_000, fee=10_000, losses_bp=500, retail=300_000)
    assert payment(terms, 2_000, 1_500) == Payment(
        held=400_000, seller=270_750, fee=15_000, losses=14_250, returned=100_000, owed=50_000
    )  # fmt: skip
    cheap = Terms(price=300_000, fee=0, losses_bp=0, retail=200_000)
    assert payment(cheap, 2_000, 0).owed == 0


@pytest.mark.parametrize(
    "wrong",
    [
        (200_001, 0, 0, 0), (1_000, 2_000, 0, 0), (1_000, 0, 10_000, 0),
        (1_000, 0, -1, 0), (-1_000, 0, 0, 0), (1_000, 0, 0, 1),
    ],
)  # fmt: skip
def test_prices_that_are_not_exact_are_refused(wrong: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"multiple|leave"):
        Terms(*wrong)


def test_more_than_was_ordered_or_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="part of what was ordered"):
        payment(Terms(1_000, 0, 0, 0), 1, 2)
    with pytest.raises(ValueError, match="from 0 up"):
        shared(-1, [])
