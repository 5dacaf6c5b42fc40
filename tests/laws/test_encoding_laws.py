"""One value, one encoding: our CBOR against cbor2, and against bytes nobody would write."""

import struct

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.encoding import MAX_DEPTH, Value, appended, decode, encode
from meterseal_proto.errors import Malformed, Reason, Rejected

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 64), (1 << 64) - 1)
    | st.binary(max_size=300)
    | st.text(max_size=60)
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=30), inner, max_size=5)
    ),
    max_leaves=12,
)


@given(VALUES)
def test_decoding_gives_back_what_was_encoded(value: object) -> None:
    assert decode(encode(value)) == value  # type: ignore[arg-type]


@given(VALUES)
def test_cbor2_reads_our_bytes_as_the_same_value(value: object) -> None:
    assert _tuples(cbor2.loads(encode(value))) == value  # type: ignore[arg-type]


def _tuples(value: object) -> object:
    if isinstance(value, list | tuple):
        return tuple(_tuples(item) for item in value)
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return value


@given(st.binary(max_size=120))
def test_bytes_are_refused_or_are_the_encoding_of_what_they_decode_to(
    data: bytes,
) -> None:
    try:
        value = decode(data)
    except Rejected as error:
        assert error.reason in (Reason.MALFORMED, Reason.TOO_LARGE)
        return
    assert encode(value) == data


@given(VALUES, st.data())
def test_a_flipped_bit_never_decodes_to_the_same_value(
    value: object, data: st.DataObject
) -> None:
    good = encode(value)  # type: ignore[arg-type]
    bit = data.draw(st.integers(0, len(good) * 8 - 1))
    bad = bytearray(good)
    bad[bit // 8] ^= 1 << bit % 8
    try:
        assert encode(decode(bytes(bad))) != good
    except Rejected:
        pass


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "ends early"),
        (b"\x18\x17", "longer form"),
        (b"\x19\x00\xff", "longer form"),
        (b"\x1b\x00\x00\x00\x00\xff\xff\xff\xff", "longer form"),
        (b"\xfb" + struct.pack(">d", 1.5), "floats"),
        (b"\xf9\x3c\x00", "floats"),
        (b"\xf7", "floats"),
        (b"\xc0\x00", "tags"),
        (b"\xc2\x41\x01", "tags"),
        (b"\x9f\x01\xff", "indefinite"),
        (b"\x5f\x41a\xff", "indefinite"),
        (b"\x82\x01", "ends early"),
        (b"\x42a", "ends early"),
        (b"\x61\xff", "UTF-8"),
        (b"\xa2\x61a\x01\x61a\x02", "map keys"),
        (b"\xa2\x61b\x01\x61a\x02", "map keys"),
        (b"\xa1\x01\x02", "map keys"),
        (b"\x01\x02", "after the end"),
        (b"\x81" * (MAX_DEPTH + 1) + b"\x01", "nested"),
        (b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff", "ends early"),
    ],
)
def test_what_the_encoder_would_not_write_is_refused_with_its_place(
    data: bytes, says: str
) -> None:
    with pytest.raises(Malformed, match=says) as caught:
        decode(data)
    assert 0 <= caught.value.offset <= len(data)


def test_a_message_above_the_limit_is_refused_before_it_is_read() -> None:
    with pytest.raises(Rejected) as caught:
        decode(b"\xff" * 65_537)
    assert caught.value.reason is Reason.TOO_LARGE


def test_ten_thousand_opening_brackets_do_not_exhaust_the_stack() -> None:
    with pytest.raises(Malformed, match="nested"):
        decode(b"\x81" * 10_000)


@given(st.lists(VALUES, max_size=22), VALUES)
def test_an_array_with_one_more_item_is_encoded_as_if_at_once(
    items: list[Value], last: Value
) -> None:
    assert appended(encode(items), last) == encode([*items, last])
