"""A tariff's calendar looked up slot by slot, for the overbilling guard alone.

It shares no code with the engine's (`rating.calendar`), which counts in runs. Pure. This
module must never price anything.
"""

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterseal_proto.rating.components import Calendar
from meterseal_proto.tariff import LocalTime

_KEPT: Final = 128
_NOTHING: Final = Fraction(0)
_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_HOLIDAY: Final = "hol"


@lru_cache(_KEPT)
def labels(
    calendar: Calendar,
    holidays: tuple[str, ...],
    local: LocalTime,
    first: int,
    step: int,
    slots: int,
) -> Mapping[str, bytes]:
    """Return which slots are in each period of a calendar: a byte a slot, 1 or 0."""
    found = [_period(calendar, holidays, local(first + n * step)) for n in range(slots)]
    return {name: bytes(one == name for one in found) for name in set(found)}


def _period(calendar: Calendar, holidays: tuple[str, ...], at: datetime) -> str:
    day = _DAYS[at.weekday()]
    special = any(_HOLIDAY in window.days for window in calendar.windows)
    if special and (f"{at:%Y-%m-%d}" in holidays or f"{at:%m-%d}" in holidays):
        day = _HOLIDAY
    begun = [s for s in calendar.seasons if s.begin <= f"{at:%m-%d}"]
    # Before the year's first season the last one of the year before goes on.
    season = max(begun or calendar.seasons, key=lambda one: one.begin, default=None)
    clock = f"{at:%H:%M}"
    return next(
        window.period
        for window in calendar.windows
        if day in window.days
        and (season is None or not window.seasons or season.name in window.seasons)
        and window.begin <= clock < window.end
    )


@lru_cache(_KEPT)
def hours(local: LocalTime, first: int, step: int, slots: int) -> tuple[int, ...]:
    """Return each slot's hour of a year of 365 days; 29 February is the 28th again."""
    found = []
    for n in range(slots):
        at = local(first + n * step)
        day = min(at.day, 28) if at.month == 2 else at.day
        common = at.replace(year=2023, day=day, fold=0)
        found.append((common.timetuple().tm_yday - 1) * 24 + at.hour)
    return tuple(found)


@lru_cache(_KEPT)
def days(begin: int, end: int, local: LocalTime) -> Fraction:
    """Return the local days of [begin, end), the parts of days as such."""
    found, day = _NOTHING, local(begin).date()
    while True:
        starts, ends = (
            _midnight(day, begin, local),
            _midnight(day + timedelta(1), begin, local),
        )
        if starts >= end:
            return found
        found += Fraction(max(0, min(end, ends) - max(begin, starts)), ends - starts)
        day += timedelta(1)


def _midnight(day: date, near: int, local: LocalTime) -> int:
    """Return the first second of a local day, by halving a span that must hold it."""
    low = near + (day - local(near).date()).days * 86_400 - 2 * 86_400
    high = low + 4 * 86_400
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if local(middle).date() < day else (low, middle)
    return high
