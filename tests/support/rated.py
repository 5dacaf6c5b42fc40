"""Tariffs and loads to rate in tests: small ones, in a zone that has summer time."""

from collections.abc import Sequence
from datetime import UTC, datetime
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.components import (
    Calendar,
    Component,
    Flat,
    Milli,
    PeriodPrice,
    Price,
    Tier,
    Window,
)
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried, Line, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import (
    Commodity,
    FullTariff,
    Rule,
    Split,
    TotalRounding,
    check,
)
from meterseal_proto.tariff import LocalTime

MADRID = "Europe/Madrid"
QUARTER_S = 900
HOUR_S = 3_600
WEEKDAYS = ("mon", "tue", "wed", "thu", "fri")
WEEKEND = ("sat", "sun")
DAY_AND_NIGHT = Calendar(
    "week",
    (
        Window("night", WEEKDAYS, "00:00", "07:00"),
        Window("day", WEEKDAYS, "07:00", "21:00"),
        Window("night", WEEKDAYS, "21:00"),
        Window("night", WEEKEND),
    ),
)

EURO = 1_000_000
TENTH = Price(EURO // 10)
FLAT = Flat("energy", TENTH)
TIERS = (
    Tier(Price(100_000), Milli(50_000)),
    Tier(Price(200_000), Milli(100_000)),
    Tier(Price(300_000)),
)
DAY_PRICES = (PeriodPrice("day", Price(200_000)), PeriodPrice("night", TENTH))


def clock(zone: str = MADRID) -> LocalTime:
    """Return a zone's clock."""
    return partial(datetime.fromtimestamp, tz=ZoneInfo(zone))


def at(text: str, zone: str = MADRID) -> int:
    """Return the second of a local time like "2026-03-01 00:00"."""
    return int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp())


def utc(text: str) -> int:
    """Return the second of a time in UTC."""
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def a_tariff(
    *components: Component,
    calendars: Sequence[Calendar] = (),
    holidays: Sequence[str] = (),
    split: Split = Split.PROPORTION,
    rounding: Rule = Rule.HALF_EVEN,
    total_rounding: TotalRounding | None = None,
    commodity: Commodity = Commodity.ELECTRICITY,
    minor: int = 2,
) -> FullTariff:
    """Return a tariff of some components, in 10^-6 euros, that holds together."""
    tariff = FullTariff(
        "test",
        "EUR",
        MADRID,
        0,
        commodity,
        components,
        rounding,
        split,
        minor=minor,
        calendars=tuple(calendars),
        holidays=tuple(holidays),
        total_rounding=total_rounding,
    )
    check(tariff)
    return tariff


def month(text: str = "2026-03") -> tuple[int, int]:
    """Return a month [begin, end) of Madrid."""
    whole = a_tariff(Flat("energy", Price(1)))
    return cycle_of(whole, at(f"{text}-15 12:00"), clock())


MARCH = month()
NINTH = at("2026-03-09 00:00")
"""A Monday."""


def hours(*pairs: tuple[int, int]) -> list[int]:
    """Return March hour by hour, with some Wh in some hours since Monday the ninth."""
    row = [0] * ((MARCH[1] - MARCH[0]) // 3_600)
    for hour, wh in pairs:
        row[(NINTH - MARCH[0]) // 3_600 + hour] = wh
    return row


def used(
    tariff: FullTariff,
    wh: int | Sequence[int],
    span: tuple[int, int] | None = None,
    *,
    exported: int | Sequence[int] = 0,
    bought: int | Sequence[int] = 0,
    step: int = HOUR_S,
    cycle: tuple[int, int] | None = None,
    carried: Carried = NOTHING_CARRIED,
    grain: int = 1_000,
) -> Rated:
    """Rate usage over a span (March 2026): a number is the whole of it, in its first slot."""
    begin, end = span or month()
    slots = (end - begin) // step
    load = Load(
        begin,
        step,
        _row(wh, slots),
        _row(exported, slots) if exported else (),
        _row(bought, slots) if bought else (),
        grain=grain,
    )
    period = Period(begin, end, *(cycle or (begin, end)))
    return rate(tariff, load, period, clock(), carried)


def line(rated: Rated, component: str, part: str = "") -> Line:
    """Return the one line of a component's part."""
    (found,) = (
        one for one in rated.lines if (one.component, one.part) == (component, part)
    )
    return found


def exacts(rated: Rated, component: str) -> dict[str, Fraction]:
    """Return what each part of a component comes to."""
    return {one.part: one.exact for one in rated.lines if one.component == component}


def _row(wh: int | Sequence[int], slots: int) -> Sequence[int]:
    return [wh, *[0] * (slots - 1)] if isinstance(wh, int) else wh
