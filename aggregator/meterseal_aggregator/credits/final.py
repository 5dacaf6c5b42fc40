"""When an interval is final: pure arithmetic on the network's finality parameters.

`delay_s` is the parameter `finality_delay_s`: seconds after the slot's end, or
NEXT_MORNING for 06:00 local time of the day after the slot's (SETTLED 8). This module
must never read a clock.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_aggregator.parameters.model import NEXT_MORNING

MORNING: Final = time(6)
"""Meters that lost their line overnight have caught up by then."""
REKEYED_HOLD_S: Final = 72 * 3_600
"""After a key that the old one did not sign for, a meter mints nothing for three days: the
owner sees the change in the log and may object first."""


def final_before(now: int, delay_s: int, zone: str) -> int:
    """Return the latest end of a slot whose delay is over at Unix second `now`.

    A slot that ends at midnight belongs to the day before, so with NEXT_MORNING the
    answer is a midnight of `zone`.
    """
    if delay_s != NEXT_MORNING:
        return now - delay_s
    where = _zone(zone)
    today = datetime.fromtimestamp(now, where).date()
    if now < _at(today, MORNING, where):
        today -= timedelta(days=1)
    return _at(today, time(0), where)


def _zone(name: str) -> tzinfo:
    # UTC needs no time zone database, which small machines may lack.
    return UTC if name == "UTC" else ZoneInfo(name)


def _at(day: date, clock: time, where: tzinfo) -> int:
    return int(datetime.combine(day, clock, where).timestamp())
