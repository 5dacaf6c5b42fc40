"""Local days: billing cycles, shares of them, and which period of a tariff a slot is in.

    begin, end = cycle_of(tariff, at, local)
    runs = runs_of(place, calendar, holidays, first=..., slots=..., step=...)

Local time is asked of whoever brings it (`LocalTime`, as zoneinfo tells it), so days of
92 or 100 quarter hours and 29 February are as the zone has them. Which period the slots of
a month are in is the same for every household, so it is kept: a bill is sums of slices.
This module must never read a zone database or a clock.
"""

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterseal_proto.rating.components import Calendar, Window
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.tariff import Cycle, FullTariff
from meterseal_proto.rating.weeks import (
    HOLIDAY,
    kinds_of_day,
    minute_of,
    season_names,
)
from meterseal_proto.tariff import DAY_NAMES, LocalTime

__all__ = [
    "DAY_S",
    "HOLIDAY",
    "Place",
    "Portion",
    "Run",
    "Unrateable",
    "cycle_of",
    "day_begin",
    "minute_of",
    "portion_of",
    "runs_of",
]

DAY_S: Final = 86_400
_KEPT: Final = 256
"""Months of tariffs kept: 20 tariffs over a year, 20 kB each."""


class Unrateable(ValueError):
    """A load and a tariff that do not fit; the sentence says what to do."""


@dataclass(frozen=True, slots=True)
class Place:
    """Local time somewhere; equal where the time zone is, whoever asks."""

    key: object
    local: LocalTime = field(compare=False)

    @classmethod
    def of(cls, local: LocalTime, at: int) -> "Place":
        """Return the place whose clock this is; `at` is any second of interest."""
        return cls(local(at).tzinfo or local, local)


@dataclass(frozen=True, slots=True)
class Run:
    """Slots [first, last) of one period of a calendar."""

    period: str
    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Portion:
    """A period's local days, and the share they are of its cycle's."""

    days: Fraction
    of_cycle: Fraction


def cycle_of(tariff: FullTariff, at: int, local: LocalTime) -> tuple[int, int]:
    """Return the billing cycle [begin, end) around a second, in local days of the zone."""
    today = local(at).date()
    if tariff.cycle is Cycle.DAY:
        first, last = today, today + timedelta(1)
    else:
        first = today.replace(day=1)
        last = (first + timedelta(32)).replace(day=1)
    return day_begin(first, at, local), day_begin(last, at, local)


def day_begin(day: date, near: int, local: LocalTime) -> int:
    """Return the first second of a local day; `near` is a second whose day is known.

    Midnight itself where there is one: some zones skip it when summer time begins.
    """
    at = local(near)
    noon = near + (day - at.date()).days * DAY_S + DAY_S // 2 - _seconds(at)
    guess = noon - _seconds(local(noon))
    if _begins(day, guess, local):
        return guess
    low, high = noon - DAY_S - 1, noon
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if local(middle).date() < day else (low, middle)
    return high


@lru_cache(_KEPT)
def portion_of(period: Period, place: Place) -> Portion:
    """Return how many local days a period has, and the share they are of its cycle's."""
    days = _days(period.begin, period.end, place.local)
    whole = _days(period.cycle_begin, period.cycle_end, place.local)
    return Portion(days, days / whole)


@lru_cache(_KEPT)
def runs_of(
    place: Place,
    calendar: Calendar,
    holidays: tuple[str, ...],
    *,
    first: int,
    slots: int,
    step: int,
) -> tuple[Run, ...]:
    """Return the periods of `slots` slots of `step` seconds from `first` on, as runs.

    Unrateable where a period begins within a slot.
    """
    days = _Days(calendar, holidays)
    runs: list[Run] = []
    begun, now = 0, days.period(place.local(first))
    for slot in range(slots):
        begin = first + slot * step
        found = days.period(place.local(begin))
        if found != days.period(place.local(begin + step - 1)):
            text = f"{calendar.name}: a period begins within a slot of {step} s"
            raise Unrateable(f"{text}; rate finer slots, {_text(place.local(begin))}")
        if found != now:
            runs.append(Run(now, begun, slot))
            begun, now = slot, found
    return (*runs, Run(now, begun, slots))


class _Days:
    """A calendar laid out: for each season and kind of day, the period of each minute."""

    def __init__(self, calendar: Calendar, holidays: tuple[str, ...]) -> None:
        self._seasons = sorted((one.begin, one.name) for one in calendar.seasons)
        special = HOLIDAY in kinds_of_day(calendar)
        self._holidays = frozenset(holidays) if special else frozenset()
        self._windows: dict[tuple[str, str], list[tuple[int, int, str]]] = {}
        for window in calendar.windows:
            for season in window.seasons or season_names(calendar):
                self._lay(window, season)

    def period(self, at: datetime) -> str:
        """Return the period of a local time."""
        minute = at.hour * 60 + at.minute
        rows = self._windows[self._season(at), self._day(at)]
        return next(period for begin, end, period in rows if begin <= minute < end)

    def _season(self, at: datetime) -> str:
        today = f"{at.month:02d}-{at.day:02d}"
        begun = [name for begin, name in self._seasons if begin <= today]
        return begun[-1] if begun else self._seasons[-1][1] if self._seasons else ""

    def _day(self, at: datetime) -> str:
        if self._holidays:
            day = f"{at.year:04d}-{at.month:02d}-{at.day:02d}"
            if day in self._holidays or day[5:] in self._holidays:
                return HOLIDAY
        return DAY_NAMES[at.weekday()]

    def _lay(self, window: Window, season: str) -> None:
        row = (minute_of(window.begin), minute_of(window.end), window.period)
        for day in window.days:
            self._windows.setdefault((season, day), []).append(row)


def _days(begin: int, end: int, local: LocalTime) -> Fraction:
    """Return the local days of [begin, end), a part of a day as its share of that day."""
    whole = (local(end).date() - local(begin).date()).days
    return whole + _into(end, local) - _into(begin, local)


def _into(at: int, local: LocalTime) -> Fraction:
    today = local(at).date()
    begin = day_begin(today, at, local)
    if at == begin:
        return Fraction(0)
    return Fraction(at - begin, day_begin(today + timedelta(1), at, local) - begin)


def _begins(day: date, at: int, local: LocalTime) -> bool:
    return local(at).date() == day and local(at - 1).date() < day


def _seconds(at: datetime) -> int:
    return at.hour * 3_600 + at.minute * 60 + at.second


def _text(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M}"
