"""Bills of another program for the same load and rates, month by month, to a cent.

NREL SAM (PySAM 7.1.1, Utilityrate5) billed a house of 5,289 kWh by rates of the OpenEI
database, without a roof and with one of 1 kW. Its first of January is a Monday, as in
2018. Tolerance 0.01 a month, of the total as billed; 0.0001 before rounding, which is to
what its figures are told.
"""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from meterseal_aggregator.app.pricing import NotPriced, Wish, Year, price_year
from meterseal_aggregator.billing.tariffs.metering import Metering
from meterseal_aggregator.billing.tariffs.urdb import Stated
from meterseal_proto.rating.components import Allocation, TierCounter
from tests.support.data import shared_data

YEAR = 2018
BY_CENT, EXACTLY = Decimal("0.01"), Decimal("0.0001")
AMBIGUOUS = "Tiered Time-of-Use"
PROPORTIONAL = Stated(TierCounter.ALL, Allocation.PROPORTIONAL)
CHRONOLOGICAL = Stated(TierCounter.ALL, Allocation.CHRONOLOGICAL)
METERING = {"n/a": None, "buy_all_sell_all": Metering.BUY_ALL}
Case = dict[str, Any]  # Any: JSON


def cases() -> list[Case]:
    found = json.loads(shared_data("bills", "sam_monthly_bills.json").read_text())
    rows: list[Case] = found["cases"]
    return rows


def year_of(case: Case, stated: Stated) -> Year:
    sell = case["sell_rate_usd_kwh"]
    return price_year(
        Wish(
            tariff=_rate(case["tariff"]),
            usage=shared_data("bills", "load_pv_hourly_8760.csv"),
            year=YEAR,
            produced=None if case["pv"] == "none" else f"PV_{case['pv']}",
            metering=METERING[case["metering"]],
            sell_rate=None if sell is None else Decimal(str(sell)),
            stated=stated,
        )
    )


def reading(case: Case) -> Stated:
    """How SAM fills tiers: over the month's sums without a roof, hour by hour with one.

    It has two calculations. The monthly one (net metering, and no roof at all) gives each
    period its share of every tier; the hourly one, of which buy-all-sell-all is a case,
    fills tiers in the order of time.
    """
    if AMBIGUOUS not in case["tariff"]:
        return Stated()
    return PROPORTIONAL if case["pv"] == "none" else CHRONOLOGICAL


def test_there_are_thirty_cases_and_each_is_known() -> None:
    found = cases()
    assert len(found) == 30
    assert {case["metering"] for case in found} == set(METERING)


@pytest.mark.parametrize("number", range(30))
def test_each_month_is_billed_as_sam_bills_it(number: int) -> None:
    case = cases()[number]
    year = year_of(case, reading(case))
    for month, theirs in zip(year.months, case["monthly_bill_usd"], strict=True):
        told = Decimal(str(theirs))
        exact = Decimal(month.exact.numerator) / month.exact.denominator
        assert abs(exact - told) <= EXACTLY
        assert abs(Decimal(month.total).scaleb(-2) - told) <= BY_CENT


def test_a_bill_by_periods_with_tiers_waits_for_the_rule() -> None:
    ambiguous = {
        case["tariff"]: case for case in cases() if AMBIGUOUS in case["tariff"]
    }
    assert len(ambiguous) == 3
    for case in ambiguous.values():
        with pytest.raises(NotPriced, match="tier_counter is missing"):
            year_of(case, Stated())
        with pytest.raises(NotPriced, match="allocation is missing"):
            year_of(case, Stated(tier_counter=TierCounter.ALL))


@pytest.mark.parametrize(
    ("stated", "year"),
    [
        # SAM without a roof, 517.21; another public calculator has 409 for the energy.
        (PROPORTIONAL, "517.2119"),
        # SAM's hourly way, 517.53.
        (CHRONOLOGICAL, "517.5318"),
        # Nobody's figure here; and none of the three is the 485 (energy 377) of BEopt,
        # whose rule is not told.
        (Stated(TierCounter.PERIOD, Allocation.CHRONOLOGICAL), "503.4372"),
    ],
)
def test_three_readings_of_one_rate_are_three_bills(stated: Stated, year: str) -> None:
    case = {
        "tariff": "Sample Tiered Time-of-Use Rate.json",
        "pv": "none",
        "metering": "n/a",
        "sell_rate_usd_kwh": None,
    }
    months = year_of(case, stated).months
    found = sum(float(month.exact) for month in months)
    assert abs(found - float(year)) < 0.0001


@pytest.mark.parametrize(
    ("metering", "sell", "total"),
    [
        # The sources of the data name this year: 550.99, and BEopt 551.
        (Metering.NET, None, "550.99"),
        (Metering.NET_BILLING, "0.05", "553.57"),
        (Metering.BUY_ALL, "0.05", "654.03"),
    ],
)
def test_a_roof_of_a_kilowatt_by_three_ways_of_metering(
    metering: Metering, sell: str | None, total: str
) -> None:
    wish = Wish(
        tariff=_rate("Sample Flat Rate.json"),
        usage=shared_data("bills", "load_pv_hourly_8760.csv"),
        year=YEAR,
        produced="PV_1kW",
        metering=metering,
        sell_rate=None if sell is None else Decimal(sell),
    )
    months = price_year(wish).months
    exact = sum((month.exact for month in months), months[0].exact * 0)
    assert abs(Decimal(exact.numerator) / exact.denominator - Decimal(total)) < BY_CENT


def test_days_of_each_month_are_charged_where_that_is_asked() -> None:
    case = {
        "tariff": "Sample Flat Rate Fixed Daily Charge.json",
        "pv": "none",
        "metering": "n/a",
        "sell_rate_usd_kwh": None,
    }
    even = year_of(case, Stated())
    actual = year_of(case, Stated(actual_days=True))
    differences = [
        b.exact - a.exact for a, b in zip(even.months, actual.months, strict=True)
    ]
    assert sum(differences) == 0
    assert float(differences[0]) == pytest.approx(0.25 * (31 - 365 / 12))


def _rate(name: str) -> Path:
    return shared_data("bills", "urdb_tariffs", name)
