"""Rates of the OpenEI database become tariffs, or are refused by what they leave open."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.billing.tariffs.metering import (
    Metering,
    Settled,
    successors_of,
    with_metering,
)
from meterseal_aggregator.billing.tariffs.urdb import Imported, Stated, import_urdb
from meterseal_aggregator.billing.tariffs.urdbread import Refused
from meterseal_aggregator.billing.tariffs.urdbweeks import calendar_of
from meterseal_proto.rating.calendar import Unrateable
from meterseal_proto.rating.components import (
    Allocation,
    Bank,
    Block,
    Demand,
    Export,
    Fixed,
    Flat,
    Hourly,
    LimitPer,
    Minimum,
    NetMetering,
    Per,
    PeriodPrice,
    Price,
    SpanOf,
    Successor,
    TierCounter,
    TieredTimeOfUse,
    TimeOfUse,
)
from meterseal_proto.rating.tariff import parse_full_tariff
from tests.support.data import shared_data

STATED = Stated(TierCounter.ALL, Allocation.PROPORTIONAL, 3_600)
WHOLE = [[0] * 24] * 12
EVENING = [[0] * 17 + [1] * 4 + [0] * 3] * 12
SUMMER = [[int(5 <= month <= 8)] * 24 for month in range(12)]
ONE = [[{"rate": 0.1, "unit": "kWh"}]]
TIERED = [[{"rate": 0.1, "max": 5, "unit": "kWh"}, {"rate": 0.2, "unit": "kWh"}]]
Fields = dict[str, Any]  # Any: JSON

REAL = {
    "pysam_urdb_rate_539f6a23ec4f024411ec8beb.json": "demandwindow is missing",
    "pysam_urdbv7.json": "tier_counter is missing",
    "reopt_leap_year.json": "demandwindow is missing",
    "reopt_multi_tier_urdb_response.json": "demandwindow is missing",
    "reopt_tiered_tou_demand.json": "demandwindow is missing",
}
"""Why each real rate is refused until the rule is stated."""


def rate(**fields: object) -> bytes:
    """A rate of one price, with some fields changed; None takes a field out."""
    whole: Fields = {
        "name": "Rate",
        "energyratestructure": ONE,
        "energyweekdayschedule": WHOLE,
        "energyweekendschedule": WHOLE,
        **fields,
    }
    return json.dumps({k: v for k, v in whole.items() if v is not None}).encode()


def imported(document: bytes, stated: Stated | None = None) -> Imported:
    found = import_urdb(document, stated or Stated())
    assert parse_full_tariff(found.tariff.document()) == found.tariff
    return found


def test_every_real_rate_is_imported_once_its_rule_is_stated() -> None:
    files = sorted(shared_data("bills", "urdb_real").iterdir())
    assert {file.name for file in files} == set(REAL)
    for file in files:
        with pytest.raises(Refused, match=REAL[file.name]):
            import_urdb(file.read_bytes(), Stated())
        assert imported(file.read_bytes(), STATED).tariff.components


def test_every_sample_rate_is_imported_or_waits_for_a_rule() -> None:
    for file in shared_data("bills", "urdb_tariffs").iterdir():
        try:
            assert imported(file.read_bytes()).tariff.components
        except Refused as error:
            assert "Tiered Time-of-Use" in file.name
            assert "tier_counter is missing" in str(error)
            assert imported(file.read_bytes(), STATED).tariff.components


def real(name: str) -> Path:
    return shared_data("bills", "urdb_real", name)


def test_hours_of_use_tiers_and_seasons_of_demand_come_over() -> None:
    name = "pysam_urdb_rate_539f6a23ec4f024411ec8beb.json"
    tariff = imported(real(name).read_bytes(), STATED).tariff
    energy, demand = tariff.components
    assert isinstance(energy, TieredTimeOfUse)
    assert (energy.per, energy.window_s) == (LimitPer.KW, 3_600)
    assert isinstance(demand, Demand)
    summer = demand.tiers[1].tiers
    assert [tier.price for tier in summer] == [16_300, 14_900]
    assert (tariff.digits, summer[0].to) == (3, 100_000)
    assert tariff.id == "539f6a23ec4f024411ec8beb"
    assert tariff.valid_from == 1335880800


def test_a_whole_rate_of_another_program_comes_over() -> None:
    tariff = imported(real("pysam_urdbv7.json").read_bytes(), STATED).tariff
    kinds = [type(one).__name__ for one in tariff.components]
    assert kinds == [
        "TieredTimeOfUse", "Fixed", "Demand", "Demand", "Minimum", "Minimum"
    ]  # fmt: skip
    assert tariff.digits == 18


def test_prices_are_the_documents_own_digits_and_never_a_binary_fraction() -> None:
    found = imported(rate(energyratestructure=[[{"rate": 0.1195179675994109}]])).tariff
    (energy,) = found.components
    assert isinstance(energy, Flat)
    assert (energy.price, found.digits) == (1195179675994109, 16)


def test_an_adjustment_is_added_to_its_rate() -> None:
    row = {"rate": 0.1, "adj": -0.025, "unit": "kWh"}
    (energy,) = imported(rate(energyratestructure=[[row]])).tariff.components
    assert isinstance(energy, Flat)
    assert energy.price == 75


@pytest.mark.parametrize(
    ("fields", "component"),
    [
        (
            {"fixedchargefirstmeter": 8, "fixedchargeunits": "$/month"},
            (Fixed, Per.MONTH),
        ),
        (
            {"fixedchargefirstmeter": 0.25, "fixedchargeunits": "$/day"},
            (Fixed, Per.EVEN_DAY),
        ),
        ({"fixedmonthlycharge": 3.5}, (Fixed, Per.MONTH)),
        ({"mincharge": 15, "minchargeunits": "$/month"}, (Minimum, SpanOf.CYCLE)),
        ({"mincharge": 200, "minchargeunits": "$/year"}, (Minimum, SpanOf.YEAR)),
        ({"annualmincharge": 12.0}, (Minimum, SpanOf.YEAR)),
    ],
)
def test_charges_by_time_come_over(fields: Fields, component: Any) -> None:
    kind, per = component
    found = imported(rate(**fields)).tariff.components[-1]
    assert isinstance(found, kind)
    assert found.per is per


def test_a_charge_per_day_is_by_the_month_where_that_is_asked() -> None:
    document = rate(fixedchargefirstmeter=0.25, fixedchargeunits="$/day")
    fixed = imported(document, Stated(actual_days=True)).tariff.components[-1]
    assert isinstance(fixed, Fixed)
    assert fixed.per is Per.DAY


def test_a_price_for_each_hour_comes_over() -> None:
    prices = [0.05, -0.01] * 4_380
    document = rate(
        energyratestructure=None,
        energyweekdayschedule=None,
        energyweekendschedule=None,
        realtimepricing=prices,
    )
    (energy,) = imported(document).tariff.components
    assert isinstance(energy, Hourly)
    assert energy.prices[:2] == (5, -1)


def test_a_schedule_becomes_seasons_and_windows() -> None:
    document = rate(
        energyratestructure=[*ONE, [{"rate": 0.3, "unit": "kWh"}]],
        energyweekdayschedule=[
            hours if 5 <= n <= 8 else [0] * 24 for n, hours in enumerate(EVENING)
        ],
    )
    tariff = imported(document).tariff
    (energy,) = tariff.components
    assert isinstance(energy, TimeOfUse)
    calendar = tariff.calendar(energy.calendar)
    assert [(one.name, one.begin) for one in calendar.seasons] == [
        ("season 1", "01-01"),
        ("season 2", "06-01"),
        ("season 1", "10-01"),
    ]
    peak = [one for one in calendar.windows if one.period == "period 1"]
    (window,) = peak
    assert (window.begin, window.end, window.seasons) == (
        "17:00",
        "21:00",
        ("season 2",),
    )
    assert window.days == ("mon", "tue", "wed", "thu", "fri")


def test_tiers_that_only_seasons_part_leave_nothing_open() -> None:
    document = rate(
        energyratestructure=[*TIERED, [{"rate": 0.3, "unit": "kWh"}]],
        energyweekdayschedule=SUMMER,
        energyweekendschedule=SUMMER,
    )
    (energy,) = imported(document).tariff.components
    assert isinstance(energy, TieredTimeOfUse)
    assert energy.tier_counter is TierCounter.PERIOD


def test_tiers_alike_in_every_period_are_one_block() -> None:
    document = rate(energyratestructure=TIERED * 2, energyweekdayschedule=EVENING)
    (energy,) = imported(document).tariff.components
    assert isinstance(energy, Block)


def test_daily_limits_come_over() -> None:
    rows = [[{**row, "unit": "kWh daily"} for row in TIERED[0]]]
    (energy,) = imported(rate(energyratestructure=rows)).tariff.components
    assert isinstance(energy, Block)
    assert energy.per is LimitPer.DAY


def test_a_rate_says_its_own_window_of_power() -> None:
    document = rate(
        flatdemandstructure=[[{"rate": 5}]], flatdemandmonths=[0] * 12, demandwindow=15
    )
    demand = imported(document).tariff.components[-1]
    assert isinstance(demand, Demand)
    assert demand.window_s == 900


def test_demand_that_costs_nothing_is_no_charge() -> None:
    document = rate(flatdemandstructure=[[{"rate": 0}]], flatdemandmonths=[0] * 12)
    assert len(imported(document).tariff.components) == 1


def test_sell_rates_of_a_document_pay_for_export() -> None:
    document = rate(energyratestructure=[[{"rate": 0.1, "sell": 0.04, "unit": "kWh"}]])
    found = imported(document)
    settled = Settled(Metering.NET_BILLING, None, found.sells)
    export = with_metering(found.tariff, settled).components[-1]
    assert isinstance(export, Export)
    assert export.price == 4


def test_sell_rates_by_period_follow_its_calendar() -> None:
    rows = [[{"rate": 0.1, "sell": 0.04}], [{"rate": 0.3, "sell": 0.09}]]
    found = imported(rate(energyratestructure=rows, energyweekdayschedule=EVENING))
    settled = Settled(Metering.BUY_ALL, None, found.sells)
    export = with_metering(found.tariff, settled).components[-1]
    assert isinstance(export, Export)
    assert export.prices == (
        PeriodPrice("period 0", Price(4)),
        PeriodPrice("period 1", Price(9)),
    )


def test_export_without_a_price_is_refused_and_settled_once_only() -> None:
    tariff = imported(rate()).tariff
    with pytest.raises(Unrateable, match="sell rate is missing"):
        with_metering(tariff, Settled(Metering.BUY_ALL))
    once = with_metering(tariff, Settled(Metering.NET))
    with pytest.raises(Unrateable, match="the tariff says itself"):
        with_metering(once, Settled(Metering.NET))


def test_net_metering_nets_by_period_where_prices_have_periods() -> None:
    rows = [*ONE, [{"rate": 0.3, "unit": "kWh"}]]
    document = rate(
        energyratestructure=rows,
        energyweekdayschedule=SUMMER,
        energyweekendschedule=SUMMER,
    )
    roof = with_metering(imported(document).tariff, Settled(Metering.NET)).components[
        -1
    ]
    assert isinstance(roof, NetMetering)
    assert roof.bank is Bank.PER_PERIOD
    assert roof.successors == (
        Successor("period 0", "period 1"),
        Successor("period 1", "period 0"),
    )


def test_what_seasons_disagree_about_is_refused() -> None:
    def month(night: int, noon: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        hours = (night,) * 10 + (noon,) * 14
        return hours, hours

    # The noon's 1 is followed by 2 in one season and by 3 in another.
    months = [month(0, 1)] * 2 + [month(0, 2)] * 2 + [month(0, 1)] * 2
    months += [month(0, 3)] * 6
    with pytest.raises(Unrateable, match="rollover is missing"):
        successors_of(calendar_of("energy", months))


def test_a_caller_may_ask_for_more_digits() -> None:
    digits = import_urdb(rate(), replace(Stated(), digits=5)).tariff.digits
    assert digits == 5
    assert Decimal("0.1").scaleb(digits) == 10_000
