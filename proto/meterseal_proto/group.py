"""Points of secp256k1 added and multiplied: the group under commitments and proofs.

Backends in order of preference: libsecp256k1 wherever `library` finds it, else py-ecc,
slow and everywhere. A `Point` is a backend's own bytes and only that backend's; on the
wire it is 33 bytes. Infinity is None and must never be given bytes: whoever meets it
decides what it means. Public scalars are ints and may take any time; secret ones are `Secret` and enter
`base` and `times_secret` only, which are constant-time in the C library.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Final, NewType, Protocol

from meterseal_proto.library import libraries
from meterseal_proto.secret import Secret

POINT_BYTES: Final = 33

Point = NewType("Point", bytes)
"""A point other than infinity, in a backend's own bytes."""


class Group(Protocol):
    """What a library must do for us. Every method may run in several threads at once."""

    name: str

    def decode(self, raw: bytes) -> Point:
        """Return the point of exactly 33 bytes, 02 or 03 first, on the curve.

        Raises ValueError for anything else: 65-byte and hybrid forms, x >= p, infinity.
        """
        ...

    def encode(self, point: Point) -> bytes:
        """Return its one encoding, 33 bytes."""
        ...

    def add(self, points: Sequence[Point]) -> Point | None:
        """Return the sum of any number of points; equal and opposite ones are fine."""
        ...

    def negate(self, point: Point) -> Point:
        """Return the point's opposite."""
        ...

    def times(self, point: Point, scalar: int) -> Point | None:
        """Return scalar * point. Variable time: for public numbers only."""
        ...

    def base(self, scalar: Secret) -> Point | None:
        """Return scalar * G in constant time."""
        ...

    def times_secret(self, point: Point, scalar: Secret) -> Point | None:
        """Return scalar * point in constant time."""
        ...

    def combine(self, points: Sequence[Point], scalars: Sequence[int]) -> Point | None:
        """Return the sum of scalars[i] * points[i]. Variable time, for public numbers."""
        ...


def groups() -> Iterator[Group]:
    """Yield every backend that loads on this machine, best first."""
    from meterseal_proto.group_native import NativeGroup
    from meterseal_proto.group_python import PythonGroup

    for found in libraries():
        yield NativeGroup(found)
    with suppress(ImportError):
        yield PythonGroup()


@lru_cache(1)
def group() -> Group:
    """Return the backend in use; ImportError when there is none."""
    for found in groups():
        return found
    raise ImportError(
        "no secp256k1 library: install coincurve (fast) or py-ecc (anywhere)"
    )


def public(scalar: object) -> int:
    """Return `scalar` when it is a public number; TypeError for a Secret or a bool."""
    if type(scalar) is not int:
        raise TypeError(
            "a public multiplication takes an int; a Secret never enters it"
        )
    return scalar
