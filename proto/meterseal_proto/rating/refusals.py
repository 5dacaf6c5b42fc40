"""What a tariff's components may not say: tiers out of order, unknown bases, and so on.

Each refusal is one clear sentence in a ValueError. Calendars have theirs in `weeks`. This
module must never guess what was meant.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, Final

from meterseal_proto.rating.components import (
    Allocation,
    Bank,
    Block,
    Calendar,
    Component,
    Demand,
    Export,
    Fixed,
    FreeQuota,
    Hourly,
    Lifeline,
    LifelineRule,
    LimitPer,
    Losses,
    Maximum,
    Minimum,
    NetMetering,
    Per,
    PeriodPrice,
    PeriodTiers,
    Proration,
    QuotaRule,
    Share,
    Slab,
    SpanOf,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.terms import BASIS_POINTS
from meterseal_proto.rating.weeks import check_calendar, periods_of

MAX_COMPONENTS: Final = 64
"""A bill of more than sixty charges is a mistake."""
MAX_TIERS: Final = 32
HOURS: Final = 8_760
RESERVED: Final = frozenset({"traded", "rounding"})
"""Lines that every tariff may have are named so."""
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9 ._-]{0,39}")
Calendars = Mapping[str, Calendar]


def check_components(
    components: Sequence[Component],
    calendars: Sequence[Calendar],
    holidays: Sequence[str],
    *,
    carried: bool,
) -> None:
    """Raise ValueError for components that contradict themselves or one another."""
    if not 1 <= len(components) <= MAX_COMPONENTS:
        raise ValueError(f"components: 1 to {MAX_COMPONENTS} of them")
    _unique("components", [one.name for one in components])
    _unique("calendars", [one.name for one in calendars])
    named = {one.name: one for one in calendars}
    for calendar in calendars:
        check_calendar(calendar, holidays=bool(holidays))
    for component in components:
        _check(component, named, carried=carried)
    _used(calendars, components)
    _bases({one.name: one for one in components})
    _spans(components)
    _exports(components)


def _check(component: Component, calendars: Calendars, *, carried: bool) -> None:
    name = component.name
    if _NAME.fullmatch(name) is None or name in RESERVED:
        raise ValueError(f"component {name[:40]!r}: a name like energy, not reserved")
    check = _CHECKS.get(type(component))
    if check is not None:
        check(component, calendars)
    if isinstance(component, Block | Slab | TieredTimeOfUse):
        _limits(component, carried=carried)


def _block(one: Block | Slab, _calendars: Calendars) -> None:
    _tiers(one.name, one.tiers)


def _limits(one: Block | Slab | TieredTimeOfUse, *, carried: bool) -> None:
    if (one.per is LimitPer.KW) != (one.window_s > 0):
        text = "window_s goes with limits per kw, and only with them"
        raise ValueError(f"{one.name}: {text}")
    if carried and one.per is not LimitPer.CYCLE:
        text = f"limits per {one.per} cannot be carried through a cycle"
        raise ValueError(f"{one.name}: {text}; say split proportion")


def _tiers(name: str, tiers: Sequence[Tier]) -> None:
    if not 1 <= len(tiers) <= MAX_TIERS:
        raise ValueError(f"{name}: 1 to {MAX_TIERS} tiers")
    ends = [tier.to for tier in tiers[:-1]]
    if tiers[-1].to is not None or None in ends:
        raise ValueError(f"{name}: the last tier, and no other, has no end")
    if any(low >= high for low, high in pairwise(ends) if low and high):
        raise ValueError(f"{name}: tiers out of order; each ends above the one before")


def _time_of_use(one: TimeOfUse, calendars: Calendars) -> None:
    _priced(one.name, one.calendar, one.prices, calendars)


def _tiered(one: TieredTimeOfUse, calendars: Calendars) -> None:
    _priced(one.name, one.calendar, one.tiers, calendars)
    for row in one.tiers:
        _tiers(f"{one.name}, {row.period}", row.tiers)
        entries = any(tier.entry for tier in row.tiers)
        if entries:
            raise ValueError(f"{one.name}: tiers by period of the day have no entry")


def _hourly(one: Hourly, _calendars: Calendars) -> None:
    if len(one.prices) != HOURS:
        text = f"{HOURS} prices, one an hour of a year, not {len(one.prices)}"
        raise ValueError(f"{one.name}: {text}")


def _fixed(one: Fixed, _calendars: Calendars) -> None:
    if one.per is Per.UNIT:
        raise ValueError(f"{one.name}: a fixed charge is not per unit; say flat")


def _demand(one: Demand, calendars: Calendars) -> None:
    if one.window_s == 0:
        raise ValueError(f"{one.name}: window_s is at least one second")
    if one.proration is Proration.BEGIN:
        raise ValueError(f"{one.name}: power is prorated by days, or whole")
    if one.calendar:
        _priced(one.name, one.calendar, one.tiers, calendars)
    elif [row.period for row in one.tiers] != [""]:
        raise ValueError(f'{one.name}: without a calendar it has tiers of period ""')
    for row in one.tiers:
        _tiers(one.name, row.tiers)
        if any(tier.entry for tier in row.tiers):
            raise ValueError(f"{one.name}: tiers of power have no entry")


def _export(one: Export, calendars: Calendars) -> None:
    by_period = bool(one.calendar or one.prices)
    if (one.price is None) != by_period:
        text = "one price, or a calendar and a price for each of its periods"
        raise ValueError(f"{one.name}: {text}")
    if by_period:
        _priced(one.name, one.calendar, one.prices, calendars)


def _losses(one: Losses, _calendars: Calendars) -> None:
    if one.share_bp > BASIS_POINTS:
        raise ValueError(f"{one.name}: share_bp is at most {BASIS_POINTS}, the whole")


def _net_metering(one: NetMetering, calendars: Calendars) -> None:
    if not 1 <= one.year_end <= 12:
        raise ValueError(f"{one.name}: year_end is a month, 1 to 12")
    if (one.bank is Bank.PER_PERIOD) != bool(one.calendar):
        text = "a calendar goes with a bank per period, and only with it"
        raise ValueError(f"{one.name}: {text}")
    known = (
        periods_of(_calendar(one.name, one.calendar, calendars)) if one.calendar else ()
    )
    _unique(f"{one.name}: successors", [row.period for row in one.successors])
    for row in one.successors:
        if row.period not in known or row.to not in known or row.period == row.to:
            text = f"{row.period!r} to {row.to!r} is no succession of two periods"
            raise ValueError(f"{one.name}: {text}")


def _quota(one: FreeQuota, _calendars: Calendars) -> None:
    if one.per is LimitPer.KW:
        raise ValueError(f"{one.name}: a quota is per cycle or per day")


def _priced(
    name: str,
    calendar: str,
    rows: Sequence[PeriodPrice] | Sequence[PeriodTiers],
    calendars: Calendars,
) -> None:
    wanted = sorted(periods_of(_calendar(name, calendar, calendars)))
    found = sorted(row.period for row in rows)
    if wanted != found:
        text = f"calendar {calendar} has the periods {', '.join(wanted)}"
        raise ValueError(f"{name}: {text}; prices are for {', '.join(found)}")


def _calendar(name: str, calendar: str, calendars: Calendars) -> Calendar:
    if calendar not in calendars:
        raise ValueError(f"{name}: there is no calendar {calendar!r}")
    return calendars[calendar]


def _used(calendars: Sequence[Calendar], components: Sequence[Component]) -> None:
    used = {getattr(one, "calendar", "") for one in components}
    for calendar in calendars:
        if calendar.name not in used:
            raise ValueError(f"calendar {calendar.name} is used by nothing")


def _bases(components: Mapping[str, Component]) -> None:
    """No base is unknown, twice there, or in the end a base of itself."""
    of = {name: based_on(one) for name, one in components.items()}
    for name, bases in of.items():
        _unique(f"{name}: of", bases)
        for base in bases:
            if base not in components:
                raise ValueError(f"{name}: its base {base!r} is no component")
    for one in components.values():
        if isinstance(one, Share | Minimum | Maximum) and not one.of:
            raise ValueError(f"{one.name}: of names at least one component")
        if isinstance(one, FreeQuota):
            _quota_base(one, components[one.of])
    quotas = (one.of for one in components.values() if isinstance(one, FreeQuota))
    _unique("free quotas: of", quotas)
    done: set[str] = set()
    for name in of:
        _acyclic(name, of, done, ())


def based_on(component: Component) -> tuple[str, ...]:
    """Return the names of the components that one is taken of."""
    if isinstance(component, Share | Minimum | Maximum):
        return component.of
    return (component.of,) if isinstance(component, FreeQuota) else ()


def _acyclic(
    name: str,
    of: Mapping[str, Sequence[str]],
    done: set[str],
    path: tuple[str, ...],
) -> None:
    if name in path:
        circle = " of ".join((*path[path.index(name) :], name))
        raise ValueError(f"bases go in a circle: {circle}")
    if name not in done:
        for base in of[name]:
            _acyclic(base, of, done, (*path, name))
        done.add(name)


def _quota_base(one: FreeQuota, of: Component) -> None:
    priced = type(of).__name__
    if priced not in _QUOTAS:
        raise ValueError(f"{one.name}: {of.name} does not price usage")
    eligible = isinstance(of, Lifeline) and of.rule is LifelineRule.ELIGIBILITY
    if one.rule is QuotaRule.FIRST and (priced not in _FIRST or eligible):
        text = f"which units of {of.name} are first is not said"
        raise ValueError(f"{one.name}: {text}; take the rule mean")


def _spans(components: Sequence[Component]) -> None:
    """What a year or cycle has cost is one figure, so its minimums have one base."""
    for span in (SpanOf.YEAR, SpanOf.CYCLE):
        bases = {
            (one.of, one.base)
            for one in components
            if isinstance(one, Minimum | Maximum) and one.per is span
        }
        if len(bases) > 1:
            raise ValueError(f"minimums and maximums per {span} have one base")


def _exports(components: Sequence[Component]) -> None:
    given = [one for one in components if isinstance(one, Export | NetMetering)]
    if len(given) > 1:
        text = " and ".join(one.name for one in given)
        raise ValueError(f"export is used once: by one of {text}")
    for net in given:
        if isinstance(net, NetMetering):
            for one in components:
                _nets(net, one)


def _nets(net: NetMetering, one: Component) -> None:
    """What prices usage by periods must know which of them export was taken off."""
    hourly = isinstance(one, Hourly)
    if not isinstance(one, TimeOfUse | TieredTimeOfUse):
        if hourly:
            raise ValueError(f"{one.name}: net metering has no price by the hour")
        return
    if one.calendar != net.calendar:
        text = f"net metering needs a bank per period of calendar {one.calendar}"
        raise ValueError(f"{one.name}: {text}")
    if (
        isinstance(one, TieredTimeOfUse)
        and one.tier_counter is TierCounter.ALL
        and one.allocation is Allocation.CHRONOLOGICAL
    ):
        text = "what is netted over a cycle has no order of time"
        raise ValueError(f"{one.name}: {text}; allocation proportional")


def _unique(what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ValueError(f"{what}: {name[:40]!r} is there twice")
        seen.add(name)


_FIRST: Final = ("Flat", "Block", "Lifeline")
_QUOTAS: Final = (*_FIRST, "Slab", "TimeOfUse", "TieredTimeOfUse", "Hourly")
# Any: each function takes the component of its own type, as the table pairs them.
_CHECKS: Final[dict[type, Callable[[Any, Calendars], None]]] = {
    Block: _block,
    Slab: _block,
    TimeOfUse: _time_of_use,
    TieredTimeOfUse: _tiered,
    Hourly: _hourly,
    Fixed: _fixed,
    Demand: _demand,
    Export: _export,
    NetMetering: _net_metering,
    FreeQuota: _quota,
    Losses: _losses,
}
