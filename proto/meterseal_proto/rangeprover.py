"""Making a range proof: what a device does once a day, at its leisure.

Bulletproofs+ (ePrint 2020/735), figures 1 and 3, with the generators folded by public
challenges. Every scalar that depends on usage is a `Secret` and multiplies in constant
time; nonces are hedged: drawn from fresh randomness, the witness and the statement
together, so neither a broken generator of randomness nor a restored snapshot repeats one
over another statement. It must never prove a value that is out of range: it refuses.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Final

from meterseal_proto.commitment import bases, encoded
from meterseal_proto.curve import ORDER
from meterseal_proto.generators import points
from meterseal_proto.group import Point, group
from meterseal_proto.rangeproof import BadProof, Proof, Statement
from meterseal_proto.secret import Secret
from meterseal_proto.transcript import Transcript

FRESH_BYTES: Final = 32
_NONCE: Final = b"meterseal/range-proof/nonce/v1"

Terms = Iterator[tuple[Point, Secret]]
"""Points and what multiplies them."""


@dataclass(frozen=True, slots=True)
class Opening:
    """What a commitment hides: the value and its blinding."""

    value: Secret
    blinding: Secret


def prove(
    statement: Statement, openings: Sequence[Opening], fresh: bytes | None = None
) -> bytes:
    """Return the proof that every commitment of `statement` is in range.

    `openings` are theirs, in order; `fresh` 32 random bytes, drawn here when not given.
    Raises BadProof for a value that is out of range or a missing opening.
    """
    if len(openings) != len(statement.commitments):
        raise BadProof("as many openings as commitments")
    bits = [bit for one in openings for bit in _bits(one.value, statement.bits)]
    bits += [0] * (statement.size - len(bits))
    nonces = _nonces(statement, openings, fresh or secrets.token_bytes(FRESH_BYTES))
    transcript = statement.transcript()
    alpha = next(nonces)
    first = _first(bits, alpha)
    transcript.absorb(b"A", first)
    y, z = transcript.challenge(b"y"), transcript.challenge(b"z")
    argument = _argument(statement, openings, bits, (y, z))
    argument.alpha = argument.alpha.plus(alpha)
    rounds = []
    while len(argument.a) > 1:
        rounds.append(argument.fold(transcript, next(nonces), next(nonces)))
    last, scalars = argument.finish(transcript, [next(nonces) for _ in range(4)])
    return Proof(first, tuple(rounds), last, scalars).to_bytes()


def _bits(value: Secret, bits: int) -> list[int]:
    number = value.reveal()
    if number >> bits:
        raise BadProof(f"a value does not fit {bits} bits: it cannot be proved")
    return [number >> place & 1 for place in range(bits)]


def _nonces(
    statement: Statement, openings: Sequence[Opening], fresh: bytes
) -> Iterator[Secret]:
    """Yield nonces that nobody can repeat without the same witness, statement and `fresh`.

    HMAC-SHA512(key, counter u64) modulo n, where key = HMAC-SHA512(fresh, label ||
    transcript's state || each value and blinding, 32 bytes each).
    """
    witness = b"".join(o.value.to_bytes() + o.blinding.to_bytes() for o in openings)
    key = hmac.digest(
        fresh, _NONCE + statement.transcript().state + witness, hashlib.sha512
    )
    counter = 0
    while True:
        yield Secret.of_bytes(hmac.digest(key, counter.to_bytes(8), hashlib.sha512))
        counter += 1


def _first(bits: Sequence[int], alpha: Secret) -> bytes:
    """Return A: G_i where a bit is set, -H_i where it is not, and alpha B."""
    of = group()
    either = zip(
        map(of.negate, points(b"H", len(bits))), points(b"G", len(bits)), strict=True
    )
    chosen = [pair[bit] for pair, bit in zip(either, bits, strict=True)]
    return encoded(of.add([*chosen, *_blinded(alpha)]))


def _argument(
    statement: Statement,
    openings: Sequence[Opening],
    bits: Sequence[int],
    challenges: tuple[int, int],
) -> "_Argument":
    """Return the weighted inner product argument that the range statement becomes."""
    y, z = challenges
    size = statement.size
    powers = list(accumulate(repeat(y, size + 1), _times, initial=1))
    weights = list(accumulate(repeat(z * z % ORDER, len(openings)), _times, initial=1))
    a = [Secret(bit - z) for bit in bits]
    b = []
    for place, bit in enumerate(bits):
        value, bit_place = divmod(place, statement.bits)
        # The padding's values have weights too, of commitments that are infinity.
        weight = pow(z, 2 * (value + 1), ORDER) << bit_place
        b.append(Secret(bit - 1 + z + weight * powers[size - place]))
    alpha = Secret.total(
        one.blinding.times(weight).times(powers[size + 1])
        for one, weight in zip(openings, weights[1:], strict=True)
    )
    return _Argument(y, powers, a, b, alpha)


class _Argument:
    """Figure 1 of the paper: vectors a and b under alpha, folded in half again and again."""

    def __init__(
        self,
        y: int,
        powers: list[int],
        a: list[Secret],
        b: list[Secret],
        alpha: Secret,
    ) -> None:
        self._y = y
        self._powers = powers
        self._g: list[Point] = list(points(b"G", len(a)))
        self._h: list[Point] = list(points(b"H", len(a)))
        # The paper's generators are these times a factor: each half folded costs one
        # multiplication instead of two.
        self._g_factor = 1
        self._h_factor = 1
        self.a = a
        self._b = b
        self.alpha = alpha

    def fold(self, transcript: Transcript, *nonces: Secret) -> tuple[bytes, bytes]:
        """Absorb this round's L and R, fold by the challenge, and return the two."""
        half = len(self.a) // 2
        ahead, back = self._powers[half], pow(self._powers[half], -1, ORDER)
        a1, a2, b1, b2 = (
            self.a[:half], self.a[half:], self._b[:half], self._b[half:],
        )  # fmt: skip
        a2_ahead = [one.times(ahead) for one in a2]
        to_left, to_right = nonces
        left = _point(
            [*self._on_g(half, a1, back), *self._on_h(0, b2)],
            self._inner(a1, b2), to_left,
        )  # fmt: skip
        right = _point(
            [*self._on_g(0, a2_ahead), *self._on_h(half, b1)],
            self._inner(a2_ahead, b1), to_right,
        )  # fmt: skip
        transcript.absorb(b"L", left)
        transcript.absorb(b"R", right)
        e = transcript.challenge(b"e")
        undo = pow(e, -1, ORDER)
        self._g = _folded(self._g, e * e * back)
        self._h = _folded(self._h, undo * undo)
        self._g_factor = self._g_factor * undo % ORDER
        self._h_factor = self._h_factor * e % ORDER
        self.a = [
            x.times(e).plus(w.times(undo)) for x, w in zip(a1, a2_ahead, strict=True)
        ]
        self._b = [x.times(undo).plus(w.times(e)) for x, w in zip(b1, b2, strict=True)]
        self.alpha = Secret.total(
            (to_left.times(e * e), self.alpha, to_right.times(undo * undo))
        )
        return left, right

    def finish(
        self, transcript: Transcript, nonces: Sequence[Secret]
    ) -> tuple[tuple[bytes, bytes], tuple[int, int, int]]:
        """Absorb A' and B; return them and the three scalars that answer the last challenge."""
        r, s, delta, eta = nonces
        (a,), (b,) = self.a, self._b
        cross = r.times(b).plus(s.times(a)).times(self._y)
        one = _point([*self._on_g(0, [r]), *self._on_h(0, [s])], cross, delta)
        two = _point((), r.times(s).times(self._y), eta)
        transcript.absorb(b"A'", one)
        transcript.absorb(b"B", two)
        e = transcript.challenge(b"last")
        answer = Secret.total((eta, delta.times(e), self.alpha.times(e * e)))
        return (one, two), (
            r.plus(a.times(e)).reveal(),
            s.plus(b.times(e)).reveal(),
            answer.reveal(),
        )

    def _on_g(self, start: int, scalars: Sequence[Secret], by: int = 1) -> Terms:
        """Yield a term for each scalar, times `by`, on the generators from `start` on."""
        factor = self._g_factor * by
        for point, scalar in zip(self._g[start:], scalars, strict=False):
            yield point, scalar.times(factor)

    def _on_h(self, start: int, scalars: Sequence[Secret]) -> Terms:
        for point, scalar in zip(self._h[start:], scalars, strict=False):
            yield point, scalar.times(self._h_factor)

    def _inner(self, left: Sequence[Secret], right: Sequence[Secret]) -> Secret:
        """Return the inner product weighted by y, y^2, y^3 ..."""
        return Secret.total(
            x.times(w).times(power)
            for x, w, power in zip(left, right, self._powers[1:], strict=False)
        )


def _point(
    terms: Iterable[tuple[Point, Secret]],
    value: Secret,
    blinding: Secret,
) -> bytes:
    """Return the sum of secret multiples, value V and blinding B, encoded."""
    of = group()
    found = [of.times_secret(point, scalar) for point, scalar in terms]
    found.append(of.times_secret(bases().value, value))
    held = [one for one in found if one is not None]
    return encoded(of.add([*held, *_blinded(blinding)]))


def _blinded(blinding: Secret) -> list[Point]:
    found = group().base(blinding.times(bases().base_factor))
    return [] if found is None else [found]


def _folded(whole: Sequence[Point], ratio: int) -> list[Point]:
    """Return first half + ratio * second half, by public challenges."""
    of, half = group(), len(whole) // 2
    found = []
    for one, other in zip(whole[:half], whole[half:], strict=True):
        added = of.times(other, ratio)
        total = of.add([one] if added is None else [one, added])
        assert total is not None, "generators have no known relation"
        found.append(total)
    return found


def _times(one: int, other: int) -> int:
    return one * other % ORDER
