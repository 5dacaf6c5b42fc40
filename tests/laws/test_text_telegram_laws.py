"""No damage to a checksummed text telegram yields a wrong energy value.

Whatever is still decoded tells the energy that was sent, or none. That every byte of ten
telegrams may be replaced by others is in `tests/sweeps/test_text_telegram_bytes.py`.
"""

from collections.abc import Callable, Sequence

from hypothesis import given
from hypothesis import strategies as st

from meterseal_agent.meters.telegrams import d0, dsmr
from meterseal_agent.meters.telegrams.model import (
    Frame,
)
from tests.support.text_hearing import decoded, heard
from tests.support.text_telegrams import energy, framed, p1, pushed

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
            decoded(decode, Frame(0, stream))


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
