"""The simulator writes telegrams from the standards; the agent reads them from there too.

Neither knows the other, so to agree to the Wh both must be right.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_agent.meters.registers import POWER, Sample
from meterseal_agent.meters.telegrams import d0 as read_d0
from meterseal_agent.meters.telegrams import dsmr as read_dsmr
from meterseal_agent.meters.telegrams import mbus as read_mbus
from meterseal_agent.meters.telegrams import sml as read_sml
from meterseal_agent.meters.telegrams.model import BadTelegram, Splitter, Telegram
from meterseal_agent.meters.telegrams.sample import to_sample
from meterseal_proto.units import EXPORT, IMPORT, WATER, RegisterId, parse_obis
from meterseal_sim.electrical import MeterState, Quantities, quantities
from meterseal_sim.telegrams import d0, dsmr, mbus, sml, sums

AT = 1_790_000_000
SERIAL = 62_240_001
HEAT = parse_obis("6-0:1.0.0")
STATE = MeterState(
    serial=SERIAL,
    unit=1,
    import_wh=8_191_999,
    export_wh=1_234_567,
    power_w=-2400.0,
    demand_w=0.0,
    demand_peak_w=3100.0,
    voltages=(231.04, 229.96, 99.95),
    frequency_hz=50.01,
    shares=(400, 300, 300),
    factor=980,
    tangent=203,
)


def pushed(values: Quantities, serial: int, at: int) -> bytes:
    return d0.encode(values, serial, at, checked=False)


@dataclass(frozen=True, slots=True)
class Format:
    """A format's writer and its reader, and what the reader should call the meter."""

    encode: Callable[[Quantities, int, int], bytes]
    decode: Callable[[bytes], Telegram]
    splitter: Callable[[], Splitter]
    meter: str
    checked: bool = True


FORMATS = {
    "dsmr": Format(
        dsmr.encode, read_dsmr.decode, read_dsmr.Splitter, dsmr.plate(SERIAL)
    ),
    "sml": Format(sml.encode, read_sml.decode, read_sml.Splitter, "1MSL0062240001"),
    "d0": Format(d0.encode, read_d0.decode, read_d0.Splitter, "62240001"),
    "d0-pushed": Format(
        pushed, read_d0.decode, read_d0.Splitter, "62240001", checked=False
    ),
}
EACH = pytest.mark.parametrize("form", FORMATS.values(), ids=FORMATS)


def state(import_wh: int, export_wh: int, power_w: float) -> Quantities:
    return quantities(
        replace(STATE, import_wh=import_wh, export_wh=export_wh, power_w=power_w)
    )


def sample(telegram: Telegram, *wanted: RegisterId) -> Sample:
    return to_sample(AT, telegram, wanted)


def test_the_sums_are_the_catalogues_own() -> None:
    check = b"123456789"
    assert (sums.x25(check), sums.p1(check)) == (0x906E, 0xBB3D)
    assert (sums.block_check(check), sums.m_bus(check)) == (0x31, 0xDD)


@EACH
def test_the_agent_reads_a_home_to_the_wh(form: Format) -> None:
    telegram = form.decode(form.encode(quantities(STATE), SERIAL, AT))
    assert (telegram.meter, telegram.checked) == (form.meter, form.checked)
    found = sample(telegram, IMPORT, EXPORT)
    assert found.values == {IMPORT: 8_191_999, EXPORT: 1_234_567}
    assert found.power_w == -2400


@EACH
def test_each_phase_shows_its_voltage_to_a_tenth(form: Format) -> None:
    telegram = form.decode(form.encode(quantities(STATE), SERIAL, AT))
    shown = [
        str(value.number)
        for code in (32, 52, 72)
        for value in telegram.values
        if value.register == parse_obis(f"1-0:{code}.7.0") and value.unit == "V"
    ]
    assert [volts.lstrip("0") for volts in shown] == ["231.0", "230.0", "100.0"]


@EACH
@settings(max_examples=60, deadline=None)
@given(
    taken=st.integers(0, 10**9 - 1),
    given_=st.integers(0, 10**9 - 1),
    power=st.floats(-50_000, 50_000),
    at=st.integers(946_684_800, 4_102_444_800),
)
def test_every_register_and_moment_is_read_as_it_was_written(
    form: Format, taken: int, given_: int, power: float, at: int
) -> None:
    telegram = form.decode(form.encode(state(taken, given_, power), SERIAL, at))
    found = sample(telegram, IMPORT, EXPORT)
    assert found.values == {IMPORT: taken, EXPORT: given_}
    assert found.power_w == round(power)


@pytest.mark.parametrize("name", ["dsmr", "d0", "d0-pushed"])
def test_a_display_that_is_full_begins_again(name: str) -> None:
    form = FORMATS[name]
    full = state(10**9 + 5, 0, 0.0)
    found = sample(form.decode(form.encode(full, SERIAL, AT)), IMPORT)
    # P1 shows two tariffs, and neither is full.
    assert found.values == {IMPORT: 10**9 + 5 if name == "dsmr" else 5}


@EACH
def test_a_stream_of_seconds_is_cut_into_its_telegrams(form: Format) -> None:
    sent = [form.encode(state(n, 2 * n, n), SERIAL, AT + n) for n in range(3)]
    splitter = form.splitter()
    stream = sent[0][40:] + b"".join(sent[1:]) + sent[0]
    cut = [f for i in range(len(stream)) for f in splitter.feed(stream[i : i + 1])]
    assert [frame.raw for frame in cut if frame.raw in sent] == [*sent[1:], sent[0]]


@EACH
def test_no_flipped_bit_is_another_energy(form: Format) -> None:
    frame = form.encode(quantities(STATE), SERIAL, AT)
    true = sample(form.decode(frame), IMPORT, EXPORT)
    kept = 0
    for at in range(len(frame)):
        for bit in range(8):
            damaged = bytearray(frame)
            damaged[at] ^= 1 << bit
            try:
                found = sample(form.decode(bytes(damaged)), IMPORT, EXPORT)
            except BadTelegram:
                continue
            if form.checked:
                assert found.values == true.values
                kept += 1
    # Only what the sums leave out: the sign-on line, and the sum's own letters' case.
    assert kept < 8 * len(d0.identification())


def test_every_flipped_bit_of_an_sml_or_m_bus_telegram_is_refused() -> None:
    sent = [
        (sml.encode(quantities(STATE), SERIAL, AT), read_sml.decode),
        (mbus.encode(mbus.Kind.WATER, 123_456, SERIAL, AT), read_mbus.decode),
        (mbus.encode(mbus.Kind.HEAT, 123_456, SERIAL, AT), read_mbus.decode),
    ]
    for frame, decode in sent:
        for place in range(8 * len(frame)):
            damaged = bytearray(frame)
            damaged[place // 8] ^= 1 << place % 8
            with pytest.raises(BadTelegram):
                decode(bytes(damaged))


@pytest.mark.parametrize(
    ("kind", "register", "most"),
    [(mbus.Kind.WATER, WATER, 2**31 - 1), (mbus.Kind.HEAT, HEAT, 2**47 - 1)],
)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_water_and_heat_over_m_bus_lose_nothing(
    kind: mbus.Kind, register: RegisterId, most: int, data: st.DataObject
) -> None:
    total = data.draw(st.integers(0, most))
    frame = mbus.encode(kind, total, 12_345_678, AT, address=7)
    telegram = read_mbus.decode(frame)
    assert (telegram.checked, telegram.meter[:8]) == (True, "12345678")
    assert sample(telegram, register).values == {register: total}
    assert frame[5] == 7
    assert [cut.raw for cut in read_mbus.Splitter().feed(frame)] == [frame]


def test_an_escape_in_an_sml_telegram_is_sent_twice() -> None:
    # 0x1B1B1B1B as the second: open's file id, the seconds index and no CRC's accident.
    frame = sml.encode(quantities(STATE), SERIAL, 0x1B1B1B1B)
    assert frame.count(b"\x1b" * 8) >= 2
    assert sample(read_sml.decode(frame), IMPORT).values == {IMPORT: 8_191_999}


def test_power_is_positive_into_the_house() -> None:
    for form in FORMATS.values():
        telegram = form.decode(form.encode(state(1, 1, 345.0), SERIAL, AT))
        assert sample(telegram).power_w == 345
        told = {v.register: v for v in telegram.values}
        if POWER not in told:
            assert str(told[parse_obis("1-0:2.7.0")].number) == "0.000"
