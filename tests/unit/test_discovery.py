"""Discovery shows what suits, the best first, whatever the order of listing."""

from dataclasses import replace
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.discovery import (
    Found,
    Shown,
    Wanted,
    ranked,
    suits,
)

HOUR = 3_600
WANTED = Wanted("me", 0, 4 * HOUR, 1_000, 300_000)
OFFER = Shown("a", "you", 0, 4 * HOUR, 5_000, 200_000, 5_000)


@pytest.mark.parametrize(
    "unsuited",
    [
        replace(OFFER, seller="me"),
        replace(OFFER, left_wh=999),
        replace(OFFER, price=300_001),
        replace(OFFER, trust=1_999),
        replace(OFFER, start=4 * HOUR, end=5 * HOUR),
        replace(OFFER, start=-HOUR, end=0),
    ],
)
def test_what_does_not_suit_is_not_shown(unsuited: Shown) -> None:
    assert suits(OFFER, WANTED)
    assert ranked([unsuited], WANTED, 9) == []


def test_the_bounds_themselves_suit() -> None:
    on_the_bound = replace(
        OFFER, left_wh=1_000, price=300_000, trust=2_000, start=4 * HOUR - 1
    )
    assert suits(on_the_bound, WANTED)


def test_a_score_is_forty_price_thirty_five_trust_twenty_five_time() -> None:
    dear = replace(OFFER, id="b", price=300_000, trust=10_000)
    short = replace(OFFER, id="c", price=250_000, trust=2_000, end=HOUR)
    assert ranked([dear, short, OFFER], WANTED, 9) == [
        Found(OFFER, 4_000 + 1_750 + 2_500),
        Found(dear, 0 + 3_500 + 2_500),
        Found(short, 2_000 + 700 + 625),
    ]


def test_ties_go_by_price_then_trust_then_start_then_id() -> None:
    later = replace(OFFER, id="b", start=HOUR, end=5 * HOUR)
    early = replace(OFFER, id="c", start=-HOUR, end=3 * HOUR)
    found = ranked([later, early, OFFER, replace(OFFER, id="A")], WANTED, 9)
    assert [one.offer.id for one in found] == ["A", "a", "c", "b"]
    assert found[2].score == found[3].score


OFFERS = st.lists(
    st.builds(
        Shown, st.text("abc", min_size=1, max_size=3), st.sampled_from(["me", "you"]),
        st.integers(0, 9).map(lambda n: n * HOUR), st.integers(5, 12).map(lambda n: n * HOUR),
        st.integers(0, 3_000), st.integers(0, 400_000), st.integers(0, 10_000),
    ),
    max_size=8, unique_by=lambda one: one.id,
)  # fmt: skip


@given(offers=OFFERS, chance=st.randoms(use_true_random=False), limit=st.integers(0, 9))
def test_the_order_of_listing_changes_nothing(
    offers: list[Shown], chance: Random, limit: int
) -> None:
    found = ranked(offers, WANTED, 9)
    assert all(0 <= one.score <= 10_000 for one in found)
    chance.shuffle(offers)
    assert ranked(offers, WANTED, limit) == found[:limit]


def test_hours_that_end_before_they_begin_are_refused() -> None:
    with pytest.raises(ValueError, match="end before they begin"):
        ranked([OFFER], replace(WANTED, end=0), 9)
