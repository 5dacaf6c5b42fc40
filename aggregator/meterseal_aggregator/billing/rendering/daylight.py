"""A zone's clock as ESPI tells it: an offset, and rules for when summer time begins and ends.

The rules are bits (NAESB REQ.21, DstRuleType): month, operator, day of the week, hour,
seconds. A zone that does not turn its clock twice a year has none. This module must never
tell a rule that does not give the year's own two moments.
"""

import calendar
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

NO_RULE: Final = 0xFFFFFFFF
"""Summer time is not computed."""
_LAST_OPERATOR: Final = 7
_FIRST_OPERATOR: Final = 2
"""2 to 6: the first to the fifth such day of the week in its month; 7: the last."""


@dataclass(frozen=True, slots=True)
class LocalTime:
    """Seconds: `offset` from UTC in winter, `summer` added by `start` until `end`."""

    offset: int
    summer: int = 0
    start: int = NO_RULE
    end: int = NO_RULE


def local_time(zone: tzinfo, year: int) -> LocalTime:
    """Return a zone's rules of a year; without rules unless it turned exactly twice."""
    turns = list(_turns(zone, year))
    first = _offset(zone, datetime(year, 1, 1, tzinfo=UTC))
    if len(turns) != 2 or turns[0].later != turns[1].earlier or turns[1].later != first:
        return LocalTime(first)
    forward, back = sorted(turns, key=lambda turn: turn.earlier - turn.later)
    return LocalTime(
        forward.earlier, forward.later - forward.earlier, _rule(forward), _rule(back)
    )


@dataclass(frozen=True, slots=True)
class _Turn:
    """A moment at which the offset changed, in seconds, from one to another."""

    at: datetime
    earlier: int
    later: int


def _turns(zone: tzinfo, year: int) -> list[_Turn]:
    found = []
    at, end = datetime(year, 1, 1, tzinfo=UTC), datetime(year + 1, 1, 1, tzinfo=UTC)
    while at < end:
        until = at + timedelta(days=1)
        earlier, later = _offset(zone, at), _offset(zone, until)
        if earlier != later:
            found.append(_Turn(_first_second(zone, at, until), earlier, later))
        at = until
    return found


def _first_second(zone: tzinfo, before: datetime, after: datetime) -> datetime:
    """Return the first second with the offset of `after`, by halving."""
    while after - before > timedelta(seconds=1):
        middle = before + (after - before) // 2
        middle = middle.replace(microsecond=0)
        if _offset(zone, middle) == _offset(zone, after):
            after = middle
        else:
            before = middle
    return after


def _offset(zone: tzinfo, at: datetime) -> int:
    return int((at.astimezone(zone).utcoffset() or timedelta()).total_seconds())


def _rule(turn: _Turn) -> int:
    """Return the bits of a turn, by the clock that hangs until then."""
    wall = turn.at + timedelta(seconds=turn.earlier)
    days = calendar.monthrange(wall.year, wall.month)[1]
    operator = _FIRST_OPERATOR + (wall.day - 1) // 7
    if wall.day + 7 > days:
        operator = _LAST_OPERATOR
    seconds = wall.minute * 60 + wall.second
    week = wall.isoweekday() << 17
    return wall.month << 28 | operator << 25 | week | wall.hour << 12 | seconds
