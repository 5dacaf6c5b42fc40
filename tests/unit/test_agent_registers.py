import struct
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.registers import (
    POWER,
    Absence,
    Coding,
    Kind,
    Point,
    Unit,
    WordOrder,
    decode,
    to_bytes,
    to_sample,
)
from meterseal_proto.units import EXPORT, IMPORT

BIG = Coding(WordOrder.BIG)


def point(kind: Kind, scale: str = "1", unit: Unit = Unit.WATT_HOUR) -> Point:
    return Point("p", IMPORT, 0, kind, Fraction(scale), unit)


@pytest.mark.parametrize(
    ("kind", "raw", "value"),
    [
        (Kind.U16, "FFFF", 65535),
        (Kind.S16, "FFFF", -1),
        (Kind.U32, "FFFFFFFE", 4294967294),
        (Kind.S32, "FFFFFFFE", -2),
        (Kind.U64, "0000000100000000", 1 << 32),
        (Kind.S64, "FFFFFFFFFFFFFFFF", -1),
        (Kind.F32, "C1480000", -12),
        (Kind.F64, "40F86A0000000000", 100000),
    ],
)
def test_every_number_type_becomes_its_integer(
    kind: Kind, raw: str, value: int
) -> None:
    assert decode(bytes.fromhex(raw), point(kind, unit=Unit.WATT), BIG) == value


def test_low_word_first_is_the_same_number_with_its_words_turned_round() -> None:
    assert to_bytes((0x5678, 0x1234), WordOrder.LITTLE) == bytes.fromhex("12345678")
    assert to_bytes((1, 2, 3, 4), WordOrder.LITTLE) == bytes.fromhex("0004000300020001")
    assert to_bytes((0x1234, 0x5678), WordOrder.BIG) == bytes.fromhex("12345678")


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        ("7FC00000", Absence.NOT_A_NUMBER),
        ("7F800000", Absence.INFINITE),
        ("FF800000", Absence.INFINITE),
        ("BF800000", Absence.NEGATIVE),
        ("7F7FFFFF", Absence.OUT_OF_RANGE),
        ("DEADBEEF", Absence.NOT_AVAILABLE),
    ],
)
def test_a_value_that_is_none_becomes_an_absence_with_its_reason(
    raw: str, reason: Absence
) -> None:
    coding = Coding(WordOrder.BIG, frozenset({bytes.fromhex("DEADBEEF")}))
    assert decode(bytes.fromhex(raw), point(Kind.F32, "1000"), coding) is reason


def test_an_absent_register_is_named_and_never_zero() -> None:
    words = {0: 0x7FC0, 1: 0, 2: 0, 3: 0, 4: 0x42F6, 5: 0xE979}
    points = (
        Point("import", IMPORT, 0, Kind.F32, Fraction(1000), Unit.WATT_HOUR),
        Point("export", EXPORT, 2, Kind.F32, Fraction(1000), Unit.WATT_HOUR),
        Point("power", POWER, 4, Kind.F32, Fraction(1), Unit.WATT),
    )
    sample = to_sample(77, words, points, BIG)
    assert sample.at == 77
    assert sample.values == {EXPORT: 0, POWER: 123}
    assert sample.unavailable == {IMPORT: "the meter sent NaN"}
    assert sample.power_w == 123


def test_a_sample_without_a_power_point_has_no_power() -> None:
    assert to_sample(0, {0: 5}, (point(Kind.U16),), BIG).power_w is None


def test_int64_energy_is_exact_beyond_what_any_float_holds() -> None:
    raw = struct.pack(">q", (1 << 53) + 1)
    assert decode(raw, point(Kind.S64), BIG) == (1 << 53) + 1


@given(st.integers(0, (1 << 14) * 1000))
def test_float32_kwh_gives_every_wh_back_up_to_16384_kwh(wh: int) -> None:
    assert decode(struct.pack(">f", wh / 1000), point(Kind.F32, "1000"), BIG) == wh


@given(st.integers(0, 10**9), st.integers(0, 10**6))
def test_rounding_never_turns_a_growing_register_back(wh: int, more: int) -> None:
    first = decode(struct.pack(">f", wh / 1000), point(Kind.F32, "1000"), BIG)
    second = decode(struct.pack(">f", (wh + more) / 1000), point(Kind.F32, "1000"), BIG)
    assert isinstance(first, int)
    assert isinstance(second, int)
    assert first <= second


@given(st.sampled_from(Kind), st.binary(min_size=8, max_size=8))
def test_any_words_decode_to_an_integer_or_a_reason(kind: Kind, raw: bytes) -> None:
    value = decode(raw[: 2 * kind.words], point(kind, "0.001"), BIG)
    assert type(value) in {int, Absence}
