"""What is taken of other lines: taxes and shares, minimums and maximums, free quotas.

Functions from a component, a case and what its base came to. This module must never round.
"""

from fractions import Fraction

from meterseal_proto.rating.case import ALL, NONE, Case, Draft
from meterseal_proto.rating.components import (
    Block,
    Flat,
    FreeQuota,
    Lifeline,
    LifelineRule,
    LimitPer,
    Maximum,
    Minimum,
    QuotaRule,
    Share,
    ShareKind,
    SpanOf,
    Tier,
)
from meterseal_proto.rating.energy import limits_of, telescoped
from meterseal_proto.rating.line import LineKind, Unit

PERCENT = 100
DECEMBER = 12


def share(component: Share, case: Case, base: Fraction) -> list[Draft]:
    """Return the line of a tax or levy: so many percent of its base."""
    kind = LineKind.TAX if component.kind is ShareKind.TAX else LineKind.LEVY
    percent = case.price(component.rate) * PERCENT
    one = base / PERCENT
    return [Draft(kind, ALL, percent, Unit.PERCENT, one, percent * one)]


def minimum(component: Minimum, case: Case, base: Fraction) -> list[Draft]:
    """Return what is missing to the least; no line where nothing is."""
    due = _due(component, case, base)
    missing = max(NONE, due[0] - due[1]) if due else NONE
    return _difference(LineKind.MINIMUM, missing)


def maximum(component: Maximum, case: Case, base: Fraction) -> list[Draft]:
    """Return what is above the most, taken off; no line where nothing is."""
    due = _due(component, case, base)
    above = min(NONE, due[0] - due[1]) if due else NONE
    return _difference(LineKind.MAXIMUM, above)


def free_quota(
    component: FreeQuota, case: Case, base: Fraction, of: object
) -> list[Draft]:
    """Return the line that takes off what the quota makes free of another component."""
    total = case.usage()[ALL]
    before = case.count(component.name, total)
    was, now = (_free(component, case, used) for used in (before, before + total))
    units = case.units(now - was)
    if component.rule is QuotaRule.MEAN or not isinstance(of, Flat | Block | Lifeline):
        worth = base * (now - was) / total if total else NONE
    else:
        worth = _cost(of, case, now) - _cost(of, case, was)
    price = worth / units if units else None
    return [Draft(LineKind.FREE, ALL, -units, case.unit, price, -worth)]


def _free(component: FreeQuota, case: Case, used: int) -> Fraction:
    most, per = component.up_to, component.per
    if most is not None and used > case.limit(most, LimitPer.CYCLE):
        return NONE
    return min(Fraction(used), case.limit(component.quantity, per))


def _cost(of: Flat | Block | Lifeline, case: Case, units: Fraction) -> Fraction:
    """What the first units of a component cost."""
    alike = _as_block(of)
    limits = limits_of(alike.tiers, alike.per, alike.window_s, case)
    lines = telescoped(case, ALL, alike.tiers, limits, (NONE, units))
    return sum((line.exact for line in lines), NONE)


def _as_block(of: Flat | Block | Lifeline) -> Block:
    match of:
        case Flat():
            return Block(of.name, (Tier(of.price),))
        case Block():
            return of
        case Lifeline():
            daily = of.rule is LifelineRule.DAILY
            per = LimitPer.DAY if daily else LimitPer.CYCLE
            return Block(of.name, (Tier(of.price, of.limit), Tier(of.above)), per)


def _due(
    component: Minimum | Maximum, case: Case, base: Fraction
) -> tuple[Fraction, Fraction] | None:
    """What is asked and what there is, where it is asked now: `Minimum` says of what."""
    amount, there = case.price(component.amount), max(NONE, base)
    match component.per:
        case SpanOf.PERIOD:
            return amount, there
        case SpanOf.YEAR:
            if not case.ends_month(DECEMBER):
                return None
            return amount, case.carried.charged + there
        case SpanOf.CYCLE:
            if not case.carries:
                return amount * case.share.of_cycle, there
            if not case.ends_cycle:
                return None
            before = NONE if case.begins_cycle else case.carried.cycle
            return amount, before + there


def _difference(kind: LineKind, amount: Fraction) -> list[Draft]:
    if not amount:
        return []
    return [Draft(kind, ALL, None, Unit.ONCE, None, amount)]
