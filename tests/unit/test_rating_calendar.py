"""Local days, cycles and periods are as the zone has them, in any week of any year."""

from dataclasses import replace
from datetime import date
from fractions import Fraction

import pytest

from meterseal_proto.rating.calendar import (
    Place,
    Unrateable,
    cycle_of,
    day_begin,
    portion_of,
    runs_of,
)
from meterseal_proto.rating.components import (
    Calendar,
    Flat,
    PeriodPrice,
    Price,
    Season,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.tariff import Cycle, FullTariff
from tests.support.rated import (
    DAY_AND_NIGHT,
    MADRID,
    QUARTER_S,
    WEEKDAYS,
    WEEKEND,
    a_tariff,
    at,
    clock,
    exacts,
    used,
)

ALL_WEEK = (*WEEKDAYS, *WEEKEND)
SEASONS = Calendar(
    "year",
    (
        Window("winter", ALL_WEEK, seasons=("cold",)),
        Window("summer", ALL_WEEK, seasons=("warm",)),
    ),
    (Season("warm", "04-01"), Season("cold", "10-16")),
)
HOLIDAYS = Calendar(
    "days",
    (
        Window("work", WEEKDAYS),
        Window("free", (*WEEKEND, "hol")),
    ),
)


def periods(
    calendar: Calendar, span: tuple[str, str], *, step: int = QUARTER_S, **more: object
) -> dict[str, int]:
    """Return how many slots of a local span each period has."""
    begin, end = (at(text) for text in span)
    holidays = more.get("holidays", ())
    assert isinstance(holidays, tuple)
    runs = runs_of(
        Place.of(clock(), begin),
        calendar,
        holidays,
        first=begin,
        slots=(end - begin) // step,
        step=step,
    )
    found: dict[str, int] = {}
    for run in runs:
        found[run.period] = found.get(run.period, 0) + run.last - run.first
    return found


def by_the(cycle: Cycle) -> FullTariff:
    return replace(a_tariff(Flat("energy", Price(1))), cycle=cycle)


@pytest.mark.parametrize(
    ("day", "night", "whole"),
    [("2026-03-28", "2026-03-29", 96), ("2026-03-29", "2026-03-30", 92),
     ("2026-10-25", "2026-10-26", 100)],
)  # fmt: skip
def test_a_day_has_as_many_quarter_hours_as_the_zone_gives_it(
    day: str, night: str, whole: int
) -> None:
    found = periods(DAY_AND_NIGHT, (f"{day} 00:00", f"{night} 00:00"))
    assert sum(found.values()) == whole
    begin, end = cycle_of(by_the(Cycle.DAY), at(f"{day} 13:00"), clock())
    assert (end - begin) // QUARTER_S == whole


def test_an_hour_shown_twice_is_priced_twice_and_a_skipped_one_never() -> None:
    hours = Calendar(
        "h",
        (
            Window("other", ALL_WEEK, "00:00", "02:00"),
            Window("two", ALL_WEEK, "02:00", "03:00"),
            Window("other", ALL_WEEK, "03:00"),
        ),
    )
    autumn = periods(hours, ("2026-10-25 00:00", "2026-10-26 00:00"))
    spring = periods(hours, ("2026-03-29 00:00", "2026-03-30 00:00"))
    assert (autumn["two"], spring.get("two", 0)) == (8, 0)


@pytest.mark.parametrize(
    ("noon", "begin", "end", "days"),
    [
        ("2026-03-15 12:00", "2026-03-01", "2026-04-01", 31),
        ("2028-02-29 23:59", "2028-02-01", "2028-03-01", 29),
        ("2027-02-01 00:00", "2027-02-01", "2027-03-01", 28),
        ("2026-12-31 23:59", "2026-12-01", "2027-01-01", 31),
    ],
)
def test_a_cycle_is_the_local_month(noon: str, begin: str, end: str, days: int) -> None:
    found = cycle_of(by_the(Cycle.MONTH), at(noon), clock())
    assert found == (at(f"{begin} 00:00"), at(f"{end} 00:00"))
    portion = portion_of(Period.whole(*found), Place.of(clock(), found[0]))
    assert portion.days == days
    assert portion.of_cycle == 1


def test_a_part_of_a_day_is_its_share_of_that_days_seconds() -> None:
    begin, end = at("2026-03-28 00:00"), at("2026-03-29 12:00")
    cycle = cycle_of(by_the(Cycle.MONTH), begin, clock())
    portion = portion_of(Period(begin, end, *cycle), Place.of(clock(), begin))
    # Noon of the day that skips an hour comes after 11 of its 23 hours.
    assert portion.days == 1 + Fraction(11, 23)


@pytest.mark.parametrize(
    ("zone", "day"),
    [
        ("America/Santiago", "2026-09-06"),
        ("Africa/Cairo", "2026-04-24"),
        ("Asia/Kathmandu", "2026-05-05"),
        ("Pacific/Apia", "2026-01-01"),
        ("UTC", "2026-01-01"),
    ],
)
def test_a_day_begins_at_its_first_second_even_where_midnight_is_skipped(
    zone: str, day: str
) -> None:
    local = clock(zone)
    wanted = date.fromisoformat(day)
    for near in (at(f"{day} 12:00", zone), at("2026-06-30 07:00", zone)):
        begin = day_begin(wanted, near, local)
        assert local(begin).date() == wanted
        assert local(begin - 1).date() < wanted


def test_a_season_lasts_until_the_next_one_begins_over_new_year() -> None:
    found = periods(SEASONS, ("2026-01-01 00:00", "2027-01-01 00:00"))
    warm = (at("2026-10-16 00:00") - at("2026-04-01 00:00")) // QUARTER_S
    assert found == {"summer": warm, "winter": 365 * 96 - warm}


def test_a_leap_day_belongs_to_its_season_and_weekday() -> None:
    found = periods(
        HOLIDAYS, ("2028-02-29 00:00", "2028-03-01 00:00"), holidays=("12-25",)
    )
    assert found == {"work": 96}


def test_holidays_are_days_of_their_own_where_a_calendar_names_them() -> None:
    span = ("2026-12-24 00:00", "2026-12-29 00:00")  # Thursday to Monday
    for holidays in (("12-25",), ("2026-12-25",)):
        assert periods(HOLIDAYS, span, holidays=holidays) == {"work": 192, "free": 288}
    assert periods(HOLIDAYS, span, holidays=("2025-12-25",)) == {
        "work": 288,
        "free": 192,
    }
    # The week knows no holidays: Christmas is a Friday.
    assert periods(DAY_AND_NIGHT, span, holidays=("12-25",))["day"] == 3 * 56


def test_a_period_that_begins_within_a_slot_is_refused_with_the_time() -> None:
    half = Calendar(
        "half",
        (Window("a", ALL_WEEK, "00:00", "07:30"), Window("b", ALL_WEEK, "07:30")),
    )
    prices = (PeriodPrice("a", Price(1)), PeriodPrice("b", Price(2)))
    tariff = a_tariff(TimeOfUse("energy", "half", prices), calendars=[half])
    with pytest.raises(Unrateable, match=r"within a slot of 3600 s.*2026-03-01 07:00"):
        used(tariff, 1_000)
    assert used(tariff, 1_000, step=QUARTER_S).total == 0


def test_every_household_of_a_month_shares_one_layout() -> None:
    begin = at("2026-03-01 00:00")
    asked = [
        runs_of(
            Place.of(clock(), begin), DAY_AND_NIGHT, (), first=begin, slots=96, step=900
        )
        for _ in range(2)
    ]
    assert asked[0] is asked[1]
    assert Place.of(clock(MADRID), begin) == Place.of(clock(MADRID), begin)
    assert Place.of(clock("UTC"), begin) != Place.of(clock(MADRID), begin)


def test_usage_of_a_day_without_an_hour_is_priced_whole() -> None:
    prices = (
        PeriodPrice("day", Price(2_000_000)),
        PeriodPrice("night", Price(1_000_000)),
    )
    tariff = a_tariff(TimeOfUse("energy", "week", prices), calendars=[DAY_AND_NIGHT])
    span = (at("2026-03-29 00:00"), at("2026-03-31 00:00"))
    rated = used(tariff, [1_000] * 47, span)
    assert exacts(rated, "energy") == {"day": Fraction(28), "night": Fraction(33)}
