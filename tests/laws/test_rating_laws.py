"""What a bill must be for any tariff and any load: additive, monotone, exact, one spelling."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from fractions import Fraction
from random import Random
from typing import Final

from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.errors import Malformed
from meterseal_proto.rating.calendar import cycle_of, day_begin
from meterseal_proto.rating.components import (
    Allocation,
    Bank,
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
    Minor,
    NetMetering,
    Netting,
    On,
    PayoutOf,
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
from meterseal_proto.rating.line import NOTHING_CARRIED, LineKind, Rated
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.netting import netted
from meterseal_proto.rating.price import rate, rounded
from meterseal_proto.rating.tariff import (
    FullTariff,
    Rule,
    Split,
    TotalOf,
    TotalRounding,
    parse_full_tariff,
)
from tests.support.rated import HOUR_S, WEEKDAYS, WEEKEND, a_tariff, at, clock
from tests.support.seed import WHOLE

CASES: Final = 1_000 if WHOLE else 60
"""Bills for each law, by night and in the suite."""
MUTANTS: Final = 20_000 if WHOLE else 1_500
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


@settings(max_examples=CASES)
@given(linear(), st.sampled_from(MONTHS), SEEDS)
def test_the_bills_of_a_months_days_are_the_months_bill_before_rounding(
    tariff: FullTariff, month: str, seed: int
) -> None:
    # Each hour uses something, so that no day is below a quota of 90 Wh a day.
    load = load_of(month, seed, least=40)
    if any(
        isinstance(one, Export) and one.netting is Netting.SLOT
        for one in tariff.components
    ):
        load = replace(load, bought=(), exported=[min(30, n) for n in load.exported])
    days = [
        rate(tariff, part(load, *day), Period(*day, load.first, load.end), LOCAL)
        for day in days_of(load)
    ]
    assert sum(day.exact for day in days) == whole(tariff, load).exact


@settings(max_examples=CASES)
@given(carried(), st.sampled_from(MONTHS), SEEDS, st.data())
def test_a_cycle_in_two_parts_costs_what_it_costs_in_one(
    tariff: FullTariff, month: str, seed: int, data: st.DataObject
) -> None:
    load = replace(load_of(month, seed), exported=(), bought=())
    cut = data.draw(st.integers(1, len(load.imported) - 1)) * HOUR_S + load.first
    cycle = (load.first, load.end)
    first = rate(
        tariff, part(load, load.first, cut), Period(load.first, cut, *cycle), LOCAL
    )
    second = rate(
        tariff,
        part(load, cut, load.end),
        Period(cut, load.end, *cycle),
        LOCAL,
        first.carried,
    )
    assert first.exact + second.exact == whole(tariff, load).exact


@settings(max_examples=CASES)
@given(rising(), st.sampled_from(MONTHS), SEEDS, st.data())
def test_who_uses_more_never_pays_less(
    tariff: FullTariff, month: str, seed: int, data: st.DataObject
) -> None:
    load = replace(load_of(month, seed), exported=(), bought=())
    slot = data.draw(st.integers(0, len(load.imported) - 1))
    more = list(load.imported)
    more[slot] += data.draw(st.integers(1, 200_000))
    dearer = whole(tariff, replace(load, imported=more))
    assert dearer.exact >= whole(tariff, load).exact


@settings(max_examples=CASES)
@given(st.one_of(linear(), rising()), st.sampled_from(MONTHS), SEEDS)
def test_the_exact_amount_is_the_same_however_fine_usage_is_counted(
    tariff: FullTariff, month: str, seed: int
) -> None:
    load = load_of(month, seed)
    if any(isinstance(one, Export) for one in tariff.components):
        load = replace(load, bought=())
    fine = finer(load, parts=1, grain=10**6)
    coarse = whole(tariff, load)
    assert [line.exact for line in whole(tariff, fine).lines] == [
        line.exact for line in coarse.lines
    ]
    # And however often it is told: quarter hours of an hour, the power of a window too.
    quarters = finer(load, parts=4, grain=4_000)
    assert whole(tariff, quarters).exact == coarse.exact


@settings(max_examples=CASES)
@given(
    st.one_of(linear(), rising(), carried()),
    st.sampled_from(MONTHS),
    SEEDS,
    st.sampled_from(Rule),
    st.none()
    | st.builds(
        TotalRounding,
        st.sampled_from((1, 5, 50, 100)).map(Minor),
        st.sampled_from(Rule),
        st.sampled_from(TotalOf),
    ),
)
def test_lines_add_up_and_each_is_rounded_once(
    tariff: FullTariff, month: str, seed: int, rule: Rule, wish: TotalRounding | None
) -> None:
    tariff = replace(tariff, rounding=rule, total_rounding=wish)
    load = replace(load_of(month, seed), bought=())
    rated = whole(tariff, load)
    kept = [line for line in rated.lines if line.kind is not LineKind.ROUNDING]
    for line in kept:
        assert line.amount == rounded(line.exact * 100, rule)
        if line.quantity is not None and line.price is not None:
            assert line.quantity * line.price == line.exact
    assert rated.exact == sum(line.exact for line in kept)
    assert rated.total == sum(line.amount for line in rated.lines)
    if wish is not None:
        assert rated.total % wish.step == 0
        if wish.of is TotalOf.EXACT:
            assert abs(rated.total - rated.exact * 100) < wish.step


@settings(max_examples=CASES)
@given(
    st.lists(
        st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(0, 900)),
        min_size=1,
        max_size=14,
    ),
    st.sampled_from(PayoutOf),
)
def test_net_metering_uses_each_kilowatt_hour_once(
    months: list[tuple[int, int, int]], of: PayoutOf
) -> None:
    terms = NetMetering("roof", Bank.PER_PERIOD, Count(12), Price(0), of, "year")
    bank: dict[str, int] = {}
    for taken, given_day, given_night in months:
        imported = {"peak": taken, "night": 500}
        exported = {"peak": given_day, "night": given_night}
        before = sum(kwh for name, kwh in bank.items() if name in PERIODS)
        found = netted(terms, imported, exported, bank)
        used = sum(imported.values()) - sum(found.usage.values())
        assert used == sum(found.credited.values())
        assert before + sum(exported.values()) - used == found.kept
        assert min(found.usage.values()) >= 0
        bank = dict(found.bank)


@settings(max_examples=CASES)
@given(st.one_of(linear(), rising(), carried()))
def test_a_tariff_is_read_as_it_was_written(tariff: FullTariff) -> None:
    document = tariff.document()
    assert parse_full_tariff(document) == tariff
    assert parse_full_tariff(document).hash() == tariff.hash()


@settings(max_examples=MUTANTS)
@given(st.data())
def test_a_changed_document_is_refused_or_another_tariff(data: st.DataObject) -> None:
    document = SAMPLE.document()
    at_byte = data.draw(st.integers(0, len(document) - 1))
    change = data.draw(st.sampled_from(("set", "cut", "add", "swap")))
    byte = bytes([data.draw(st.sampled_from(b'0123456789-"{}[],:.abcdelnprtuy e'))])
    mutant = {
        "set": document[:at_byte] + byte + document[at_byte + 1 :],
        "cut": document[:at_byte] + document[at_byte + 1 :],
        "add": document[:at_byte] + byte + document[at_byte:],
        "swap": document[at_byte:] + document[:at_byte],
    }[change]
    if mutant == document:
        return
    try:
        found = parse_full_tariff(mutant)
    except Malformed:
        return
    assert found.document() == mutant
    assert found.hash() != SAMPLE.hash()


SAMPLE: Final = a_tariff(
    Flat("energy", Price(250_000)),
    TimeOfUse("tou", "year", tuple(PeriodPrice(name, Price(7)) for name in PERIODS)),
    Block("block", (Tier(Price(1), Milli(150_000)), Tier(Price(2)))),
    Share("vat", ShareKind.TAX, Price(160_000), Base.ROUNDED, ("energy", "block")),
    calendars=[SEASONAL],
    holidays=HOLIDAYS,
)


def test_a_bill_of_no_usage_is_its_fixed_charges() -> None:
    tariff = a_tariff(
        Flat("energy", Price(250_000)),
        Fixed("fixed", Price(3_000_000), Per.MONTH, Proration.DAYS),
    )
    load = load_of("2026-02", 1)
    empty = Load(load.first, load.step, [0] * len(load.imported))
    rated = rate(
        tariff, empty, Period.whole(load.first, load.end), LOCAL, NOTHING_CARRIED
    )
    assert rated.exact == Fraction(3)
