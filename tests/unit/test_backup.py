"""A day's backup opens for its own device and day, tells nothing by its length."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meterseal_proto.backup import (
    BACKUP_BYTES,
    KEY_BYTES,
    MISSING,
    SLOTS,
    Day,
    bring_back,
    keep,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.units import IMPORT, MeterId

KEY = bytes(range(KEY_BYTES))
DAY = Day(b"\x01" * 32, MeterId(b"\x02" * 16), IMPORT, 1_790_000_100, 900, 7)


@given(st.lists(st.none() | st.integers(0, MISSING - 1), min_size=1, max_size=SLOTS))
def test_a_day_comes_back_as_it_was_and_is_as_long_as_any(
    values: list[int | None],
) -> None:
    backup = keep(KEY, DAY, values)
    assert len(backup) == BACKUP_BYTES
    assert bring_back(KEY, DAY, backup) == values


def test_another_place_key_or_byte_opens_nothing() -> None:
    backup = keep(KEY, DAY, [1, 2, None])
    others = (
        replace(DAY, network=b"\x03" * 32), replace(DAY, meter=MeterId(bytes(16))),
        replace(DAY, first=DAY.first + 900), replace(DAY, step=1_800),
        replace(DAY, seq=8),
    )  # fmt: skip
    for other in others:
        with pytest.raises(Malformed, match="another day"):
            bring_back(KEY, other, backup)
    with pytest.raises(Malformed, match="another day"):
        bring_back(bytes(KEY_BYTES), DAY, backup)
    for at in range(0, BACKUP_BYTES, 11):
        bent = bytearray(backup)
        bent[at] ^= 1
        with pytest.raises(Malformed):
            bring_back(KEY, DAY, bytes(bent))
    for bad in (b"", backup[:-1], backup + b"\x00"):
        with pytest.raises(Malformed, match="bytes"):
            bring_back(KEY, DAY, bad)


def test_a_day_of_no_or_too_many_slots_is_refused() -> None:
    for count in (0, SLOTS + 1):
        with pytest.raises(ValueError, match="slots"):
            keep(KEY, DAY, [1] * count)
