import socket
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from meterseal_sim.shapes import Place, curve_of, household, load_mwh, pv_mwh

JULY = int(datetime(2026, 7, 1, tzinfo=UTC).timestamp())
JANUARY = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp())
HERE = Place()
GREENWICH = Place(utc_offset_s=0)
ROOFED = next(index for index in range(9) if household(1, index).kwp)


def test_a_seed_is_the_same_street_for_ever() -> None:
    curve = curve_of(household(1, ROOFED), JULY, 1, HERE)
    assert curve == curve_of(household(1, ROOFED), JULY, 1, HERE)
    assert curve != curve_of(household(2, ROOFED), JULY, 1, HERE)


def test_a_day_cut_out_of_a_week_is_that_day_of_the_week() -> None:
    sun = pv_mwh(household(1, ROOFED), JULY, 7 * 96, HERE)
    for day in range(7):
        cut = slice(day * 96, day * 96 + 96)
        start = JULY + day * 86_400
        assert pv_mwh(household(1, ROOFED), start, 96, HERE) == sun[cut]
        # Among 24 homes somebody's dishwasher runs past local midnight.
        for home in (household(1, index) for index in range(24)):
            week = load_mwh(home, JULY, 7 * 96, GREENWICH)
            assert load_mwh(home, start, 96, GREENWICH) == week[cut]


def test_a_home_that_gets_up_late_has_its_mean_curve_late() -> None:
    home = household(1, 0)
    runs = load_mwh(replace(home, base_kwh_a_year=0.0), JULY, 96, HERE)

    def steady(shift: int) -> list[int]:
        used = load_mwh(replace(home, shift_quarters=shift), JULY, 96, HERE)
        return [all_ - run for all_, run in zip(used, runs, strict=True)]

    assert steady(4)[4:] == steady(0)[:-4]


def test_homes_use_what_homes_use_in_a_day() -> None:
    days = [sum(load_mwh(household(1, i), JULY, 96, HERE)) / 1e6 for i in range(24)]
    assert 2 < min(days) < 8 < max(days) < 30
    assert len(set(days)) == 24


def test_the_sun_shines_by_day_and_less_in_winter() -> None:
    home = household(1, ROOFED)
    summer = pv_mwh(home, JULY, 7 * 96, HERE)
    winter = pv_mwh(home, JANUARY, 7 * 96, HERE)
    assert sum(winter) * 2 < sum(summer)
    assert summer[:8] == [0] * 8
    assert min(summer) == 0
    assert max(summer) / 250 / 1000 < home.kwp


def test_a_home_without_a_roof_never_exports() -> None:
    bare = next(index for index in range(24) if not household(1, index).kwp)
    curve = curve_of(household(1, bare), JULY, 1, HERE)
    assert curve.at(curve.end).export_wh == 0


def test_a_new_years_eve_has_all_its_quarters() -> None:
    used = load_mwh(household(1, 0), JANUARY - 86_400, 2 * 96, HERE)
    assert len(used) == 192
    assert min(used) > 0


def test_the_weather_comes_without_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the street asked the network for something")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    far = Place(latitude=28.6, longitude=77.2, utc_offset_s=19_800)
    assert sum(pv_mwh(household(3, ROOFED), JULY, 96, far)) >= 0
