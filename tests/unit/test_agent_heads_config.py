"""Meters that speak by themselves: what their makers left out is written down for them."""

import json
from pathlib import Path

import pytest

from meterseal_agent.config import ConfigError, load, parse
from meterseal_agent.meters.mbusline import TIMEOUT_S as MBUS_TIMEOUT_S
from meterseal_agent.run import meters
from meterseal_agent.run.adapters import decoder_of
from meterseal_agent.run.times import Times
from meterseal_proto.clock import ClockRate
from meterseal_proto.units import parse_obis
from tests.support.data import shared_data

SAMPLE = Path(__file__).parents[2] / "deploy" / "samples" / "agent-heads.toml"
TIMES = Times(ClockRate())
LEAST = """
aggregator_url = "https://oracle.example"
[[meters]]
serial = "1"
device = "/dev/ttyUSB0"
capacity_w = 7400
"""
HOURLY = "kamstrup.no_list_2_single_phase_real_sample"
COUNTED = 7_745_250


def test_the_heads_are_read_as_they_are_written() -> None:
    hager, old, han = load(SAMPLE, {}).meters
    assert (hager.energy_unit, old.energy_unit) == ("kWh", "")
    assert (han.kamstrup_step_wh, hager.kamstrup_step_wh) == (10, None)
    assert (hager.period_s, old.period_s, han.period_s) == (10, 300, 60)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('protocol = "d0"\nenergy_unit = "m3"', "energy_unit must be Wh or kWh or MWh"),
        ('protocol = "d0"\nenergy_unit = "kwh"', "must be .* not 'kwh'"),
        (
            'protocol = "sml"\nenergy_unit = "kWh"',
            "sml has no energy_unit, take it out",
        ),
        ('protocol = "han"\nkamstrup_step_wh = 5', "kamstrup_step_wh must be 10, or 1"),
        (
            'protocol = "han"\nkamstrup_step_wh = 0',
            "kamstrup_step_wh must be an integer",
        ),
        ('protocol = "d0"\nkamstrup_step_wh = 1', "d0 has no kamstrup_step_wh"),
    ],
)
def test_what_does_not_fit_a_head_is_said_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse(LEAST + text, {})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(("step_wh", "times"), [("", 10), ("10", 10), ("1", 1)])
def test_a_kamstrups_step_reaches_its_decoder(step_wh: str, times: int) -> None:
    said = f"\nkamstrup_step_wh = {step_wh}" if step_wh else ""
    (meter,) = parse(f'{LEAST}protocol = "han"{said}', {}).meters
    frames = json.loads(shared_data("meters", "dlms_han", "frames.json").read_text())
    telegram = decoder_of(meter).decode(bytes.fromhex(frames[HOURLY]))
    (energy,) = [v for v in telegram.values if v.register == parse_obis("1-0:1.8.0")]
    assert energy.number == times * COUNTED


def test_the_bus_is_told_how_long_a_silent_meter_holds_its_line() -> None:
    hager, old, han = meters.wire(load(SAMPLE, {}).meters, TIMES)
    assert hager.timeout_s == 4 * 12
    assert old.timeout_s < 3
    assert han.timeout_s == 4 * 59.5
    number = LEAST + 'protocol = "mbus"\naddress = "60012345"'
    (by_number,) = meters.wire(parse(number, {}).meters, TIMES)
    (by_address,) = meters.wire(
        parse(number.replace('"60012345"', "5"), {}).meters, TIMES
    )
    assert by_number.timeout_s == pytest.approx(1.5 * by_address.timeout_s)
    assert by_address.timeout_s > 2 * MBUS_TIMEOUT_S


def test_a_reading_of_han_listens_nearly_as_long_as_its_period() -> None:
    (han,) = parse(f'{LEAST}protocol = "han"\nperiod_s = 30', {}).meters
    (wired,) = meters.wire([han], TIMES)
    assert wired.timeout_s == 4 * 29.5
