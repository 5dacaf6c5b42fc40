"""What usage costs: one price, tiers, times of use, a lifeline.

Functions from a component and a case to drafts of lines. This module must never round.
"""

from meterseal_proto.rating.case import WHOLE_NAME, Case, Draft
from meterseal_proto.rating.components import Flat, TimeOfUse
from meterseal_proto.rating.line import LineKind


def flat(component: Flat, case: Case) -> list[Draft]:
    """Return the line of one price per unit."""
    total = case.total(component.on)
    return [case.draft(LineKind.ENERGY, WHOLE_NAME, total, component.price)]


def time_of_use(component: TimeOfUse, case: Case) -> list[Draft]:
    """Return a line for each period that occurs, in the tariff's order."""
    used = case.sums(component.calendar, component.on)
    return [
        case.draft(LineKind.ENERGY, row.period, used[row.period], row.price)
        for row in component.prices
        if row.period in used
    ]
