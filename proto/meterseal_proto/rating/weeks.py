"""Calendars of times of use that hold together: no hole in a week, no minute twice.

Each refusal is one clear sentence in a ValueError. This module must never fill a hole.
"""

import re
from datetime import date
from typing import Final

from meterseal_proto.rating.components import Calendar, Season, Window
from meterseal_proto.tariff import DAY_NAMES

HOLIDAY: Final = "hol"
"""The kind of day that holidays are, in a calendar that knows them."""
DAYS: Final = (*DAY_NAMES, HOLIDAY)
MINUTES: Final = 1_440
MAX_WINDOWS: Final = 1_024
"""Twelve months of three kinds of day with 24 changes each stay below."""
MAX_SEASONS: Final = 24
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")
_MONTH_DAY: Final = re.compile(r"\d{2}-\d{2}")
_CLOCK: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)")
_A_COMMON_YEAR: Final = 2001


def minute_of(text: str) -> int:
    """Return the minute of the day that "HH:MM" tells, 0 to 1440; ValueError else."""
    match = _CLOCK.fullmatch(text)
    minute = int(match[1]) * 60 + int(match[2]) if match else MINUTES + 1
    if minute > MINUTES:
        raise ValueError(f"{text[:20]!r} is no time of day from 00:00 to 24:00")
    return minute


def periods_of(calendar: Calendar) -> tuple[str, ...]:
    """Return the periods of a calendar, each once, as it first names them."""
    return tuple(dict.fromkeys(window.period for window in calendar.windows))


def kinds_of_day(calendar: Calendar) -> tuple[str, ...]:
    """Return the days of the week, and the holiday where the calendar knows it."""
    named = {day for window in calendar.windows for day in window.days}
    return DAYS if HOLIDAY in named else DAY_NAMES


def season_names(calendar: Calendar) -> tuple[str, ...]:
    """Return the seasons of a calendar; the one of a calendar without seasons is ""."""
    return tuple(dict.fromkeys(one.name for one in calendar.seasons)) or ("",)


def check_calendar(calendar: Calendar, *, holidays: bool) -> None:
    """Raise ValueError for a calendar that does not say one period for every minute."""
    name = calendar.name
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"calendar {name[:40]!r}: a name like week")
    if not 1 <= len(calendar.windows) <= MAX_WINDOWS:
        raise ValueError(f"{name}: 1 to {MAX_WINDOWS} windows")
    _seasons(name, calendar.seasons)
    for window in calendar.windows:
        _window(calendar, window)
    if HOLIDAY in kinds_of_day(calendar) and not holidays:
        raise ValueError(f"{name}: it prices holidays, and the tariff names none")
    for season in season_names(calendar):
        for day in kinds_of_day(calendar):
            _whole(calendar, season, day)


def _seasons(name: str, seasons: tuple[Season, ...]) -> None:
    if len(seasons) > MAX_SEASONS:
        raise ValueError(f"{name}: at most {MAX_SEASONS} seasons")
    begins = [one.begin for one in seasons]
    if begins != sorted(set(begins)):
        raise ValueError(f"{name}: seasons in the order they begin, each day once")
    for one in seasons:
        if _NAME.fullmatch(one.name) is None or not _is_day(one.begin):
            text = f"{one.name[:40]!r} from {one.begin[:10]!r} is no name and MM-DD"
            raise ValueError(f"{name}: {text}")


def _is_day(text: str) -> bool:
    if _MONTH_DAY.fullmatch(text) is None:
        return False
    try:
        date(_A_COMMON_YEAR, int(text[:2]), int(text[3:]))
    except ValueError:
        return False
    return True


def _window(calendar: Calendar, window: Window) -> None:
    name, known = calendar.name, season_names(calendar)
    if _NAME.fullmatch(window.period) is None:
        raise ValueError(f"{name}: {window.period[:40]!r} is no period like peak")
    if list(window.days) != [day for day in DAYS if day in window.days]:
        raise ValueError(f"{name}: days in order, each once, of {', '.join(DAYS)}")
    if not window.days:
        raise ValueError(f"{name}: a window of {window.period} has no days")
    for season in window.seasons:
        if season not in known or window.seasons.count(season) > 1:
            raise ValueError(f"{name}: {season[:40]!r} is no season of it, or twice")
    if minute_of(window.begin) >= minute_of(window.end):
        text = f"{window.begin} to {window.end}; past midnight takes two windows"
        raise ValueError(f"{name}: a window ends after it begins, not {text}")


def _whole(calendar: Calendar, season: str, day: str) -> None:
    spans = sorted(
        (minute_of(window.begin), minute_of(window.end), window.period)
        for window in calendar.windows
        if day in window.days and (not window.seasons or season in window.seasons)
    )
    where = f"{calendar.name}, {day}{f' of {season}' if season else ''}"
    at = 0
    for begin, end, period in spans:
        if begin > at:
            raise ValueError(f"{where}: a hole from {_clock(at)} to {_clock(begin)}")
        if begin < at:
            text = f"{period} overlaps another period at {_clock(begin)}"
            raise ValueError(f"{where}: {text}")
        at = end
    if at < MINUTES:
        raise ValueError(f"{where}: a hole from {_clock(at)} to 24:00")


def _clock(minute: int) -> str:
    return f"{minute // 60:02d}:{minute % 60:02d}"
