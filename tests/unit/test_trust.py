"""The trust rules at every boundary, exact to 1/10,000."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.trust import (
    Standing,
    Tier,
    TrustRules,
    buyer_cancel_change,
    buyer_may_cancel,
    delivery_change,
    document_change,
    left_wh,
    monthly_wh,
    moved,
    score_of,
    seller_cancel_change,
    tier_of,
)

RULES = TrustRules()
KWH = 1_000


@pytest.mark.parametrize(
    ("score", "tier", "share"),
    [
        (0, Tier.NEW, 10), (2_999, Tier.NEW, 10),
        (3_000, Tier.STARTER, 10), (4_999, Tier.STARTER, 10),
        (5_000, Tier.BRONZE, 40), (6_999, Tier.BRONZE, 40),
        (7_000, Tier.SILVER, 60), (8_499, Tier.SILVER, 60),
        (8_500, Tier.GOLD, 80), (9_499, Tier.GOLD, 80),
        (9_500, Tier.PLATINUM, 100), (10_000, Tier.PLATINUM, 100),
    ],
)  # fmt: skip
def test_a_tier_begins_at_its_lower_bound(score: int, tier: Tier, share: int) -> None:
    assert tier_of(score) is tier
    standing = Standing(score, 500 * KWH, None)
    assert monthly_wh(RULES, standing) == 5 * KWH * share


def test_the_first_limit_is_the_one_people_were_told() -> None:
    assert monthly_wh(RULES, Standing(3_000, 500 * KWH, None)) == 50 * KWH
    assert monthly_wh(RULES, Standing(10_000, None, None)) == 10 * KWH


def test_the_lower_of_declared_and_certified_counts() -> None:
    assert monthly_wh(RULES, Standing(9_500, 500 * KWH, 300 * KWH)) == 300 * KWH
    assert monthly_wh(RULES, Standing(9_500, 200 * KWH, 300 * KWH)) == 200 * KWH
    assert monthly_wh(RULES, Standing(9_500, None, 3 * KWH)) == 3 * KWH
    assert monthly_wh(RULES, Standing(3_000, 9, None)) == 0


def test_what_is_used_is_gone_and_no_limit_is_below_nothing() -> None:
    standing = Standing(3_000, 500 * KWH, None)
    assert left_wh(RULES, standing, 49_999) == 1
    assert left_wh(RULES, standing, 50_001) == 0


def test_a_stake_lifts_the_limit_by_one_tier_and_never_the_score() -> None:
    rules = TrustRules(stake_micro=5_000_000)
    for score, share in ((3_000, 40), (2_999, 10), (9_500, 100), (8_500, 100)):
        for staked, told in ((5_000_000, share), (4_999_999, tier_of(score).percent)):
            standing = Standing(score, 500 * KWH, None, staked)
            assert monthly_wh(rules, standing) == 5 * KWH * told


@pytest.mark.parametrize(
    ("expected", "delivered", "change"),
    [
        (10_000, 10_000, 500), (10_000, 12_000, 500), (10_000, 9_900, 500),
        (10_000, 9_899, -10), (10_000, 9_000, -100), (10_000, 5_000, -500),
        (10_000, 1, -1_000), (10_000, 0, -1_000), (3, 2, -333), (3, 1, -667),
        (2_000, 1_979, -11), (2_000, 1_979 - 1, -11), (2_000, 1_977, -12), (1, 0, -1_000),
    ],
)  # fmt: skip
def test_delivery_moves_trust_by_what_is_missing(
    expected: int, delivered: int, change: int
) -> None:
    assert delivery_change(RULES, expected, delivered) == change


def test_scores_stay_between_nothing_and_one() -> None:
    assert moved(9_800, 500) == 10_000
    assert moved(400, -1_000) == 0
    assert moved(3_000, 500) == 3_500


@pytest.mark.parametrize(
    ("after_s", "may"),
    [(0, True), (1_799, True), (1_800, True), (1_801, False)],
)
def test_a_buyer_may_cancel_for_thirty_minutes(after_s: int, may: bool) -> None:
    assert buyer_may_cancel(RULES, 1_000_000, 1_100_000, 1_000_000 + after_s) is may


def test_once_the_slot_began_no_buyer_cancels() -> None:
    assert buyer_may_cancel(RULES, 1_000_000, 1_000_600, 1_000_599)
    assert not buyer_may_cancel(RULES, 1_000_000, 1_000_600, 1_000_600)


def test_cancelling_costs_in_proportion() -> None:
    assert buyer_cancel_change(RULES, 2_000, 2_000) == -500
    assert buyer_cancel_change(RULES, 2_000, 500) == -125
    assert buyer_cancel_change(RULES, 3, 1) == -167
    assert seller_cancel_change(RULES, 1_000, 1_000 + 1_800) == -500
    assert seller_cancel_change(RULES, 1_000, 1_000 + 1_801) == -1_000
    with pytest.raises(ValueError, match="part of what was ordered"):
        buyer_cancel_change(RULES, 2_000, 2_001)


@pytest.mark.parametrize(
    ("document", "change"),
    [
        (500_000, 1_000), (550_000, 1_000), (450_000, 1_000), (550_001, 600),
        (449_999, 600), (600_000, 600), (400_000, 600), (600_001, 0), (0, 0),
    ],
)  # fmt: skip
def test_a_meters_document_counts_by_how_near_it_is(document: int, change: int) -> None:
    assert document_change(RULES, 500_000, document) == change


@pytest.mark.parametrize(
    ("text", "score"),
    [("0.3", 3_000), ("0.05", 500), ("1", 10_000), (" 0.0001", 1), ("0.30000", 3_000)],
)
def test_decimals_are_read_exactly(text: str, score: int) -> None:
    assert score_of(text) == score


@pytest.mark.parametrize(
    "text", ["", "0.00001", "1.0001", "-0.1", "NaN", "Infinity", "0,3", "1e99999999"]
)
def test_what_is_no_exact_score_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|between"):
        score_of(text)


@given(
    expected=st.integers(1, 10**12), delivered=st.integers(0, 10**12),
    more=st.integers(0, 10**6),
)  # fmt: skip
def test_delivering_more_never_costs_trust(
    expected: int, delivered: int, more: int
) -> None:
    before = delivery_change(RULES, expected, delivered)
    assert before <= delivery_change(RULES, expected, delivered + more)
    assert -RULES.failure <= before <= RULES.success


def test_what_cannot_be_is_refused() -> None:
    for rule, first, second in (
        (delivery_change, 0, 0), (delivery_change, 1, -1),
        (document_change, 0, 1), (document_change, 1, -1),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=r"more than nothing|above 0"):
            rule(RULES, first, second)
