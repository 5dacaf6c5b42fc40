"""When an interval is final: pure arithmetic on the network's finality parameters.

`delay_s` is the parameter `finality_delay_s`: seconds after the slot's end, or
NEXT_MORNING for 06:00 local time of the day after the slot's (SETTLED 8). This module
must never read a clock.
"""

from datetime import datetime, time, timedelta
from typing import Final

from meterseal_aggregator.parameters.model import NEXT_MORNING
from meterseal_aggregator.parameters.zone import MORNING, second_of, zone_of

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
    where = zone_of(zone)
    today = datetime.fromtimestamp(now, where).date()
    if now < second_of(today, MORNING, where):
        today -= timedelta(days=1)
    return second_of(today, time(0), where)
