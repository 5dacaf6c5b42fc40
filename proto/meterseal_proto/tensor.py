"""Sums of rank-one tensors: what a batch of proofs multiplies its generators by.

Unrolled, a proof's foldings give the generator at place i a product of numbers, one for
each bit of i that is set. Such a vector of 2^k numbers is an outer product of a low and a
high part. The low part is packed into one big number, so a row of it is one
multiplication, and nothing is reduced modulo n before everything is added up. It must
never be given a negative number: a packed row would borrow from its neighbour.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_proto.bignum import Number, mpz, pack, unpack
from meterseal_proto.curve import ORDER

ROW_BITS: Final = 6
"""Places of a row, as a power of two: packing a row costs what eight products of it do."""
_N: Final = mpz(ORDER)


class Tensors:
    """A number modulo n for each place, 0 to begin with."""

    def __init__(self) -> None:
        self._rows: list[Number] = []

    def add(self, start: Number, steps: Sequence[Number]) -> None:
        """Add, at every place below 2^len(steps), start times the steps of its set bits.

        `start` and `steps` are in [0, n); the first step is the lowest bit's.
        """
        row = pack(spread(mpz(1), steps[:ROW_BITS]))
        factors = spread(start, steps[ROW_BITS:])
        self._rows += [mpz(0)] * (len(factors) - len(self._rows))
        for place, factor in enumerate(factors):
            self._rows[place] += factor * row

    def totals(self, count: int) -> list[Number]:
        """Return the first `count` places' numbers, in [0, n)."""
        width = 1 << ROW_BITS
        found = [total for row in self._rows for total in unpack(row, width)]
        found += [mpz(0)] * (count - len(found))
        return [total % _N for total in found[:count]]


def spread(start: Number, steps: Sequence[Number]) -> list[Number]:
    """Return start times the product of the steps whose bit is set, modulo n, by place."""
    found = [start]
    for step in steps:
        found += [one * step % _N for one in found]
    return found
