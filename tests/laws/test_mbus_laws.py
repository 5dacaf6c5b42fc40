"""M-Bus laws: no bytes break the decoder, and no damaged byte becomes a reading."""

import json
from collections.abc import Mapping
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.telegrams import mbus, mbus_records, mbus_vife, wmbus
from meterseal_agent.meters.telegrams.mbus_frame import (
    MAX_FRAME,
    Cutter,
    long,
)
from meterseal_agent.meters.telegrams.mbus_units import PRIMARY, look_up
from meterseal_agent.meters.telegrams.model import BadTelegram
from tests.support.data import shared_data

TEN = (
    "ACW_Itron-BM-plus-m",
    "EDC",
    "EFE_Engelmann-WaterStar",
    "GWF-MTKcoder",
    "REL-Relay-Padpuls2",
    "SEN_Pollustat",
    "abb_delta",
    "electricity-meter-1",
    "oms_frame2",
    "sen_pollusonic_2",
)
"""Water, warm water, heat, gas and electricity, in the variable and the fixed structure."""


def refused_or_decoded(raw: bytes) -> None:
    try:
        telegram = mbus.decode(raw)
    except BadTelegram as trouble:
        assert 0 <= trouble.offset <= len(raw)
        return
    assert len(telegram.values) <= mbus_records.MAX_RECORDS + 2
    for value in telegram.values:
        assert value.number is None or value.number.is_finite()


def told(fields: Mapping[str, object]) -> bytes:
    return json.dumps({"id": "12345678", "media": "water", **fields}).encode()


@given(st.binary(max_size=300))
def test_random_bytes_are_refused_and_nothing_else(raw: bytes) -> None:
    refused_or_decoded(raw)


@given(
    st.sampled_from([0x70, 0x72, 0x73, 0x76, 0x77, 0x78, 0x7A, 0x51]),
    st.binary(max_size=252),
)
def test_random_data_in_a_sound_frame_are_refused_or_decoded(
    ci: int, data: bytes
) -> None:
    refused_or_decoded(long(0x08, 1, ci, data))


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(st.binary(max_size=200) | st.dictionaries(st.text(max_size=9), JSON).map(told))
def test_random_lines_of_wmbusmeters_are_refused_and_nothing_else(raw: bytes) -> None:
    try:
        telegram = wmbus.decode(raw)
    except BadTelegram as trouble:
        assert 0 <= trouble.offset <= len(raw)
    else:
        assert all(v.text.isprintable() for v in telegram.values)


RECORD = st.builds(
    lambda dif, vif, vifes, data: bytes((dif, vif, *vifes)) + data,
    st.sampled_from([0x01, 0x02, 0x04, 0x05, 0x06, 0x07, 0x0C, 0x0D, 0x0E, 0x3C]),
    st.integers(0, 255),
    st.lists(st.integers(0, 255), max_size=3),
    st.binary(min_size=8, max_size=12),
)


@given(st.lists(RECORD, max_size=8))
def test_random_records_are_refused_or_decoded(records: list[bytes]) -> None:
    refused_or_decoded(long(0x08, 1, 0x72, bytes(12) + b"".join(records)))


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_whatever_comes_the_splitter_keeps_no_more_than_a_frame(
    chunks: list[bytes],
) -> None:
    cutter = Cutter()
    for chunk in chunks:
        for frame in cutter.feed(chunk):
            mbus_frame_is_whole(frame.raw)
    assert len(cutter._kept) <= MAX_FRAME


def mbus_frame_is_whole(raw: bytes) -> None:
    assert raw[0] == raw[3] == 0x68
    assert len(raw) == raw[1] + 6


@pytest.mark.parametrize("name", TEN)
def test_no_flipped_byte_of_a_frame_ever_gives_a_value(name: str) -> None:
    raw = bytes.fromhex(shared_data("meters", "mbus", f"{name}.hex").read_text())
    mbus.decode(raw)
    for at in range(len(raw)):
        for mask in (0xFF, 0x01, 0x80, 0x10):
            damaged = bytearray(raw)
            damaged[at] ^= mask
            with pytest.raises(BadTelegram):
                mbus.decode(bytes(damaged))


@given(st.integers(0, 0x7F), st.lists(st.integers(0, 0x7F), max_size=10))
def test_only_a_plain_total_keeps_its_meaning_through_extensions(
    code: int, codes: list[int]
) -> None:
    plain = look_up(PRIMARY, code)
    extended = mbus_vife.extend(plain, tuple(codes))
    if not extended.special:
        assert (extended.meaning.quantity, extended.meaning.unit) == (
            plain.quantity,
            plain.unit,
        )


@given(st.integers(-(1 << 31) + 1, (1 << 31) - 1), st.integers(0, 7))
def test_every_volume_is_exact(count: int, power: int) -> None:
    data = (
        bytes(12)
        + bytes((0x04, 0x10 + power))
        + count.to_bytes(4, "little", signed=True)
    )
    (value,) = mbus.decode(long(0x08, 1, 0x72, data)).values
    assert value.number is not None
    assert value.number * 10**6 == Decimal(count) * 10**power
