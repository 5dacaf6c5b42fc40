"""Pure: what two meter registers have counted at any second of a street's life.

A curve keeps exact cumulative energy at the ends of quarter hours and answers
with whole watt-hours. It must never round a quarter: only the running total is
floored, so no Wh is lost or made however long the street lives.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate, pairwise
from math import lcm

from meterseal_sim.refusal import Refused

QUARTER_S = 900
HOUR_S = 3600


@dataclass(frozen=True, slots=True)
class Registers:
    """The two cumulative registers of a meter, in Wh; both only grow."""

    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class Quarter:
    """Whole Wh that the floored registers gain in [start, start + 900) UTC."""

    start: int
    import_wh: int
    export_wh: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Import and export since `start`, exact at every quarter's end.

    `imported` and `exported` hold n + 1 cumulative counts for n quarters, in
    units of 1/`per_wh` Wh, the first of them 0. `start` is UTC seconds on the
    quarter grid. Times are whole seconds; before the start and after the end
    the registers stand still.
    """

    start: int
    per_wh: int
    imported: tuple[int, ...]
    exported: tuple[int, ...]

    @property
    def quarters(self) -> int:
        """Return how many quarter hours the curve covers."""
        return len(self.imported) - 1

    @property
    def end(self) -> int:
        """Return the second at which the registers come to rest."""
        return self.start + self.quarters * QUARTER_S

    def at(self, t: int) -> Registers:
        """Return the whole Wh counted since the start, at second `t`."""
        into = min(max(t, self.start), self.end) - self.start
        index, second = divmod(into, QUARTER_S)
        return Registers(
            _between(self.imported, index, second) // (QUARTER_S * self.per_wh),
            _between(self.exported, index, second) // (QUARTER_S * self.per_wh),
        )

    def power_w(self, t: int) -> float:
        """Return the power at second `t`: positive into the house, 0 outside."""
        index = (t - self.start) // QUARTER_S
        if not 0 <= index < self.quarters:
            return 0.0
        gained = self.imported[index + 1] - self.imported[index]
        given = self.exported[index + 1] - self.exported[index]
        return (gained - given) * (HOUR_S / QUARTER_S) / self.per_wh

    def peak_w(self) -> int:
        """Return the greatest quarter-hour power either way, in whole W, up."""
        steepest = max(
            (
                b - a
                for side in (self.imported, self.exported)
                for a, b in pairwise(side)
            ),
            default=0,
        )
        return -(-steepest * (HOUR_S // QUARTER_S) // self.per_wh)

    def table(self) -> tuple[Quarter, ...]:
        """Return the Wh of every quarter as the registers show them.

        The rows add up to the difference of the registers, to the Wh.
        """
        ends = [
            Registers(imported // self.per_wh, exported // self.per_wh)
            for imported, exported in zip(self.imported, self.exported, strict=True)
        ]
        return tuple(
            Quarter(
                self.start + index * QUARTER_S,
                after.import_wh - before.import_wh,
                after.export_wh - before.export_wh,
            )
            for index, (before, after) in enumerate(pairwise(ends))
        )


def net(start: int, load_wh: Sequence[Fraction], pv_wh: Sequence[Fraction]) -> Curve:
    """Return the curve of a home that nets its PV within each quarter hour.

    `load_wh` and `pv_wh` are exact Wh per quarter from `start` (UTC seconds on
    the quarter grid). Import is the positive part of load - PV of a quarter,
    export the negative part. Raises Refused when the start is off the grid.
    """
    if start % QUARTER_S:
        raise Refused(f"a street starts on a quarter hour: {start} is not one")
    flow = [load - pv for load, pv in zip(load_wh, pv_wh, strict=True)]
    per_wh = lcm(*(quarter.denominator for quarter in flow))
    units = [quarter.numerator * (per_wh // quarter.denominator) for quarter in flow]
    return Curve(
        start,
        per_wh,
        _running(max(unit, 0) for unit in units),
        _running(max(-unit, 0) for unit in units),
    )


def split_hours(hourly_wh: Iterable[Fraction]) -> list[Fraction]:
    """Return quarter hours of hourly energy: the cumulative is a straight line.

    Linear interpolation of a cumulative gives each quarter a fourth of its
    hour; as fractions the four add up to the hour exactly.
    """
    return [hour / 4 for hour in hourly_wh for _ in range(4)]


def running_peaks(curve: Curve) -> tuple[float, ...]:
    """Return, per quarter, the greatest import power (W) of it and those before."""
    powers = (
        curve.power_w(curve.start + index * QUARTER_S)
        for index in range(curve.quarters)
    )
    return tuple(accumulate(powers, max, initial=0.0))[1:]


def _between(counts: Sequence[int], index: int, second: int) -> int:
    """Interpolate in units of 1/(900 per_wh) Wh: integers, so no drift."""
    here = counts[index] * QUARTER_S
    if not second:
        return here
    return here + (counts[index + 1] - counts[index]) * second


def _running(units: Iterable[int]) -> tuple[int, ...]:
    return (0, *accumulate(units))
