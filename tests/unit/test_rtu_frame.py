"""Modbus PDUs and RTU frames: right to the last bit, or no answer at all."""

import minimalmodbus  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.modbus.request import Garbled, Refused, Request
from meterseal_agent.meters.modbus.rtu_frame import answer, checksum, explain, frame
from meterseal_agent.meters.planner import Block

READ = Request.read(4, Block(30, 3))
UNIT = 17
GOOD = frame(UNIT, bytes.fromhex("04 06 0001 0002 0003"))
REFUSAL = frame(UNIT, b"\x84\x02")


@given(st.binary(max_size=260))
def test_the_checksum_is_the_one_of_an_independent_library(raw: bytes) -> None:
    ours = checksum(raw).to_bytes(2, "little")
    assert ours == bytes(minimalmodbus._calculate_crc(raw))
    assert checksum(raw + ours) == 0


def test_requests_are_written_as_the_standard_shows_them() -> None:
    assert Request.read(3, Block(0x6B, 3)).pdu() == bytes.fromhex("03006B0003")
    assert Request.read(4, Block(8, 1)).pdu() == bytes.fromhex("0400080001")
    many = Request.write_many(1, (0x000A, 0x0102))
    assert many.pdu() == bytes.fromhex("1000010002 04 000A 0102")


def test_answers_are_read_as_the_standard_shows_them() -> None:
    words = Request.read(3, Block(0x6B, 3)).words(
        bytes.fromhex("03 06 022B 0000 0064"), "unit 1"
    )
    assert words == (0x022B, 0, 0x64)
    many = Request.write_many(1, (10, 258))
    assert many.words(bytes.fromhex("1000010002"), "") == (10, 258)


@pytest.mark.parametrize(
    ("request_", "answered"),
    [
        (READ, "04 04 0001 0002"),
        (READ, "03 06 0001 0002 0003"),
        (READ, "04 06 0001 0002"),
        (READ, ""),
        (Request.write_many(1, (1, 2)), "1000020002"),
        (Request.write_many(1, (1, 2)), "1000010001"),
    ],
)
def test_an_answer_that_does_not_fit_is_none(request_: Request, answered: str) -> None:
    with pytest.raises(Garbled, match="does not fit"):
        request_.words(bytes.fromhex(answered), "unit 1")


def test_an_exception_is_told_with_what_was_asked() -> None:
    with pytest.raises(
        Refused, match="unit 1 answered exception 2 to 3 registers at 30"
    ):
        READ.words(b"\x84\x02", "unit 1")
    with pytest.raises(Refused, match="exception 4 to writing 1 registers at 9"):
        Request.write_many(9, (1,)).words(b"\x90\x04", "unit 1")


def test_other_functions_and_too_many_registers_are_refused() -> None:
    with pytest.raises(ValueError, match="take 3 or 4"):
        Request.read(6, Block(0, 1))
    for count in (0, 124):
        with pytest.raises(ValueError, match="1 to 123"):
            Request.write_many(0, (0,) * count)


@pytest.mark.parametrize("whole", [GOOD, REFUSAL])
def test_an_answer_is_found_when_its_last_byte_is_there(whole: bytes) -> None:
    for end in range(len(whole)):
        assert answer(whole[:end], UNIT, READ) is None
    assert answer(whole, UNIT, READ) == whole[1:-2]
    assert answer(b"\x00\xff" + whole + b"\xff", UNIT, READ) == whole[1:-2]


@given(st.integers(0, 8 * len(GOOD) - 1), st.sampled_from([GOOD, REFUSAL]))
def test_no_flipped_bit_passes_for_an_answer(bit: int, whole: bytes) -> None:
    bit %= 8 * len(whole)
    spoilt = bytearray(whole)
    spoilt[bit // 8] ^= 1 << bit % 8
    try:
        assert answer(bytes(spoilt), UNIT, READ) is None
    except Garbled:
        assert explain(bytes(spoilt), UNIT, READ).noise


@given(st.binary(max_size=40))
def test_nothing_but_a_whole_frame_passes_for_an_answer(heard: bytes) -> None:
    try:
        found = answer(heard, UNIT, READ)
    except Garbled:
        return
    assert found is None or frame(UNIT, found) in heard


@pytest.mark.parametrize(
    ("heard", "says"),
    [
        (frame(UNIT, READ.pdu()), "switch off the adapter's echo"),
        (frame(18, GOOD[1:-2]), "unit 18 answered instead"),
        (frame(UNIT, bytes.fromhex("04 02 0001")), "does not fit"),
        (GOOD[:-1], "the checksum is wrong"),
        (GOOD[:4] + GOOD, "the checksum is wrong"),
        (b"\x11", "the checksum is wrong"),
    ],
)
def test_what_came_instead_is_explained(heard: bytes, says: str) -> None:
    found = explain(heard, UNIT, READ)
    assert says in str(found)
    assert found.noise == ("checksum" in says)
