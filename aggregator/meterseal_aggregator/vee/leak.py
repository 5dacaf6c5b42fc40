"""The leak hint: water that has run in every single hour of a week; pure.

A household sleeps: an hour without a litre comes every night. Where none came for
LEAK_S, a cistern or a pipe may be leaking. It is a hint to the resident and must never
change what is billed.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final, Protocol

LEAK_S: Final = 7 * 86_400
"""A week holds every habit of a house: a shorter time makes guests look like a leak."""
HOUR_S: Final = 3_600


class Flow(Protocol):
    """What is asked of a reading: `delta` litres from `start` for `length` seconds."""

    @property
    def start(self) -> int:
        """Its first second."""
        ...

    @property
    def length(self) -> int:
        """Its seconds."""
        ...

    @property
    def delta(self) -> int:
        """Its litres."""
        ...


def running_since(readings: Sequence[Flow]) -> int | None:
    """Return the start of the run of hours with water that lasts to the end, if it does.

    `readings` are a register's, by start and of revision 0. A gap, or an interval longer
    than an hour, may hide a quiet hour, so the run begins anew behind it.
    """
    litres: dict[int, int] = defaultdict(int)
    since = end = None
    for one in readings:
        if one.start != end or one.length > HOUR_S:
            litres.clear()
            since = None
        end = one.start + one.length
        if one.length > HOUR_S:
            continue
        hour = one.start - one.start % HOUR_S
        litres[hour] += one.delta
        since = hour if since is None else since
        if end % HOUR_S == 0 and not litres.pop(hour):
            since = None
    return since


def suspected(since: int | None, told_to: int) -> bool:
    """Tell whether water that ran from `since` to the last second told is worth a look."""
    return since is not None and told_to - since >= LEAK_S
