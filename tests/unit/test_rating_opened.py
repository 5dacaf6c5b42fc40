"""What is opened of hidden usage, and that it is billed as the usage itself would be."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from fractions import Fraction
from functools import partial
from zoneinfo import ZoneInfo

import pytest

from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Calendar,
    Component,
    Count,
    Demand,
    Fixed,
    Flat,
    Levy,
    Per,
    PeriodPrice,
    PeriodTiers,
    Price,
    Proration,
    Season,
    SignedPrice,
    Tier,
    TimeOfUse,
    Window,
)
from meterseal_proto.rating.hidden import Plan, Reading, plan_of
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.load import Load, Period
from meterseal_proto.rating.opened import (
    OpenedPeriod,
    rate_opened,
    usage_of,
)
from meterseal_proto.rating.price import rate
from meterseal_proto.rating.tariff import Commodity, FullTariff, Rule, Split

ZONE = "Europe/Madrid"
LOCAL = partial(datetime.fromtimestamp, tz=ZoneInfo(ZONE))
BEGIN = int(datetime(2026, 3, 1, tzinfo=ZoneInfo(ZONE)).timestamp())
END = int(datetime(2026, 4, 1, tzinfo=ZoneInfo(ZONE)).timestamp())
MONTH = Period.whole(BEGIN, END)
STEP = 900
SLOTS = (END - BEGIN) // STEP
USAGE = [(n * 37) % 160 for n in range(SLOTS)]
CALENDAR = Calendar(
    "dn",
    (
        Window("day", ("mon", "tue", "wed", "thu", "fri"), "07:00", "21:00"),
        Window("night", ("mon", "tue", "wed", "thu", "fri"), "00:00", "07:00"),
        Window("night", ("mon", "tue", "wed", "thu", "fri"), "21:00", "24:00"),
        Window("night", ("sat", "sun")),
    ),
)
TOU = TimeOfUse(
    "energy",
    "dn",
    (PeriodPrice("day", Price(310_000)), PeriodPrice("night", Price(190_000))),
)
STANDING = Fixed("standing", Price(5_500_000), Per.MONTH, Proration.DAYS)


def full(*components: Component, **change: object) -> FullTariff:
    calendars = (CALENDAR,) if any(hasattr(c, "calendar") for c in components) else ()
    fields: dict[str, object] = {"calendars": calendars} | change
    return FullTariff(
        "home", "EUR", ZONE, 0, Commodity.ELECTRICITY, components, Rule.HALF_UP,
        Split.PROPORTION, **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def opened(plan: Plan, usage: Sequence[int] = USAGE) -> OpenedPeriod:
    """What a device would open: its own sums at its own tariffs."""
    amounts = []
    for tariff in plan.tariffs:
        starts = [BEGIN + n * STEP for n in range(len(usage))]
        prices = tariff.prices(starts, LOCAL)
        amounts.append(sum(p * v for p, v in zip(prices, usage, strict=True)))
    return OpenedPeriod(MONTH, STEP, tuple(amounts))


def test_a_flat_tariff_is_billed_from_the_periods_total() -> None:
    tariff = full(Flat("energy", Price(250_000)), STANDING)
    plan = plan_of(tariff)
    assert plan.reading is Reading.TOTAL
    assert opened(plan).amounts == (sum(USAGE),)
    rated = rate_opened(tariff, plan, opened(plan), LOCAL)
    assert rated == rate(tariff, Load(BEGIN, STEP, USAGE), MONTH, LOCAL)
    assert usage_of(plan, opened(plan)) == sum(USAGE)


def test_time_of_use_is_billed_from_one_amount_and_shows_no_quantity() -> None:
    tariff = full(TOU, STANDING)
    plan = plan_of(tariff)
    assert plan.reading is Reading.AMOUNT
    rated = rate_opened(tariff, plan, opened(plan), LOCAL)
    exact = rate(tariff, Load(BEGIN, STEP, USAGE), MONTH, LOCAL)
    assert rated.exact == exact.exact
    (energy,) = [one for one in rated.lines if one.kind is LineKind.ENERGY]
    assert (energy.quantity, energy.price) == (None, None)
    assert usage_of(plan, opened(plan)) is None
    assert len(rated.lines) == 2


def test_a_charge_per_unit_beside_time_of_use_opens_each_period() -> None:
    levy = Levy("fund", SignedPrice(7_000), Per.UNIT, Proration.DAYS)
    plan = plan_of(full(TOU, levy))
    assert plan.reading is Reading.CLASSES
    assert plan.periods == ("day", "night")
    assert sum(opened(plan).amounts) == sum(USAGE)


def test_the_device_and_the_bill_read_one_calendar_over_summer_time() -> None:
    levy = Levy("fund", SignedPrice(7_000), Per.UNIT, Proration.DAYS)
    plan = plan_of(full(TOU, levy))
    day = opened(plan).amounts[0]
    starts = [BEGIN + n * STEP for n in range(SLOTS)]
    by_hand = sum(
        used
        for at, used in zip(starts, USAGE, strict=True)
        if LOCAL(at).weekday() < 5 and 7 <= LOCAL(at).hour < 21
    )
    assert day == by_hand


def test_seasons_of_whole_months_are_a_devices_bands() -> None:
    seasons = (Season("winter", "11-01"), Season("summer", "04-01"))
    windows = (
        Window("high", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), seasons=("winter",)),
        Window("low", ("mon", "tue", "wed", "thu", "fri", "sat", "sun"), seasons=("summer",)),
    )  # fmt: skip
    calendar = Calendar("dn", windows, seasons)
    prices = (PeriodPrice("high", Price(300_000)), PeriodPrice("low", Price(200_000)))
    tariff = full(TimeOfUse("energy", "dn", prices), calendars=(calendar,))
    (one,) = plan_of(tariff).tariffs
    assert one.price(BEGIN, LOCAL) == 300_000
    assert one.price(END + 3_600, LOCAL) == 200_000
    assert (
        one.price(int(datetime(2026, 11, 2, tzinfo=ZoneInfo(ZONE)).timestamp()), LOCAL)
        == 300_000
    )


def test_what_sums_cannot_be_billed_by_is_named() -> None:
    peak = Demand(
        "peak", Count(900), Proration.DAYS, (PeriodTiers("", (Tier(Price(1)),)),)
    )
    with pytest.raises(Unrateable, match="'peak' needs single intervals"):
        plan_of(full(Flat("energy", Price(1)), peak))
    fine = TimeOfUse("energy", "dn", (PeriodPrice("day", Price(1)),))
    with pytest.raises(Unrateable, match="no whole number of micro-units"):
        plan_of(full(fine, digits=9))
    seasons = (Season("a", "11-15"), Season("b", "04-01"))
    week = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    windows = (
        Window("day", week, seasons=("a",)),
        Window("night", week, seasons=("b",)),
    )
    with pytest.raises(Unrateable, match="within a month"):
        plan_of(full(TOU, calendars=(Calendar("dn", windows, seasons),)))


def test_another_number_of_amounts_is_refused() -> None:
    tariff = full(TOU)
    plan = plan_of(tariff)
    for amounts in ((), (1, 2)):
        with pytest.raises(Unrateable, match="as many amounts"):
            rate_opened(tariff, plan, OpenedPeriod(MONTH, STEP, amounts), LOCAL)
    with pytest.raises(Unrateable, match="never negative"):
        rate_opened(tariff, plan, OpenedPeriod(MONTH, STEP, (-1,)), LOCAL)


def test_what_is_netted_is_a_slot_of_the_period_once_and_never_more_than_was_opened() -> (
    None
):
    tariff = full(Flat("energy", Price(250_000)), STANDING)
    plan = plan_of(tariff)
    found = OpenedPeriod(MONTH, STEP, (100,))
    for netted, said in (
        (((BEGIN, 60), (BEGIN, 10)), "netted once"),
        (((BEGIN - STEP, 10),), "slots of the period"),
        (((END, 10),), "slots of the period"),
        (((BEGIN + 1, 10),), "slots of the period"),
        (((BEGIN, 0),), "slots of the period"),
        (((BEGIN, 60), (BEGIN + STEP, 41)), "more is netted than was opened"),
    ):
        with pytest.raises(Unrateable, match=said):
            rate_opened(tariff, plan, replace(found, netted=netted), LOCAL)
    whole = replace(found, netted=((BEGIN, 60), (BEGIN + STEP, 40)))
    energy, *_, traded = rate_opened(tariff, plan, whole, LOCAL).lines
    assert (energy.quantity, traded.quantity) == (Fraction(0), Fraction(1, 10))


def test_a_class_nets_no_more_than_was_opened_of_it() -> None:
    levy = Levy("fund", SignedPrice(7_000), Per.UNIT, Proration.DAYS)
    tariff = full(TOU, levy)
    plan = plan_of(tariff)
    # Sunday: all of it is night.
    night = OpenedPeriod(MONTH, STEP, (500, 100), ((BEGIN, 101),))
    with pytest.raises(Unrateable, match="more is netted"):
        rate_opened(tariff, plan, night, LOCAL)
    rate_opened(tariff, plan, replace(night, netted=((BEGIN, 100),)), LOCAL)
