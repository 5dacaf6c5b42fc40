"""What usage costs: one price, tiers, times of use, an hour's price, a lifeline.

Functions from a component and a case to drafts of lines. Tiers count on from what the
parts of the cycle before have used, where the tariff carries it. This module must never
round.
"""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import lru_cache
from operator import mul
from typing import Final

from meterseal_proto.rating.calendar import Place
from meterseal_proto.rating.case import ALL, NONE, Case, Draft
from meterseal_proto.rating.components import (
    Allocation,
    Block,
    Flat,
    Hourly,
    Lifeline,
    LifelineRule,
    LimitPer,
    On,
    Slab,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.line import LineKind, Unit
from meterseal_proto.rating.load import WHOLE

HOURS: Final = 8_760
_BEFORE_MONTH: Final = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334)
"""Days of a year before each month, 29 February never counted."""
_KEPT: Final = 64
"""Months of hourly prices kept, each some 100 kB."""
Amount = int | Fraction
"""A quantity in 1/grain; an integer where it is whole, for integers are quicker."""
Limits = Sequence[Amount | None]


def flat(component: Flat, case: Case) -> list[Draft]:
    """Return the line of one price per unit."""
    total = case.usage()[ALL]
    return [case.draft(LineKind.ENERGY, ALL, total, component.price)]


def time_of_use(component: TimeOfUse, case: Case) -> list[Draft]:
    """Return a line for each period that occurs, in the tariff's order."""
    used = case.usage(component.calendar)
    return [
        case.draft(LineKind.ENERGY, row.period, used[row.period], row.price)
        for row in component.prices
        if row.period in used
    ]


def hourly(component: Hourly, case: Case) -> list[Draft]:
    """Return one line: each slot at the price of its hour."""
    row = case.row(On.GRID)
    prices = _hour_prices(
        component, case.place, case.load.first, len(row), case.load.step
    )
    exact = case.units(sum(map(mul, row, prices))) * case.price(1)
    total = case.units(sum(row))
    price = exact / total if total else None
    return [Draft(LineKind.ENERGY, ALL, total, case.unit, price, exact)]


def block(component: Block, case: Case) -> list[Draft]:
    """Return a line for each tier that usage falls into, each unit at its own tier's price."""
    total = case.usage()[ALL]
    before = case.count(component.name, total)
    limits = limits_of(component.tiers, component.per, component.window_s, case)
    lines = telescoped(case, ALL, component.tiers, limits, (before, before + total))
    return [*lines, *_entries(case, component.tiers, limits, before, before + total)]


def slab(component: Slab, case: Case) -> list[Draft]:
    """Return the line of all usage at the price of the tier that it falls into.

    A later part of a cycle that reaches another tier also re-prices what came before.
    """
    total = case.usage()[ALL]
    before = case.count(component.name, total)
    tiers = component.tiers
    limits = limits_of(tiers, component.per, component.window_s, case)
    now, then = tier_at(limits, before + total), tier_at(limits, before)
    name = tier_name(tiers, now)
    lines = [case.draft(LineKind.ENERGY, name, total, tiers[now].price)]
    if before and tiers[now].price != tiers[then].price:
        change = tiers[now].price - tiers[then].price
        part = f"{name}, of before"
        lines.append(case.draft(LineKind.ENERGY, part, before, change))
    owed: int = tiers[now].entry
    if not case.begins_cycle and case.carries:
        owed -= tiers[then].entry
    return lines + _entry(case, name, owed, component.per)


def tiered_time_of_use(component: TieredTimeOfUse, case: Case) -> list[Draft]:
    """Return a line for each period and tier that usage falls into."""
    if component.tier_counter is TierCounter.PERIOD:
        return _by_period(component, case)
    if component.allocation is Allocation.PROPORTIONAL:
        return _proportional(component, case)
    return _chronological(component, case)


def lifeline(component: Lifeline, case: Case) -> list[Draft]:
    """Return the lines of a lifeline: what has its price, and what has not."""
    low = Tier(component.price, component.limit)
    tiers, name = (low, Tier(component.above)), component.name
    match component.rule:
        case LifelineRule.TELESCOPIC:
            return block(Block(name, tiers), case)
        case LifelineRule.DAILY:
            return block(Block(name, tiers, LimitPer.DAY), case)
        case LifelineRule.ELIGIBILITY:
            return slab(Slab(name, tiers), case)


def limits_of(
    tiers: Sequence[Tier], per: LimitPer, window_s: int, case: Case
) -> Limits:
    """Return where each tier ends, in 1/grain, for this part of the cycle; None: never."""
    each = Fraction(case.limit(1, per, window_s))
    times = each.numerator if each.denominator == 1 else each
    return [None if tier.to is None else tier.to * times for tier in tiers]


def tier_at(limits: Limits, usage: int) -> int:
    """Return the number of the tier that a usage falls into; a limit is still its own."""
    return next(n for n, end in enumerate(limits) if end is None or usage <= end)


def within(limits: Limits, tier: int, span: tuple[Amount, Amount]) -> Amount:
    """Return how much of [begin, end) of a counter lies in a tier."""
    begin = limits[tier - 1] if tier else 0
    assert begin is not None
    end = limits[tier]
    high = span[1] if end is None else min(span[1], end)
    return max(0, high - max(span[0], begin))


def telescoped(
    case: Case,
    period: str,
    tiers: Sequence[Tier],
    limits: Limits,
    span: tuple[Amount, Amount],
) -> list[Draft]:
    """Return the lines of [begin, end) of a counter, each unit in its tier."""
    found = [(n, within(limits, n, span)) for n in range(len(tiers))]
    return lines_of(case, period, tiers, found)


def lines_of(
    case: Case,
    period: str,
    tiers: Sequence[Tier],
    found: Iterable[tuple[int, Amount]],
) -> list[Draft]:
    """Return a line for each tier that holds anything, or for the first one a line of 0."""
    rows = list(found)
    held = [row for row in rows if row[1]] or rows[:1]
    return [
        case.draft(LineKind.ENERGY, _part(period, tiers, n), quantity, tiers[n].price)
        for n, quantity in held
    ]


def tier_name(tiers: Sequence[Tier], tier: int) -> str:
    """Return what a tier is called on a bill: "0-150", "150-300", "300+" units."""
    if len(tiers) == 1:
        return ALL
    begin = "0" if tier == 0 else _units(tiers[tier - 1].to)
    end = tiers[tier].to
    return f"{begin}+" if end is None else f"{begin}-{_units(end)}"


def _by_period(component: TieredTimeOfUse, case: Case) -> list[Draft]:
    used, lines = case.usage(component.calendar), list[Draft]()
    for row in component.tiers:
        if row.period not in used:
            continue
        total = used[row.period]
        before = case.count(f"{component.name}/{row.period}", total)
        limits = limits_of(row.tiers, component.per, component.window_s, case)
        span = (before, before + total)
        lines += telescoped(case, row.period, row.tiers, limits, span)
    return lines


def _proportional(component: TieredTimeOfUse, case: Case) -> list[Draft]:
    used, lines = case.usage(component.calendar), list[Draft]()
    total = sum(used.values())
    before = case.count(component.name, total)
    for row in component.tiers:
        if row.period not in used:
            continue
        limits = limits_of(row.tiers, component.per, component.window_s, case)
        share = Fraction(used[row.period], total) if total else NONE
        held = [
            (n, within(limits, n, (before, before + total)) * share)
            for n in range(len(row.tiers))
        ]
        lines += lines_of(case, row.period, row.tiers, held)
    return lines


def _chronological(component: TieredTimeOfUse, case: Case) -> list[Draft]:
    """A run of slots is of one period, so where its usage lies on the counter is enough."""
    usage = case.row(On.GRID)
    counter = case.count(component.name, sum(usage))
    tiers = {row.period: row.tiers for row in component.tiers}
    limits = {
        period: limits_of(rows, component.per, component.window_s, case)
        for period, rows in tiers.items()
    }
    held: dict[str, list[Amount]] = {}
    for run in case.runs(component.calendar):
        after = counter + sum(usage[run.first : run.last])
        found = held.setdefault(run.period, [0] * len(tiers[run.period]))
        for n in range(len(found)):
            found[n] += within(limits[run.period], n, (counter, after))
        counter = after
    return [
        line
        for row in component.tiers
        if row.period in held
        for line in lines_of(case, row.period, row.tiers, enumerate(held[row.period]))
    ]


def _entries(
    case: Case, tiers: Sequence[Tier], limits: Limits, before: int, after: int
) -> list[Draft]:
    """The entries of tiers that this part of the cycle is the first to reach."""
    reached, had = tier_at(limits, after), tier_at(limits, before)
    first = had + 1 if case.carries and not case.begins_cycle else 0
    return [
        line
        for n in range(first, reached + 1)
        for line in _entry(case, tier_name(tiers, n), tiers[n].entry, LimitPer.CYCLE)
    ]


def _entry(case: Case, part: str, price: int, per: LimitPer) -> list[Draft]:
    """The line of an entry; a part of a cycle that has its share of limits has it of this."""
    if not price:
        return []
    whole = case.carries or per is not LimitPer.CYCLE
    count = Fraction(1) if whole else case.share.of_cycle
    each = case.price(price)
    return [Draft(LineKind.FIXED, part, count, Unit.ONCE, each, count * each)]


@lru_cache(_KEPT)
def _hour_prices(
    component: Hourly, place: Place, first: int, slots: int, step: int
) -> tuple[int, ...]:
    prices = []
    for begin in range(first, first + slots * step, step):
        at = place.local(begin)
        day = min(at.day, 28) if at.month == 2 else at.day
        hour = (_BEFORE_MONTH[at.month - 1] + day - 1) * 24 + at.hour
        prices.append(component.prices[hour])
    return tuple(prices)


def _part(period: str, tiers: Sequence[Tier], tier: int) -> str:
    return ", ".join(filter(None, (period, tier_name(tiers, tier))))


def _units(milli: int | None) -> str:
    assert milli is not None
    whole, rest = divmod(milli, WHOLE)
    return f"{whole}.{rest:03d}".rstrip("0").rstrip(".")
