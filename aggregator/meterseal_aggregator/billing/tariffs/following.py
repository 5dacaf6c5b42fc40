"""What may follow a version: a bill has one currency, one zone and one commodity.

    until = bound(before, tariff)       # None: it may begin when it says

A bill is of a whole cycle, so versions of a code that meet within one must agree on these;
otherwise nobody could be billed over that cycle. Pure, but for the zone database. This
module must never read a table.
"""

from collections.abc import Iterable
from datetime import datetime
from functools import lru_cache
from typing import Final

from meterseal_aggregator.parameters.zone import zone_of
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import LocalTime

LONGEST_CYCLE_S: Final = 32 * 86_400
"""No cycle is longer: a month of 31 days, and an hour of winter time."""


def bound(
    before: Iterable[tuple[int, int, FullTariff]], tariff: FullTariff
) -> int | None:
    """Return until when a cycle goes that must not have this tariff in it, or None.

    `before` are the versions [begin, end) of the code that end at its `valid_from` or at
    most LONGEST_CYCLE_S earlier.
    """
    ends = [
        cycle_of(one, end - 1, _local(one.zone))[1]
        for _, end, one in before
        if _kind(one) != _kind(tariff)
    ]
    last = max(ends, default=0)
    return last if last > tariff.valid_from else None


def _kind(one: FullTariff) -> tuple[str, int, str, str]:
    return one.currency, one.minor, one.zone, one.commodity


@lru_cache(maxsize=64)
def _local(zone: str) -> LocalTime:
    where = zone_of(zone)
    return lambda at: datetime.fromtimestamp(at, where)
