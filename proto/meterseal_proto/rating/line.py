"""A line of a bill: what was charged for, how much of it, and what it comes to.

`exact` is the amount before rounding, a fraction of the currency's unit; `amount` is what
is asked, in minor units (cents where `minor` is 2), rounded once by the tariff's rule.
This module must never round twice.
"""

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final


class LineKind(StrEnum):
    """What a line is for; it decides who is owed the money (`billing` of the aggregator)."""

    ENERGY = "energy"
    """Usage at a price: flat, block, slab, time of use, lifeline."""
    FREE = "free"
    """A quota that costs nothing, or what an allowance takes off."""
    FIXED = "fixed"
    """A charge per day or month."""
    DEMAND = "demand"
    """The highest mean power of the period at a price per kW."""
    MINIMUM = "minimum"
    """What is missing to the least a period costs."""
    MAXIMUM = "maximum"
    """What is above the most a period costs, taken off."""
    EXPORT = "export"
    """What was given to the grid, credited: negative."""
    TRADED = "traded"
    """Import that neighbours sold and that was paid to them: it takes its Wh off, or says
    so at a price of 0."""
    WHEELING = "wheeling"
    """For the lines, per unit that passed them."""
    LOSSES = "losses"
    """For what the lines lose."""
    LEVY = "levy"
    """A charge for an authority or a fund, per unit, per period or of a base."""
    TAX = "tax"
    """A share of a named base."""
    ROUNDING = "rounding"
    """From the sum of the lines to what can be paid in cash, of either sign."""


class Unit(StrEnum):
    """What a quantity is counted in."""

    KWH = "kWh"
    M3 = "m3"
    KW = "kW"
    DAY = "day"
    MONTH = "month"
    PERCENT = "percent"
    ONCE = "once"


@dataclass(frozen=True, slots=True)
class Line:
    """One line: `component` is the tariff's own name of what is charged, `part` of it.

    `part` names the tier, season or period within the component ("peak, above 100 kWh"),
    empty where there is one. `quantity` and `price` are exact, the price in currency per
    unit; both are None where a line is a difference and has none (a minimum's rest), or
    where a quantity is nobody's to know (a private bill).
    """

    component: str
    kind: LineKind
    part: str
    quantity: Fraction | None
    unit: Unit
    price: Fraction | None
    exact: Fraction
    amount: int


@dataclass(frozen=True, slots=True)
class Carried:
    """What one period hands to the next; all zeros at the beginning.

    `bank` is kWh credited under net metering and not used yet, by time-of-use period (as
    the tariff names them; "" for all), in `1 / grain` of the unit. `used` is the usage of
    the same cycle that tiers have counted already, by their counter. `charged` is what the
    year has cost so far before minimums, in currency: for a minimum or maximum of a year;
    `cycle` the same of the billing cycle, where a tariff carries its limits over its parts.
    Both are exact to 10^-18.
    """

    bank: tuple[tuple[str, int], ...] = ()
    used: tuple[tuple[str, int], ...] = ()
    charged: Fraction = Fraction(0)
    cycle: Fraction = Fraction(0)


NOTHING_CARRIED: Final = Carried()
"""What a first period starts from."""


@dataclass(frozen=True, slots=True)
class Rated:
    """A load at a tariff: `total` is the sum of the lines' amounts, in minor units."""

    lines: tuple[Line, ...]
    carried: Carried = NOTHING_CARRIED

    @property
    def total(self) -> int:
        """What the lines add up to, in minor units."""
        return sum(line.amount for line in self.lines)

    @property
    def exact(self) -> Fraction:
        """What they add up to before any rounding, in currency; without ROUNDING lines."""
        kept = (line for line in self.lines if line.kind is not LineKind.ROUNDING)
        return sum((line.exact for line in kept), Fraction(0))
