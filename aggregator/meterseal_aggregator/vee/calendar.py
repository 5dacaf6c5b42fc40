"""Local days of the network's zone as spans of Unix seconds, also where the zone changed; pure.

    days = LocalDays([(0, "Europe/Vienna")])
    days.begin(days.of(second)) <= second

A day is its date in days since 1970-01-01. It begins with the first second of that date in
the zone that held then and ends where the next begins, so days have 23 to 25 hours and leave
nothing out. This module must never read the zone itself.
"""

from bisect import bisect_right
from collections.abc import Sequence
from datetime import date, datetime, time, tzinfo
from typing import Final

from meterseal_aggregator.parameters.zone import second_of, zone_of

DAY_S: Final = 86_400
_EPOCH: Final = date(1970, 1, 1).toordinal()
_MIDNIGHT: Final = time(0)


class LocalDays:
    """The days of zones that held from a second on: (from second, IANA name), in order.

    Before the first of them it is UTC, as the parameter's default says. `backdated` names
    those that were said to hold in the past: by them days have other borders than before.
    """

    def __init__(
        self, changes: Sequence[tuple[int, str]], backdated: str = "[]"
    ) -> None:
        self.backdated = backdated
        self._froms = [at for at, _ in changes]
        self._zones: list[tzinfo] = [zone_of(name) for _, name in changes]
        self._begins: dict[int, int] = {}

    def zone(self, second: int) -> tzinfo:
        """Return the zone that held at a second."""
        place = bisect_right(self._froms, second)
        return self._zones[place - 1] if place else zone_of("UTC")

    def offset(self, second: int) -> int:
        """Return how many seconds the zone's clocks are ahead of UTC at a second."""
        moment = datetime.fromtimestamp(second, self.zone(second))
        offset = moment.utcoffset()
        assert offset is not None
        return int(offset.total_seconds())

    def begin(self, day: int) -> int:
        """Return the first second of a day."""
        known = self._begins.get(day)
        if known is None:
            where = self.zone(day * DAY_S)
            known = second_of(date.fromordinal(_EPOCH + day), _MIDNIGHT, where)
            self._begins[day] = known
        return known

    def end(self, day: int) -> int:
        """Return the first second after a day."""
        return self.begin(day + 1)

    def of(self, second: int) -> int:
        """Return the day that holds a second."""
        day = second // DAY_S
        while self.begin(day) > second:
            day -= 1
        while self.begin(day + 1) <= second:
            day += 1
        return day

    def over(self, begin: int, end: int) -> range:
        """Return the days that hold any second of [begin, end)."""
        return range(self.of(begin), self.of(end - 1) + 1)
