"""What a hostile meter sends costs the agent no more than it costs the line."""

import time
from collections.abc import Callable

import pytest

from meterseal_agent.meters.telegrams import d0, dsmr, sml, wmbus
from meterseal_agent.meters.telegrams.model import BadTelegram, Splitter

LINE_BYTES_PER_S = 11_520
"""What the fastest serial meter, P1 at 115200 baud, can send in a second."""
BYTES = 16_000
DOUBLED_START = b"\x1b" * 8 + b"\x01" * 4


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU seconds some work takes."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def p1(body: bytes) -> bytes:
    """Return a P1 telegram whose checksum is right."""
    covered = b"/ABC5x\r\n" + body + b"!"
    return covered + b"%04X\r\n" % dsmr.crc16(covered)


def fed(splitter: Splitter, stream: bytes, chunk: int) -> None:
    """Feed a stream as a line gives it, `chunk` bytes at a time."""
    for at in range(0, len(stream), chunk):
        splitter.feed(stream[at : at + chunk])


@pytest.mark.parametrize("unit", [b"x", b"()", b"(", b")", b"(1*kWh)", b"(\n"])
def test_a_checked_telegram_with_a_line_that_never_ends_is_read_in_a_moment(
    unit: bytes,
) -> None:
    telegram = p1(unit * (BYTES // len(unit)))

    def read() -> None:
        try:
            dsmr.decode(telegram)
        except BadTelegram:
            return

    # From every character of it to its end took three to nine seconds.
    assert seconds(read) < 0.5


@pytest.mark.parametrize("filler", [b" ", b"\r\n", b"x", b"!\r\n\x03"])
def test_a_read_out_whose_head_never_ends_is_cut_faster_than_a_line_brings_it(
    filler: bytes,
) -> None:
    stream = (b"/ABC5x" + filler * BYTES)[:BYTES]
    spent = seconds(lambda: fed(d0.Splitter(), stream, 16))
    # Blanks alone were looked at again with every chunk: 2 kB took eight seconds.
    assert spent < BYTES / LINE_BYTES_PER_S


@pytest.mark.parametrize("chunk", [16, 4096, 1 << 16])
def test_sml_starts_behind_doubled_escapes_are_looked_through_once(chunk: int) -> None:
    stream = DOUBLED_START * (1 << 13)
    assert seconds(lambda: fed(sml.Splitter(), stream, chunk)) < 2.0


def test_a_frame_behind_one_that_never_ended_is_found() -> None:
    frame = sml.Splitter()
    whole = b"\x1b" * 4 + b"\x01" * 4 + b"\x76" * 8 + b"\x1b" * 4 + b"\x1a\x00\xab\xcd"
    found = frame.feed(DOUBLED_START * 1000 + bytes(9000) + whole)
    assert [one.raw for one in found] == [whole]


@pytest.mark.parametrize(
    "exponent", ["1e99999999999999999999", "-1E-9999999999999999999"]
)
def test_a_radio_line_with_an_exponent_beyond_decimals_is_a_bad_telegram(
    exponent: str,
) -> None:
    line = f'{{"id":"33225544","media":"water","total_m3":{exponent}}}'
    with pytest.raises(BadTelegram, match="out of all bounds"):
        wmbus.decode(line.encode())
