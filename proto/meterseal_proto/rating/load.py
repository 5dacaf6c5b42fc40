"""What is rated: the quantities of a meter point slot by slot, and the span of time.

A slot is `step` seconds from `first` on, in order and without a gap: whoever cannot say
what a slot used has no load yet. Quantities are integers in `1 / grain` of the tariff's
unit (kWh, or m3): 1,000 for Wh and litres. This module must never hold a float.
"""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypeGuard

WHOLE: Final = 1_000
"""Wh in a kWh, litres in a m3: the grain of every meter of ours."""
MAX_GRAIN: Final = 10**9
"""Nine decimals of a kWh: finer than any file of readings tells."""
MAX_SLOTS: Final = 400 * 288
"""400 days of five minutes: a year's bill fits, a slip of a date does not."""


@dataclass(frozen=True, slots=True)
class Load:
    """Quantities per slot; ValueError for a negative one, or for rows of unlike length.

    `imported` is taken from the grid, `exported` given to it; `bought` is the part of
    `imported` that neighbours sold (each at most the slot's import). An empty row is
    zeros. A slot is either what was metered or an estimate: `estimated` counts the latter.
    An array of unsigned integers is kept as a list, which is added up faster.
    """

    first: int
    step: int
    imported: Sequence[int]
    exported: Sequence[int] = ()
    bought: Sequence[int] = ()
    grain: int = WHOLE
    estimated: int = 0

    def __post_init__(self) -> None:
        slots = len(self.imported)
        if self.step <= 0 or not 1 <= slots <= MAX_SLOTS:
            raise ValueError(f"a load has 1 to {MAX_SLOTS} slots of some seconds")
        if self.grain % WHOLE or not WHOLE <= self.grain <= MAX_GRAIN:
            raise ValueError("the grain is a multiple of 1,000, at most 10^9")
        for name in ("imported", "exported", "bought"):
            row: Sequence[int] = getattr(self, name)
            if row and len(row) != slots:
                raise ValueError(f"{name} has {len(row)} slots, imported {slots}")
            if _unsigned(row):
                object.__setattr__(self, name, row.tolist())
            elif row and min(row) < 0:
                raise ValueError(f"{name}: a slot is negative; correct the readings")

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.first + self.step * len(self.imported)


def _unsigned(row: Sequence[int]) -> TypeGuard["array[int]"]:
    """Whether a row cannot be negative: an array of unsigned integers, as days are kept."""
    return isinstance(row, array) and row.typecode in "BHILQ"


@dataclass(frozen=True, slots=True)
class Period:
    """What is rated, [begin, end) in Unix seconds, and the billing cycle it is part of.

    A cycle is a month as a rule; a part of it (somebody moved in, a tariff changed) pays
    its share of what is charged per month. ValueError unless the cycle holds the period.
    """

    begin: int
    end: int
    cycle_begin: int
    cycle_end: int

    def __post_init__(self) -> None:
        if not self.cycle_begin <= self.begin < self.end <= self.cycle_end:
            raise ValueError("a period is not empty and lies in its cycle")

    @classmethod
    def whole(cls, begin: int, end: int) -> "Period":
        """Return the period that is its own cycle."""
        return cls(begin, end, begin, end)
