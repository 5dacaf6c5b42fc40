"""Time zones by name, and what a wall clock in one of them shows as Unix seconds.

    where = zone_of("Africa/Nairobi")
    morning = second_of(date(2026, 9, 23), MORNING, where)

Pure. This module must never know which zone the network has (`store.text_at` does).
"""

from datetime import UTC, date, datetime, time, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

MORNING: Final = time(6)
"""Meters that lost their line overnight have caught up by then (SETTLED 8)."""


def zone_of(name: str) -> tzinfo:
    """Return the IANA zone of a name that was checked when it was recorded."""
    # UTC needs no time zone database, which small machines may lack.
    return UTC if name == "UTC" else ZoneInfo(name)


def second_of(day: date, clock: time, where: tzinfo) -> int:
    """Return the Unix second at which a zone's clocks show a time of a day, the first one."""
    return int(datetime.combine(day, clock, where).timestamp())
