"""No damage to a checksummed text telegram yields a wrong energy value.

Every byte of ten telegrams is replaced by others; whatever is still decoded tells the
energy that was sent, or none. A BCC is one XOR, so of read-outs only this is promised:
one wrong byte shows.
"""

from collections.abc import Callable, Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.telegrams import d0, dsmr
from meterseal_agent.meters.telegrams.model import (
    BadTelegram,
    Frame,
    Splitter,
    Telegram,
)
from tests.support.data import shared_data
from tests.support.text_telegrams import energy, framed, p1, pushed

MASKS = (*(1 << bit for bit in range(8)), 0xFF, 0x13)
"""Each bit alone, all of them, and what makes a 3 a blank and a 9 a star."""
CAPTURES = (
    "fluvius_v171.txt",
    "se_example_data_a_landisgyr_360.txt",
    "se_example_data_c.txt",
    "unpadded_crc.txt",
    "v4_2.txt",
    "v5.txt",
    "nl_v5_stream_first_100.txt",
)
NEXT = {dsmr: p1(*energy(9_000_001, 9_000_002)), d0: framed(*energy(9_000_001, 1))}
ENERGY_UNITS = {"kWh", "Wh", "GJ", "m3"}
Energies = set[tuple[object, Decimal | None, str]]


def energies(telegram: Telegram) -> Energies:
    return {
        (value.register, value.number, value.unit)
        for value in telegram.values
        if value.unit in ENERGY_UNITS
    }


def heard(
    splitter: Splitter, decode: Callable[[bytes], Telegram], stream: bytes
) -> list[Telegram]:
    """Return the telegrams of a stream that are not refused."""
    return [t for frame in splitter.feed(stream) for t in _decoded(decode, frame)]


def _decoded(decode: Callable[[bytes], Telegram], frame: Frame) -> list[Telegram]:
    try:
        return [decode(frame.raw)]
    except BadTelegram as error:
        assert 0 <= error.offset <= len(frame.raw)
        return []


def captured(name: str) -> bytes:
    stream = shared_data("meters", "dsmr", name).read_bytes() + b"\r\n"
    return dsmr.Splitter().feed(stream)[0].raw


@pytest.mark.parametrize("name", CAPTURES)
def test_no_wrong_byte_of_a_p1_telegram_gives_a_wrong_energy(name: str) -> None:
    whole = captured(name)
    _hold(whole, dsmr.Splitter, dsmr.decode, NEXT[dsmr])


@pytest.mark.parametrize("seed", range(3))
def test_no_wrong_byte_of_a_framed_read_out_gives_a_wrong_energy(seed: int) -> None:
    lines = energy(1_234_567 + seed, 89_012)
    reduced = [line.removeprefix("1-0:") for line in lines]
    whole = framed("F.F(00000000)", "0.0.0(18438636)", *(reduced, lines)[seed % 2])
    _hold(whole, d0.Splitter, d0.decode, NEXT[d0])


def _hold(
    whole: bytes,
    splitter: Callable[[], Splitter],
    decode: Callable[[bytes], Telegram],
    then: bytes,
) -> None:
    true = energies(decode(whole))
    assert true
    after = energies(decode(then))
    for at in range(len(whole)):
        for mask in MASKS:
            damaged = whole[:at] + bytes([whole[at] ^ mask]) + whole[at + 1 :]
            telegrams = heard(splitter(), decode, damaged + then)
            # The next telegram is lost at most with the end of the damaged one.
            assert all(energies(t) in (true, after) for t in telegrams), (at, mask)


bits = st.lists(st.integers(1, 255), min_size=1, max_size=2)


@given(at=st.integers(0, 10_000), errors=bits)
def test_no_burst_of_up_to_16_bits_passes_the_checksum(
    at: int, errors: Sequence[int]
) -> None:
    whole = p1(*energy(1_234_567, 89_012))
    covered = whole.rindex(b"!") - 1
    at %= covered - len(errors)
    damaged = bytearray(whole)
    for i, error in enumerate(errors):
        damaged[at + i] ^= error
    assert dsmr.crc16(bytes(damaged[: covered + 1])) != dsmr.crc16(whole[: covered + 1])


@given(st.binary(max_size=400))
def test_whatever_comes_is_a_telegram_or_refused(noise: bytes) -> None:
    for stream in (noise, b"/ISk5\\2\r\n\r\n" + noise + b"\r\n!\r\n"):
        heard(dsmr.Splitter(), dsmr.decode, stream + b"\r\n")
        heard(d0.Splitter(), d0.decode, stream + b"\r\n")
        for decode in (dsmr.decode, d0.decode):
            _decoded(decode, Frame(0, stream))


whole_wh = st.integers(0, 999_999_999)


@given(
    st.lists(st.tuples(whole_wh, whole_wh), max_size=6),
    st.lists(st.integers(1, 300), min_size=1, max_size=30),
    st.sampled_from([(dsmr, p1), (d0, framed), (d0, pushed)]),
)
def test_how_a_stream_is_chopped_changes_nothing(
    told: list[tuple[int, int]],
    sizes: list[int],
    form: tuple[object, Callable[..., bytes]],
) -> None:
    module, write = form
    stream = b"".join(write(*energy(*totals)) for totals in told)
    splitter = dsmr.Splitter() if module is dsmr else d0.Splitter()
    frames: list[bytes] = []
    at = turn = 0
    while at < len(stream):
        size = sizes[turn % len(sizes)]
        frames += [frame.raw for frame in splitter.feed(stream[at : at + size])]
        at, turn = at + size, turn + 1
    assert b"".join(frames) == stream
    assert len(frames) == len(told)
