"""A sum of many scalar multiples at once: Pippenger's buckets over libsecp256k1.

The library's public calls add any number of points in one go. So scalars are cut into
signed windows, numpy sorts each window's points into buckets as arrays of pointers, one
call adds up a bucket, and Python runs once a bucket instead of once an addition.
Variable time throughout: public scalars only. It must never be the only way: `group`
multiplies one by one where numpy is absent. Source: N. Pippenger, "On the evaluation of
powers and monomials", SIAM J. Comput. 9 (1980); signed windows as in Bernstein et al.
2012, "Faster batch forgery identification", section 4.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from meterseal_proto.group import Point

STRUCT: Final = 64
"""Bytes of the library's point structure."""
SCALAR_BITS: Final = 257
"""Bits of a scalar and the carry that signed windows may leave."""
ADD_US: Final = 0.2
CALL_US: Final = 1.5
DOUBLE_US: Final = 2.2
"""Measured with coincurve on x86-64: one addition in a call, a call, a doubling. Only the
choice of the window's width depends on them, never a result."""

Addresses = NDArray[np.uint64]


def window(count: int) -> int:
    """Return the width in bits that costs least for `count` terms."""
    return min(range(4, 15), key=lambda width: _cost(count, width))


def _cost(count: int, width: int) -> float:
    windows = -(-SCALAR_BITS // width)
    buckets = min(1 << (width - 1), count)
    levels = (2 << (width // 2)) * CALL_US
    each = count * ADD_US + buckets * (CALL_US + 2 * ADD_US) + levels + 40
    return windows * each + SCALAR_BITS * DOUBLE_US


def signed_digits(scalars: Sequence[int], width: int) -> NDArray[np.int32]:
    """Return digits in [-2^(width-1) + 1, 2^(width-1)], windows by rows, lowest first."""
    raw = b"".join([scalar.to_bytes(40, "little") for scalar in scalars])
    limbs = np.frombuffer(raw, dtype="<u8").reshape(len(scalars), 5)
    windows = -(-SCALAR_BITS // width)
    digits = np.zeros((windows, len(scalars)), dtype=np.int32)
    carry = np.zeros(len(scalars), dtype=np.int32)
    for row in range(windows):
        limb, shift = divmod(row * width, 64)
        bits = limbs[:, limb] >> np.uint64(shift)
        if shift + width > 64 and limb < 4:
            bits = bits | (limbs[:, limb + 1] << np.uint64(64 - shift))
        digit = (bits & np.uint64((1 << width) - 1)).astype(np.int32) + carry
        above = digit > 1 << (width - 1)
        digits[row] = np.where(above, digit - (1 << width), digit)
        carry = above.astype(np.int32)
    assert not carry.any()
    return digits


class Buckets:
    """One multi-scalar multiplication; made for each, so threads do not meet."""

    # cffi's two objects, a context, and arrays of C structures: none has a static type.
    def __init__(self, ffi: Any, lib: Any, context: Any) -> None:
        self._ffi = ffi
        self._ctx = context
        self._sum = lib.secp256k1_ec_pubkey_combine
        self._negate = lib.secp256k1_ec_pubkey_negate
        self._kept: list[Any] = []

    def combine(self, points: Sequence[Point], scalars: Sequence[int]) -> Point | None:
        """Return the sum of scalars[i] * points[i], scalars in [0, n)."""
        width = window(len(scalars))
        plus, minus = self._load(points)
        bits: list[list[int]] = [[] for _ in range(SCALAR_BITS + 2 * width)]
        for row, digits in enumerate(signed_digits(scalars, width)):
            chosen = np.where(digits < 0, minus, plus)
            sums = self._grouped(np.abs(digits), chosen, 1 << (width - 1))
            self._spread(sums, row * width, width, bits)
        return self._horner(bits)

    def _load(self, points: Sequence[Point]) -> tuple[Addresses, Addresses]:
        """Return where each point lies, and where its opposite does."""
        count = len(points)
        store = self._array(2 * count)
        blob = b"".join(points)
        self._ffi.memmove(store, blob + blob, 2 * count * STRUCT)
        for place in range(count, 2 * count):
            self._negate(self._ctx, store + place)
        plus = _places(self._address(store), count)
        return plus, plus + np.uint64(count * STRUCT)

    def _grouped(
        self, keys: NDArray[np.int32], chosen: Addresses, most: int
    ) -> Addresses:
        """Return, by key from 0 to `most`, where the sum of the key's points lies; 0: none.

        Key 0 is left out: it multiplies by nothing.
        """
        order = np.argsort(keys.astype(np.uint16), kind="stable")  # by radix: 16 bits
        counts = np.bincount(keys, minlength=most + 1)
        starts = np.cumsum(counts) - counts
        ordered = np.ascontiguousarray(chosen[order])
        pointers = self._ffi.from_buffer("secp256k1_pubkey *[]", ordered)
        store = self._array(most + 1)
        base, found = self._address(store), np.zeros(most + 1, dtype=np.uint64)
        live = np.nonzero(counts)[0].tolist()
        for key in live[1:] if live and live[0] == 0 else live:
            start, count = int(starts[key]), int(counts[key])
            if count == 1:
                found[key] = ordered[start]
            elif self._sum(self._ctx, store + key, pointers + start, count):
                found[key] = base + key * STRUCT
        return found

    def _spread(
        self, sums: Addresses, low: int, width: int, bits: list[list[int]]
    ) -> None:
        """Book every bucket's sum at the bits of its key: sum of b * S_b, bit by bit.

        Keys are split in two halves first, so that few sums are added up for each bit.
        """
        live = np.nonzero(sums)[0]
        if not len(live):
            return
        split = (width - 1) // 2 + 1
        halves = ((live & ((1 << split) - 1), 0, split), (live >> split, split, width))
        for keys, shift, top in halves:
            most = (1 << (top - shift)) - 1
            grouped = self._grouped(keys.astype(np.int32), sums[live], most)
            for bit in range((most + 1).bit_length() - 1):
                taken = np.nonzero((np.arange(most + 1) >> bit) & 1)[0]
                one = self._total([int(a) for a in grouped[taken] if a])
                if one:
                    bits[low + shift + bit].append(one)

    def _horner(self, bits: list[list[int]]) -> Point | None:
        """Return the sum over bits of 2^bit times the points booked there."""
        total = 0
        for booked in reversed(bits):
            total = self._total([*booked, total, total] if total else booked)
        if not total:
            return None
        raw = self._ffi.buffer(self._ffi.cast("secp256k1_pubkey *", total), STRUCT)
        return Point(bytes(raw))

    def _total(self, addresses: list[int]) -> int:
        """Return where the sum of the points at `addresses` lies, 0 for infinity."""
        if len(addresses) < 2:
            return addresses[0] if addresses else 0
        held = np.array(addresses, dtype=np.uint64)
        pointers = self._ffi.from_buffer("secp256k1_pubkey *[]", held)
        store = self._array(1)
        if self._sum(self._ctx, store, pointers, len(addresses)):
            return self._address(store)
        return 0

    def _array(self, count: int) -> Any:
        store = self._ffi.new("secp256k1_pubkey[]", count)
        self._kept.append(store)
        return store

    def _address(self, store: Any) -> int:
        return int(self._ffi.cast("uintptr_t", store))


def _places(base: int, count: int) -> Addresses:
    return np.arange(count, dtype=np.uint64) * np.uint64(STRUCT) + np.uint64(base)
