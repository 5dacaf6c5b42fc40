"""When runs are due: calendar months, their missing days, and clocks that change."""

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.market.settlement.runs import (
    Run,
    due_at,
    due_before,
)

BERLIN, NAIROBI, KOLKATA = "Europe/Berlin", "Africa/Nairobi", "Asia/Kolkata"
ZONES = st.sampled_from(
    [BERLIN, NAIROBI, KOLKATA, "UTC", "America/Santiago", "Pacific/Apia"]
)
LATER_RUNS = st.sampled_from([Run.MONTH, Run.LAST])


def at(text: str, zone: str = BERLIN) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


@pytest.mark.parametrize(
    ("run", "slot", "due"),
    [
        (Run.MONTH, "2026-05-10 00:00", "2026-06-10 06:00"),
        (Run.MONTH, "2026-05-10 23:45", "2026-06-10 06:00"),
        (Run.LAST, "2026-05-10 23:45", "2026-08-10 06:00"),
        # A day that month has not is its last one.
        (Run.MONTH, "2027-01-28 12:00", "2027-02-28 06:00"),
        (Run.MONTH, "2027-01-29 12:00", "2027-02-28 06:00"),
        (Run.MONTH, "2027-01-31 12:00", "2027-02-28 06:00"),
        (Run.MONTH, "2028-01-31 12:00", "2028-02-29 06:00"),
        (Run.LAST, "2026-11-30 12:00", "2027-02-28 06:00"),
        (Run.LAST, "2027-01-31 12:00", "2027-04-30 06:00"),
        # Over the end of a year.
        (Run.MONTH, "2026-12-31 23:45", "2027-01-31 06:00"),
        (Run.LAST, "2026-10-01 00:00", "2027-01-01 06:00"),
        # From summer to winter time and back: 06:00 stays 06:00.
        (Run.MONTH, "2026-10-24 12:00", "2026-11-24 06:00"),
        (Run.LAST, "2027-01-15 12:00", "2027-04-15 06:00"),
    ],
)
def test_a_run_is_due_at_six_of_the_same_day_of_a_later_month(
    run: Run, slot: str, due: str
) -> None:
    assert due_at(run, at(slot), BERLIN) == at(due)


def test_six_in_summer_is_another_second_than_in_winter() -> None:
    start = at("2027-02-28 12:00")
    # Summer time begins on 28 March 2027 at 02:00.
    assert due_at(Run.MONTH, start, BERLIN) == at("2027-03-28 06:00")
    assert due_at(Run.MONTH, start, BERLIN) - start == 28 * 86_400 - 7 * 3_600
    assert due_at(Run.MONTH, at("2026-02-10 12:00"), BERLIN) % 86_400 == 5 * 3_600
    assert due_at(Run.MONTH, at("2026-05-10 12:00"), BERLIN) % 86_400 == 4 * 3_600


def test_the_local_day_counts_not_that_of_utc() -> None:
    # 23:30 UTC on 31 January is 05:00 on 1 February in Kolkata.
    start = at("2027-01-31 23:30", "UTC")
    assert due_at(Run.MONTH, start, KOLKATA) == at("2027-03-01 06:00", KOLKATA)
    assert due_at(Run.MONTH, start, "UTC") == at("2027-02-28 06:00", "UTC")


@given(
    run=LATER_RUNS,
    start=st.integers(at("2025-01-01 00:00"), at("2029-01-01 00:00")),
    now=st.integers(at("2025-01-01 00:00"), at("2029-06-01 00:00")),
    zone=ZONES,
)
def test_what_began_before_the_bound_is_due_and_nothing_else(
    run: Run, start: int, now: int, zone: str
) -> None:
    assert (start < due_before(run, now, zone)) == (due_at(run, start, zone) <= now)


@given(
    run=LATER_RUNS,
    start=st.integers(at("2025-01-01 00:00"), at("2029-01-01 00:00")),
    zone=ZONES,
    off=st.sampled_from([-1, 0, 1]),
)
def test_the_bound_is_exact_to_the_second(
    run: Run, start: int, zone: str, off: int
) -> None:
    now = due_at(run, start, zone) + off
    assert (start < due_before(run, now, zone)) == (off >= 0)
