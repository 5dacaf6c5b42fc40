"""When a day's set is fixed: pure arithmetic on the network's zone and finality delay.

A cell's set is fixed once its day is final; whoever reports later may be in the network's
one late set, fixed LATE_AFTER_S after that. This module must never read a clock.
"""

import datetime
from collections.abc import Iterator
from typing import Final

from meterseal_aggregator.parameters.model import NEXT_MORNING
from meterseal_aggregator.parameters.zone import MORNING, second_of, zone_of

LATE_AFTER_S: Final = 3 * 86_400
"""A home without a line over a long weekend is late; after that its day stays closed."""
PENDING_GRACE_S: Final = 3_600
"""A set waits this long for proofs that are being checked: a batch takes a second."""
OPEN_DAYS: Final = 35
"""Days back that may still get a set: a cell that had too few homes for a month has none."""

_EPOCH: Final = datetime.date(1970, 1, 1)


def cut_off(day: int, delay_s: int, zone: str) -> int:
    """Return the Unix second from which the set of a day since 1970 may be fixed."""
    where = zone_of(zone)
    after = _EPOCH + datetime.timedelta(days=day + 1)
    if delay_s == NEXT_MORNING:
        return second_of(after, MORNING, where)
    return second_of(after, datetime.time(), where) + delay_s


def day_of(at: int, zone: str) -> int:
    """Return the local day since 1970 that Unix second `at` is in."""
    where = zone_of(zone)
    return (datetime.datetime.fromtimestamp(at, where).date() - _EPOCH).days


def open_days(now: int, delay_s: int, zone: str) -> Iterator[int]:
    """Return the days whose cut-off is over and that may still get a set, oldest first."""
    today = day_of(now, zone)
    return (
        day
        for day in range(max(0, today - OPEN_DAYS), today)
        if cut_off(day, delay_s, zone) <= now
    )
