"""Tariffs and loads drawn at random, for the laws of rating."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from random import Random
from typing import Final

from hypothesis import strategies as st

from meterseal_proto.rating.calendar import cycle_of, day_begin
from meterseal_proto.rating.components import (
    Allocation,
    Base,
    Block,
    Calendar,
    Component,
    Count,
    Demand,
    Export,
    Fixed,
    Flat,
    FreeQuota,
    Hourly,
    Levy,
    Lifeline,
    LifelineRule,
    LimitPer,
    Losses,
    Milli,
    Minimum,
    Netting,
    On,
    Per,
    PeriodPrice,
    PeriodTiers,
    Price,
    Proration,
    QuotaRule,
    Season,
    Share,
    ShareKind,
    SignedPrice,
    Slab,
    SpanOf,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
    Wheeling,
    Window,
)
from meterseal_proto.rating.line import Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import (
    FullTariff,
    Split,
)
from tests.support.rated import HOUR_S, WEEKDAYS, WEEKEND, a_tariff, at, clock

LOCAL: Final = clock()
PERIODS: Final = ("peak", "shoulder", "night")
SEASONAL: Final = Calendar(
    "year",
    (
        Window("night", (*WEEKDAYS, *WEEKEND, "hol"), "00:00", "08:00"),
        Window("peak", WEEKDAYS, "08:00", "22:00", ("warm",)),
        Window("shoulder", WEEKDAYS, "08:00", "22:00", ("cold",)),
        Window("shoulder", (*WEEKEND, "hol"), "08:00", "22:00"),
        Window("night", (*WEEKDAYS, *WEEKEND, "hol"), "22:00", "24:00"),
    ),
    (Season("warm", "03-15"), Season("cold", "10-26")),
)
HOLIDAYS: Final = ("01-06", "12-25", "2026-04-03")
MONTHS: Final = [
    f"{year}-{month:02d}" for year in (2026, 2028) for month in range(1, 13)
]
PRICES: Final = st.integers(0, 900_000).map(Price)
SEEDS: Final = st.integers(0, 1 << 32)


def tiers_of(draw: st.DrawFn, *, ascending: bool = False) -> tuple[Tier, ...]:
    """Draw one to four tiers; some begin where a household's month ends."""
    ends = sorted(draw(st.sets(st.integers(1_000, 900_000), max_size=3)))
    prices = draw(st.lists(PRICES, min_size=len(ends) + 1, max_size=len(ends) + 1))
    if ascending:
        prices.sort()
    limits = [*map(Milli, ends), None]
    return tuple(Tier(p, end) for p, end in zip(prices, limits, strict=True))


@st.composite
def linear(draw: st.DrawFn) -> FullTariff:
    """Draw a tariff whose parts do not know of one another: sums of days are months."""
    hourly = Random(draw(SEEDS)).choices(range(-90_000, 900_000), k=8_760)
    rows: list[Component] = [
        Flat("flat", draw(PRICES)),
        TimeOfUse("tou", "year", tuple(PeriodPrice(n, draw(PRICES)) for n in PERIODS)),
        Hourly("hourly", tuple(map(SignedPrice, hourly))),
        Fixed("by day", draw(PRICES), Per.DAY, Proration.DAYS),
        Fixed("by month", draw(PRICES), Per.MONTH, Proration.DAYS),
        Fixed("evenly", draw(PRICES), Per.EVEN_DAY, Proration.DAYS),
        Levy("levy", SignedPrice(draw(st.integers(-9_000, 9_000))), Per.UNIT,
             Proration.DAYS, draw(st.sampled_from(On))),
        Wheeling("lines", draw(PRICES)),
        Losses("losses", Count(draw(st.integers(0, 10_000))), draw(PRICES)),
        Export("export", draw(st.sampled_from(Netting)), draw(PRICES)),
        FreeQuota("free", "flat", Milli(0 + draw(st.integers(1, 90))), LimitPer.DAY,
                  QuotaRule.FIRST),
        Share("vat", ShareKind.TAX, draw(PRICES), Base.EXACT, ("flat", "tou", "lines")),
    ]  # fmt: skip
    kept = [
        one
        for one in rows
        if one.name in {"flat", "tou", "lines"} or draw(st.booleans())
    ]
    # A quota a day is linear only where every day uses more than it: usage says so below.
    return a_tariff(*kept, calendars=[SEASONAL], holidays=HOLIDAYS)


@st.composite
def rising(draw: st.DrawFn) -> FullTariff:
    """Draw a tariff by which more usage never costs less."""
    low, high = sorted((draw(PRICES), draw(PRICES)))
    rows = tuple(PeriodTiers(name, tiers_of(draw, ascending=True)) for name in PERIODS)
    counter, order = (
        draw(st.sampled_from(TierCounter)),
        draw(st.sampled_from(Allocation)),
    )
    rule = draw(st.sampled_from(LifelineRule))
    limit = Milli(draw(st.integers(1, 400_000)))
    parts: list[Component] = [
        Block("block", tiers_of(draw), draw(st.sampled_from((LimitPer.CYCLE, LimitPer.DAY)))),
        Slab("slab", tiers_of(draw, ascending=True)),
        TieredTimeOfUse("tiered", "year", counter, order, rows),
        Lifeline("lifeline", rule, limit, low, high),
        Demand("power", Count(HOUR_S), Proration.DAYS,
               tuple(PeriodTiers(name, tiers_of(draw)) for name in PERIODS), "year"),
        Minimum("least", draw(PRICES), SpanOf.CYCLE, Base.EXACT, ("block",)),
        Share("vat", ShareKind.TAX, draw(PRICES), Base.EXACT, ("block", "least")),
    ]  # fmt: skip
    return a_tariff(*parts, calendars=[SEASONAL], holidays=HOLIDAYS)


@st.composite
def carried(draw: st.DrawFn) -> FullTariff:
    """Draw a tariff that counts on through the parts of a cycle."""
    rows = tuple(PeriodTiers(name, tiers_of(draw)) for name in PERIODS)
    counter = draw(st.sampled_from(TierCounter))
    rule = draw(st.sampled_from((LifelineRule.TELESCOPIC, LifelineRule.ELIGIBILITY)))
    limit = Milli(draw(st.integers(1, 400_000)))
    entered = tuple(replace(t, entry=draw(PRICES)) for t in tiers_of(draw))
    parts: list[Component] = [
        Block("block", entered),
        Slab("slab", tuple(replace(t, entry=draw(PRICES)) for t in tiers_of(draw))),
        TieredTimeOfUse("tiered", "year", counter, Allocation.CHRONOLOGICAL, rows),
        Lifeline("lifeline", rule, limit, draw(PRICES), draw(PRICES)),
        FreeQuota("free", "block", limit, LimitPer.CYCLE, QuotaRule.FIRST,
                  draw(st.none() | st.integers(1, 400_000).map(Milli))),
        Fixed("by day", draw(PRICES), Per.DAY, Proration.DAYS),
        Fixed("fixed", draw(PRICES), Per.MONTH,
              draw(st.sampled_from((Proration.DAYS, Proration.BEGIN)))),
        Minimum("least", Price(draw(st.integers(0, 10**8))), SpanOf.CYCLE, Base.EXACT,
                ("block", "fixed")),
    ]  # fmt: skip
    return a_tariff(
        *parts, calendars=[SEASONAL], holidays=HOLIDAYS, split=Split.CARRIED
    )


def load_of(text: str, seed: int, *, least: int = 0) -> Load:
    """A local month hour by hour: some hours nothing, some a lot."""
    begin, end = cycle_of(a_tariff(Flat("f", Price(1))), at(f"{text}-10 12:00"), LOCAL)
    draw, hours = Random(seed), (end - begin) // HOUR_S
    scale = draw.choice((3, 300, 3_000))
    imported = [
        least + draw.choice((0, 1, scale)) * draw.randint(0, 9) for _ in range(hours)
    ]
    exported = [draw.choice((0, 0, scale)) * draw.randint(0, 9) for _ in range(hours)]
    bought = [
        draw.randint(0, max(0, taken - given))
        for taken, given in zip(imported, exported, strict=True)
    ]
    return Load(begin, HOUR_S, imported, exported, bought)


def finer(load: Load, *, parts: int, grain: int) -> Load:
    """The same usage in a finer grain, each slot in some equal parts."""
    times = grain // (load.grain * parts)
    imported, exported, bought = (
        [n * times for n in row for _ in range(parts)]
        for row in (load.imported, load.exported, load.bought)
    )
    step = load.step // parts
    return Load(load.first, step, imported, exported, bought, grain=grain)


def part(load: Load, begin: int, end: int) -> Load:
    """The slots of [begin, end)."""
    span = slice((begin - load.first) // load.step, (end - load.first) // load.step)
    rows = (load.imported[span], load.exported[span], load.bought[span])
    return Load(begin, load.step, *rows, grain=load.grain)


def days_of(load: Load) -> Sequence[tuple[int, int]]:
    """The local days of a load."""
    found, begin = [], load.first
    while begin < load.end:
        day = LOCAL(begin).date() + timedelta(1)
        end = day_begin(day, begin, LOCAL)
        found.append((begin, end))
        begin = end
    return found


def whole(tariff: FullTariff, load: Load) -> Rated:
    return rate(tariff, load, Period.whole(load.first, load.end), LOCAL)


SAMPLE: Final = a_tariff(
    Flat("energy", Price(250_000)),
    TimeOfUse("tou", "year", tuple(PeriodPrice(name, Price(7)) for name in PERIODS)),
    Block("block", (Tier(Price(1), Milli(150_000)), Tier(Price(2)))),
    Share("vat", ShareKind.TAX, Price(160_000), Base.ROUNDED, ("energy", "block")),
    calendars=[SEASONAL],
    holidays=HOLIDAYS,
)
