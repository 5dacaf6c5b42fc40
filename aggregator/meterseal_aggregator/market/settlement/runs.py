"""When a slot is looked at: D+1, and again a month and three months after its local day.

Run 1 comes when the slot's export is final, whenever that is before run 2 is due. Runs 2
and 3 are due at 06:00 of the market's zone, one and three calendar months after the local
day in which the slot began; a day that month does not have is its last one. Run 0 is none:
a trade's `run` is 0 until it was settled. Pure. This module must never read a clock.
"""

from calendar import monthrange
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from meterseal_aggregator.parameters.zone import MORNING, second_of, zone_of


class Run(IntEnum):
    """The looks at a slot, as `trades.run`, `trade_runs.run` and `slot_runs.run` have them."""

    FIRST = 1
    """D+1: the first metering."""
    MONTH = 2
    """M+1."""
    LAST = 3
    """M+3: what no meter told by now is given back."""


_MONTHS: Final[Mapping[Run, int]] = MappingProxyType({Run.MONTH: 1, Run.LAST: 3})


def due_at(run: Run, start: int, zone: str) -> int:
    """Return the Unix second in which run 2 or 3 of a slot is due."""
    where = zone_of(zone)
    return _due(_day(start, where), _MONTHS[run], where)


def due_before(run: Run, now: int, zone: str) -> int:
    """Return the second before which a slot has begun whose run 2 or 3 is due at `now`."""
    where = zone_of(zone)
    day = _day(now, where)
    # At most a quarter of days, whose dues only grow.
    while _due(day, _MONTHS[run], where) > now:
        day -= timedelta(days=1)
    return second_of(day + timedelta(days=1), time(0), where)


def _due(day: date, months: int, where: tzinfo) -> int:
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return second_of(date(year, month + 1, min(day.day, last)), MORNING, where)


def _day(second: int, where: tzinfo) -> date:
    return datetime.fromtimestamp(second, where).date()
