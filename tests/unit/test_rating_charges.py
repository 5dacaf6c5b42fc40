"""Charges, minimums, export, taxes and rounding come to what their rule says."""

from fractions import Fraction

import pytest

from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Bank,
    Base,
    Count,
    Demand,
    Export,
    Fixed,
    Flat,
    Levy,
    Losses,
    Maximum,
    Milli,
    Minimum,
    Minor,
    NetMetering,
    Netting,
    On,
    PayoutOf,
    Per,
    PeriodTiers,
    Price,
    Proration,
    Share,
    ShareKind,
    SignedPrice,
    SpanOf,
    Tier,
    TimeOfUse,
    Wheeling,
)
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.price import rate, rounded
from meterseal_proto.rating.tariff import (
    Rule,
    Split,
    TotalOf,
    TotalRounding,
)
from tests.support.rated import (
    DAY_AND_NIGHT,
    DAY_PRICES,
    EURO,
    FLAT,
    MARCH,
    QUARTER_S,
    TENTH,
    a_tariff,
    at,
    clock,
    exacts,
    hours,
    line,
    month,
    used,
)


def test_a_fixed_charge_is_per_day_or_prorated_per_month() -> None:
    day = Fixed("by day", Price(EURO), Per.DAY, Proration.DAYS)
    share = Fixed("by share", Price(31 * EURO), Per.MONTH, Proration.DAYS)
    whole = Fixed("whole", Price(EURO), Per.MONTH, Proration.WHOLE)
    begin = Fixed("begin", Price(EURO), Per.MONTH, Proration.BEGIN)
    even = Fixed("even", Price(12 * EURO), Per.EVEN_DAY, Proration.DAYS)
    tariff = a_tariff(day, share, whole, begin, even)
    assert used(tariff, 0).exact == 31 + 31 + 1 + 1 + 365
    ten = (at("2026-03-12 00:00"), at("2026-03-22 00:00"))
    part = used(tariff, 0, ten, cycle=MARCH)
    assert [one.exact for one in part.lines] == [10, 10, 1, 0, Fraction(3650, 31)]


def test_demand_is_the_highest_mean_power_over_the_stated_window() -> None:
    demand = Demand(
        "power",
        Count(3_600),
        Proration.WHOLE,
        (PeriodTiers("", (Tier(Price(EURO), Milli(2_000)), Tier(Price(2 * EURO)))),),
    )
    quarters = [0] * ((MARCH[1] - MARCH[0]) // QUARTER_S)
    # 4 kW for a quarter of an hour, in an hour of 3.4 kW; 3 kW lie across two hours.
    quarters[40:44] = [1_000, 800, 800, 800]
    quarters[46:50] = [750, 750, 750, 750]
    rated = used(a_tariff(demand), quarters, step=QUARTER_S)
    assert exacts(rated, "power") == {"0-2": Fraction(2), "2+": Fraction("2.8")}
    assert line(rated, "power", "2+").quantity == Fraction("1.4")


def test_demand_by_period_takes_each_periods_own_peak() -> None:
    rows = (
        PeriodTiers("day", (Tier(Price(10 * EURO)),)),
        PeriodTiers("night", (Tier(Price(EURO)),)),
    )
    demand = Demand("power", Count(3_600), Proration.DAYS, rows, "week")
    tariff = a_tariff(demand, calendars=[DAY_AND_NIGHT])
    rated = used(tariff, hours((3, 5_000), (12, 2_000)))
    assert exacts(rated, "power") == {"day": Fraction(20), "night": Fraction(5)}


def test_a_window_finer_than_the_load_is_refused() -> None:
    tiers = (PeriodTiers("", (Tier(Price(EURO)),)),)
    tariff = a_tariff(Demand("power", Count(900), Proration.WHOLE, tiers))
    with pytest.raises(Unrateable, match="no multiple of the load's 3600 s"):
        used(tariff, 1_000)


@pytest.mark.parametrize(
    ("per", "days", "kwh", "missing"),
    [
        (SpanOf.PERIOD, 31, 100, "5"),
        (SpanOf.PERIOD, 31, 151, None),
        (SpanOf.PERIOD, 1, 100, "5"),
        (SpanOf.CYCLE, 1, 0, "15/31"),
        (SpanOf.YEAR, 31, 0, None),
    ],
)
def test_a_minimum_asks_what_is_missing_to_it(
    per: SpanOf, days: int, kwh: int, missing: str | None
) -> None:
    least = Minimum("least", Price(15 * EURO), per, Base.EXACT, ("energy",))
    end = at("2026-04-01 00:00") if days == 31 else at("2026-03-02 00:00")
    rated = used(a_tariff(FLAT, least), kwh * 1_000, (MARCH[0], end), cycle=MARCH)
    found = exacts(rated, "least")
    assert found == ({} if missing is None else {"": Fraction(missing)})


def test_a_maximum_takes_off_what_is_above_it() -> None:
    most = Maximum("most", Price(8 * EURO), SpanOf.CYCLE, Base.EXACT, ("energy",))
    rated = used(a_tariff(FLAT, most), 100_000)
    assert line(rated, "most").exact == -2
    assert rated.total == 800


def test_a_credit_pays_no_part_of_a_minimum() -> None:
    export = Export("export", Netting.REGISTER, Price(EURO))
    of = ("energy", "export")
    least = Minimum("least", Price(15 * EURO), SpanOf.CYCLE, Base.EXACT, of)
    rated = used(a_tariff(FLAT, export, least), 100_000, exported=100_000)
    assert line(rated, "least").exact == 15
    assert rated.exact == 10 - 100 + 15


def test_a_minimum_of_rounded_lines_makes_the_bill_come_to_it() -> None:
    third = Flat("energy", Price(333_333))
    fixed = Fixed("fixed", Price(333_333), Per.MONTH, Proration.DAYS)
    of = ("energy", "fixed")
    least = Minimum("least", Price(5 * EURO), SpanOf.PERIOD, Base.ROUNDED, of)
    assert used(a_tariff(third, fixed, least), 1_000).total == 500


def test_a_minimum_of_the_year_is_asked_in_the_month_that_ends_it() -> None:
    least = Minimum("least", Price(100 * EURO), SpanOf.YEAR, Base.EXACT, ("energy",))
    tariff = a_tariff(FLAT, least)
    november = used(tariff, 300_000, month("2026-11"))
    assert november.carried.charged == 30
    december = used(tariff, 200_000, month("2026-12"), carried=november.carried)
    assert line(december, "least").exact == 50
    assert december.carried.charged == 0


def test_a_carried_minimum_is_asked_when_its_cycle_ends() -> None:
    middle = at("2026-03-16 00:00")
    least = Minimum("least", Price(15 * EURO), SpanOf.CYCLE, Base.EXACT, ("energy",))
    tariff = a_tariff(FLAT, least, split=Split.CARRIED)
    first = used(tariff, 60_000, (MARCH[0], middle), cycle=MARCH)
    second = used(
        tariff, 40_000, (middle, MARCH[1]), cycle=MARCH, carried=first.carried
    )
    assert exacts(first, "least") == {}
    assert line(second, "least").exact == 5


def net(bank: Bank, payout: int = 0, of: PayoutOf = PayoutOf.BANK) -> NetMetering:
    calendar = "week" if bank is Bank.PER_PERIOD else ""
    return NetMetering("roof", bank, Count(12), Price(payout), of, calendar)


def test_net_metering_takes_kilowatt_hours_off_and_keeps_the_rest() -> None:
    tariff = a_tariff(FLAT, net(Bank.ONE))
    march = used(tariff, 100_000, exported=130_000)
    assert (march.total, march.carried.bank) == (0, (("", 30_000),))
    april = used(tariff, 100_000, month("2026-04"), carried=march.carried)
    assert line(april, "energy").quantity == 70
    assert line(april, "roof").quantity == 30
    assert april.carried.bank == ()


def test_a_bank_per_period_never_pays_for_another_period() -> None:
    tariff = a_tariff(
        TimeOfUse("energy", "week", DAY_PRICES),
        net(Bank.PER_PERIOD),
        calendars=[DAY_AND_NIGHT],
    )
    given = hours((12, 9_000))
    rated = used(tariff, hours((3, 5_000), (12, 2_000)), exported=given)
    assert exacts(rated, "energy") == {"day": Fraction(0), "night": Fraction("0.5")}
    assert rated.carried.bank == (("day", 7_000),)


def test_what_is_kept_is_paid_when_the_year_ends() -> None:
    tariff = a_tariff(FLAT, net(Bank.ONE, payout=EURO // 20))
    rated = used(tariff, 10_000, month("2026-12"), exported=110_000)
    payout = line(rated, "roof", "payout")
    assert payout.exact == -5
    assert payout.amount == -500
    assert rated.carried.bank == ()


def test_net_billing_pays_for_what_a_slot_gives_beyond_what_it_takes() -> None:
    tariff = a_tariff(FLAT, Export("export", Netting.SLOT, Price(EURO // 20)))
    taken, given = hours((1, 10_000), (2, 4_000)), hours((1, 4_000), (2, 10_000))
    rated = used(tariff, taken, exported=given)
    assert line(rated, "energy").quantity == 6
    assert line(rated, "export").quantity == 6
    assert line(rated, "export").exact == Fraction("-0.3")


def test_netting_a_slot_leaves_what_neighbours_sold_alone() -> None:
    tariff = a_tariff(
        FLAT,
        Export("export", Netting.SLOT, Price(EURO // 20)),
        Levy("fund", SignedPrice(1_000), Per.UNIT, Proration.WHOLE, On.IMPORT),
    )
    taken, given = hours((1, 10_000)), hours((1, 7_000))
    rated = used(tariff, taken, exported=given, bought=hours((1, 8_000)))
    # Two came from the grid: seven given make them none, and leave five to be paid.
    assert line(rated, "energy").quantity == 0
    assert line(rated, "export").quantity == 5
    assert line(rated, "traded").quantity == 8
    assert line(rated, "fund").quantity == 8


def test_feed_in_pays_for_all_that_the_register_counted() -> None:
    tariff = a_tariff(FLAT, Export("export", Netting.REGISTER, Price(EURO // 20)))
    taken, given = hours((1, 10_000), (2, 4_000)), hours((1, 4_000), (2, 10_000))
    rated = used(tariff, taken, exported=given)
    assert line(rated, "energy").quantity == 14
    assert line(rated, "export").quantity == 14


def test_what_neighbours_sold_is_not_charged_again_but_pays_the_lines() -> None:
    tariff = a_tariff(
        FLAT,
        Wheeling("lines", Price(20_000)),
        Losses("losses", Count(500), TENTH),
        Levy("fund", SignedPrice(1_000), Per.UNIT, Proration.WHOLE, On.IMPORT),
    )
    rated = used(tariff, 100_000, bought=40_000)
    assert line(rated, "energy").quantity == 60
    assert line(rated, "traded").quantity == 40
    assert line(rated, "traded").amount == 0
    assert line(rated, "lines").exact == Fraction("0.8")
    assert line(rated, "losses").exact == Fraction("0.2")
    assert line(rated, "fund").exact == Fraction("0.1")


def test_more_bought_than_imported_in_a_slot_is_refused() -> None:
    with pytest.raises(Unrateable, match="more bought than imported"):
        used(a_tariff(FLAT), hours((1, 5)), bought=hours((2, 5)))


def test_a_tax_is_taken_of_the_lines_it_names_whatever_their_order() -> None:
    vat = Share("vat", ShareKind.TAX, Price(160_000), Base.EXACT, ("energy", "fund"))
    fund = Share("fund", ShareKind.LEVY, Price(50_000), Base.EXACT, ("energy",))
    fixed = Fixed("fixed", Price(EURO), Per.MONTH, Proration.DAYS)
    rated = used(a_tariff(vat, fund, FLAT, fixed), 100_000)
    assert [one.component for one in rated.lines] == ["vat", "fund", "energy", "fixed"]
    assert line(rated, "fund").exact == Fraction("0.5")
    assert line(rated, "vat").exact == Fraction("1.68")
    assert (line(rated, "vat").kind, line(rated, "fund").kind) == (
        LineKind.TAX,
        LineKind.LEVY,
    )


def test_a_tax_of_rounded_lines_starts_from_what_the_bill_says() -> None:
    vat = Share("vat", ShareKind.TAX, Price(EURO), Base.ROUNDED, ("energy",))
    assert line(used(a_tariff(FLAT, vat), 100_049), "vat").exact == 10


@pytest.mark.parametrize(
    ("rule", "cents"),
    [
        (Rule.HALF_EVEN, [0, 2, 2, 1]),
        (Rule.HALF_UP, [1, 2, 3, 1]),
        (Rule.UP, [1, 2, 3, 2]),
        (Rule.DOWN, [0, 1, 2, 1]),
    ],
)
def test_a_line_is_rounded_once_and_a_credit_like_a_debt(
    rule: Rule, cents: list[int]
) -> None:
    amounts = [Fraction(text) for text in ("0.5", "1.5", "2.5", "1.1")]
    assert [rounded(one, rule) for one in amounts] == cents
    assert [rounded(-one, rule) for one in amounts] == [-one for one in cents]


@pytest.mark.parametrize(
    ("step", "rule", "difference"),
    [(5, Rule.HALF_EVEN, 2), (100, Rule.DOWN, -33), (100, Rule.UP, 67)],
)
def test_rounding_of_the_total_is_a_line_of_its_own(
    step: int, rule: Rule, difference: int
) -> None:
    three = [Flat(name, Price(3_111_400)) for name in ("a", "b", "c")]
    rated = used(
        a_tariff(*three, total_rounding=TotalRounding(Minor(step), rule)), 1_000
    )
    rounding = line(rated, "rounding")
    assert (rounding.kind, rounding.amount) == (LineKind.ROUNDING, difference)
    assert (rated.total, rated.exact) == (933 + difference, Fraction("9.3342"))


def test_many_lines_are_off_the_exact_total_by_half_a_step_at_most() -> None:
    three = [Flat(name, Price(3_114_900)) for name in ("a", "b", "c")]
    wish = TotalRounding(Minor(1), Rule.HALF_EVEN, TotalOf.EXACT)
    rated = used(a_tariff(*three, total_rounding=wish), 1_000)
    assert (rated.exact, rated.total) == (Fraction("9.3447"), 934)
    assert line(rated, "rounding").amount == 1
    assert line(rated, "rounding").exact == 0


def test_a_load_of_another_span_is_refused() -> None:
    tariff = a_tariff(FLAT)
    load = Load(MARCH[0], 3_600, [1] * 24)
    with pytest.raises(Unrateable, match="the load is of"):
        rate(tariff, load, Period.whole(*MARCH), clock())
