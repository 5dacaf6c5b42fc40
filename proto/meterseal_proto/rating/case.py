"""A load at a tariff over a period: the sums that components price, each made once.

For `price` and the modules beside it only. This module must never price anything.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from operator import sub
from typing import Final

from meterseal_proto.rating.calendar import (
    Place,
    Run,
    Share,
    Unrateable,
    runs_of,
    share_of,
)
from meterseal_proto.rating.components import On
from meterseal_proto.rating.line import Carried, LineKind, Unit
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.tariff import Commodity, FullTariff
from meterseal_proto.tariff import LocalTime

NONE: Final = Fraction(0)
WHOLE_NAME: Final = ""
"""The period of what has no calendar."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A line before it is rounded; see `Line`."""

    kind: LineKind
    part: str
    quantity: Fraction | None
    unit: Unit
    price: Fraction | None
    exact: Fraction


class Case:
    """What is rated; sums are in 1/grain of the unit and kept while the case lives."""

    def __init__(
        self,
        tariff: FullTariff,
        load: Load,
        period: Period,
        local: LocalTime,
        carried: Carried,
    ) -> None:
        if (load.first, load.end) != (period.begin, period.end):
            text = f"the load is of [{load.first}, {load.end})"
            raise Unrateable(f"{text}, the period [{period.begin}, {period.end})")
        self.tariff, self.load, self.period = tariff, load, period
        self.carried = carried
        self.place = Place.of(local, period.begin)
        self.unit = Unit.KWH if tariff.commodity is Commodity.ELECTRICITY else Unit.M3
        self._scale = 10**tariff.digits
        self._rows: dict[On, Sequence[int]] = {On.IMPORT: load.imported}
        self._sums: dict[tuple[str, On], dict[str, int]] = {}

    @property
    def share(self) -> Share:
        """The period's local days, and the share they are of its cycle's."""
        return share_of(self.period, self.place)

    def row(self, on: On) -> Sequence[int]:
        """Return a quantity slot by slot; empty where all are 0."""
        if on not in self._rows:
            self._rows[on] = self._row(on)
        return self._rows[on]

    def _row(self, on: On) -> Sequence[int]:
        load = self.load
        if on is On.BOUGHT:
            return load.bought
        if on is On.EXPORT:
            return load.exported
        if not load.bought:
            return load.imported
        left = list(map(sub, load.imported, load.bought))
        if min(left) < 0:
            raise Unrateable("more was bought in a slot than imported; net it again")
        return left

    def runs(self, calendar: str) -> tuple[Run, ...]:
        """Return the runs of a calendar's periods; "" is one run of one period."""
        slots = len(self.load.imported)
        if not calendar:
            return (Run(WHOLE_NAME, 0, slots),)
        return runs_of(
            self.place,
            self.tariff.calendar(calendar),
            self.tariff.holidays,
            first=self.load.first,
            slots=slots,
            step=self.load.step,
        )

    def sums(self, calendar: str, on: On) -> dict[str, int]:
        """Return a quantity by period of a calendar, for the periods that occur."""
        key = (calendar, on)
        if key not in self._sums:
            row, found = self.row(on), dict[str, int]()
            for run in self.runs(calendar):
                more = sum(row[run.first : run.last]) if row else 0
                found[run.period] = found.get(run.period, 0) + more
            self._sums[key] = found
        return self._sums[key]

    def total(self, on: On) -> int:
        """Return a quantity over the whole period."""
        return self.sums("", on)[WHOLE_NAME]

    def units(self, quantity: int | Fraction) -> Fraction:
        """Return a quantity in units: kWh or m3."""
        return Fraction(quantity, self.load.grain)

    def price(self, price: int) -> Fraction:
        """Return a price in currency per unit."""
        return Fraction(price, self._scale)

    def draft(
        self, kind: LineKind, part: str, quantity: int | Fraction, price: int
    ) -> Draft:
        """Return the line of a quantity (in 1/grain) at a price."""
        units, each = self.units(quantity), self.price(price)
        return Draft(kind, part, units, self.unit, each, units * each)
