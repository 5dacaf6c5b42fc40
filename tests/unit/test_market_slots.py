"""The market's grid: wall-clock slots of a zone, half-open, without a gap where clocks change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.slots import aligned, month_of, slot_of

ZONES = (
    "UTC", "Africa/Nairobi", "Asia/Kathmandu", "Europe/Berlin", "Australia/Lord_Howe",
    "America/St_Johns",
)  # fmt: skip
SECONDS = st.integers(0, 4_000_000_000)


def _second(zone: str, *local: int) -> int:
    year, month, day, hour, minute = local
    where = ZoneInfo(zone)
    return int(datetime(year, month, day, hour, minute, tzinfo=where).timestamp())


@pytest.mark.parametrize(
    ("zone", "local", "slot_s", "on"),
    [
        ("UTC", (2026, 6, 1, 10, 0), 3_600, True),
        ("UTC", (2026, 6, 1, 10, 30), 3_600, False),
        ("UTC", (2026, 6, 1, 10, 30), 1_800, True),
        ("UTC", (2026, 6, 1, 10, 45), 900, True),
        # Kathmandu is 5:45 ahead: its hours begin at UTC's quarters.
        ("Asia/Kathmandu", (2026, 6, 1, 10, 0), 3_600, True),
        ("Asia/Kathmandu", (2026, 6, 1, 10, 15), 3_600, False),
    ],
)
def test_slots_begin_by_the_wall_clock(
    zone: str, local: tuple[int, ...], slot_s: int, on: bool
) -> None:
    assert aligned(_second(zone, *local), slot_s, zone) is on


def test_an_hour_that_is_there_twice_has_its_slots_twice() -> None:
    first = _second("Europe/Berlin", 2026, 10, 25, 2, 0)
    assert aligned(first, 3_600, "Europe/Berlin")
    assert aligned(first + 3_600, 3_600, "Europe/Berlin")
    assert slot_of(first + 3_600 + 59, 3_600, "Europe/Berlin") == first + 3_600


@given(SECONDS, st.sampled_from((900, 1_800, 3_600)), st.sampled_from(ZONES))
def test_every_second_lies_in_the_slot_that_begins_before_it(
    second: int, slot_s: int, zone: str
) -> None:
    start = slot_of(second, slot_s, zone)
    assert start <= second < start + slot_s
    # Where clocks change by half an hour, an hour's slot may begin inside another one.
    assert aligned(start, slot_s, zone) or zone == "Australia/Lord_Howe"


@given(SECONDS, st.sampled_from(ZONES))
def test_a_month_holds_its_seconds_and_the_next_one_begins_where_it_ends(
    second: int, zone: str
) -> None:
    first, following = month_of(second, zone)
    assert first <= second < following
    assert month_of(first, zone) == (first, following)
    assert month_of(following, zone)[0] == following
    assert datetime.fromtimestamp(following, ZoneInfo(zone)).day == 1
