"""The price of a load: each component a line or some, each line rounded once.

    rated = rate(tariff, load, Period.whole(begin, end), local)
    rated.total                       # minor units: the sum of the rounded lines

Exact: integers and fractions, no float. Pure: local time is brought along, as zoneinfo
tells it. A cycle in parts is rated part by part, each with what the one before `carried`.
This module must never round anything but a line, and a line only once; what is carried is
exact to FINEST.
"""

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import Any, Final

from meterseal_proto.rating.bases import (
    DECEMBER,
    free_quota,
    maximum,
    minimum,
    share,
)
from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.case import ALL, NONE, Case, Draft, added
from meterseal_proto.rating.charges import (
    TRADED,
    demand,
    fixed,
    levy,
    losses,
    traded,
    wheeling,
)
from meterseal_proto.rating.components import (
    Base,
    Block,
    Component,
    Demand,
    Export,
    Fixed,
    Flat,
    FreeQuota,
    Hourly,
    Levy,
    Lifeline,
    Losses,
    Maximum,
    Minimum,
    NetMetering,
    Share,
    Slab,
    SpanOf,
    TieredTimeOfUse,
    TimeOfUse,
    Wheeling,
)
from meterseal_proto.rating.energy import (
    block,
    flat,
    hourly,
    lifeline,
    slab,
    tiered_time_of_use,
    time_of_use,
)
from meterseal_proto.rating.exports import bank_after, export, net_metering
from meterseal_proto.rating.line import (
    NOTHING_CARRIED,
    Carried,
    Line,
    LineKind,
    Rated,
    Unit,
)
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.tariff import FullTariff, Rule, TotalOf
from meterseal_proto.tariff import LocalTime

__all__ = ["Unrateable", "rate", "rounded"]

FINEST: Final = 10**18
"""The finest part of a currency that is carried: a thousand years of bills do not make a
minor unit of what is finer."""

ROUNDING: Final = "rounding"
"""The line from the sum of the lines to the total; no component has this name."""
# Any: each function takes the component of its own type, as the table pairs them.
_PRICED: Final[dict[type, Callable[[Any, Case], list[Draft]]]] = {
    Flat: flat,
    Block: block,
    Slab: slab,
    TimeOfUse: time_of_use,
    TieredTimeOfUse: tiered_time_of_use,
    Hourly: hourly,
    Lifeline: lifeline,
    Fixed: fixed,
    Demand: demand,
    Levy: levy,
    Wheeling: wheeling,
    Losses: losses,
    Export: export,
    NetMetering: net_metering,
}
# Any: as above, with what the base came to.
_OF_OTHERS: Final[dict[type, Callable[[Any, Case, Fraction], list[Draft]]]] = {
    Share: share,
    Minimum: minimum,
    Maximum: maximum,
}
_LIMITS: Final = (Minimum, Maximum)
"""What is no charge of its own, and so counts for none."""


def rate(
    tariff: FullTariff,
    load: Load,
    period: Period,
    local: LocalTime,
    carried: Carried = NOTHING_CARRIED,
) -> Rated:
    """Return the lines a load costs over a period; Unrateable says what does not fit."""
    case = Case(tariff, load, period, local, carried)
    rating = _Rating(case)
    lines = [line for one in tariff.components for line in rating.lines(one.name)]
    if load.bought:
        lines += rating.finished(TRADED, traded(case))
    lines += _rounding(tariff, lines)
    return Rated(tuple(lines), rating.carried())


def rounded(amount: Fraction, rule: Rule) -> int:
    """Return a whole number for an amount by a rule; the same for a credit as for a debt."""
    whole, rest = divmod(abs(amount.numerator), amount.denominator)
    twice = 2 * rest - amount.denominator
    up = {
        Rule.DOWN: False,
        Rule.UP: rest > 0,
        Rule.HALF_UP: twice >= 0,
        Rule.HALF_EVEN: twice > 0 or (twice == 0 and whole % 2 == 1),
    }[rule]
    return (whole + up) * (1 if amount >= 0 else -1)


def kept(amount: Fraction) -> Fraction:
    """Return what is carried of an amount: itself, or to FINEST where it has finer parts.

    Each bill may bring a denominator of its own (a mean price has its usage for one), and
    their product would soon have more digits than a statement spells.
    """
    if amount.denominator <= FINEST:
        return amount
    return Fraction(round(amount * FINEST), FINEST)


class _Rating:
    """The lines of each component, made when they are asked for: bases come first."""

    def __init__(self, case: Case) -> None:
        self.case = case
        self._components = {one.name: one for one in case.tariff.components}
        self._lines: dict[str, list[Line]] = {}

    def lines(self, name: str) -> list[Line]:
        """Return the lines of a component; `refusals` saw that no base needs itself."""
        if name not in self._lines:
            drafts = self._drafts(self._components[name])
            self._lines[name] = self.finished(name, drafts)
        return self._lines[name]

    def finished(self, name: str, drafts: Iterable[Draft]) -> list[Line]:
        """Return drafts as lines of a component, each rounded."""
        tariff = self.case.tariff
        return [_line(tariff, name, draft) for draft in drafts]

    def carried(self) -> Carried:
        """Return what the next period starts from."""
        case = self.case
        charged = cycle = NONE
        if not case.ends_month(DECEMBER):
            charged = kept(case.carried.charged + self._charged(SpanOf.YEAR))
        if case.carries and not case.ends_cycle:
            before = NONE if case.begins_cycle else case.carried.cycle
            cycle = kept(before + self._charged(SpanOf.CYCLE))
        used = tuple(sorted(case.used.items()))
        return Carried(bank_after(case), used, charged, cycle)

    def _drafts(self, component: Component) -> list[Draft]:
        kind = type(component)
        if isinstance(component, FreeQuota):
            base = self._sum([component.of], Base.EXACT)
            of = self._components[component.of]
            return free_quota(component, self.case, base, of)
        if isinstance(component, Share | Minimum | Maximum):
            base = self._sum(component.of, component.base)
            return _OF_OTHERS[kind](component, self.case, base)
        return _PRICED[kind](component, self.case)

    def _sum(self, names: Iterable[str], base: Base) -> Fraction:
        lines = [line for name in names for line in self.lines(name)]
        if base is Base.ROUNDED:
            minor = 10**self.case.tariff.minor
            return Fraction(sum(line.amount for line in lines), minor)
        return added(line.exact for line in lines)

    def _charged(self, span: SpanOf) -> Fraction:
        """What counts for minimums and maximums of a span: their base, else everything."""
        for one in self.case.tariff.components:
            if isinstance(one, _LIMITS) and one.per is span:
                return max(NONE, self._sum(one.of, one.base))
        names = (
            name
            for name, one in self._components.items()
            if not isinstance(one, _LIMITS)
        )
        return max(NONE, self._sum(names, Base.EXACT))


def _line(tariff: FullTariff, name: str, draft: Draft) -> Line:
    amount = rounded(draft.exact * 10**tariff.minor, tariff.rounding)
    return Line(
        name,
        draft.kind,
        draft.part,
        draft.quantity,
        draft.unit,
        draft.price,
        draft.exact,
        amount,
    )


def _rounding(tariff: FullTariff, lines: list[Line]) -> list[Line]:
    """The line that brings the total to a step; nothing is charged by it, so exactly 0."""
    wish = tariff.total_rounding
    if wish is None:
        return []
    total = sum(line.amount for line in lines)
    wanted = Fraction(total)
    if wish.of is TotalOf.EXACT:
        wanted = added(line.exact for line in lines) * 10**tariff.minor
    amount = rounded(wanted / wish.step, wish.rule) * wish.step - total
    if amount == 0:
        return []
    kind, unit = LineKind.ROUNDING, Unit.ONCE
    return [Line(ROUNDING, kind, ALL, None, unit, None, NONE, amount)]
