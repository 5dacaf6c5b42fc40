"""The market's grid of slots: half-open, aligned to the wall clock of the market's zone.

A slot is named by its first Unix second. Where clocks change, slots go on without a gap:
an hour that is there twice has its slots twice. Pure; time is an argument. This module
must never read a clock or a table.
"""

from datetime import datetime
from typing import Final

from meterseal_aggregator.parameters.zone import zone_of

LONGEST_S: Final = 3_600
"""No slot is longer: `parameters.model` has the lengths there may be."""


def aligned(start: int, slot_s: int, zone: str) -> bool:
    """Tell whether a slot of `slot_s` seconds may begin in this second."""
    local = datetime.fromtimestamp(start, zone_of(zone))
    since_midnight = local.hour * 3_600 + local.minute * 60 + local.second
    return since_midnight % slot_s == 0


def slot_of(second: int, slot_s: int, zone: str) -> int:
    """Return the first second of the slot that a second lies in."""
    local = datetime.fromtimestamp(second, zone_of(zone))
    since_midnight = local.hour * 3_600 + local.minute * 60 + local.second
    return second - since_midnight % slot_s


def month_of(second: int, zone: str) -> tuple[int, int]:
    """Return the first second of the zone's month around a second, and of the next one."""
    where = zone_of(zone)
    local = datetime.fromtimestamp(second, where)
    first = datetime(local.year, local.month, 1, tzinfo=where)
    following = datetime(
        local.year + local.month // 12, local.month % 12 + 1, 1, tzinfo=where
    )
    return int(first.timestamp()), int(following.timestamp())
