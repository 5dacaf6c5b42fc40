"""What one bill hands to the next can be spelled, however many bills there were before."""

from fractions import Fraction

from meterseal_proto.rating.components import (
    Base,
    FreeQuota,
    LimitPer,
    Milli,
    Minimum,
    Price,
    QuotaRule,
    SpanOf,
    TimeOfUse,
)
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.tariff import FullTariff
from tests.support.rated import DAY_AND_NIGHT, DAY_PRICES, a_tariff, line, month, used

ENERGY = TimeOfUse("energy", "week", DAY_PRICES)
FREE = FreeQuota("free", "energy", Milli(1_000), LimitPer.CYCLE, QuotaRule.MEAN)
YEAR = Minimum("year", Price(10**12), SpanOf.YEAR, Base.EXACT, (ENERGY.name, FREE.name))
MONTHS = [f"2026-{number:02}" for number in range(1, 13)]


def a_year(tariff: FullTariff) -> list[Carried]:
    """Bill a home of odd usage month by month; returns what each bill hands on."""
    left, carried = [], NOTHING_CARRIED
    for number, name in enumerate(MONTHS):
        begin, end = month(name)
        row = [0] * ((end - begin) // 3_600)
        row[3], row[60] = 100_003 + 7_919 * number, 77_777 + 104_729 * number
        rated = used(tariff, row, (begin, end), carried=carried)
        carried = rated.carried
        left.append(carried)
    return left


def test_what_a_year_of_mean_prices_has_cost_stays_short() -> None:
    tariff = a_tariff(ENERGY, FREE, calendars=[DAY_AND_NIGHT])
    digits = [len(str(one.charged)) for one in a_year(tariff)]
    assert max(digits) < 45, digits
    assert digits[-1] == 1, "a year begins anew"


def test_a_year_minimum_is_asked_as_if_nothing_had_been_rounded() -> None:
    tariff = a_tariff(ENERGY, FREE, YEAR, calendars=[DAY_AND_NIGHT])
    november = a_year(tariff)[-2]
    exact = Fraction(0)
    for number, name in enumerate(MONTHS[:-1]):
        begin, end = month(name)
        row = [0] * ((end - begin) // 3_600)
        row[3], row[60] = 100_003 + 7_919 * number, 77_777 + 104_729 * number
        exact += used(tariff, row, (begin, end)).exact
    assert 0 < abs(november.charged - exact) < Fraction(1, 10**16)
    december = used(tariff, 1, month("2026-12"), carried=november)
    asked = line(december, "year").exact
    assert abs(asked - (10**6 - exact)) < 1
