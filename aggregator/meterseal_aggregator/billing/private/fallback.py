"""What a period is billed by whose device stays silent: the mean of what it opened before.

Of the last three periods opened under the same plan, by the second; a home that never opened
anything pays what its tariff asks without usage. It is corrected once the device opens the
period (SETTLED 12), so it only has to be fair until then. Pure. This module must never look
at anybody else's usage.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.private.model import Opened, PrivatePeriod

LOOKS_BACK: Final = 3
"""Periods: a season, so that last summer tells nothing of this winter."""


def estimated(
    period: PrivatePeriod, places: int, before: Sequence[tuple[PrivatePeriod, Opened]]
) -> Opened:
    """Return `places` amounts for a period, rounded down, by those opened before it."""
    alike = [
        (one, opened)
        for one, opened in before
        if one.openings == period.openings and len(opened.amounts) == places
    ]
    seconds = sum(one.end - one.begin for one, _ in alike)
    if not seconds:
        return Opened((0,) * places)
    length = period.end - period.begin
    return Opened(
        tuple(
            sum(opened.amounts[place] for _, opened in alike) * length // seconds
            for place in range(places)
        )
    )
