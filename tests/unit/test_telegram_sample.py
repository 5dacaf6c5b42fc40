"""Telegrams to samples: whole Wh and litres, or a reason."""

from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams import dsmr
from meterseal_agent.meters.telegrams.model import Telegram, Value
from meterseal_agent.meters.telegrams.sample import to_sample, with_unit
from meterseal_proto.units import EXPORT, IMPORT, WATER, RegisterId, parse_obis
from tests.support.data import shared_data

AT = 1_782_900_000
GAS = parse_obis("7-0:3.0.0")
HEAT = parse_obis("6-0:1.0.0")


def telegram(*told: tuple[str, str, str]) -> Telegram:
    values = [Value(parse_obis(code), Decimal(n), unit) for code, n, unit in told]
    return Telegram("test", "", tuple(values), checked=True)


def value(register: RegisterId, *told: tuple[str, str, str]) -> int:
    return to_sample(AT, telegram(*told), [register]).values[register]


def reason(register: RegisterId, *told: tuple[str, str, str]) -> str:
    sample = to_sample(AT, telegram(*told), [register])
    assert register not in sample.values
    return sample.unavailable[register]


@pytest.mark.parametrize(
    ("code", "number", "unit", "whole"),
    [
        ("1-0:1.8.0", "896.020", "kWh", 896_020),
        ("1-0:1.8.0", "6545766", "Wh", 6_545_766),
        ("1-0:1.8.0", "52185.7825309", "kWh", 52_185_783),
        ("1-0:1.8.0", "0.0005", "kWh", 0),
        ("1-0:1.8.0", "0.0015", "kWh", 2),
        ("6-0:1.0.0", "240.860", "GJ", 66_905_556),
        ("6-0:1.0.0", "1", "MJ", 278),
        ("6-0:1.0.0", "9", "kJ", 2),
        ("6-0:1.0.0", "3600", "J", 1),
        ("6-0:1.0.0", "12.345", "MWh", 12_345_000),
        ("8-0:1.0.0", "872.2345", "m3", 872_234),
        ("8-0:1.0.0", "17", "l", 17),
        ("7-0:3.0.0", "0.107", "m3", 107),
        ("1-0:32.7.0", "230.1", "V", 230_100),
    ],
)
def test_a_number_is_rounded_once_to_the_sample_s_unit(
    code: str, number: str, unit: str, whole: int
) -> None:
    assert value(parse_obis(code), (code, number, unit)) == whole


def test_a_total_that_is_not_told_is_the_sum_of_its_tariffs() -> None:
    halves = [("1-0:1.8.1", "3432.8275", "kWh"), ("1-0:1.8.2", "3224.6325", "kWh")]
    assert value(IMPORT, *halves) == 6_657_460
    assert value(IMPORT, *halves, ("1-0:1.8.0", "7000", "kWh")) == 7_000_000
    assert value(EXPORT, ("1-0:2.8.1", "5", "kWh")) == 5000


def test_a_sum_with_a_tariff_missing_is_none() -> None:
    told = [("1-0:1.8.1", "1", "kWh"), ("1-0:1.8.3", "1", "kWh")]
    assert "a tariff of it is missing" in reason(IMPORT, *told)
    assert "is missing" in reason(IMPORT, ("1-0:1.8.2", "1", "kWh"))


def test_historic_values_are_not_taken_for_the_present_one() -> None:
    assert "does not tell" in reason(IMPORT, ("1-0:1.8.0*1", "1", "kWh"))
    assert "does not tell" in reason(IMPORT, ("1-0:1.8.1*1", "1", "kWh"))


@pytest.mark.parametrize(
    ("told", "why"),
    [
        (("1-0:1.8.0", "1.2963", ""), "without a unit"),
        (("1-0:1.8.0", "1", "kvarh"), "in kvarh"),
        (("1-0:1.8.0", "1", "m3"), "1-0:1.8.0 is in Wh"),
        (("1-0:1.8.0", "-1", "kWh"), "negative"),
        (("1-0:1.8.0", "-0.0001", "kWh"), "negative"),
        (("1-0:1.8.0", "99999999999999", "GWh"), "63 bits"),
    ],
)
def test_what_is_no_energy_has_a_reason(told: tuple[str, str, str], why: str) -> None:
    assert why in reason(IMPORT, told)


def test_a_unit_the_meter_leaves_out_is_the_one_written_down_for_it() -> None:
    bare = telegram(("1-0:1.8.0", "1.2963", ""), ("0-0:96.7.0", "4", ""))
    filled = with_unit(bare, "kWh")
    assert to_sample(AT, filled, [IMPORT]).values == {IMPORT: 1296}
    assert [v.unit for v in filled.values] == ["kWh", ""]
    told = telegram(("1-0:1.8.0", "7", "Wh"))
    assert with_unit(told, "kWh") == told
    with pytest.raises(ValueError, match="is no unit of energy"):
        with_unit(bare, "m3")


def test_a_register_told_twice_must_be_told_alike() -> None:
    once = ("1-0:1.8.0", "1", "kWh")
    assert value(IMPORT, once, ("1-0:1.8.0", "1000", "Wh")) == 1000
    assert "twice" in reason(IMPORT, once, ("1-0:1.8.0", "1001", "Wh"))


def test_a_register_without_a_number_is_not_available_and_not_zero() -> None:
    empty = Telegram("test", "", (Value(IMPORT, None, "kWh"),), checked=True)
    sample = to_sample(AT, empty, [IMPORT])
    assert sample.unavailable == {IMPORT: "the meter says not available"}


def test_a_heat_meters_volume_is_told_in_litres_or_not_at_all() -> None:
    volume = parse_obis("6-0:2.0.0")
    assert value(volume, ("6-0:2.0.0", "113.991", "m3")) == 113_991
    assert "is in L" in reason(volume, ("6-0:2.0.0", "1", "kWh"))


def test_what_stands_in_a_numbers_place_is_the_reason() -> None:
    why = "not valid: the meter shows FFFFFFFF" + 100 * "."
    told = Telegram("test", "", (Value(IMPORT, None, "kWh", why),), checked=True)
    (reason,) = to_sample(AT, told, [IMPORT]).unavailable.values()
    assert reason.startswith("there is no number: not valid: the meter shows FFFFFFFF")
    assert len(reason) == 100


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("v2_2.txt", {IMPORT: 2002, EXPORT: 2002, GAS: 1001}),
        ("v4_2.txt", {IMPORT: 3_016_829, EXPORT: 0, GAS: 981_443}),
        ("v5.txt", {IMPORT: 6825, EXPORT: 2444, GAS: 107}),
        (
            "fluvius_v171.txt",
            {IMPORT: 15_792, EXPORT: 11, GAS: 112_384, WATER: 872_234},
        ),
        ("se_example_data_c.txt", {IMPORT: 1_605_055, EXPORT: 131}),
        ("esy5q3db1024_v304.txt", {IMPORT: 52_185_783, EXPORT: 19_949_322}),
        ("unpadded_crc.txt", {HEAT: 66_905_556}),
    ],
)
def test_a_p1_telegram_tells_its_channels_as_gas_water_and_heat(
    name: str, expected: dict[RegisterId, int]
) -> None:
    raw = shared_data("meters", "dsmr", name).read_bytes() + b"\r\n"
    (frame,) = dsmr.Splitter().feed(raw)
    wanted = (IMPORT, EXPORT, GAS, WATER, HEAT)
    sample = to_sample(AT, dsmr.decode(frame.raw), wanted)
    assert sample.values == expected
    assert sample.unavailable.keys() == set(wanted) - expected.keys()


def test_two_gas_meters_are_asked_for_by_their_own_codes() -> None:
    told = [
        (f"0-{n}:24.{code}", number, unit)
        for n in (1, 3)
        for code, number, unit in (("1.0", "3", ""), ("2.1", f"{n}.5", "m3"))
    ]
    assert "0-1:24.2.1 and 0-3:24.2.1 both tell it" in reason(GAS, *told)
    assert value(parse_obis("0-3:24.2.1"), *told) == 3500
    assert "does not tell" in reason(WATER, *told)


@pytest.mark.parametrize(
    ("told", "power_w"),
    [
        ([("1-0:16.7.0", "-250", "W"), ("1-0:1.7.0", "9", "kW")], -250),
        ([("1-0:1.7.0", "0.378", "kW"), ("1-0:2.7.0", "0.000", "kW")], 378),
        ([("1-0:1.7.0", "0.000", "kW"), ("1-0:2.7.0", "1.2", "kW")], -1200),
        ([("1-0:1.7.0", "2124.86", "W")], 2125),
        ([("1-0:1.7.0", "0", "W")], 0),
        ([("1-0:1.7.0", "0", "W"), ("1-0:2.8.0", "1", "kWh")], None),
        ([("1-0:1.7.0", "1", "kWh"), ("1-0:2.7.0", "1", "kW")], None),
        ([], None),
    ],
)
def test_power_is_what_comes_in_less_what_goes_out(
    told: list[tuple[str, str, str]], power_w: int | None
) -> None:
    assert to_sample(AT, telegram(*told), []).power_w == power_w
