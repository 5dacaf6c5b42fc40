"""The M-Bus link layer: what is a frame, and what is said of what is none."""

import pytest

from meterseal_agent.meters.telegrams import mbus_frame
from meterseal_agent.meters.telegrams.mbus_frame import Control, Cutter, long, short
from meterseal_agent.meters.telegrams.model import BadTelegram

FRAME = long(0x08, 5, 0x72, bytes(12) + b"\x01\x13\x01")


def test_frames_are_built_as_the_standard_writes_them() -> None:
    assert short(Control.SND_NKE, 1) == bytes.fromhex("10 40 01 41 16")
    assert short(Control.REQ_UD2.counted(fcb=True), 1) == bytes.fromhex("107B017C16")
    assert short(Control.REQ_UD2.counted(fcb=False), 1) == bytes.fromhex("105B015C16")
    found = mbus_frame.parse(FRAME)
    assert (found.control, found.address, found.ci) == (8, 5, 0x72)
    assert found.data == FRAME[7:-2]
    with pytest.raises(ValueError, match="at most 252 bytes"):
        long(0x08, 1, 0x72, bytes(253))


@pytest.mark.parametrize("control", [0x08, 0x18, 0x28, 0x38])
def test_a_slave_may_set_its_flags_in_an_answer(control: int) -> None:
    assert mbus_frame.parse(long(control, 1, 0x72, b"")).is_reply


@pytest.mark.parametrize("control", [0x40, 0x53, 0x5B, 0x73, 0x7B])
def test_a_master_s_question_is_no_answer(control: int) -> None:
    assert not mbus_frame.parse(long(control, 1, 0x72, b"")).is_reply


@pytest.mark.parametrize(
    ("raw", "reason", "offset"),
    [
        (b"", "cut off in its head", 0),
        (b"\xe5", "cut off in its head", 1),
        (b"\x10\x40\x01\x41\x16", "starts with 68", 0),
        (FRAME[:3] + b"\x00" + FRAME[4:], "starts with 68", 3),
        (b"\x68\x12\x13" + FRAME[3:], "lengths differ: 18 and 19", 2),
        (b"\x68\x02\x02\x68\x08\x01\x09\x16", "no room for C, A and CI", 1),
        (FRAME[:-1], "cut off after", len(FRAME) - 1),
        (FRAME + b"\x16", "bytes follow", len(FRAME)),
        (FRAME[:-1] + b"\x17", "ends in 16, not 17", len(FRAME) - 1),
        (FRAME[:-2] + b"\x00\x16", "wrong checksum: the frame says 00", len(FRAME) - 2),
    ],
)
def test_what_is_no_frame_is_refused_at_its_place(
    raw: bytes, reason: str, offset: int
) -> None:
    with pytest.raises(BadTelegram) as caught:
        mbus_frame.parse(raw)
    assert reason in caught.value.detail
    assert caught.value.offset == offset


def test_frames_are_cut_out_of_acks_and_noise_wherever_the_chunks_break() -> None:
    stream = b"\xe5\x00\x68\x05" + FRAME + b"\xe5\x68\x68" + FRAME + b"\x68\x03"
    for size in (1, 2, 3, 7, len(stream)):
        cutter = Cutter()
        chunks = [stream[i : i + size] for i in range(0, len(stream), size)]
        found = [frame for chunk in chunks for frame in cutter.feed(chunk)]
        assert [frame.raw for frame in found] == [FRAME, FRAME]
        assert [stream.index(FRAME, frame.offset) for frame in found] == [
            frame.offset for frame in found
        ]


def test_a_damaged_frame_is_passed_over_and_the_next_one_found() -> None:
    damaged = FRAME[:9] + b"\x99" + FRAME[10:]
    assert [frame.raw for frame in Cutter().feed(damaged + FRAME)] == [FRAME]
