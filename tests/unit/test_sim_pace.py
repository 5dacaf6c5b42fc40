"""A line's time, and frames by their length and CRC."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_sim.pace import Pace
from meterseal_sim.refusal import Refused
from meterseal_sim.serve.frames import crc16, opened, request_length, sealed


@pytest.mark.parametrize(
    ("pace", "bits"),
    [
        (Pace(9600), 10),
        (Pace(9600, 8, "E"), 11),
        (Pace(300, 7, "E"), 10),
        (Pace(stop=2), 11),
    ],
)
def test_a_character_is_its_start_data_parity_and_stop_bits(
    pace: Pace, bits: int
) -> None:
    assert pace.char_s == pytest.approx(bits / pace.baud)
    assert pace.span_s(100) == pytest.approx(100 * bits / pace.baud)


def test_the_rest_is_three_and_a_half_characters_up_to_19200_baud() -> None:
    assert Pace(9600).rest_s == pytest.approx(0.003646, abs=1e-6)
    assert Pace(38_400).rest_s == 0.00175


@pytest.mark.parametrize(
    ("baud", "bits", "parity", "stop"),
    [
        (50, 8, "N", 1),
        (10**7, 8, "N", 1),
        (9600, 9, "N", 1),
        (9600, 8, "M", 1),
        (9600, 8, "N", 3),
    ],
)
def test_a_setting_that_no_port_has_is_refused(
    baud: int, bits: int, parity: str, stop: int
) -> None:
    with pytest.raises(Refused):
        Pace(baud, bits, parity, stop)


def test_the_crc_is_that_of_the_standards_example() -> None:
    # Modbus over serial line 1.02, appendix B: 02 07 gives 41 12.
    assert sealed(bytes((2, 7))) == bytes((2, 7, 0x41, 0x12))


@given(st.binary(min_size=2, max_size=254), st.integers(0, 2**31))
def test_a_frame_with_one_wrong_bit_is_not_a_frame(body: bytes, place: int) -> None:
    frame = bytearray(sealed(body))
    assert opened(bytes(frame)) == (body[0], body[1:])
    frame[place % len(frame)] ^= 1 << place % 8
    assert opened(bytes(frame)) is None
    assert crc16(sealed(body)) == 0


@pytest.mark.parametrize(
    ("head", "length"),
    [
        (b"", None),
        (b"\x01", None),
        (b"\x01\x03", 8),
        (b"\x01\x11", 4),
        (b"\x01\x10\x00\x00\x00\x02", None),
        (b"\x01\x10\x00\x00\x00\x02\x04", 13),
        (b"\x01\x2b\x0e\x01\x00", None),
    ],
)
def test_a_request_says_by_its_head_how_long_it_is(
    head: bytes, length: int | None
) -> None:
    assert request_length(head) == length
