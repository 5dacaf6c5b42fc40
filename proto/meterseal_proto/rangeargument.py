"""The argument under a range proof: that two hidden vectors have a weighted inner product.

Bulletproofs+ (ePrint 2020/735), figure 1: the vectors and their generators are folded in
half by public challenges until one number is left of each. Every scalar that depends on
usage is a `Secret` and multiplies in constant time; only the challenges' powers, which
everybody knows, fold the generators in public. It must never see the statement: what is
proved of whom is `rangeprover`'s and the transcript's.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import starmap

from meterseal_proto.commitment import bases, encoded
from meterseal_proto.curve import ORDER
from meterseal_proto.generators import points
from meterseal_proto.group import Point, group
from meterseal_proto.secret import Secret
from meterseal_proto.transcript import Transcript

Crossed = tuple[list[Point], list[Point]]
"""Points whose sums are a round's L and R but for their multiples of V and B."""


class Argument:
    """Vectors a and b, weighted by powers of y, under the blinding alpha."""

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

    def crossed(self) -> Crossed:
        """Return this round's L and R before V and B: each half of a meets b's other half."""
        half = len(self.a) // 2
        ahead, back = self._powers[half], pow(self._powers[half], -1, ORDER)
        a1, a2, b1, b2 = (
            self.a[:half], self.a[half:], self._b[:half], self._b[half:],
        )  # fmt: skip
        left = _multiplied([*self._on_g(half, a1, back), *self._on_h(0, b2)])
        right = _multiplied([*self._on_g(0, a2, ahead), *self._on_h(half, b1)])
        return left, right

    def fold(
        self, transcript: Transcript, crossed: Crossed, nonces: tuple[Secret, Secret]
    ) -> tuple[bytes, bytes]:
        """Absorb this round's L and R, fold by the challenge, and return the two.

        `crossed` is what `crossed()` gives, by whichever way it was found.
        """
        half = len(self.a) // 2
        ahead, back = self._powers[half], pow(self._powers[half], -1, ORDER)
        a1, b1, b2 = self.a[:half], self._b[:half], self._b[half:]
        a2_ahead = [one.times(ahead) for one in self.a[half:]]
        to_left, to_right = nonces
        left = _point(crossed[0], self._inner(a1, b2), to_left)
        right = _point(crossed[1], self._inner(a2_ahead, b1), to_right)
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
        ends = _multiplied([*self._on_g(0, [r]), *self._on_h(0, [s])])
        one = _point(ends, cross, delta)
        two = _point([], r.times(s).times(self._y), eta)
        transcript.absorb(b"A'", one)
        transcript.absorb(b"B", two)
        e = transcript.challenge(b"last")
        answer = Secret.total((eta, delta.times(e), self.alpha.times(e * e)))
        return (one, two), (
            r.plus(a.times(e)).reveal(),
            s.plus(b.times(e)).reveal(),
            answer.reveal(),
        )

    def _on_g(
        self, start: int, scalars: Sequence[Secret], by: int = 1
    ) -> Iterator[tuple[Point, Secret]]:
        """Yield a term for each scalar, times `by`, on the generators from `start` on."""
        factor = self._g_factor * by
        for point, scalar in zip(self._g[start:], scalars, strict=False):
            yield point, scalar.times(factor)

    def _on_h(
        self, start: int, scalars: Sequence[Secret]
    ) -> Iterator[tuple[Point, Secret]]:
        for point, scalar in zip(self._h[start:], scalars, strict=False):
            yield point, scalar.times(self._h_factor)

    def _inner(self, left: Sequence[Secret], right: Sequence[Secret]) -> Secret:
        """Return the inner product weighted by y, y^2, y^3 ..."""
        return Secret.total(
            x.times(w).times(power)
            for x, w, power in zip(left, right, self._powers[1:], strict=False)
        )


def _multiplied(terms: Iterable[tuple[Point, Secret]]) -> list[Point]:
    """Return each secret multiple, in constant time."""
    found = starmap(group().times_secret, terms)
    return [one for one in found if one is not None]


def _point(found: Sequence[Point], value: Secret, blinding: Secret) -> bytes:
    """Return the sum of what was found, value V and blinding B, encoded."""
    ends = _multiplied([(bases().value, value)])
    return encoded(group().add([*found, *ends, *blinded(blinding)]))


def blinded(blinding: Secret) -> list[Point]:
    """Return blinding B, or nothing where that is infinity."""
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
