"""SunSpec devices over Modbus TCP: the chain is walked, and no pattern becomes a number."""

import struct
from collections.abc import AsyncIterator, Callable

import pytest

from meterseal_agent.meters.modbus import Line, TcpTransport, Timing
from meterseal_agent.meters.modbus.sunspec import SunSpecMeter
from meterseal_agent.meters.modbus.sunspec_models import INVERTERS, METERS
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT, parse_obis
from tests.support.scripted_line import Asked, ScriptedLine

HOST = "127.0.0.1"
NOW = 1_782_900_000
COMMON = (1, [0x4D65] * 66)
VOLTAGE, CURRENT_2 = parse_obis("1-0:32.7.0"), parse_obis("1-0:51.7.0")
FREQUENCY = parse_obis("1-0:14.7.0")


def integers(length: int, at: dict[int, int]) -> list[int]:
    """Return a model's body: `at` holds words by offset from the model's id."""
    return [at.get(offset, 0x8000) & 0xFFFF for offset in range(2, length + 2)]


def floats(length: int, at: dict[int, float]) -> list[int]:
    words = [0x7FC0, 0] * (length // 2)
    for offset, value in at.items():
        words[offset - 2 : offset] = struct.unpack(">2H", struct.pack(">f", value))
    return words


METER = (
    203,
    integers(
        105,
        # Amperes x 0.01, volts x 0.1, hertz x 0.01, watts x 10, energy x 100 Wh.
        {3: 425, 5: 99, 6: -2, 8: 2301, 9: 2289, 10: 2317, 15: -1, 16: 4990}
        | {17: -2, 18: 369, 22: 1, 38: 0, 39: 10_891, 46: 1, 47: 11_007, 54: 2},
    ),
)
FLOAT_METER = (
    213,
    floats(124, {12: 230.5, 26: 50.0, 28: -1500.4, 60: 89_012.0, 68: 1_234_567.0}),
)
INVERTER = (
    103,
    integers(50, {14: 4200, 15: 0, 24: 0x0012, 25: 0xD687, 26: 0, 10: 2305, 13: -1}),
)
FLOAT_INVERTER = (113, floats(60, {22: 4200.0, 24: 50.02, 32: 1_234_567.0}))


class Device:
    """A SunSpec device: models in a chain at a base address."""

    def __init__(self, base: int, *models: tuple[int, list[int]]) -> None:
        self.words: dict[int, int] = {}
        self.asked: list[int] = []
        self.lay(base, *models)

    def lay(self, base: int, *models: tuple[int, list[int]]) -> None:
        chain = [0x5375, 0x6E53]
        for number, body in models:
            chain += [number, len(body), *body]
        self.words = dict(enumerate([*chain, 0xFFFF, 0], base))

    async def answer(self, one: Asked) -> None:
        self.asked.append(one.address)
        assert one.function == 3
        try:
            words = [
                self.words[at] for at in range(one.address, one.address + one.count)
            ]
        except KeyError:
            one.refuse(2)
        else:
            one.words(words)


@pytest.fixture
async def meter_of() -> AsyncIterator[Callable[[Device], SunSpecMeter]]:
    lines: list[Line] = []
    device: list[Device] = []

    async def script(one: Asked) -> None:
        await device[-1].answer(one)

    async with ScriptedLine(script) as server:

        def meter(one: Device) -> SunSpecMeter:
            device.append(one)
            lines.append(Line(TcpTransport(HOST, server.port)))
            return SunSpecMeter(lines[-1], 1, 17_250, Timing(2.0))

        yield meter
        for line in lines:
            line.close()


Make = Callable[[Device], SunSpecMeter]


@pytest.mark.parametrize("base", [40000, 50000, 0])
async def test_the_chain_is_found_at_each_base_and_walked_once(
    base: int, meter_of: Make
) -> None:
    device = Device(base, COMMON, (120, [0] * 26), METER)
    meter = meter_of(device)
    first = await meter.read(NOW)
    walked = len(device.asked)
    assert (await meter.read(NOW + 10)).values == first.values
    assert len(device.asked) == walked + 1
    assert first.values[IMPORT] == (65_536 + 11_007) * 100
    assert first.values[EXPORT] == 1_089_100
    assert first.power_w == 3690
    assert first.values[VOLTAGE] == 230_100
    assert first.values[FREQUENCY] == 49_900


async def test_what_is_not_implemented_is_absent_with_a_reason(meter_of: Make) -> None:
    sample = await meter_of(Device(40000, COMMON, METER)).read(NOW)
    assert CURRENT_2 not in sample.values
    assert sample.unavailable[CURRENT_2] == "the meter says not available"
    assert sample.values[parse_obis("1-0:31.7.0")] == 4250


async def test_a_float_meter_is_read_without_scales(meter_of: Make) -> None:
    sample = await meter_of(Device(40000, COMMON, FLOAT_METER)).read(NOW)
    assert sample.values[IMPORT] == 1_234_567
    assert sample.values[EXPORT] == 89_012
    assert sample.power_w == -1500
    assert sample.unavailable[CURRENT_2] == "the meter sent NaN"


@pytest.mark.parametrize("model", [INVERTER, FLOAT_INVERTER])
async def test_what_an_inverter_makes_is_export_and_negative_power(
    model: tuple[int, list[int]], meter_of: Make
) -> None:
    sample = await meter_of(Device(40000, COMMON, model)).read(NOW)
    assert sample.values[EXPORT] == 1_234_567
    assert sample.power_w == -4200
    assert IMPORT not in sample.values


async def test_a_meter_behind_an_inverter_is_preferred(meter_of: Make) -> None:
    sample = await meter_of(Device(40000, COMMON, INVERTER, METER)).read(NOW)
    assert sample.values[EXPORT] == 1_089_100


async def test_an_energy_without_its_scale_is_no_energy(meter_of: Make) -> None:
    number, body = METER
    spoilt = (number, [*body[:52], 0x8000, *body[53:]])
    sample = await meter_of(Device(40000, COMMON, spoilt)).read(NOW)
    assert "scale" in sample.unavailable[IMPORT]
    assert IMPORT not in sample.values


async def test_a_register_that_falls_to_zero_is_no_value(meter_of: Make) -> None:
    new = (213, floats(124, {60: 0.0, 68: 5.0}))
    device = Device(40000, COMMON, new)
    meter = meter_of(device)
    sample = await meter.read(NOW)
    assert (sample.values[EXPORT], sample.values[IMPORT]) == (0, 5)
    device.lay(40000, COMMON, (213, floats(124, {60: 0.0, 68: 0.0})))
    sample = await meter.read(NOW)
    assert sample.values[EXPORT] == 0
    assert "fell to 0" in sample.unavailable[IMPORT]


async def test_a_chain_that_moved_is_walked_anew(meter_of: Make) -> None:
    device = Device(40000, COMMON, METER)
    meter = meter_of(device)
    first = await meter.read(NOW)
    device.lay(40000, COMMON, (120, [0] * 26), METER)
    with pytest.raises(Unavailable, match="model 203 is not where it was"):
        await meter.read(NOW)
    assert (await meter.read(NOW)).values == first.values


@pytest.mark.parametrize(
    ("device", "says"),
    [
        (Device(40000, COMMON, (120, [0] * 26)), "models 1, 120 are neither a meter"),
        (Device(30000, COMMON, METER), "is no SunSpec device"),
        (Device(40000, *[(7, [0])] * 70), "has no end"),
        (Device(40000, (1, [0] * 10_000), (2, [0] * 15_540)), "has no end"),
    ],
)
async def test_a_device_that_counts_nothing_is_said(
    device: Device, says: str, meter_of: Make
) -> None:
    with pytest.raises(Unavailable, match=says):
        await meter_of(device).read(NOW)


def test_every_model_fits_one_request() -> None:
    for model in [*METERS.values(), *INVERTERS.values()]:
        assert model.size <= 125
        assert EXPORT in model.counts
