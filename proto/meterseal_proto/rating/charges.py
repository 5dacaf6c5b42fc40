"""What does not follow usage alone: charges per day and month, power, lines, levies.

Functions from a component and a case to drafts of lines. This module must never round.
"""

from fractions import Fraction
from typing import Final

from meterseal_proto.rating.case import ALL, NONE, ONE, Case, Draft
from meterseal_proto.rating.components import (
    Demand,
    Fixed,
    Levy,
    Losses,
    Per,
    Proration,
    Tier,
    Wheeling,
)
from meterseal_proto.rating.energy import tier_name, within
from meterseal_proto.rating.line import LineKind, Unit
from meterseal_proto.rating.load import WHOLE
from meterseal_proto.rating.terms import BASIS_POINTS

EVEN_DAYS: Final = Fraction(365, 12)
TRADED: Final = "traded"
"""The line that says what neighbours sold; no component has this name."""


def fixed(component: Fixed, case: Case) -> list[Draft]:
    """Return the line of a charge per day or month."""
    return _repeated(LineKind.FIXED, component, case)


def levy(component: Levy, case: Case) -> list[Draft]:
    """Return the line of a levy per unit, day or month."""
    if component.per is Per.UNIT:
        total = case.total(component.on)
        return [case.draft(LineKind.LEVY, ALL, total, component.price)]
    return _repeated(LineKind.LEVY, component, case)


def wheeling(component: Wheeling, case: Case) -> list[Draft]:
    """Return the line of what the lines cost, per unit that passed them."""
    total = case.total(component.on)
    return [case.draft(LineKind.WHEELING, ALL, total, component.price)]


def losses(component: Losses, case: Case) -> list[Draft]:
    """Return the line of what the lines lose of the units that passed them."""
    lost = Fraction(case.total(component.on) * component.share_bp, BASIS_POINTS)
    return [case.draft(LineKind.LOSSES, ALL, lost, component.price)]


def demand(component: Demand, case: Case) -> list[Draft]:
    """Return a line for each period and tier of the highest mean power."""
    share = ONE if component.proration is Proration.WHOLE else case.share.of_cycle
    peaks, lines = case.peaks(component.calendar, component.window_s), list[Draft]()
    for row in component.tiers:
        if row.period in peaks:
            found = _power(case, row.period, row.tiers, peaks[row.period], share)
            lines += found
    return lines


def traded(case: Case) -> list[Draft]:
    """Return the line that says what neighbours sold, at a price of 0: it is paid to them."""
    return [case.draft(LineKind.TRADED, ALL, sum(case.load.bought), 0)]


def _power(
    case: Case, period: str, tiers: tuple[Tier, ...], peak: Fraction, share: Fraction
) -> list[Draft]:
    limits = [None if one.to is None else Fraction(one.to, WHOLE) for one in tiers]
    lines = []
    for n, tier in enumerate(tiers):
        held = Fraction(within(limits, n, (NONE, peak)))
        if held or n == 0:
            part = ", ".join(filter(None, (period, tier_name(tiers, n))))
            each = case.price(tier.price) * share
            draft = Draft(LineKind.DEMAND, part, held, Unit.KW, each, held * each)
            lines.append(draft)
    return lines


def _repeated(kind: LineKind, component: Fixed | Levy, case: Case) -> list[Draft]:
    count, unit = _count(component.per, component.proration, case)
    price = case.price(component.price)
    return [Draft(kind, ALL, count, unit, price, count * price)]


def _count(per: Per, proration: Proration, case: Case) -> tuple[Fraction, Unit]:
    """How many days or months a period pays, and which."""
    if per is Per.DAY:
        return case.share.days, Unit.DAY
    cycles = _cycles(proration, case)
    if per is Per.EVEN_DAY:
        return cycles * EVEN_DAYS, Unit.DAY
    return cycles, Unit.MONTH


def _cycles(proration: Proration, case: Case) -> Fraction:
    if proration is Proration.DAYS:
        return case.share.of_cycle
    return ONE if proration is Proration.WHOLE or case.begins_cycle else NONE
