"""The schedules of a URDB rate as a calendar: twelve months of weekdays and weekends.

URDB knows no holidays and no seasons but months. This module must never fill in an hour
that a schedule leaves out.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.tariffs.urdbread import Item, schedule
from meterseal_proto.rating.components import Calendar, Season, Window

WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri")
WEEKEND: Final = ("sat", "sun")
Month = tuple[tuple[int, ...], tuple[int, ...]]
"""The period of each hour of a weekday and of a day of the weekend."""


def period_name(number: int) -> str:
    """Return what a period of a structure is called in the tariff."""
    return f"period {number}"


def calendar_of(name: str, months: Sequence[Month]) -> Calendar:
    """Return the calendar of twelve months: a season for each kind of month."""
    kinds = list(dict.fromkeys(months))
    seasons = tuple(
        Season(f"season {kinds.index(month) + 1}", f"{n + 1:02d}-01")
        for n, month in enumerate(months)
        if n == 0 or month != months[n - 1]
    )
    several = len(kinds) > 1
    windows = []
    for k, (weekday, weekend) in enumerate(kinds):
        season = (f"season {k + 1}",) if several else ()
        if weekday == weekend:
            windows += _windows((*WEEKDAYS, *WEEKEND), weekday, season)
        else:
            windows += _windows(WEEKDAYS, weekday, season)
            windows += _windows(WEEKEND, weekend, season)
    return Calendar(name, tuple(windows), seasons if several else ())


def _windows(
    days: tuple[str, ...], hours: Sequence[int], seasons: tuple[str, ...]
) -> list[Window]:
    changes = [n for n in range(24) if n == 0 or hours[n] != hours[n - 1]]
    return [
        Window(period_name(hours[a]), days, f"{a:02d}:00", f"{b:02d}:00", seasons)
        for a, b in zip(changes, [*changes[1:], 24], strict=True)
    ]


def months_of(item: Item, what: str, periods: int) -> list[Month]:
    """Return the hours of each month; Refused where a schedule is not whole."""
    weekdays = schedule(item, f"{what}weekdayschedule", 12, 24, periods)
    weekends = schedule(item, f"{what}weekendschedule", 12, 24, periods)
    return list(zip(weekdays, weekends, strict=True))
