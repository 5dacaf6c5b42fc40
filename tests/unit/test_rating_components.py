"""Each component of a tariff costs what its rule says, to the last digit."""

from fractions import Fraction

import pytest

from meterseal_proto.rating.components import (
    Allocation,
    Block,
    Component,
    Count,
    FreeQuota,
    Hourly,
    Lifeline,
    LifelineRule,
    LimitPer,
    Milli,
    PeriodTiers,
    Price,
    QuotaRule,
    SignedPrice,
    Slab,
    Tier,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.line import LineKind, Unit
from meterseal_proto.rating.tariff import (
    Commodity,
    Split,
)
from tests.support.rated import (
    DAY_AND_NIGHT,
    DAY_PRICES,
    EURO,
    FLAT,
    MARCH,
    TENTH,
    TIERS,
    a_tariff,
    at,
    exacts,
    hours,
    line,
    used,
)


def test_a_flat_price_is_paid_for_each_unit() -> None:
    rated = used(a_tariff(FLAT), 123_456)
    energy = line(rated, "energy")
    assert (energy.quantity, energy.price) == (Fraction(123_456, 1000), Fraction(1, 10))
    assert (energy.exact, energy.amount) == (Fraction("12.3456"), 1_235)
    assert energy.unit is Unit.KWH


def test_water_is_counted_in_cubic_metres() -> None:
    rated = used(a_tariff(FLAT, commodity=Commodity.WATER), 7_500)
    assert (line(rated, "energy").unit, rated.total) == (Unit.M3, 75)


@pytest.mark.parametrize(
    ("wh", "parts"),
    [
        (0, {"0-50": "0"}),
        (50_000, {"0-50": "5"}),
        (50_001, {"0-50": "5", "50-100": "0.0002"}),
        (120_000, {"0-50": "5", "50-100": "10", "100+": "6"}),
    ],
)
def test_a_block_charges_each_unit_by_its_own_tier(
    wh: int, parts: dict[str, str]
) -> None:
    found = exacts(used(a_tariff(Block("energy", TIERS)), wh), "energy")
    assert found == {part: Fraction(text) for part, text in parts.items()}


@pytest.mark.parametrize(
    ("wh", "part", "exact"),
    [
        (50_000, "0-50", "5"),
        (50_001, "50-100", "10.0002"),
        (120_000, "100+", "36"),
    ],
)
def test_a_slab_charges_every_unit_by_the_tier_of_all(
    wh: int, part: str, exact: str
) -> None:
    found = exacts(used(a_tariff(Slab("energy", TIERS)), wh), "energy")
    assert found == {part: Fraction(exact)}


def test_limits_per_day_are_times_the_days_of_the_period() -> None:
    daily = Block(
        "energy", (Tier(TENTH, Milli(1_000)), Tier(Price(EURO))), LimitPer.DAY
    )
    found = exacts(used(a_tariff(daily), 32_000), "energy")
    assert found == {"0-1": Fraction("3.1"), "1+": Fraction(1)}


def test_limits_per_kilowatt_are_times_the_highest_mean_power() -> None:
    tiers = (Tier(TENTH, Milli(10_000)), Tier(Price(EURO)))
    block = Block("energy", tiers, LimitPer.KW, Count(3_600))
    found = exacts(used(a_tariff(block), hours((0, 2_000), (1, 30_000))), "energy")
    # 30 kW times 10 hours of use: 32 kWh stay below.
    assert found == {"0-10": Fraction("3.2")}
    small = [100] * ((MARCH[1] - MARCH[0]) // 3_600)
    assert exacts(used(a_tariff(block), small), "energy") == {
        "0-10": Fraction("0.1"),
        "10+": Fraction("73.3"),
    }


def test_a_part_of_a_cycle_has_its_share_of_every_limit() -> None:
    half = (MARCH[0], at("2026-03-16 12:00"))
    rated = used(a_tariff(Block("energy", TIERS)), 30_000, half, cycle=MARCH)
    # 15.5 of 31 days: the first tier ends at 25 kWh.
    assert exacts(rated, "energy") == {"0-50": Fraction("2.5"), "50-100": Fraction(1)}


def test_a_carried_cycle_counts_on_from_where_the_part_before_stopped() -> None:
    middle = at("2026-03-16 00:00")
    tariff = a_tariff(Block("energy", TIERS), split=Split.CARRIED)
    first = used(tariff, 60_000, (MARCH[0], middle), cycle=MARCH)
    second = used(
        tariff, 60_000, (middle, MARCH[1]), cycle=MARCH, carried=first.carried
    )
    assert first.exact + second.exact == used(tariff, 120_000).exact
    assert first.carried.used == (("energy", 60_000),)
    assert second.carried.used == ()


def test_a_carried_slab_charges_what_came_before_again_when_it_climbs() -> None:
    middle = at("2026-03-16 00:00")
    tariff = a_tariff(Slab("energy", TIERS), split=Split.CARRIED)
    first = used(tariff, 40_000, (MARCH[0], middle), cycle=MARCH)
    second = used(
        tariff, 40_000, (middle, MARCH[1]), cycle=MARCH, carried=first.carried
    )
    assert exacts(second, "energy") == {
        "50-100": Fraction(8),
        "50-100, of before": Fraction(4),
    }
    assert first.exact + second.exact == used(tariff, 80_000).exact


def test_an_entry_is_owed_once_for_each_tier_reached() -> None:
    tiers = (
        Tier(TENTH, Milli(5_000), Price(3 * EURO)),
        Tier(TENTH, Milli(9_000), Price(2 * EURO)),
        Tier(TENTH, None, Price(EURO)),
    )
    lines = used(a_tariff(Block("energy", tiers)), 6_000).lines
    entries = [one.exact for one in lines if one.kind is LineKind.FIXED]
    assert entries == [3, 2]


def test_time_of_use_prices_local_hours_of_the_week() -> None:
    tariff = a_tariff(
        TimeOfUse("energy", "week", DAY_PRICES), calendars=[DAY_AND_NIGHT]
    )
    # Monday at six, at seven and at nine in the evening, and Saturday noon.
    load = hours((6, 1_000), (7, 10_000), (21, 100), (5 * 24 + 12, 10))
    found = exacts(used(tariff, load), "energy")
    assert found == {"day": Fraction(2), "night": Fraction("0.111")}


def tiered(counter: TierCounter, allocation: Allocation) -> Component:
    two = (Tier(TENTH, Milli(10_000)), Tier(Price(500_000)))
    dear = (Tier(Price(200_000), Milli(10_000)), Tier(Price(EURO)))
    rows = (PeriodTiers("day", dear), PeriodTiers("night", two))
    return TieredTimeOfUse("energy", "week", counter, allocation, rows)


@pytest.mark.parametrize(
    ("counter", "allocation", "parts"),
    [
        # Nine of the night come first, then eight of the day: one falls below ten.
        (
            TierCounter.ALL,
            Allocation.CHRONOLOGICAL,
            {"day, 0-10": "0.2", "day, 10+": "7", "night, 0-10": "0.9"},
        ),
        # Ten of seventeen are below, of each period in its share.
        (
            TierCounter.ALL,
            Allocation.PROPORTIONAL,
            {
                "day, 0-10": "16/17",
                "day, 10+": "56/17",
                "night, 0-10": "9/17",
                "night, 10+": "63/34",
            },
        ),
        # Each below its own ten.
        (
            TierCounter.PERIOD,
            Allocation.CHRONOLOGICAL,
            {"day, 0-10": "1.6", "night, 0-10": "0.9"},
        ),
    ],
)
def test_tiers_by_time_of_use_follow_the_rule_that_is_stated(
    counter: TierCounter, allocation: Allocation, parts: dict[str, str]
) -> None:
    tariff = a_tariff(tiered(counter, allocation), calendars=[DAY_AND_NIGHT])
    found = exacts(used(tariff, hours((3, 9_000), (12, 8_000))), "energy")
    assert found == {part: Fraction(text) for part, text in parts.items()}


def test_an_hour_has_the_price_of_its_month_day_and_hour() -> None:
    prices = [SignedPrice(0)] * 8_760
    ninth_of_march = (31 + 28 + 8) * 24
    prices[ninth_of_march + 7] = SignedPrice(-200_000)
    prices[ninth_of_march + 8] = SignedPrice(500_000)
    tariff = a_tariff(Hourly("energy", tuple(prices)))
    rated = used(tariff, hours((7, 10_000), (8, 2_000), (9, 1_000)))
    energy = line(rated, "energy")
    assert energy.exact == -1
    assert energy.quantity == 13
    assert energy.price == Fraction(-1, 13)


@pytest.mark.parametrize(
    ("rule", "kwh", "exact"),
    [
        (LifelineRule.TELESCOPIC, 9, "0.9"),
        (LifelineRule.TELESCOPIC, 12, "3"),
        (LifelineRule.ELIGIBILITY, 10, "1"),
        (LifelineRule.ELIGIBILITY, 12, "12"),
        (LifelineRule.DAILY, 310, "31"),
        (LifelineRule.DAILY, 311, "32"),
    ],
)
def test_a_lifeline_is_for_whom_its_rule_says(
    rule: LifelineRule, kwh: int, exact: str
) -> None:
    one = Lifeline("energy", rule, Milli(10_000), TENTH, Price(EURO))
    assert used(a_tariff(one), kwh * 1_000).exact == Fraction(exact)


@pytest.mark.parametrize(
    ("rule", "up_to", "kwh", "quantity", "exact"),
    [
        (QuotaRule.FIRST, None, 120, 20, "-2"),
        (QuotaRule.FIRST, None, 12, 12, "-1.2"),
        (QuotaRule.MEAN, None, 120, 20, "-3.5"),
        (QuotaRule.FIRST, 119_000, 120, 0, "0"),
        (QuotaRule.FIRST, 120_000, 120, 20, "-2"),
        (QuotaRule.MEAN, None, 0, 0, "0"),
    ],
)
def test_a_free_quota_takes_off_the_units_its_rule_says(
    rule: QuotaRule, up_to: int | None, kwh: int, quantity: int, exact: str
) -> None:
    most = None if up_to is None else Milli(up_to)
    quota = FreeQuota("free", "energy", Milli(20_000), LimitPer.CYCLE, rule, most)
    rated = used(a_tariff(Block("energy", TIERS), quota), kwh * 1_000)
    free = line(rated, "free")
    assert free.quantity == -quantity
    assert free.exact == Fraction(exact)
    assert free.kind is LineKind.FREE


def test_a_carried_quota_is_used_up_through_the_parts_of_a_cycle() -> None:
    middle = at("2026-03-16 00:00")
    quota = FreeQuota("free", "energy", Milli(20_000), LimitPer.CYCLE, QuotaRule.FIRST)
    tariff = a_tariff(FLAT, quota, split=Split.CARRIED)
    first = used(tariff, 15_000, (MARCH[0], middle), cycle=MARCH)
    second = used(
        tariff, 15_000, (middle, MARCH[1]), cycle=MARCH, carried=first.carried
    )
    assert [line(one, "free").quantity for one in (first, second)] == [-15, -5]
