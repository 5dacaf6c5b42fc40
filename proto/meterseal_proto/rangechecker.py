"""Checking range proofs, many at once: one multi-scalar multiplication for all of them.

Every proof is one equation between points (ePrint 2020/735, section 6.1: the foldings
unrolled). Each is multiplied by a fresh random odd weight of 128 bits and all are added up,
so wrong ones cannot cancel each other but with probability 2^-127; whoever could guess
the weights could make them cancel, so they are drawn after the proofs are there. A batch
that fails is halved until the wrong proofs are found, alone. Nothing here must ever take
a proof on trust, and nothing here is secret.
"""

import secrets
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.bignum import Number, invert, mpz
from meterseal_proto.commitment import bases
from meterseal_proto.curve import ORDER
from meterseal_proto.generators import points
from meterseal_proto.group import Point, group
from meterseal_proto.rangeproof import BadProof, Proof, Statement, parse
from meterseal_proto.tensor import Tensors

WEIGHT_BITS: Final = 128
N: Final = mpz(ORDER)

Weigh = Callable[[int], int]
"""Draws a number of so many bits."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A statement and the bytes that are said to prove it."""

    statement: Statement
    proof: bytes


def holds(claims: Sequence[Claim], weigh: Weigh = secrets.randbits) -> bool:
    """Tell whether every claim is proved; one that is malformed is not.

    `weigh` draws the weights and is given only by tests.
    """
    try:
        return remainder(claims, weigh) is None
    except ValueError:
        return False


def remainder(claims: Sequence[Claim], weigh: Weigh) -> Point | None:
    """Return the weighted sum of what each equation leaves: infinity when all are proved.

    Raises ValueError for a claim whose bytes are no proof.
    """
    batch = _Batch()
    for claim in claims:
        batch.take(claim, mpz(weigh(WEIGHT_BITS) | 1))
    return batch.total()


def failing(claims: Sequence[Claim]) -> list[int]:
    """Return the places of the claims that are not proved, in order: none when all are."""
    return [] if not claims or holds(claims) else _wrong(claims)


def _wrong(claims: Sequence[Claim]) -> list[int]:
    """Return the places of wrong claims among claims that do not hold together."""
    if len(claims) == 1:
        return [0]
    half = len(claims) // 2
    left, right = claims[:half], claims[half:]
    if holds(left):
        # Then the wrong ones are in the other half, which need not be asked as a whole.
        return [half + at for at in _wrong(right)]
    return _wrong(left) + [half + at for at in failing(right)]


@dataclass(frozen=True, slots=True)
class _Challenges:
    """A proof's challenges, the inverses of y and of the foldings' ones, and weights.

    `once` and `squared` are the proof's weight times the last challenge and its square.
    """

    y: Number
    z: Number
    folds: list[Number]
    y_inverse: Number
    unfolds: list[Number]
    weight: Number
    once: Number
    squared: Number


class _Batch:
    """The weighted sum of equations: scalars of the shared generators, and each's own points."""

    def __init__(self) -> None:
        self._g = Tensors()
        self._h = Tensors()
        self._flat: defaultdict[int, Number] = defaultdict(lambda: mpz(0))
        self._value = mpz(0)
        self._blinding = mpz(0)
        self._points: list[Point] = []
        self._scalars: list[Number] = []

    def take(self, claim: Claim, weight: Number) -> None:
        """Add a claim's equation; ValueError when its bytes are none."""
        statement = claim.statement
        proof = parse(claim.proof, statement)
        at = _challenges(statement, proof, weight)
        self._take_points(statement, proof, at)
        self._take_bases(statement, proof, at)
        self._take_generators(statement, proof, at)

    def total(self) -> Point | None:
        """Return the sum of all equations."""
        for size, flat in self._flat.items():
            ones = [mpz(1)] * (size.bit_length() - 1)
            self._g.add(-flat % N, ones)
            self._h.add(flat % N, ones)
        size = max(self._flat, default=1)
        scalars = self._g.totals(size) + self._h.totals(size)
        scalars += [self._value % N, self._blinding % N, *self._scalars]
        fixed = [*points(b"G", size), *points(b"H", size)]
        fixed += [bases().value, bases().blinding]
        return group().combine([*fixed, *self._points], list(map(int, scalars)))

    def _take_points(self, statement: Statement, proof: Proof, at: _Challenges) -> None:
        """A, A', B, every L and R, and every commitment: the points only this proof has."""
        decode = group().decode
        self._points += map(decode, (proof.first, *proof.last))
        self._scalars += (at.squared, at.once, at.weight)
        for (left, right), e, undo in zip(
            proof.rounds, at.folds, at.unfolds, strict=True
        ):
            self._points += (decode(left), decode(right))
            self._scalars += (at.squared * e * e % N, at.squared * undo * undo % N)
        z2 = at.z * at.z % N
        scalar = at.squared * pow(at.y, statement.size + 1, N) % N
        for commitment in statement.commitments:
            scalar = scalar * z2 % N
            self._points.append(decode(commitment))
            self._scalars.append(scalar)

    def _take_bases(self, statement: Statement, proof: Proof, at: _Challenges) -> None:
        """V and B."""
        r, s, d = proof.scalars
        size, y, z = statement.size, at.y, at.z
        z2 = z * z % N
        y_sum, power = y, y
        for _ in range(size.bit_length() - 1):
            y_sum = y_sum * (1 + power) % N
            power = power * power % N
        # power is y^size now; the padding's weights count, its commitments do not.
        weights, each = mpz(0), mpz(1)
        for _ in range(statement.padded):
            each = each * z2 % N
            weights += each
        widest = (1 << statement.bits) - 1
        zeta = (z - z2) * y_sum - z * power % N * y % N * (weights % N) * widest
        self._value += at.squared * (zeta % N) - at.weight * r % N * y % N * s
        self._blinding -= at.weight * d

    def _take_generators(
        self, statement: Statement, proof: Proof, at: _Challenges
    ) -> None:
        """Every G_i and H_i: products of challenges, a factor for each bit of i."""
        size = statement.size
        r, s, _ = proof.scalars
        low_g, low_h = -r * at.once % N, -s * at.once % N
        for e, undo in zip(at.folds, at.unfolds, strict=True):
            low_g, low_h = low_g * undo % N, low_h * e % N
        # Round k splits at the k-th highest bit; a bit set swaps e for its inverse.
        backs = _squarings(at.y_inverse, size.bit_length() - 1)
        rows = list(zip(reversed(at.folds), reversed(at.unfolds), backs, strict=True))
        self._g.add(low_g, [e * e % N * back % N for e, _, back in rows])
        self._h.add(low_h, [undo * undo % N for _, undo, _ in rows])
        flat = at.squared * at.z % N
        weight = flat * at.z % N * pow(at.y, size, N) % N
        self._h.add(weight, _weight_steps(statement, at))
        self._flat[size] += flat


def _challenges(statement: Statement, proof: Proof, weight: Number) -> _Challenges:
    """Hear the proof out: every message before its challenge."""
    transcript = statement.transcript()
    transcript.absorb(b"A", proof.first)
    y, z = (mpz(transcript.challenge(label)) for label in (b"y", b"z"))
    folds = []
    for left, right in proof.rounds:
        transcript.absorb(b"L", left)
        transcript.absorb(b"R", right)
        folds.append(mpz(transcript.challenge(b"e")))
    transcript.absorb(b"A'", proof.last[0])
    transcript.absorb(b"B", proof.last[1])
    last = mpz(transcript.challenge(b"last"))
    once = weight * last % N
    y_inverse, *unfolds = _inverses([y, *folds])
    return _Challenges(
        y, z, folds, y_inverse, unfolds, weight, once, once * last % N
    )  # fmt: skip


def _inverses(numbers: Sequence[Number]) -> list[Number]:
    """Return all inverses modulo n with one inversion (Montgomery's trick)."""
    products = [mpz(1)]
    for number in numbers:
        products.append(products[-1] * number % N)
    left = invert(products[-1], N)
    found = []
    for number, before in zip(reversed(numbers), reversed(products[:-1]), strict=True):
        found.append(left * before % N)
        left = left * number % N
    return found[::-1]


def _weight_steps(statement: Statement, at: _Challenges) -> list[Number]:
    """Return what each bit of a place multiplies z^2 2^0 y^size by."""
    within = statement.bits.bit_length() - 1
    beyond = statement.padded.bit_length() - 1
    backs = _squarings(at.y_inverse, within + 1)
    doubled = _squarings(2 * at.y_inverse % N, within)
    return doubled + _squarings(at.z * at.z % N * backs[within] % N, beyond)


def _squarings(start: Number, count: int) -> list[Number]:
    """Return start, start^2, start^4 ..."""
    found = []
    for _ in range(count):
        found.append(start)
        start = start * start % N
    return found


__all__ = ["BadProof", "Claim", "failing", "holds", "remainder"]
