"""Big numbers as fast as the machine has them: gmpy2's, or Python's own, no different.

`mpz` makes a number, `invert` its inverse modulo a prime; `pack` lays numbers side by
side in one, `unpack` takes them out, so that one multiplication does many. Times depend
on the numbers: a secret must never come here.
"""

from collections.abc import Sequence
from typing import Any, Final

Number = Any
"""An int, or gmpy2's, which has no types."""

SLOT_BITS: Final = 576
"""Room in `pack` for a product of two 256-bit numbers, added up 2^64 times over."""

try:
    from gmpy2 import invert, mpz  # type: ignore[import-untyped]
    from gmpy2 import pack as _pack
    from gmpy2 import unpack as _unpack

    def pack(numbers: Sequence[Number]) -> Number:
        """Return numbers of up to SLOT_BITS, none negative, as one: the first is lowest."""
        return _pack(list(numbers), SLOT_BITS)

    def unpack(packed: Number, count: int) -> list[Number]:
        """Return the `count` numbers that were packed, or sums and multiples of them."""
        found: list[Number] = _unpack(packed, SLOT_BITS)
        return found + [mpz(0)] * (count - len(found))

except ImportError:  # an extra of those who check many proofs
    _SLOT_BYTES: Final = SLOT_BITS // 8

    def mpz(number: int) -> int:
        """Return the number itself."""
        return number

    def invert(number: int, modulus: int) -> int:
        """Return the inverse modulo a prime."""
        return pow(number, -1, modulus)

    def pack(numbers: Sequence[Number]) -> Number:
        """Return numbers of up to SLOT_BITS, none negative, as one: the first is lowest."""
        parts = [number.to_bytes(_SLOT_BYTES, "little") for number in numbers]
        return int.from_bytes(b"".join(parts), "little")

    def unpack(packed: Number, count: int) -> list[Number]:
        """Return the `count` numbers that were packed, or sums and multiples of them."""
        raw = packed.to_bytes(count * _SLOT_BYTES, "little")
        return [
            int.from_bytes(raw[at : at + _SLOT_BYTES], "little")
            for at in range(0, len(raw), _SLOT_BYTES)
        ]


__all__ = ["SLOT_BITS", "Number", "invert", "mpz", "pack", "unpack"]
