"""Estimation: what a gap in a register's slots is taken for; pure, in a stated order.

1. up to two hours between two known slots: on a line between them;
2. the most recent day of the same weekday whose slots of that time are all known;
3. the average of like days (workdays, or Saturdays and Sundays) of the last four weeks;
4. a known difference of the register, spread evenly.

Where the difference is known, the first method that fits gives the shape and the difference
gives the sum, shared out by largest remainder. Source of the methods: utilities' VEE practice
(AEMO Metrology Procedure Part B: linear interpolation, like day, average like day). Only slots
that were metered count as known: an estimate is never made of estimates. This module must
never touch a slot that is known.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.units import Quality

LINE_S: Final = 2 * 3_600
"""The longest gap a line is drawn over: longer ones hide a cooked meal."""
WEEKS: Final = 4
"""How far back like days are looked for: further back it is another season."""
LEAST: Final = 3
"""Like days an average needs: of two, one odd day is half."""
DAY_S: Final = 86_400
HISTORY_S: Final = (7 * WEEKS + 1) * DAY_S
"""How much of the time before a gap is asked for."""
_MEASURED: Final = frozenset(
    {Quality.VALIDATED, Quality.VERIFIED, Quality.REVENUE, Quality.VALID}
)


class Method(StrEnum):
    """How a slot was estimated."""

    LINE = "interpolation"
    PROXY = "proxy-day"
    AVERAGE = "average-of-like-days"
    PRORATION = "scalar-proration"


class Unestimable(ValueError):
    """Nothing is known to estimate from; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Estimated:
    """One slot: Wh or litres, and the ESPI quality of its method."""

    start: int
    delta: int
    method: Method

    @property
    def quality(self) -> Quality:
        """ESPI 9 for a line, 8 for what was made of other days or of a difference."""
        line = self.method is Method.LINE
        return Quality.INTERPOLATED if line else Quality.ESTIMATED


@dataclass(frozen=True, slots=True)
class Known:
    """A register's slots around a gap: `step` seconds each from `begin` on.

    `offset` gives the zone's seconds east of UTC at a second: days are like by wall clock.
    """

    begin: int
    step: int
    deltas: Sequence[int]
    qualities: Sequence[int]
    offset: Callable[[int], int]

    def at(self, start: int) -> int | None:
        """Return what was measured in the slot at `start`, or None."""
        place, rest = divmod(start - self.begin, self.step)
        if rest or not 0 <= place < len(self.deltas):
            return None
        return self.deltas[place] if self.qualities[place] in _MEASURED else None

    def back(self, start: int, days: int) -> int | None:
        """Return what was measured at that time of day some days before, or None."""
        there = start - days * DAY_S
        return self.at(there + self.offset(start) - self.offset(there))

    def weekend(self, start: int) -> bool:
        """Tell whether a slot starts on a Saturday or Sunday by the zone's calendar."""
        # 1970-01-01 was a Thursday.
        return ((start + self.offset(start)) // DAY_S + 3) % 7 >= 5


def estimate(
    known: Known, gap: tuple[int, int], difference: int | None = None
) -> list[Estimated]:
    """Return an estimate for every slot of a gap [from, to), by the first method that fits.

    `difference` is what the register moved over the gap, where that is known: the slots
    then add up to it. Raises Unestimable where no method fits.
    """
    starts = range(*gap, known.step)
    for method, shape in _shapes(known, starts):
        values = shape if difference is None else apportion(difference, shape)
        return [Estimated(*pair, method) for pair in zip(starts, values, strict=True)]
    if difference is None:
        raise Unestimable(
            "nothing is known to estimate from: give what the register moved meanwhile"
        )
    flat = apportion(difference, [1] * len(starts))
    return [
        Estimated(start, delta, Method.PRORATION)
        for start, delta in zip(starts, flat, strict=True)
    ]


def apportion(total: int, weights: Sequence[int]) -> list[int]:
    """Share out `total` >= 0 by weights >= 0, by largest remainder; it adds up exactly.

    Equal remainders go by order; weights that are all zero count as equal.
    """
    whole = sum(weights)
    if not whole:
        weights, whole = [1] * len(weights), len(weights)
    parts = [total * weight // whole for weight in weights]
    left = total - sum(parts)
    by_rest = sorted(range(len(weights)), key=lambda k: -(total * weights[k] % whole))
    for k in by_rest[:left]:
        parts[k] += 1
    return parts


def _shapes(known: Known, starts: range) -> Iterator[tuple[Method, list[int]]]:
    """Give the methods that fit, in order, each with its values."""
    line = _line(known, starts)
    if line is not None:
        yield Method.LINE, line
    for week in range(1, WEEKS + 1):
        proxy = [known.back(start, 7 * week) for start in starts]
        found = [value for value in proxy if value is not None]
        if len(found) == len(starts):
            yield Method.PROXY, found
    means = [_mean(known, start) for start in starts]
    found = [value for value in means if value is not None]
    if len(found) == len(starts):
        yield Method.AVERAGE, found


def _line(known: Known, starts: range) -> list[int] | None:
    before, after = known.at(starts.start - known.step), known.at(starts.stop)
    if len(starts) * known.step > LINE_S or before is None or after is None:
        return None
    pieces = len(starts) + 1
    return [
        (before * (pieces - k) + after * k + pieces // 2) // pieces
        for k in range(1, pieces)
    ]


def _mean(known: Known, start: int) -> int | None:
    weekend = known.weekend(start)
    found = []
    for days in range(1, 7 * WEEKS + 1):
        if known.weekend(start - days * DAY_S) == weekend:
            value = known.back(start, days)
            if value is not None:
                found.append(value)
    return (sum(found) + len(found) // 2) // len(found) if len(found) >= LEAST else None
