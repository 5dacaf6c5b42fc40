"""The boundary table of the trust rules: every number people were told, exact to 1/10,000.

A row is a sentence and what the rules answer; scores as people write them. `-v` prints it.
"""

from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from meterseal_aggregator.market.trust import (
    Standing,
    TrustRules,
    buyer_cancel_change,
    buyer_may_cancel,
    delivery_change,
    document_change,
    left_wh,
    monthly_wh,
    moved,
    seller_cancel_change,
    tier_of,
)

RULES = TrustRules()
KWH = 1_000
CONFIRMED = int(datetime(2026, 6, 1, 12, 0, tzinfo=UTC).timestamp())
SLOT = CONFIRMED + 86_400
"""A slot far enough away that the window decides; another test has one that is near."""


def score(change: int) -> str:
    """Return 1/10,000 as people write them: +0.0500."""
    sign = "-" if change < 0 else "+"
    return f"{sign}{abs(change) // 10_000}.{abs(change) % 10_000:04}"


def at(clock: str) -> int:
    """Return the second, minutes and seconds after the confirmation."""
    minutes, seconds = clock.split(":")
    return CONFIRMED + 60 * int(minutes) + int(seconds)


def tier(after: int) -> str:
    """Return a tier and its share of 500 kWh a month."""
    limit = monthly_wh(RULES, Standing(after, 500 * KWH, None))
    return f"{tier_of(after).name.title()} {limit // KWH} kWh"


def may(clock: str) -> str:
    return "yes" if buyer_may_cancel(RULES, CONFIRMED, SLOT, at(clock)) else "no"


def limit(points: int, declared: int | None, certified: int | None) -> str:
    """Return the monthly limit in kWh of a score and two productions in kWh."""
    known = None if declared is None else declared * KWH
    allowed = None if certified is None else certified * KWH
    return f"{monthly_wh(RULES, Standing(points, known, allowed)) / KWH:g} kWh"


def delivered(percent: str) -> str:
    """Return the change of a delivery of so many percent of 1 MWh."""
    wh = round(float(percent) * 10_000)
    return score(delivery_change(RULES, 1_000_000, wh))


def document(off: str) -> str:
    """Return the change of a document so many percent off 1 MWh, both ways."""
    wh = round(float(off) * 10_000)
    found = {document_change(RULES, 1_000_000, 1_000_000 + s * wh) for s in (-1, 1)}
    (change,) = found
    return score(change)


def buyer(part: int, whole: int) -> str:
    return score(buyer_cancel_change(RULES, whole, part))


def seller(clock: str) -> str:
    return score(seller_cancel_change(RULES, CONFIRMED, at(clock)))


TABLE: dict[str, tuple[object, str]] = {
    "everybody starts at": (score(RULES.start), "+0.3000"),
    # Tiers: a bound belongs to the upper one.
    "0.0000 is": (tier(0), "New 50 kWh"),
    "0.2999 is": (tier(2_999), "New 50 kWh"),
    "0.3000 is": (tier(3_000), "Starter 50 kWh"),
    "0.4999 is": (tier(4_999), "Starter 50 kWh"),
    "0.5000 is": (tier(5_000), "Bronze 200 kWh"),
    "0.6999 is": (tier(6_999), "Bronze 200 kWh"),
    "0.7000 is": (tier(7_000), "Silver 300 kWh"),
    "0.8499 is": (tier(8_499), "Silver 300 kWh"),
    "0.8500 is": (tier(8_500), "Gold 400 kWh"),
    "0.9499 is": (tier(9_499), "Gold 400 kWh"),
    "0.9500 is": (tier(9_500), "Platinum 500 kWh"),
    "1.0000 is": (tier(10_000), "Platinum 500 kWh"),
    # The monthly limit: the lower of declared and certified, 10 kWh of who said nothing.
    "0.30 of 500 kWh": (limit(3_000, 500, None), "50 kWh"),
    "0.30 of 500 kWh, certified 300": (limit(3_000, 500, 300), "30 kWh"),
    "0.30 of 300 kWh, certified 500": (limit(3_000, 300, 500), "30 kWh"),
    "undeclared": (limit(3_000, None, None), "10 kWh"),
    "undeclared, at 1.0": (limit(10_000, None, None), "10 kWh"),
    "undeclared, certified 4 kWh": (limit(10_000, None, 4), "4 kWh"),
    "a limit is floored to the Wh": (
        monthly_wh(RULES, Standing(3_000, 19, None)), "1",
    ),
    "49,999 Wh of 50 kWh used": (
        left_wh(RULES, Standing(3_000, 500 * KWH, None), 49_999), "1",
    ),
    "50,000 Wh of 50 kWh used": (
        left_wh(RULES, Standing(3_000, 500 * KWH, None), 50_000), "0",
    ),
    "after a fall more than all is used": (
        left_wh(RULES, Standing(2_000, 500 * KWH, None), 200_000), "0",
    ),
    # Delivery.
    "delivered 120 %": (delivered("120"), "+0.0500"),
    "delivered 100 %": (delivered("100"), "+0.0500"),
    "delivered 99.01 %": (delivered("99.01"), "+0.0500"),
    "delivered 99 %": (delivered("99"), "+0.0500"),
    "delivered 98.99 %": (delivered("98.99"), "-0.0010"),
    "delivered 90 %": (delivered("90"), "-0.0100"),
    "delivered 50.05 %": (delivered("50.05"), "-0.0500"),
    "delivered 50 %": (delivered("50"), "-0.0500"),
    "delivered 49.95 %": (delivered("49.95"), "-0.0501"),
    "delivered 0.01 %": (delivered("0.01"), "-0.1000"),
    "failed": (delivered("0"), "-0.1000"),
    # A buyer cancels: 30 minutes, before the slot, in proportion.
    "a buyer cancels at once": (may("0:00"), "yes"),
    "a buyer cancels after 29:59": (may("29:59"), "yes"),
    "a buyer cancels after 30:00": (may("30:00"), "yes"),
    "a buyer cancels after 30:01": (may("30:01"), "no"),
    "a buyer cancels all": (buyer(1_000, 1_000), "-0.0500"),
    "a buyer cancels half": (buyer(500, 1_000), "-0.0250"),
    "a buyer cancels a third": (buyer(1, 3), "-0.0167"),
    "a buyer cancels a thousandth": (buyer(1, 1_000), "-0.0001"),
    "a buyer cancels a 1,001st": (buyer(1, 1_001), "+0.0000"),
    # A seller cancels: more once the buyer counted on it.
    "a seller cancels after 29:59": (seller("29:59"), "-0.0500"),
    "a seller cancels after 30:00": (seller("30:00"), "-0.0500"),
    "a seller cancels after 30:01": (seller("30:01"), "-0.1000"),
    # A meter's document.
    "a document 0 % off": (document("0"), "+0.1000"),
    "a document 9.99 % off": (document("9.99"), "+0.1000"),
    "a document 10 % off": (document("10"), "+0.1000"),
    "a document 10.01 % off": (document("10.01"), "+0.0600"),
    "a document 19.99 % off": (document("19.99"), "+0.0600"),
    "a document 20 % off": (document("20"), "+0.0600"),
    "a document 20.01 % off": (document("20.01"), "+0.0000"),
    # Clamped.
    "0.9800 and +0.0500": (score(moved(9_800, 500)), "+1.0000"),
    "0.9500 and +0.0500": (score(moved(9_500, 500)), "+1.0000"),
    "0.9499 and +0.0500": (score(moved(9_499, 500)), "+0.9999"),
    "0.0400 and -0.1000": (score(moved(400, -1_000)), "+0.0000"),
    "0.1000 and -0.1000": (score(moved(1_000, -1_000)), "+0.0000"),
    "0.1001 and -0.1000": (score(moved(1_001, -1_000)), "+0.0001"),
}  # fmt: skip


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_the_rules_answer_what_people_were_told(row: str) -> None:
    answer, told = TABLE[row]
    assert str(answer) == told


@pytest.mark.parametrize(("before", "may_cancel"), [(1, True), (0, False), (-1, False)])
def test_a_buyer_cancels_before_the_slot_begins(
    before: int, *, may_cancel: bool
) -> None:
    now = CONFIRMED + 600
    assert buyer_may_cancel(RULES, CONFIRMED, now + before, now) is may_cancel


STORIES: dict[str, tuple[list[int], str]] = {
    "four full deliveries make a Bronze": ([500] * 4, "+0.5000 Bronze 200 kWh"),
    "three and a failure do not": ([500, 500, 500, -1_000], "+0.3500 Starter 50 kWh"),
    "one failure makes a New": ([-1_000], "+0.2000 New 50 kWh"),
    "a document and ten deliveries": ([1_000] + [500] * 10, "+0.9000 Gold 400 kWh"),
    "nobody gets below nothing": ([-1_000] * 4 + [500], "+0.0500 New 50 kWh"),
}


@pytest.mark.parametrize("story", STORIES)
def test_a_life_of_trust_adds_up(story: str) -> None:
    changes, told = STORIES[story]
    after = _lived(changes)
    assert f"{score(after)} {tier(after)}" == told


def _lived(changes: Iterable[int]) -> int:
    after = RULES.start
    for change in changes:
        after = moved(after, change)
    return after
