"""The group in pure Python, by py-ecc: everywhere, slow, and the oracle in tests.

Its times depend on the scalars, secret ones too. It must never be chosen where a C
library is there.
"""

import sys
from collections.abc import Sequence
from typing import Any

from meterseal_proto.curve import FIELD, ORDER, decompress
from meterseal_proto.group import Point, public
from meterseal_proto.secret import Secret

Affine = tuple[int, int]


class PythonGroup:
    """py-ecc's secp256k1; a Point is x || y, 64 bytes."""

    name = "py-ecc"

    def __init__(self) -> None:
        limit = sys.getrecursionlimit()
        from py_ecc.secp256k1 import secp256k1

        # py-ecc raises the limit to 100,000; nested JSON could then exhaust the C stack.
        sys.setrecursionlimit(limit)
        self._curve: Any = secp256k1  # py-ecc's points are bare tuples

    def decode(self, raw: bytes) -> Point:
        """See Group."""
        found = decompress(raw)
        if found is None:
            raise ValueError("not a compressed point of secp256k1")
        return Point(found[0].to_bytes(32) + found[1].to_bytes(32))

    def encode(self, point: Point) -> bytes:
        """See Group."""
        return bytes((2 + point[63] % 2,)) + point[:32]

    def add(self, points: Sequence[Point]) -> Point | None:
        """See Group."""
        total: Affine = (0, 0)
        for point in points:
            total = self._curve.add(total, _affine(point))
        return _point(total)

    def negate(self, point: Point) -> Point:
        """See Group."""
        x, y = _affine(point)
        return Point(x.to_bytes(32) + (FIELD - y).to_bytes(32))

    def times(self, point: Point, scalar: int) -> Point | None:
        """See Group."""
        return self._times(_affine(point), public(scalar) % ORDER)

    def base(self, scalar: Secret) -> Point | None:
        """See Group; not constant-time here."""
        return self._times(self._curve.G, int.from_bytes(scalar.to_bytes()))

    def times_secret(self, point: Point, scalar: Secret) -> Point | None:
        """See Group; not constant-time here."""
        return self._times(_affine(point), int.from_bytes(scalar.to_bytes()))

    def combine(self, points: Sequence[Point], scalars: Sequence[int]) -> Point | None:
        """See Group."""
        terms = [
            self.times(point, scalar)
            for point, scalar in zip(points, scalars, strict=True)
        ]
        return self.add([term for term in terms if term is not None])

    def _times(self, point: Affine, scalar: int) -> Point | None:
        return _point(self._curve.multiply(point, scalar)) if scalar else None


def _affine(point: Point) -> Affine:
    return int.from_bytes(point[:32]), int.from_bytes(point[32:])


def _point(found: Affine) -> Point | None:
    x, y = int(found[0]), int(found[1])
    return Point(x.to_bytes(32) + y.to_bytes(32)) if (x, y) != (0, 0) else None
