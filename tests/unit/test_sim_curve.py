from fractions import Fraction

import pytest

from meterseal_sim.curve import (
    QUARTER_S,
    Quarter,
    Registers,
    net,
    running_peaks,
    split_hours,
)
from meterseal_sim.refusal import Refused

START = 1_782_864_000
NONE = [Fraction(0)]


def test_a_quarter_with_more_pv_than_load_exports_the_difference() -> None:
    curve = net(START, [Fraction(300), Fraction(100)], [Fraction(100), Fraction(350)])
    assert curve.table() == (
        Quarter(START, 200, 0),
        Quarter(START + QUARTER_S, 0, 250),
    )
    assert curve.power_w(START) == 800
    assert curve.power_w(START + QUARTER_S) == -1000


def test_registers_grow_linearly_and_floored_between_quarters() -> None:
    curve = net(START, [Fraction(9)], NONE)
    shown = [curve.at(START + second).import_wh for second in (0, 99, 100, 899, 900)]
    assert shown == [0, 0, 1, 8, 9]


def test_thirds_of_a_watt_hour_are_not_lost_over_the_running_total() -> None:
    curve = net(START, [Fraction(1, 3)] * 9, NONE * 9)
    assert [quarter.import_wh for quarter in curve.table()] == [0, 0, 1] * 3
    assert curve.at(curve.end) == Registers(3, 0)


def test_registers_stand_still_before_the_start_and_after_the_end() -> None:
    curve = net(START, [Fraction(5)], NONE)
    assert curve.at(START - 10_000) == curve.at(START) == Registers(0, 0)
    assert curve.at(curve.end + 10_000) == curve.at(curve.end) == Registers(5, 0)
    assert curve.power_w(START - 1) == curve.power_w(curve.end) == 0


def test_an_hour_splits_into_four_quarters_that_make_it_up_again() -> None:
    hour = Fraction("2.2758") * 1000
    assert sum(split_hours([hour])) == hour
    assert len(set(split_hours([hour]))) == 1


def test_the_peak_is_the_steeper_side_rounded_up() -> None:
    curve = net(START, [Fraction(100), Fraction(0)], [Fraction(0), Fraction("500.1")])
    assert curve.peak_w() == 2001


def test_running_peaks_remember_only_import() -> None:
    load = [Fraction(10), Fraction(0), Fraction(5)]
    curve = net(START, load, [Fraction(0), Fraction(90), Fraction(0)])
    assert running_peaks(curve) == (40, 40, 40)


def test_a_street_cannot_start_between_quarters() -> None:
    with pytest.raises(Refused, match="quarter hour"):
        net(START + 1, NONE, NONE)
