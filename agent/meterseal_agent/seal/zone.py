"""The local day of the network's zone: where a committed register's days end.

It reads the machine's time zone database and must never be asked by a pure rule.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def known(zone: str) -> bool:
    """Tell whether this machine knows an IANA zone, e.g. `Africa/Nairobi`."""
    try:
        ZoneInfo(zone)
    except (ValueError, ZoneInfoNotFoundError, OSError):
        return False
    return True


def midnights(zone: str) -> Callable[[int], int]:
    """Return the function from a moment to the first local midnight after it (Unix s).

    Where a clock change leaves a day without midnight, its first moment counts.
    """
    where = ZoneInfo(zone)

    def midnight(at: int) -> int:
        day = datetime.fromtimestamp(at, UTC).astimezone(where).date()
        following = at
        while following <= at:
            day += timedelta(days=1)
            start = datetime(day.year, day.month, day.day, tzinfo=where)
            following = int(start.timestamp())
        return following

    return midnight
