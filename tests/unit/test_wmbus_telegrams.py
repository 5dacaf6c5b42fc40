"""Lines of wmbusmeters: what each field becomes, and which lines are none."""

from decimal import Decimal

import pytest

from meterseal_agent.meters.telegrams import wmbus
from meterseal_agent.meters.telegrams.model import BadTelegram, Value
from meterseal_agent.meters.telegrams.sample import to_sample
from meterseal_proto.units import EXPORT, GAS, HEAT, IMPORT, WATER, parse_obis

NOW = 1_782_900_000
WATER_LINE = (
    b'{"_":"telegram","media":"cold water","meter":"multical21","name":"flat",'
    b'"id":"76348799","status":"DRY","total_m3":6.408,"target_m3":6.408,'
    b'"flow_temperature_c":127,"rssi_dbm":-66,"timestamp":"2026-07-01T10:00:00Z"}'
)


def line(media: str, fields: str) -> bytes:
    return f'{{"media":"{media}","id":"0a3B5678",{fields}}}'.encode()


def values(media: str, fields: str) -> dict[str, Value]:
    return {v.note: v for v in wmbus.decode(line(media, fields)).values}


def test_a_water_telegram_tells_volume_status_radio_level_and_time() -> None:
    telegram = wmbus.decode(WATER_LINE)
    assert (telegram.protocol, telegram.meter, telegram.checked) == (
        "wmbus",
        "76348799",
        True,
    )
    found = {v.note: v for v in telegram.values}
    assert found["total_m3"] == Value(WATER, Decimal("6.408"), "m3", note="total_m3")
    assert found["target_m3"].register is None
    assert found["status"].text == "DRY"
    assert found["rssi_dbm"].number == -66
    assert found["rssi_dbm"].unit == "dBm"
    assert found["timestamp"].text == "2026-07-01T10:00:00Z"
    assert to_sample(NOW, telegram, [WATER]).values == {WATER: 6408}


@pytest.mark.parametrize(
    ("media", "fields", "register", "value"),
    [
        ("water", '"total_m3":123.529', WATER, 123_529),
        ("warm water", '"total_m3":0.106', parse_obis("9-0:1.0.0"), 106),
        ("gas", '"total_m3":1.5', GAS, 1500),
        ("heat", '"total_energy_consumption_kwh":7173', HEAT, 7_173_000),
        ("heat volume at inlet", '"total_kwh":1.2', HEAT, 1200),
        ("heat", '"total_energy_consumption_gj":3.6', HEAT, 1_000_000),
        ("electricity", '"total_energy_consumption_kwh":7.94', IMPORT, 7940),
        ("electricity", '"total_energy_production_kwh":0', EXPORT, 0),
        ("electricity", '"total_energy_consumption_tariff_1_kwh":2', IMPORT, 2000),
    ],
)
def test_a_total_becomes_whole_watt_hours_or_litres(
    media: str, fields: str, register: int, value: int
) -> None:
    telegram = wmbus.decode(line(media, fields))
    wanted = [v.register for v in telegram.values if v.register is not None]
    assert to_sample(NOW, telegram, [*wanted, IMPORT]).values[wanted[0]] == value
    assert register in to_sample(NOW, telegram, [*wanted, IMPORT]).values


def test_cooling_and_set_date_values_have_no_register() -> None:
    found = values("cooling load volume at outlet", '"total_energy_consumption_kwh":5')
    assert found["total_energy_consumption_kwh"].register is None
    found = values("heat", '"target_energy_kwh":5,"total_m3":6')
    assert {v.register for v in found.values()} == {None}


def test_what_the_telegram_does_not_tell_is_absent_and_never_zero() -> None:
    telegram = wmbus.decode(line("water", '"total_m3":null'))
    (value,) = telegram.values
    assert (value.register, value.number) == (WATER, None)
    sample = to_sample(NOW, telegram, [WATER])
    assert sample.values == {}
    assert sample.unavailable[WATER]


def test_texts_are_fit_to_print() -> None:
    found = values("water", r'"status":"a\u0007b\ud800\u00e9"')
    assert found["status"].text == "a.b.\u00e9"


def test_digits_are_kept_exactly() -> None:
    found = values("water", '"total_m3":4503599627370497.125')
    assert str(found["total_m3"].number) == "4503599627370497.125"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "no JSON"),
        (WATER_LINE[:-1], "no JSON"),
        (b"(wmbus) WARNING!", "no JSON"),
        (b"[1]", "no JSON object"),
        (b"\xff{}", "no UTF-8"),
        (b"[" * 9000, "nests too deep"),
        (b'{"_":"event","id":"12345678","media":"water"}', "no telegram"),
        (b'{"media":"water","total_m3":1}', 'no "id"'),
        (b'{"media":"water","id":12345678}', 'no "id"'),
        (b'{"id":"1234567g","media":"water"}', 'no "id"'),
        (b'{"id":"12345678","media":false}', 'no "media"'),
        (line("water", '"total_m3":NaN'), "NaN is no number"),
        (line("water", '"total_m3":-Infinity'), "-Infinity is no number"),
        (line("water", '"total_m3":1e999999999'), "out of all bounds"),
        (line("water", '"total_m3":' + "1" * 41), "out of all bounds"),
        (line("water", '"total_m3":1,"total_m3":2'), "a field twice"),
        (line("water", '"total_m3":true'), "neither a number nor a text"),
        (line("water", '"total_m3":[1]'), "neither a number nor a text"),
        (line("water", '"total m3":1'), "letters and digits"),
        (b" " * 20_000, "at most 16384 bytes"),
    ],
)
def test_a_line_that_is_no_telegram_is_refused_with_its_reason(
    raw: bytes, reason: str
) -> None:
    with pytest.raises(BadTelegram) as caught:
        wmbus.decode(raw)
    assert reason in caught.value.detail
    assert 0 <= caught.value.offset <= len(raw)


def test_lines_are_cut_out_of_what_the_program_prints() -> None:
    stream = (
        b"Started config rtlwmbus[00000001] listening on c1\n"
        + WATER_LINE
        + b"\r\n(wmbus) WARNING! nothing\n"
        + b'{"x":"'
        + b"y" * 40_000
        + b'"}\n'
        + WATER_LINE
        + b"\n{half"
    )
    for size in (1000, 7, len(stream)):
        splitter = wmbus.Splitter()
        found = [
            frame
            for i in range(0, len(stream), size)
            for frame in splitter.feed(stream[i : i + size])
        ]
        assert [frame.raw for frame in found] == [WATER_LINE, WATER_LINE]
        for frame in found:
            assert stream[frame.offset :].startswith(WATER_LINE)
