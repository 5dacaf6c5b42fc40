"""What a device has to open of hidden usage so that a tariff in full can be applied to it.

    plan = plan_of(tariff)              # which amounts: one to 25, each at a device's tariff
    plan.tariffs[0].hash()              # what the device is asked by

A device signs one exact amount at prices it was told before the period began, and counts it
as if it opened the total of every price class. So each reading asks for as
little as its tariff can be applied by:

| reading | tariff | opened |
| --- | --- | --- |
| total | nothing depends on when: flat, block, slab, lifeline, quota, levies per unit | the period's total, at a price of 1 |
| amount | one time-of-use component, and charges of money and days beside it | the amount it comes to |
| classes | tiers that time of use counts, or charges per unit beside it | the total of each period of the calendar |

Amounts of classes are separate openings: they are lines of their own, rounded apart. What
needs the order of slots, a peak of power, a price an hour or an export cannot be had from
sums, and is refused by name. Whether classes are large enough the device decides. This
module must never price anything: `opened` does.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto.rating.calendar import HOLIDAY, Unrateable, minute_of
from meterseal_proto.rating.components import (
    Allocation,
    Block,
    Calendar,
    Component,
    Demand,
    Export,
    Flat,
    FreeQuota,
    Hourly,
    Levy,
    Lifeline,
    LimitPer,
    Losses,
    NetMetering,
    On,
    Per,
    Slab,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
    Wheeling,
    Window,
)
from meterseal_proto.rating.tariff import FullTariff
from meterseal_proto.tariff import (
    DAY_NAMES,
    MAX_PRICE,
    Band,
    MicroPerKwh,
    Tariff,
    parse_tariff,
)

MICRO_DIGITS: Final = 6
"""Decimals of a device's prices: micro-units of the currency."""
MAX_ID: Final = 50
"""Characters of a code that leave room for what is added to it."""
_MONTHS: Final = 12
_ON_TOTAL: Final = (Flat, Block, Slab, Lifeline, FreeQuota)
_BY_TIME: Final = (TimeOfUse, TieredTimeOfUse)


class Reading(StrEnum):
    """What is opened of a period."""

    TOTAL = "total"
    AMOUNT = "amount"
    CLASSES = "classes"


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of a device: `tariffs` in order, one but for classes.

    `periods` are the calendar's, in the order of `tariffs`; empty but for classes.
    """

    reading: Reading
    tariffs: tuple[Tariff, ...]
    periods: tuple[str, ...] = ()


def plan_of(tariff: FullTariff) -> Plan:
    """Return what has to be opened; Unrateable names what hidden usage cannot be billed by."""
    for one in tariff.components:
        _check(one)
    timed = [one for one in tariff.components if isinstance(one, _BY_TIME)]
    if not timed:
        always = (Band(MicroPerKwh(1)),)
        return Plan(Reading.TOTAL, (_tariff(tariff, "total", always),))
    calendars = {one.calendar for one in timed}
    if len(calendars) > 1:
        raise Unrateable(
            f"{tariff.id}: usage by {len(calendars)} calendars tells too much of too"
            " little; a private bill has one calendar"
        )
    calendar = tariff.calendar(calendars.pop())
    counted = [one for one in tariff.components if _counts(one)]
    if counted == timed and len(timed) == 1 and isinstance(timed[0], TimeOfUse):
        prices = {row.period: _micro(tariff, row.price) for row in timed[0].prices}
        bands = _bands(tariff, calendar, prices)
        return Plan(Reading.AMOUNT, (_tariff(tariff, "amount", bands),))
    periods = sorted({window.period for window in calendar.windows})
    tariffs = tuple(
        _tariff(tariff, f"class-{n}", _bands(tariff, calendar, {period: 1}))
        for n, period in enumerate(periods)
    )
    return Plan(Reading.CLASSES, tariffs, tuple(periods))


def _counts(one: Component) -> bool:
    """Tell whether a component is charged by usage, and so needs it."""
    match one:
        case Levy():
            return one.per is Per.UNIT and one.on is not On.BOUGHT
        case Wheeling() | Losses():
            return one.on is not On.BOUGHT
    return isinstance(one, (*_ON_TOTAL, *_BY_TIME))


def _check(one: Component) -> None:
    """Raise Unrateable for what no sum of hidden usage can be billed by."""
    match one:
        case Demand() | Hourly() | NetMetering() | Export():
            why = "needs single intervals, which no device opens"
        case TieredTimeOfUse(
            tier_counter=TierCounter.ALL, allocation=Allocation.CHRONOLOGICAL
        ):
            why = "fills its tiers in the order of use; allocate them in proportion"
        case Levy(on=On.EXPORT) | Wheeling(on=On.EXPORT) | Losses(on=On.EXPORT):
            why = "is charged on export, and a private register is an import"
        case _ if getattr(one, "per", None) is LimitPer.KW:
            why = "has limits by the highest power, which no device opens"
        case _:
            return
    raise Unrateable(f"component {one.name!r} {why}: no private bill has it")


def _tariff(full: FullTariff, what: str, bands: tuple[Band, ...]) -> Tariff:
    """Return a device's tariff, held to what a device would read."""
    name = f"{full.id[:MAX_ID]}.{what}"
    made = Tariff(name, full.currency, full.zone, full.valid_from, bands)
    return parse_tariff(made.document())


def _micro(tariff: FullTariff, price: int) -> int:
    """Return a price in micro-units; Unrateable where a device has no such price."""
    whole, rest = divmod(price * 10**MICRO_DIGITS, 10**tariff.digits)
    if rest or whole > MAX_PRICE:
        raise Unrateable(
            f"{tariff.id}: a price is no whole number of micro-units below 2^32, and a"
            " device knows no other"
        )
    return int(whole)


def _bands(
    tariff: FullTariff, calendar: Calendar, prices: dict[str, int]
) -> tuple[Band, ...]:
    """Return a calendar as a device's bands: windows of other periods cost 0.

    The commonest price is the last band's, which prices the rest. Unrateable for holidays
    and for seasons that begin within a month: a device's tariff has neither.
    """
    if any(HOLIDAY in window.days for window in calendar.windows) and tariff.holidays:
        raise Unrateable(
            f"calendar {calendar.name!r} has holidays of its own, which a device's tariff"
            " has not; leave them to the days of the week for private bills"
        )
    priced = [
        (prices.get(window.period, 0), window, months)
        for window in calendar.windows
        for months in _months(calendar, window)
    ]
    rest = Counter(price for price, *_ in priced).most_common(1)[0][0]
    bands = [
        Band(MicroPerKwh(price), days, months, *_minutes(window))
        for price, window, months in priced
        if price != rest
        for days in _spans(window.days)
    ]
    return (*bands, Band(MicroPerKwh(rest)))


def _months(calendar: Calendar, window: Window) -> Iterator[str]:
    """Yield the spans of months of a window's seasons, as a band names them."""
    seasons = sorted((one.begin, one.name) for one in calendar.seasons)
    if not window.seasons or not seasons:
        yield f"1-{_MONTHS}"
        return
    for n, (begin, name) in enumerate(seasons):
        if name not in window.seasons:
            continue
        if not all(one.begin.endswith("-01") for one in calendar.seasons):
            raise Unrateable(
                f"calendar {calendar.name!r}: a season begins within a month, and a"
                " device's tariff counts whole months"
            )
        after = int(seasons[(n + 1) % len(seasons)][0][:2])
        first, last = int(begin[:2]), (after - 2) % _MONTHS + 1
        yield f"{first}-{last}" if first != last else f"{first}"


def _minutes(window: Window) -> tuple[int, int]:
    return minute_of(window.begin), minute_of(window.end)


def _spans(days: Sequence[str]) -> list[str]:
    """Return the runs of a window's weekdays, as a band names them."""
    places = sorted(DAY_NAMES.index(day) for day in days if day != HOLIDAY)
    spans: list[str] = []
    for n, place in enumerate(places):
        if n and place == places[n - 1] + 1:
            spans[-1] = f"{spans[-1].partition('-')[0]}-{DAY_NAMES[place]}"
        else:
            spans.append(DAY_NAMES[place])
    return spans
