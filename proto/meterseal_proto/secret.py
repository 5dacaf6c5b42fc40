"""Scalars nobody may learn: a type that public arithmetic does not take.

A multiplication whose time depends on the scalar would tell a neighbour on the same
machine how much a household used. So usage and blindings travel as `Secret`, which only
the constant-time routes of `group` unpack; handing one to a public route is a type error
to mypy and a TypeError at run time. A Secret must never be printed, compared, hashed or
turned into an int by accident: `reveal` is the one way out, and it is for what is
published. (Python's own integers are not constant-time either; what is kept from leaking
here is the point multiplication, which takes far longer.)
"""

from collections.abc import Iterable
from typing import Final, NoReturn, Self

from meterseal_proto.curve import ORDER

SCALAR_BYTES: Final = 32


class Secret:
    """A scalar modulo the group's order n, 0 included."""

    __slots__ = ("_scalar",)

    def __init__(self, scalar: int) -> None:
        if type(scalar) is not int:
            raise TypeError("a secret is made of an int")
        self._scalar = scalar % ORDER

    @classmethod
    def of_bytes(cls, raw: bytes) -> Self:
        """Return the scalar that big-endian bytes give modulo n; 64 make it unbiased."""
        return cls(int.from_bytes(raw))

    @classmethod
    def total(cls, parts: Iterable["Secret"]) -> Self:
        """Return the sum of secrets."""
        return cls(sum([part._scalar for part in parts]))

    def plus(self, other: "Secret") -> "Secret":
        """Return the sum."""
        return Secret(self._scalar + other._scalar)

    def times(self, factor: "int | Secret") -> "Secret":
        """Return the product with a public number or another secret."""
        by = factor._scalar if isinstance(factor, Secret) else factor
        return Secret(self._scalar * by)

    def negated(self) -> "Secret":
        """Return n - this."""
        return Secret(-self._scalar)

    def to_bytes(self) -> bytes:
        """Return 32 big-endian bytes, for the constant-time routes and for keys."""
        return self._scalar.to_bytes(SCALAR_BYTES)

    def reveal(self) -> int:
        """Return the number: only for what is published, or masked."""
        return self._scalar

    def __repr__(self) -> str:
        return "Secret(...)"

    def _refuse(self, *_: object) -> NoReturn:
        raise TypeError("a secret is not compared, hashed or made a number by accident")

    __eq__ = _refuse
    __hash__ = _refuse
    __bool__ = _refuse
    __reduce__ = _refuse
