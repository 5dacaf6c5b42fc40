"""Intervals of a file lie on a register's slots as told, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_aggregator.vee.intervals import (
    ACTUAL,
    MAX_SPAN_S,
    MAX_SPREAD_S,
    Told,
    claimed,
)
from meterseal_aggregator.vee.values import Cause, Claimed, NotValued, Place
from meterseal_proto.units import IMPORT, MeterId, Quality

AT = 1_800_000_000
PLACE = Place(1, MeterId(bytes(16)), IMPORT, 900, 25_000, AT, 0)
NOW = AT + 500 * 86_400


def refused(told: list[Told], now: int = NOW) -> NotValued:
    with pytest.raises(NotValued) as found:
        claimed(PLACE, told, now)
    return found.value


def test_an_interval_as_long_as_a_slot_is_its_value() -> None:
    found = claimed(PLACE, [Told(AT, 900, 7, 0), Told(AT + 1_800, 900, 9, 17)], NOW)
    assert found == {
        AT: Claimed(7, 900, 0, "espi:0"),
        AT + 1_800: Claimed(9, 900, 0, "espi:17"),
    }


@given(st.integers(0, 5_000), st.integers(1, 4))
def test_a_longer_interval_is_spread_and_nothing_of_it_is_lost(
    value: int, times: int
) -> None:
    found = claimed(PLACE, [Told(AT, 900 * times, value, 0)], NOW)
    assert list(found) == [AT + 900 * n for n in range(times)]
    deltas = [one.delta for one in found.values()]
    assert sum(deltas) == value
    assert max(deltas) - min(deltas) <= 1


@given(st.lists(st.integers(0, 800), min_size=3, max_size=3))
def test_shorter_intervals_are_added_up_where_they_fill_a_slot(
    values: list[int],
) -> None:
    told = [Told(AT + 300 * n, 300, value, 0) for n, value in enumerate(values)]
    assert claimed(PLACE, told, NOW)[AT].delta == sum(values)
    assert claimed(PLACE, told[1:], NOW) == {}


@pytest.mark.parametrize("quality", [0, 7, 8, 9, 10, 13, 14, 16, 17, 19])
def test_what_no_meter_told_is_an_estimate(quality: int) -> None:
    (found,) = claimed(PLACE, [Told(AT, 900, 1, quality)], NOW).values()
    expected = Quality.VALID if quality in ACTUAL else Quality.ESTIMATED
    assert (found.quality, found.method) == (expected, f"espi:{quality}")


def test_a_slot_of_parts_is_as_good_as_its_worst() -> None:
    told = [Told(AT + 300 * n, 300, 1, q) for n, q in enumerate((0, 8, 17))]
    (found,) = claimed(PLACE, told, NOW).values()
    assert (found.quality, found.method) == (Quality.ESTIMATED, "espi:8")


@pytest.mark.parametrize(
    "told",
    [
        [Told(AT + 1, 900, 1, 0)],
        [Told(AT, 901, 1, 0)],
        [Told(AT, 1_350, 1, 0)],
        [Told(AT, MAX_SPREAD_S + 900, 1, 0)],
        [Told(AT + 100, 300, 1, 0)],
        [Told(AT, 400, 1, 0)],
        [Told(AT, 300, 1, 0), Told(AT + 300, 900, 1, 0)],
        [Told(AT - 900, 900, 1, 0)],
        [Told(AT, 900, 1, 0), Told(AT + MAX_SPAN_S, 900, 1, 0)],
    ],
)
def test_what_does_not_lie_on_the_registers_slots_is_refused(told: list[Told]) -> None:
    assert refused(told).cause is Cause.SPAN


def test_time_that_is_not_over_is_refused() -> None:
    assert refused([Told(AT, 900, 1, 0)], AT + 899).cause is Cause.SPAN
    assert claimed(PLACE, [Told(AT, 900, 1, 0)], AT + 900)


def test_more_than_the_register_can_move_is_refused() -> None:
    assert refused([Told(AT, 900, 9_000, 0)]).cause is Cause.ABOVE_CAPACITY
