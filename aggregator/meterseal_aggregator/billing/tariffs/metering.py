"""How what a house gives to the grid is settled, added to a tariff that leaves it open.

    tariff = with_metering(tariff, Settled(Metering.NET, price))

Net metering takes kWh off kWh and keeps what is left until the year ends; net billing
pays a price for what a slot gives beyond what it takes; buy-all-sell-all pays it for all
that is produced, and charges all that is used. Pure. This module must never settle export
twice: a tariff that says itself how is refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Bank,
    Calendar,
    Component,
    Count,
    Export,
    Minimum,
    NetMetering,
    Netting,
    PayoutOf,
    PeriodPrice,
    Price,
    Successor,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.tariff import FullTariff, check
from meterseal_proto.rating.weeks import minute_of

EXPORT: Final = "export"
DECEMBER: Final = Count(12)
_NOTHING: Final = Price(0)
_KEY_MINUTES: Final = (0, 5 * 60, 11 * 60, 17 * 60)
"""Midnight, 05:00, 11:00 and 17:00 of a weekday: the same time of day in another season."""
_WEEKDAY: Final = "mon"


class Metering(StrEnum):
    """How export is settled."""

    NET = "net"
    NET_BILLING = "net-billing"
    BUY_ALL = "buy-all-sell-all"


@dataclass(frozen=True, slots=True)
class Settled:
    """A way to settle export, and at which price (10^-digits of the tariff's currency).

    For net metering the price is what the year's end pays for what is kept; None: nothing.
    `sells` are a tariff's own prices by period of its energy, used where none is given.
    """

    metering: Metering
    price: Price | None = None
    sells: tuple[PeriodPrice, ...] = ()


def with_metering(
    tariff: FullTariff, settled: Settled, *, credits_minimum: bool = False
) -> FullTariff:
    """Return the tariff with export settled; Unrateable says what it leaves open.

    `credits_minimum`: what net billing credits counts in minimums, as in URDB's own tools.
    """
    if any(isinstance(one, Export | NetMetering) for one in tariff.components):
        raise Unrateable(
            "the tariff says itself how export is settled: leave metering out"
        )
    if settled.metering is Metering.NET:
        components: tuple[Component, ...] = (*tariff.components, _net(tariff, settled))
    else:
        export = _export(tariff, settled)
        components = (*tariff.components, export)
        if credits_minimum and settled.metering is Metering.NET_BILLING:
            components = tuple(_with(one, export.name) for one in components)
    made = replace(tariff, components=components)
    try:
        check(made)
    except ValueError as error:
        raise Unrateable(str(error)) from None
    return made


def _net(tariff: FullTariff, settled: Settled) -> NetMetering:
    payout, name = settled.price or _NOTHING, _energy_calendar(tariff)
    if not name:
        return NetMetering(EXPORT, Bank.ONE, DECEMBER, payout, PayoutOf.NET)
    successors = successors_of(tariff.calendar(name))
    return NetMetering(
        EXPORT, Bank.PER_PERIOD, DECEMBER, payout, PayoutOf.NET, name, successors
    )


def _export(tariff: FullTariff, settled: Settled) -> Export:
    buy_all = settled.metering is Metering.BUY_ALL
    netting = Netting.REGISTER if buy_all else Netting.SLOT
    if settled.price is not None:
        return Export(EXPORT, netting, settled.price)
    prices = {row.price for row in settled.sells}
    if len(prices) == 1:
        return Export(EXPORT, netting, prices.pop())
    calendar = _energy_calendar(tariff)
    if not prices or not calendar:
        raise Unrateable("sell rate is missing: it does not say what export is paid")
    return Export(EXPORT, netting, None, calendar, settled.sells)


def successors_of(calendar: Calendar) -> tuple[Successor, ...]:
    """Return for each period the one that has its time of day in the next other season.

    A period that every season has keeps its own. Unrateable where two seasons disagree.
    """
    names = [one.name for one in calendar.seasons]
    found: dict[str, str] = {}
    for n, season in enumerate(names):
        after = names[(n + 1) % len(names)]
        there = _periods(calendar, after)
        for period in _periods(calendar, season):
            if period in there:
                continue
            to = _at_its_time(calendar, period, season, after)
            if found.setdefault(period, to) != to:
                text = f"what {period} keeps goes to {found[period]} or {to}"
                raise Unrateable(f"rollover is missing: {text}")
    return tuple(Successor(period, to) for period, to in sorted(found.items()))


def _at_its_time(calendar: Calendar, period: str, season: str, after: str) -> str:
    for minute in _KEY_MINUTES:
        if _period_at(calendar, season, minute) == period:
            return _period_at(calendar, after, minute)
    text = f"{period} is at none of the times of day that seasons are compared at"
    raise Unrateable(f"rollover is missing: {text}")


def _periods(calendar: Calendar, season: str) -> set[str]:
    return {
        window.period
        for window in calendar.windows
        if not window.seasons or season in window.seasons
    }


def _period_at(calendar: Calendar, season: str, minute: int) -> str:
    return next(
        window.period
        for window in calendar.windows
        if _WEEKDAY in window.days
        and (not window.seasons or season in window.seasons)
        and minute_of(window.begin) <= minute < minute_of(window.end)
    )


def _energy_calendar(tariff: FullTariff) -> str:
    names: Sequence[str] = [
        one.calendar
        for one in tariff.components
        if isinstance(one, TimeOfUse | TieredTimeOfUse)
    ]
    return names[0] if names else ""


def _with(one: Component, name: str) -> Component:
    return replace(one, of=(*one.of, name)) if isinstance(one, Minimum) else one
