"""What does not follow usage: charges per day and per month.

Functions from a component and a case to drafts of lines. This module must never round.
"""

from fractions import Fraction

from meterseal_proto.rating.case import NONE, WHOLE_NAME, Case, Draft
from meterseal_proto.rating.components import Fixed, Per, Proration
from meterseal_proto.rating.line import LineKind, Unit


def fixed(component: Fixed, case: Case) -> list[Draft]:
    """Return the line of a charge per day or month."""
    count, unit = repeated(component.per, component.proration, case)
    price = case.price(component.price)
    return [Draft(LineKind.FIXED, WHOLE_NAME, count, unit, price, count * price)]


def repeated(per: Per, proration: Proration, case: Case) -> tuple[Fraction, Unit]:
    """Return how many days or months a period pays, and which."""
    if per is Per.DAY:
        return case.share.days, Unit.DAY
    if proration is Proration.DAYS:
        return case.share.of_cycle, Unit.MONTH
    begins = case.period.begin == case.period.cycle_begin
    if proration is Proration.WHOLE or begins:
        return Fraction(1), Unit.MONTH
    return NONE, Unit.MONTH
