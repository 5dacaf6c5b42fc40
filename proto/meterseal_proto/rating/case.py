"""A load at a tariff over a period: the sums that components price, each made once.

For `price` and the modules beside it only; a case lives as long as one rating. This
module must never price anything.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from operator import add, sub
from typing import Final

from meterseal_proto.rating.calendar import (
    Place,
    Portion,
    Run,
    Unrateable,
    portion_of,
    runs_of,
)
from meterseal_proto.rating.components import (
    Export,
    LimitPer,
    NetMetering,
    Netting,
    On,
)
from meterseal_proto.rating.line import Carried, LineKind, Unit
from meterseal_proto.rating.load import WHOLE, Load, Period
from meterseal_proto.rating.netting import Netted, netted
from meterseal_proto.rating.tariff import Commodity, FullTariff, Split
from meterseal_proto.tariff import LocalTime

NONE: Final = Fraction(0)
ONE: Final = Fraction(1)
ALL: Final = ""
"""The period of what has no calendar, the part of a component that has one part."""
HOUR_S: Final = 3_600


@dataclass(frozen=True, slots=True)
class Draft:
    """A line before it is rounded; see `Line`."""

    kind: LineKind
    part: str
    quantity: Fraction | None
    unit: Unit
    price: Fraction | None
    exact: Fraction


def added(amounts: Iterable[Fraction]) -> Fraction:
    """Return what amounts add up to: brought to one denominator, reduced once."""
    rows = list(amounts)
    common = lcm(*(one.denominator for one in rows))
    return Fraction(
        sum(one.numerator * (common // one.denominator) for one in rows), common
    )


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
        electric = tariff.commodity is Commodity.ELECTRICITY
        self.unit = Unit.KWH if electric else Unit.M3
        self.used: dict[str, int] = {}
        """What tiers have counted by now in this cycle, for the parts that follow."""
        self._scale = 10**tariff.digits
        self._rows = self._first_rows()
        self._sums: dict[tuple[str, On], Mapping[str, int]] = {}
        self.netted = self._netted()

    @property
    def share(self) -> Portion:
        """The period's local days, and the share they are of its cycle's."""
        return portion_of(self.period, self.place)

    @property
    def begins_cycle(self) -> bool:
        """Whether the period is the first part of its cycle."""
        return self.period.begin == self.period.cycle_begin

    @property
    def ends_cycle(self) -> bool:
        """Whether the period is the last part of its cycle."""
        return self.period.end == self.period.cycle_end

    @property
    def carries(self) -> bool:
        """Whether limits count on through the parts of a cycle."""
        return self.tariff.split is Split.CARRIED

    def ends_month(self, month: int) -> bool:
        """Tell whether the period ends as the local month (1 to 12) does."""
        after = self.place.local(self.period.end)
        before = self.place.local(self.period.end - 1)
        return before.month == month and after.month != month

    def before(self, key: str) -> int:
        """Return what a counter has counted in the parts of the cycle before this one."""
        if not self.carries or self.begins_cycle:
            return 0
        return dict(self.carried.used).get(key, 0)

    def count(self, key: str, quantity: int) -> int:
        """Count on, for the parts that follow; returns what was counted before."""
        before = self.before(key)
        if self.carries and not self.ends_cycle:
            self.used[key] = before + quantity
        return before

    def limit(self, milli: int, per: LimitPer, window_s: int = 0) -> Fraction:
        """Return a limit of tiers or a quota, in 1/grain, for this part of the cycle."""
        whole = milli * (self.load.grain // WHOLE)
        match per:
            case LimitPer.DAY:
                return whole * self.share.days
            case LimitPer.KW:
                return whole * max(self.peaks(ALL, window_s).values())
            case LimitPer.CYCLE:
                return whole * (ONE if self.carries else self.share.of_cycle)

    def row(self, on: On) -> Sequence[int]:
        """Return a quantity slot by slot; empty where all are 0."""
        return self._rows[on]

    def runs(self, calendar: str) -> tuple[Run, ...]:
        """Return the runs of a calendar's periods; "" is one run of one period."""
        slots = len(self.load.imported)
        if not calendar:
            return (Run(ALL, 0, slots),)
        return runs_of(
            self.place,
            self.tariff.calendar(calendar),
            self.tariff.holidays,
            first=self.load.first,
            slots=slots,
            step=self.load.step,
        )

    def sums(self, calendar: str, on: On) -> Mapping[str, int]:
        """Return a quantity by period of a calendar, for the periods that occur."""
        key = (calendar, on)
        if key not in self._sums:
            self._sums[key] = self._sum(calendar, self.row(on))
        return self._sums[key]

    def usage(self, calendar: str = ALL) -> Mapping[str, int]:
        """Return what energy prices are asked for, by period: the grid's, net of a bank."""
        if self.netted is None:
            return self.sums(calendar, On.GRID)
        if calendar:
            return self.netted.usage
        return {ALL: sum(self.netted.usage.values())}

    def total(self, on: On) -> int:
        """Return a quantity over the whole period."""
        return self.sums(ALL, on)[ALL]

    def peaks(self, calendar: str, window_s: int) -> dict[str, Fraction]:
        """Return the highest mean import over a window in kW, by period of a calendar."""
        step, row = self.load.step, self.row(On.IMPORT)
        if window_s % step:
            text = f"a window of {window_s} s is no multiple of the load's {step} s"
            raise Unrateable(f"{text}; rate finer slots")
        width, offset = window_s // step, -self.load.first % window_s // step
        kilowatt = Fraction(HOUR_S, window_s * self.load.grain)
        found: dict[str, int] = {}
        for run in self.runs(calendar):
            begin = run.first + (offset - run.first) % width
            ends = min(run.last, len(row) - width + 1)
            sums = (sum(row[at : at + width]) for at in range(begin, ends, width))
            found[run.period] = max(found.get(run.period, 0), max(sums, default=0))
        return {period: peak * kilowatt for period, peak in found.items()}

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

    def _sum(self, calendar: str, row: Sequence[int]) -> dict[str, int]:
        found: dict[str, int] = {}
        for run in self.runs(calendar):
            more = sum(row[run.first : run.last]) if row else 0
            found[run.period] = found.get(run.period, 0) + more
        return found

    def _first_rows(self) -> dict[On, Sequence[int]]:
        """The quantities slot by slot; a slot's netting leaves what neighbours sold alone."""
        load = self.load
        imported, exported, bought = load.imported, load.exported, load.bought
        grid: Sequence[int] = imported
        if bought:
            grid = list(map(sub, imported, bought))
            if min(grid) < 0:
                text = "a slot has more bought than imported"
                raise Unrateable(f"{text}; net what was bought again")
        if exported and self._nets_slots():
            nets = list(map(sub, grid, exported))
            grid = [max(net, 0) for net in nets]
            exported = [max(-net, 0) for net in nets]
            imported = list(map(add, grid, bought)) if bought else grid
        return {
            On.IMPORT: imported,
            On.EXPORT: exported,
            On.BOUGHT: bought,
            On.GRID: grid,
        }

    def _nets_slots(self) -> bool:
        return any(
            isinstance(one, Export) and one.netting is Netting.SLOT
            for one in self.tariff.components
        )

    def _netted(self) -> Netted | None:
        for one in self.tariff.components:
            if isinstance(one, NetMetering):
                return netted(
                    one,
                    self.sums(one.calendar, On.GRID),
                    self.sums(one.calendar, On.EXPORT),
                    dict(self.carried.bank),
                )
        return None
