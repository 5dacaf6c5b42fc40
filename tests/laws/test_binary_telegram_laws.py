"""Damage never becomes energy: laws of the SML and HAN decoders and their splitters."""

import json
import tracemalloc
from collections.abc import Callable, Sequence
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_agent.meters.telegrams import han, sml
from meterseal_agent.meters.telegrams.model import (
    BadTelegram,
    Frame,
    Splitter,
    Telegram,
)
from meterseal_proto.units import RegisterId
from tests.support.binary_frames import (
    entry,
    hdlc_frame,
    message,
    number,
    octets,
    sml_frame,
    value_list,
)
from tests.support.data import shared_data

SPLITTERS: list[Callable[[], Splitter]] = [sml.Splitter, han.Splitter]
SERVER = bytes.fromhex("0a01544553000000002a")
LIST = value_list(
    SERVER,
    [
        entry("0100010800ff", number(123456, 4), status=number(0x1C0104, 4)),
        entry("0100100700ff", number(-420, 4, signed=True), unit=27),
        entry("0100600100ff", octets(SERVER)),
    ],
)
NOTIFICATION = bytes.fromhex(
    "e6e7000f40000000000102"
    "020309060100010800ff060022ab8a02020f01161e"
    "02020906010001010 0ff090c07e4011502100000ff000000".replace(" ", "")
)
MASKS = (1, 2, 4, 8, 16, 32, 64, 128, 0x7E, 0x1B, 0xFF)


def captured_sml() -> list[bytes]:
    """One frame of every dump."""
    found = []
    for path in sorted(shared_data("meters", "sml").glob("*.bin")):
        (first, *_) = sml.Splitter().feed(path.read_bytes())
        found.append(first.raw)
    return found


def captured_han() -> list[bytes]:
    """Every captured list in an HDLC frame; two were captured in theirs."""
    text = shared_data("meters", "dlms_han", "frames.json").read_text()
    raws = [bytes.fromhex(raw) for raw in json.loads(text).values()]
    framed = [hdlc_frame(raw) for raw in raws if raw.startswith(b"\xe6\xe7")]
    return framed + [raw for raw in raws if raw[0] & 0xF0 == 0xA0]


def energies(telegram: Telegram) -> list[tuple[RegisterId | None, Decimal]]:
    return [
        (value.register, value.number)
        for value in telegram.values
        if value.unit.endswith("Wh") and value.number is not None
    ]


@pytest.mark.parametrize(
    ("captured", "decode"), [(captured_sml, sml.decode), (captured_han, han.decode)]
)
def test_no_byte_of_a_checked_frame_can_change_and_give_another_energy(
    captured: Callable[[], list[bytes]], decode: Callable[[bytes], Telegram]
) -> None:
    frames = captured()
    assert len(frames) >= 10
    for frame in frames:
        assert decode(frame).checked
        for at in range(len(frame)):
            for mask in MASKS:
                damaged = bytearray(frame)
                damaged[at] ^= mask
                with pytest.raises(BadTelegram):
                    decode(bytes(damaged))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), flip=st.integers(1, 255))
def test_any_other_first_byte_of_a_frame_is_refused_too(
    data: st.DataObject, flip: int
) -> None:
    # The first byte chooses how a HAN telegram is read: none may lead past the sums.
    frame = data.draw(st.sampled_from([hdlc_frame(NOTIFICATION)]))
    for whole in (frame, frame[1:-1]):
        with pytest.raises(BadTelegram):
            han.decode(bytes((whole[0] ^ flip,)) + whole[1:])


def decodes_or_refuses(
    decode: Callable[[bytes], Telegram], frame: bytes
) -> Telegram | None:
    try:
        return decode(frame)
    except BadTelegram as error:
        assert 0 <= error.offset <= len(frame)
        return None


@settings(max_examples=400, deadline=None)
@given(
    raw=st.binary(max_size=300),
    prefix=st.sampled_from([b"", b"\x01", b"\x02", b"\x0f"]),
)
def test_no_bytes_raise_anything_but_bad_telegram(raw: bytes, prefix: bytes) -> None:
    for frame in (
        prefix + raw,
        hdlc_frame(raw),
        hdlc_frame(bytes.fromhex("e6e7000f0000000000") + raw),
        hdlc_frame(bytes.fromhex("e6e7000f000000000002") + raw),
    ):
        decodes_or_refuses(han.decode, frame)
    for frame in (
        raw,
        sml_frame(raw),
        sml_frame(message(raw)),
        sml_frame(b"\x76" + raw),
    ):
        decodes_or_refuses(sml.decode, frame)


MUTATIONS = st.lists(
    st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), max_size=5
)


def mutated(raw: bytes, changes: Sequence[tuple[float, int]]) -> bytes:
    changed = bytearray(raw)
    for where, byte in changes:
        changed[int(where * len(changed))] = byte
    return bytes(changed)


@settings(max_examples=400, deadline=None)
@given(changes=MUTATIONS)
def test_bent_lists_with_right_sums_decode_or_are_refused(
    changes: list[tuple[float, int]],
) -> None:
    for decode, frame in (
        (sml.decode, sml_frame(message(mutated(LIST, changes)))),
        (han.decode, hdlc_frame(mutated(NOTIFICATION, changes))),
        (han.decode, mutated(NOTIFICATION, changes)),
    ):
        telegram = decodes_or_refuses(decode, frame)
        if telegram is not None:
            assert all(isinstance(number, Decimal) for _, number in energies(telegram))


PIECES = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [
                sml_frame(message(LIST)),
                hdlc_frame(NOTIFICATION),
                sml_frame(message(LIST))[:-5],
                hdlc_frame(NOTIFICATION)[:-5],
                hdlc_frame(NOTIFICATION)[1:],
                b"\x1b" * 4,
                b"\x1b" * 4 + b"\x01" * 4,
                b"\x1b" * 4 + b"\x1a\x00",
                b"\x7e",
                b"\x7e\xa0",
                b"\x7e\xa7\xff",
                bytes(9000),
                b"\x1b" * 4 + b"\x01" * 4 + bytes(8192 - 16),
                b"\x1b" * 4 + b"\x1a\x00\x00\x00",
            ]
        ),
    ),
    max_size=8,
)


def cut(splitter: Splitter, chunks: Sequence[bytes]) -> list[Frame]:
    return [frame for chunk in chunks for frame in splitter.feed(chunk)]


@pytest.mark.parametrize("make", SPLITTERS)
@settings(max_examples=60, deadline=None)
@given(pieces=PIECES, cuts=st.lists(st.floats(0, 1), max_size=6))
def test_a_stream_is_cut_alike_however_it_arrives(
    make: Callable[[], Splitter], pieces: list[bytes], cuts: list[float]
) -> None:
    stream = b"".join(pieces)
    whole = make().feed(stream)
    byte_by_byte = cut(make(), [stream[i : i + 1] for i in range(len(stream))])
    places = sorted({0, len(stream), *(int(c * len(stream)) for c in cuts)})
    in_parts = cut(make(), [stream[a:b] for a, b in pairwise(places)])
    assert whole == byte_by_byte == in_parts
    for frame in whole:
        end = frame.offset + len(frame.raw)
        assert stream[frame.offset : end] == frame.raw


@pytest.mark.parametrize("make", SPLITTERS)
@pytest.mark.parametrize(
    "noise",
    [
        b"\x1b" * 4 + b"\x01" * 4 + b"\x55" * 100,
        b"\x1b" * 64,
        b"\x7e",
        hdlc_frame(bytes(2000))[:20],
        bytes(range(256)),
    ],
)
def test_a_splitter_keeps_no_more_than_a_frame(
    make: Callable[[], Splitter], noise: bytes
) -> None:
    splitter = make()
    chunk = (noise * (4096 // len(noise) + 1))[:4096]
    splitter.feed(chunk)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    for _ in range(64):
        splitter.feed(chunk)
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after - before < 32_768
