import struct
from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.registers import (
    POWER,
    Absence,
    Coding,
    Form,
    Kind,
    Point,
    Scale,
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


def test_a_pattern_of_one_type_is_an_honest_number_in_another() -> None:
    coding = Coding(
        WordOrder.BIG,
        of_kind=frozenset({(Kind.U16, b"\xff\xff"), (Kind.S16, b"\x7f\xff")}),
    )
    watt = Unit.WATT
    assert decode(b"\xff\xff", point(Kind.U16), coding) is Absence.NOT_AVAILABLE
    assert decode(b"\xff\xff", point(Kind.S16, unit=watt), coding) == -1
    assert decode(b"\x7f\xff", point(Kind.S16), coding) is Absence.NOT_AVAILABLE
    assert decode(b"\x7f\xff", point(Kind.U16), coding) == 32767


def test_a_pattern_of_one_point_leaves_the_others_alone() -> None:
    zero = replace(point(Kind.U32), absent=frozenset({bytes(4)}))
    assert decode(bytes(4), zero, BIG) is Absence.NOT_AVAILABLE
    assert decode(bytes(4), point(Kind.U32), BIG) == 0


@pytest.mark.parametrize(
    ("shown", "meant"),
    [(0.5, 500), (1.0, 1000), (1.25, 750), (-0.5, -500), (-1.0, -1000), (-1.25, -750)],
)
def test_a_four_quadrant_power_factor_is_folded_back(shown: float, meant: int) -> None:
    factor = replace(point(Kind.F32, "1000", Unit.PER_MILLE), folded=True)
    assert decode(struct.pack(">f", shown), factor, BIG) == meant


def scaled(*scales: Scale) -> Point:
    return replace(point(Kind.S16, "1000", Unit.MILLIVOLT), scaled_by=scales)


RATIO = Scale("ratio", 4, Kind.U16, Form.FACTOR, Fraction("0.1"))
POWER_OF_TEN = Scale("sf", 5, Kind.S16, Form.EXPONENT)


def test_scale_registers_multiply_exactly() -> None:
    words = {0: 2301, 4: 15, 5: 0xFFFF}
    both = to_sample(0, words, (scaled(RATIO, POWER_OF_TEN),), BIG)
    assert both.values == {IMPORT: 345_150}
    assert to_sample(0, words, (scaled(POWER_OF_TEN),), BIG).values == {IMPORT: 230_100}


@pytest.mark.parametrize(
    ("scale", "raw"),
    [(POWER_OF_TEN, 0x8000), (POWER_OF_TEN, 11), (POWER_OF_TEN, 0xFFF5), (RATIO, 0)],
)
def test_a_value_whose_scale_the_meter_does_not_tell_is_absent(
    scale: Scale, raw: int
) -> None:
    coding = Coding(WordOrder.BIG, of_kind=frozenset({(Kind.S16, b"\x80\x00")}))
    sample = to_sample(0, {0: 2301, scale.address: raw}, (scaled(scale),), coding)
    assert sample.unavailable == {
        IMPORT: "the meter does not tell the scale of this value"
    }


def test_a_meter_without_the_mark_of_its_profile_shows_nothing() -> None:
    marked = scaled(Scale("id", 4, Kind.U16, Form.MARK, Fraction(203)))
    assert to_sample(0, {0: 7, 4: 203}, (marked,), BIG).values == {IMPORT: 7000}
    sample = to_sample(0, {0: 7, 4: 103}, (marked,), BIG)
    assert sample.unavailable == {IMPORT: "this is not the meter its profile is for"}


@given(st.integers(-32768, 32767), st.integers(-10, 10))
def test_a_power_of_ten_is_applied_before_the_one_rounding(
    raw: int, power: int
) -> None:
    words = {0: raw & 0xFFFF, 5: power & 0xFFFF}
    sample = to_sample(0, words, (scaled(POWER_OF_TEN),), BIG)
    assert sample.values == {
        IMPORT: round(Fraction(raw) * 1000 * Fraction(10) ** power)
    }


def test_reactive_and_apparent_energy_never_fall_below_zero() -> None:
    for unit in (Unit.VAR_HOUR, Unit.VOLT_AMPERE_HOUR, Unit.WATT_HOUR, Unit.LITRE):
        assert decode(b"\xff\xff", point(Kind.S16, unit=unit), BIG) is Absence.NEGATIVE
    for unit in (Unit.VAR, Unit.VOLT_AMPERE, Unit.PER_MILLE):
        assert decode(b"\xff\xff", point(Kind.S16, unit=unit), BIG) == -1


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
