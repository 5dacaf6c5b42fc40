"""Bills a second rated in memory: a month of quarter hours at a time-of-use tariff.

A part of the room `billing`, which prints it with the bills issued through the database.
Each household has a month of its own, packed as usage is kept (an array of 32-bit
integers), and is rated by a tariff of two periods, a charge a month and a tax, with a day
of 23 hours in the month. The bare limit is one `sum` of the same integers, which no bill
can do without. Cost per bill is told for few and many households, to see that it is flat.
CPU time of one core, medians.
"""

import random
import time
from array import array
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from statistics import median
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.components import (
    Allocation,
    Base,
    Calendar,
    Component,
    Fixed,
    Milli,
    Per,
    PeriodPrice,
    PeriodTiers,
    Price,
    Proration,
    Share,
    ShareKind,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split

STEP_S: Final = 900
RUNS: Final = 3
KEPT: Final = 1_000
"""Different months: more households use them again, so that memory stays bounded."""
WEEKDAYS: Final = ("mon", "tue", "wed", "thu", "fri")
WEEK: Final = Calendar(
    "week",
    (
        Window("night", WEEKDAYS, "00:00", "07:00"),
        Window("day", WEEKDAYS, "07:00", "21:00"),
        Window("night", WEEKDAYS, "21:00"),
        Window("night", ("sat", "sun")),
    ),
)
LOCAL: Final = partial(datetime.fromtimestamp, tz=ZoneInfo("Europe/Madrid"))
Row = dict[str, str | float]


def tariff_of(energy: Component) -> FullTariff:
    """Return a tariff of some energy price, a charge a month and a tax."""
    of = ("energy", "service")
    components = (
        energy,
        Fixed("service", Price(3_500_000), Per.MONTH, Proration.DAYS),
        Share("vat", ShareKind.TAX, Price(210_000), Base.ROUNDED, of),
    )
    return FullTariff(
        "bench", "EUR", "Europe/Madrid", 0, Commodity.ELECTRICITY, components,
        Rule.HALF_EVEN, Split.PROPORTION, calendars=(WEEK,),
    )  # fmt: skip


def time_of_use() -> FullTariff:
    """Return a price by day and one by night."""
    prices = (PeriodPrice("day", Price(245_000)), PeriodPrice("night", Price(98_000)))
    return tariff_of(TimeOfUse("energy", "week", prices))


def tiered() -> FullTariff:
    """Return tiers by day and by night, filled in the order of time: the dearest to rate."""
    tiers = (Tier(Price(98_000), Milli(150_000)), Tier(Price(245_000)))
    rows = tuple(PeriodTiers(name, tiers) for name in ("day", "night"))
    order = (TierCounter.ALL, Allocation.CHRONOLOGICAL)
    return tariff_of(TieredTimeOfUse("energy", "week", *order, rows))


def months_of(count: int, span: tuple[int, int]) -> list["array[int]"]:
    """Return a month of quarter hours for each household, the same in every run."""
    draw = random.Random(count)  # noqa: S311 - usage to time, no secret
    slots = (span[1] - span[0]) // STEP_S
    usual = [draw.randint(0, 900) for _ in range(slots)]
    rows = []
    for _ in range(count):
        turn = draw.randrange(slots)
        rows.append(array("I", usual[turn:] + usual[:turn]))
    return rows


def rate_of(count: int, work: Callable[[], object]) -> float:
    """Return bills a second of CPU time, the median of some runs."""
    found = []
    for _ in range(RUNS):
        began = time.process_time()
        work()
        found.append(count / (time.process_time() - began))
    return median(found)


def rated(
    tariff: FullTariff, months: Sequence["array[int]"], span: tuple[int, int]
) -> int:
    """Rate every household; returns what all owe."""
    period = Period.whole(*span)
    return sum(
        rate(tariff, Load(span[0], STEP_S, month), period, LOCAL).total
        for month in months
    )


def rows_of(count: int) -> list[Row]:
    """Measure summing and rating the months of some households."""
    noon = int(datetime(2026, 3, 15, 12, tzinfo=ZoneInfo("Europe/Madrid")).timestamp())
    span = cycle_of(time_of_use(), noon, LOCAL)
    kept = months_of(min(count, KEPT), span)
    months = [kept[n % KEPT] for n in range(count)]
    bare = f"bare sums of {len(kept[0]):,} integers, {count:,} homes"
    limit = rate_of(count, lambda: sum(map(sum, months)))
    day_and_night, tiers = time_of_use(), tiered()
    return [
        row(bare, limit, bare, limit),
        row(
            f"rated by time of use, {count:,} homes",
            rate_of(count, lambda: rated(day_and_night, months, span)),
            bare,
            limit,
        ),
        row(
            f"rated by tiers in order of time, {count:,} homes",
            rate_of(count, lambda: rated(tiers, months, span)),
            bare,
            limit,
        ),
    ]


def row(name: str, value: float, against: str, limit: float) -> Row:
    """Return a row of the table."""
    return {
        "name": name,
        "value": round(value),
        "unit": "bills/s",
        "against": against,
        "ratio": round(value / limit, 4),
    }
