"""Lines, protocols and kinds: what an installer writes, and one sentence when it is wrong."""

from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_agent.config import (
    Config,
    ConfigError,
    Framing,
    PulseConfig,
    Speech,
    load,
    parse,
)
from meterseal_agent.meters.bus import Bus
from meterseal_agent.meters.modbus import ModbusMeter
from meterseal_agent.meters.wire import SerialPlace, TcpPlace
from meterseal_agent.run import meters
from meterseal_agent.run.times import Times
from meterseal_proto.clock import ClockRate
from meterseal_proto.units import EXPORT, GAS, HEAT, IMPORT, WATER, MeterId

SAMPLES = sorted((Path(__file__).parents[2] / "deploy" / "samples").glob("agent*.toml"))
HOUSE = next(path for path in SAMPLES if path.name == "agent-house.toml")
TIMES = Times(ClockRate())
URL = 'aggregator_url = "https://oracle.example"\n'
RS485 = '[[lines]]\nname = "bus"\ndevice = "/dev/ttyUSB0"\n'
METER = """
[[meters]]
serial = "1"
line = "bus"
profile = "eastron-sdm120"
capacity_w = 7400
"""
LEAST = URL + RS485 + METER
PUSH = LEAST.replace('profile = "eastron-sdm120"', 'protocol = "dsmr"')
MBUS = LEAST.replace('profile = "eastron-sdm120"', 'protocol = "mbus"\naddress = 5')
GATEWAY = LEAST.replace('device = "/dev/ttyUSB0"', 'host = "10.0.0.5"')


def second(*changes: tuple[str, str]) -> str:
    """Return another meter's table, changed."""
    text = METER.replace('"1"', '"2"')
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return text


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.name)
def test_every_sample_loads_and_its_meters_get_their_adapters(path: Path) -> None:
    config = load(path, {})
    wired = meters.wire(config.meters, TIMES)
    ids = {m.serial: MeterId(bytes([i]) * 16) for i, m in enumerate(config.meters)}
    Bus(meters.stations(wired, ids, TIMES), TIMES.clocks)


def test_the_house_is_read_as_it_is_written() -> None:
    config = load(HOUSE, {})
    by_serial = {meter.serial: meter for meter in config.meters}
    three, one = by_serial["21050017"], by_serial["21050018"]
    assert three.line == one.line
    assert three.line.rtu
    assert (three.timeout_s, one.timeout_s, one.turnaround_s) == (0.5, 0.8, 0.005)
    p1 = by_serial["E0043007052870318"]
    assert isinstance(p1.line.place, SerialPlace)
    assert p1.line.place.baud == 115_200
    water, heat = by_serial["60012345"], by_serial["68543210"]
    assert (water.registers, heat.registers) == ((WATER,), (HEAT,))
    assert (water.address, heat.address) == ("60012345", "5")
    assert (water.capacity_w, water.period_s) == (4000, 30)
    assert isinstance(water.line.place, SerialPlace)
    assert (water.line.place.baud, water.line.place.parity) == (2400, "E")
    assert by_serial["SHED-1"].line.framing is Framing.RTU
    assert by_serial["7E16F37C"].line.place == TcpPlace("192.168.1.30", 502)


def test_meters_on_one_line_share_it_and_others_do_not() -> None:
    wired = meters.wire(load(HOUSE, {}).meters, TIMES)
    assert wired[0].line is wired[1].line
    assert wired[3].line is wired[4].line
    assert len({id(one.line) for one in wired}) == 7
    assert [one.model for one in wired[:4]] == [
        *("eastron-sdm630", "eastron-sdm120", "dsmr", "mbus")
    ]


@pytest.mark.parametrize(
    ("text", "registers"),
    [
        ("", (IMPORT, EXPORT)),
        ('kind = "water"', (WATER,)),
        ('kind = "gas"', (GAS,)),
        ('kind = "heat"', (HEAT,)),
        ('kind = "heat"\nregisters = ["6-0:1.0.0", "6-0:1.0.1"]', None),
    ],
)
def test_registers_follow_the_kind_unless_they_are_told(
    text: str, registers: tuple[int, ...] | None
) -> None:
    volume = "water" in text or "gas" in text
    base = MBUS.replace("capacity_w", "capacity_l_per_h") if volume else MBUS
    (meter,) = parse(base + text, {}).meters
    assert meter.registers == registers or len(meter.registers) == 2


def test_the_volume_of_a_heat_meter_is_in_litres() -> None:
    volume = MBUS.replace("capacity_w", "capacity_l_per_h")
    text = 'kind = "heat"\nregisters = ["6-0:2.0.0"]'
    (meter,) = parse(volume + text, {}).meters
    assert meter.capacity_w == 7400
    with pytest.raises(ConfigError, match="give capacity_l_per_h"):
        parse(MBUS + text, {})
    with pytest.raises(ConfigError, match="all energy or all volume"):
        parse(MBUS + text.replace("[", '["6-0:1.0.0", '), {})


@pytest.mark.parametrize(
    ("text", "rtu", "port"),
    [
        (GATEWAY, False, 502),
        (GATEWAY.replace('0.5"', '0.5"\nport = 4001\nframing = "rtu"'), True, 4001),
        (GATEWAY + 'protocol = "modbus-rtu-over-tcp"', True, 502),
        (GATEWAY + 'protocol = "modbus"', False, 502),
    ],
)
def test_how_modbus_crosses_a_network_is_told_by_line_or_meter(
    text: str, rtu: bool, port: int
) -> None:
    (meter,) = parse(text, {}).meters
    assert meter.line.rtu is rtu
    assert meter.line.place == TcpPlace("10.0.0.5", port)


RADIO = (
    LEAST.replace('device = "/dev/ttyUSB0"', 'command = ["wmbusmeters"]')
    .replace(
        'profile = "eastron-sdm120"',
        'protocol = "wmbus"\nkind = "water"\naddress = "7634879A"',
    )
    .replace("capacity_w", "capacity_l_per_h")
)
PULSE = (
    URL
    + """
[[meters]]
serial = "S0/1"
protocol = "pulse"
chip = "/dev/gpiochip0"
pin = 17
registers = ["1-0:1.8.0"]
pulses_per_kwh = 800
start_wh = 123456
capacity_w = 7400
"""
)


def test_a_meter_alone_on_its_line_may_hold_the_lines_keys_itself() -> None:
    own = 'device = "/dev/ttyUSB0"\nbaud = 19200\nparity = "E"'
    text = URL + METER.replace('line = "bus"', own)
    (meter,) = parse(text, {}).meters
    assert meter.line.place == SerialPlace("/dev/ttyUSB0", 19200, 8, "E")
    two = parse(text + second(('line = "bus"', own)) + "unit = 2", {}).meters
    assert two[0].line == two[1].line
    with pytest.raises(ConfigError, match="set in two ways"):
        parse(text + second(('line = "bus"', own[:-12])) + "unit = 2", {})


def test_radio_meters_share_a_receiver_and_none_waits_for_another() -> None:
    other = RADIO[RADIO.index("\n[[meters]]") :].replace("9A", "9B")
    config = parse(RADIO + other.replace('"1"', '"2"'), {})
    one, two = config.meters
    assert one.line == two.line
    assert one.queue != two.queue
    assert one.address == "7634879a"
    wired = meters.wire(config.meters, TIMES)
    assert wired[0].line is wired[1].line
    logged = parse(RADIO.replace('command = ["wmbusmeters"]', 'file = "/run/x"'), {})
    assert str(logged.meters[0].line.end) == "/run/x"


def test_a_pulse_output_is_counted_under_the_data_folder() -> None:
    config = parse(PULSE, {"METERSEAL_AGENT_DATA_DIR": "/data"})
    (meter,) = config.meters
    end = meter.line.end
    assert isinstance(end, PulseConfig)
    assert (end.weight, end.start) == (Fraction(5, 4), 123_456)
    assert end.folder == Path("/data/pulses/meter-S0%2F1")
    (wired,) = meters.wire(config.meters, TIMES)
    assert (wired.model, wired.line.name) == ("pulse", "/dev/gpiochip0 pin 17")
    with pytest.raises(TypeError, match="is no wire"):
        _ = meter.line.place


WRONG = [
    (LEAST.replace('line = "bus"', ""), "give exactly one of line, device, host"),
    (LEAST + 'host = "10.0.0.5"', "give exactly one of line, device, host"),
    (LEAST.replace('line = "bus"', 'line = "buss"'), r"line 'buss' is in no \[\["),
    (URL + METER.replace("line", "#"), "give exactly one of line, device, host"),
    (LEAST.replace("/dev/ttyUSB0", "ttyUSB0"), "device must be a path"),
    (LEAST.replace("[[meters]]", "baud = 9601\n[[meters]]"), "baud must be one of"),
    (LEAST.replace("[[meters]]", 'parity = "X"\n[[meters]]'), "parity must be one of"),
    (LEAST.replace("[[meters]]", 'parity = "e"\n[[meters]]'), "parity must be one of"),
    (LEAST.replace("[[meters]]", "bits = 9\n[[meters]]"), "bits must be an integer"),
    (LEAST.replace("[[meters]]", "stop = 3\n[[meters]]"), "stop must be an integer"),
    (LEAST.replace("[[meters]]", "stopp = 1\n[[meters]]"), "line 1: unknown key stopp"),
    (LEAST.replace("[[meters]]", "timeout_ms = 5\n[[meters]]"), "timeout_ms must be"),
    (LEAST + "turnaround_ms = 2000", "meter 1: turnaround_ms must be"),
    (LEAST.replace("[[meters]]", 'host = "x"\n[[meters]]'), "one of device, host"),
    (GATEWAY.replace("[[meters]]", "baud = 9600\n[[meters]]"), "unknown key baud"),
    (GATEWAY.replace("[[meters]]", 'framing = "x"\n[[meters]]'), "tcp or rtu"),
    (LEAST.replace("[[meters]]", RS485 + "[[meters]]"), "line bus is given twice"),
    (
        LEAST.replace("[[meters]]", RS485.replace("bus", "b") + "[[meters]]"),
        "line at /dev/ttyUSB0 is given twice",
    ),
    (
        LEAST.replace(
            "[[meters]]",
            RS485.replace("bus", "b").replace("USB0", "USB1") + "[[meters]]",
        ),
        "no meter stands on line b",
    ),
    (LEAST + second(), "/dev/ttyUSB0 unit 1 is given twice"),
    (LEAST + "unit = 0", "unit must be an integer from 1 to 247"),
    (LEAST + "unit = 248", "unit must be an integer from 1 to 247"),
    (LEAST + 'protocol = "zigbee"', "protocol must be modbus or"),
    (LEAST + 'protocol = "modbus-rtu-over-tcp"', 'write protocol = "modbus"'),
    (LEAST + 'protocol = "dsmr"', "dsmr has no profile, take it out"),
    (LEAST + 'protocol = "sunspec"', "sunspec has no profile, take it out"),
    (PUSH + "unit = 1", "dsmr has no unit, take it out"),
    (PUSH + "address = 1", "dsmr has no address, take it out"),
    (
        PUSH + second(('profile = "eastron-sdm120"', 'protocol = "dsmr"')),
        "bus has a meter already, and dsmr is one meter's alone",
    ),
    (
        PUSH + second(),
        "bus speaks dsmr already, not modbus",
    ),
    (MBUS.replace("address = 5", ""), "address is missing"),
    (MBUS + "timeout_ms = 900", "one timeout_ms for all its meters"),
    (MBUS + "turnaround_ms = 9", "mbus has no turnaround_ms, take it out"),
    (MBUS.replace("= 5", "= 251"), "address must be an integer from 0 to 250"),
    (MBUS.replace("= 5", '= "1234"'), "eight digits in quotes"),
    (
        MBUS
        + second(('profile = "eastron-sdm120"', 'protocol = "mbus"\naddress = "5"')),
        "eight digits in quotes",
    ),
    (
        MBUS + second(('profile = "eastron-sdm120"', 'protocol = "mbus"\naddress = 5')),
        "/dev/ttyUSB0 address 5 is given twice",
    ),
    (MBUS + 'kind = "water"', "capacity_w does not fit, give capacity_l_per_h"),
    (MBUS.replace("_w", "_l_per_h"), "capacity_l_per_h does not fit, give capacity_w"),
    (MBUS + 'registers = ["8-0:1.0.0", "6-0:1.0.0"]', "all energy or all volume"),
    (MBUS + 'kind = "steam"', "kind must be electricity or water or heat or gas"),
    (GATEWAY + second(("line", "host"), ('"bus"', '"10.0.0.5"')), 'say line = "bus"'),
    (
        GATEWAY + second() + 'unit = 2\nprotocol = "modbus-rtu-over-tcp"',
        "set in two ways, make it one of",
    ),
    (RADIO.replace("7634879A", "76348799 "), "eight digits in quotes"),
    (RADIO.replace('["wmbusmeters"]', "[]"), "command must be texts"),
    (RADIO.replace('["wmbusmeters"]', '["a", 1]'), "command must be texts"),
    (RADIO.replace('command = ["wmbusmeters"]', 'file = "x"'), "file must be a path"),
    (RADIO.replace('command = ["wmbusmeters"]', 'host = "x"'), "bus is a wire"),
    (LEAST.replace('device = "/dev/ttyUSB0"', 'file = "/x"'), "a command or a file"),
    (PULSE.replace("17", "-1"), "pin must be an integer"),
    (PULSE.replace("/dev/gpiochip0", "gpiochip0"), "chip must be a device"),
    (PULSE.replace("800", "0"), "pulses_per_kwh must be an integer"),
    (PULSE.replace("pulses_per_kwh = 800", ""), "pulses_per_kwh is missing"),
    (PULSE.replace("per_kwh", "per_m3"), "pulses_per_m3 does not fit"),
    (PULSE.replace('registers = ["1-0:1.8.0"]', ""), "counts one register, name it"),
    (PULSE + 'line = "bus"', "unknown key line"),
    (PULSE + "unit = 1", "pulse has no unit"),
    (PULSE + 'edge = "both"', "edge must be falling or rising"),
    (
        PULSE + PULSE[PULSE.index("[[") :].replace("S0/1", "S0/2"),
        "/dev/gpiochip0 pin 17 is given twice",
    ),
    (
        PUSH.replace('device = "/dev/ttyUSB0"', 'host = "10.0.0.5"'),
        "port is missing, dsmr has none of its own",
    ),
    (
        PUSH.replace(
            'device = "/dev/ttyUSB0"', 'host = "10.0.0.5"\nport = 1\nframing = "rtu"'
        ),
        "framing of bus is for Modbus only",
    ),
]


@pytest.mark.parametrize(("text", "says"), WRONG)
def test_what_is_wrong_is_said_in_one_sentence(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        parse(text, {})
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_text_is_said(tmp_path: Path) -> None:
    (tmp_path / "agent.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ConfigError, match="is not UTF-8"):
        load(tmp_path / "agent.toml", {})


def house() -> Config:
    return load(HOUSE, {})


def test_a_reload_keeps_the_ports_and_lines_of_what_did_not_change() -> None:
    before = meters.wire(house().meters, TIMES)
    text = HOUSE.read_text()
    slower = parse(text.replace("unit = 2", "unit = 3"), {})
    after = meters.wire(slower.meters, TIMES, before)
    same = [one is two for one, two in zip(before, after, strict=True)]
    assert same == [True, False] + 7 * [True]
    assert after[1].line is before[1].line
    assert isinstance(after[1].port, ModbusMeter)
    assert meters.left(before, after) == []


def test_a_line_set_otherwise_is_left_and_its_meters_begin_anew() -> None:
    before = meters.wire(house().meters, TIMES)
    faster = parse(HOUSE.read_text().replace("baud = 9600", "baud = 19200"), {})
    after = meters.wire(faster.meters, TIMES, before)
    same = [one is two for one, two in zip(before, after, strict=True)]
    assert same == [False, False] + 7 * [True]
    assert meters.left(before, after) == [before[0].line]
    assert after[0].line is after[1].line
    assert after[0].config.speech is Speech.MODBUS


def test_a_meter_taken_out_leaves_its_line() -> None:
    before = meters.wire(house().meters, TIMES)
    after = meters.wire(house().meters[:2], TIMES, before)
    assert after == before[:2]
    assert meters.left(before, after) == [before[i].line for i in (2, 3, 5, 6, 7, 8)]
