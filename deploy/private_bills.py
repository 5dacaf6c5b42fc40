"""What private homes are billed by, and their bills beside what each home's record costs.

A home's device opens the day's total where one price holds, and one amount where two do;
the statement is made of that by the duty `bill-private`. What it should come to is reckoned
here from the home's own record, by a code of its own. This module must never ask a device
for more, nor price by the engine that it checks.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from fractions import Fraction
from typing import Any, Final
from zoneinfo import ZoneInfo

from deploy.billing import CURRENCY
from meterseal_proto.rating.components import (
    Base,
    Calendar,
    Component,
    Fixed,
    Flat,
    Per,
    PeriodPrice,
    Price,
    Proration,
    Share,
    ShareKind,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.tariff import DAY_NAMES

FLAT: Final = 250_000
"""Micro-euro per kWh at all hours; below, by the hour."""
DAY: Final = 310_000
NIGHT: Final = 190_000
DAY_HOURS: Final = range(7, 21)
STANDING: Final = 120_000
"""Micro-euro a day."""
TAX: Final = 190_000
"""Millionths of what is charged."""
DAY_S: Final = 86_400
CENTS: Final = 100
MICRO_A_CENT: Final = 10_000
MICRO: Final = 1_000_000
WH_A_KWH: Final = 1_000

Row = Mapping[str, Any]  # JSON as the API gives it


def tariffs(zone: str, valid_from: int) -> tuple[FullTariff, FullTariff]:
    """Return what homes are billed by in turn: a price for all hours, and two by the hour."""
    begin, end = (f"{hour:02d}:00" for hour in (DAY_HOURS.start, DAY_HOURS.stop))
    hours = Calendar(
        "hours",
        (
            Window("night", DAY_NAMES, "00:00", begin),
            Window("day", DAY_NAMES, begin, end),
            Window("night", DAY_NAMES, end),
        ),
    )
    prices = (PeriodPrice("day", Price(DAY)), PeriodPrice("night", Price(NIGHT)))
    return (
        _tariff("flat", zone, valid_from, Flat("energy", Price(FLAT))),
        _tariff(
            "day-night", zone, valid_from, TimeOfUse("energy", "hours", prices), hours
        ),
    )


def _tariff(
    code: str, zone: str, valid_from: int, energy: Component, *calendars: Calendar
) -> FullTariff:
    charged = ("energy", "standing charge")
    components = (
        energy,
        Fixed("standing charge", Price(STANDING), Per.DAY, Proration.DAYS),
        Share("tax", ShareKind.TAX, Price(TAX), Base.ROUNDED, charged),
    )
    return FullTariff(
        code, CURRENCY, zone, valid_from, Commodity.ELECTRICITY, components,
        Rule.HALF_EVEN, Split.PROPORTION, cycle=Cycle.DAY, calendars=calendars,
    )  # fmt: skip


def exact(home: int, values: Sequence[int], zone: str, start: int) -> int:
    """Return what a home's intervals cost without charges, micro-units x Wh / kWh."""
    if not home % 2:
        return FLAT * sum(values)
    step, there = DAY_S // len(values), ZoneInfo(zone)
    return sum(
        wh * (DAY if _hour(start + n * step, there) in DAY_HOURS else NIGHT)
        for n, wh in enumerate(values)
    )


def _hour(at: int, zone: ZoneInfo) -> int:
    return datetime.fromtimestamp(at, zone).hour


def opened(home: int, values: Sequence[int], zone: str, start: int) -> int:
    """Return the one number that a home's device has to open: Wh, or what they cost."""
    return exact(home, values, zone, start) if home % 2 else sum(values)


def cost(home: int, values: Sequence[int], zone: str, start: int) -> int:
    """Return what a home's day comes to on its bill, micro-units: lines of whole cents."""
    energy = Fraction(exact(home, values, zone, start), WH_A_KWH * MICRO_A_CENT)
    # Python rounds half to even, as the tariffs say.
    lines = [round(energy), round(Fraction(STANDING, MICRO_A_CENT))]
    tax = round(Fraction(TAX, MICRO) * sum(lines))
    return (sum(lines) + tax) * MICRO_A_CENT


def shown(homes: Mapping[int, Row], own: Sequence[Sequence[int]]) -> str:
    """Return the bills of two homes for a person, a home for each tariff."""
    rows = ["  home          own record, Wh   energy   standing     tax     total"]
    for home in sorted(homes)[:2]:
        bill = homes[home]
        lines = [line for part in bill["segments"] for line in part["lines"]]
        parts = [int(line["amount"]) / CENTS for line in lines]
        columns = "".join(
            f"{part:{width}.2f}" for part, width in zip(parts, (9, 11, 8), strict=False)
        )
        total = bill["amount_micro"] / MICRO
        rows.append(f"  {home:4} {sum(own[home]):23,}{columns} {total:14.2f}")
    return "\n".join(rows)
