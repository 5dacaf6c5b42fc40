"""The price of a load: each component a line or some, each line rounded once.

    rated = rate(tariff, load, Period.whole(begin, end), local)
    rated.total                       # minor units: the sum of the rounded lines

Exact: integers and fractions, no float. Pure: local time is brought along. This module
must never round anything but a line, and a line only once.
"""

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.case import Case, Draft
from meterseal_proto.rating.charges import fixed
from meterseal_proto.rating.components import Component, Fixed, Flat, TimeOfUse
from meterseal_proto.rating.energy import flat, time_of_use
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.tariff import FullTariff, Rule
from meterseal_proto.tariff import LocalTime

__all__ = ["Unrateable", "rate", "rounded"]

# Any: each function takes the component of its own type, as the table pairs them.
_PRICED: Final[dict[type, Callable[[Any, Case], list[Draft]]]] = {
    Flat: flat,
    TimeOfUse: time_of_use,
    Fixed: fixed,
}


def rate(
    tariff: FullTariff,
    load: Load,
    period: Period,
    local: LocalTime,
    carried: Carried = NOTHING_CARRIED,
) -> Rated:
    """Return the lines a load costs over a period; Unrateable says what does not fit."""
    case = Case(tariff, load, period, local, carried)
    lines = [
        _line(tariff, component, draft)
        for component in tariff.components
        for draft in _PRICED[type(component)](component, case)
    ]
    return Rated(tuple(lines))


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


def _line(tariff: FullTariff, component: Component, draft: Draft) -> Line:
    amount = rounded(draft.exact * 10**tariff.minor, tariff.rounding)
    return Line(
        component.name,
        draft.kind,
        draft.part,
        draft.quantity,
        draft.unit,
        draft.price,
        draft.exact,
        amount,
    )
