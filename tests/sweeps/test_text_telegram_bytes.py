"""No wrong byte of a checksummed text telegram yields a wrong energy value.

Every byte of ten telegrams is replaced by others; whatever is still decoded tells the
energy that was sent, or none. A BCC is one XOR, so of read-outs only this is promised:
one wrong byte shows.
"""

from collections.abc import Callable

import pytest

from meterseal_agent.meters.telegrams import d0, dsmr
from meterseal_agent.meters.telegrams.model import Splitter, Telegram
from tests.support.data import shared_data
from tests.support.text_hearing import energies, heard
from tests.support.text_telegrams import energy, framed, p1

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
