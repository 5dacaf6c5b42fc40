"""Making a range proof: what a device does once a day, at its leisure.

Bulletproofs+ (ePrint 2020/735), figure 3: the bits of all values become two vectors and
an `Argument` about them. Bits never multiply: they choose which points are added, always
as many; all else that depends on usage is a `Secret`. Nonces are hedged: drawn from fresh
randomness, the witness and the statement together, so neither a broken generator of
randomness nor a restored snapshot repeats one over another statement. It must never prove
a value that is out of range: it refuses.
"""

import hashlib
import hmac
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, repeat
from typing import Final

from meterseal_proto.commitment import encoded
from meterseal_proto.curve import ORDER
from meterseal_proto.generators import points
from meterseal_proto.group import Point, group
from meterseal_proto.rangeargument import Argument, Crossed, blinded
from meterseal_proto.rangeproof import BadProof, Proof, Statement
from meterseal_proto.secret import Secret

FRESH_BYTES: Final = 32
_NONCE: Final = b"meterseal/range-proof/nonce/v1"
_HALF: Final = pow(2, -1, ORDER)


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
    powers = list(accumulate(repeat(y, statement.size + 1), _times, initial=1))
    offsets = _offsets(statement, powers, z)
    a = [Secret(bit - z) for bit in bits]
    b = [Secret(bit + offset) for bit, offset in zip(bits, offsets, strict=True)]
    alpha = alpha.plus(_blinding(openings, powers[-1], z))
    argument = Argument(y, powers, a, b, alpha)
    pairs = zip(nonces, nonces, strict=False)
    crossed = _crossed(bits, offsets, powers, z)
    rounds = [argument.fold(transcript, crossed, next(pairs))]
    while len(argument.a) > 1:
        rounds.append(argument.fold(transcript, argument.crossed(), next(pairs)))
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
    of, size = group(), len(bits)
    clear = list(map(of.negate, points(b"H", size)))
    chosen = _chosen(clear, points(b"G", size), bits)
    return encoded(of.add([*chosen, *blinded(alpha)]))


def _chosen(
    clear: Sequence[Point], set_: Sequence[Point], bits: Sequence[int]
) -> list[Point]:
    """Return a point for each bit: there is one to add whatever the bit is."""
    return [pair[bit] for *pair, bit in zip(clear, set_, bits, strict=True)]


def _offsets(statement: Statement, powers: Sequence[int], z: int) -> list[int]:
    """Return what is added to each bit to make b: public, d of the paper within."""
    bits, size = statement.bits, statement.size
    # The padding's values have weights too, of commitments that are infinity.
    weights = list(accumulate(repeat(z * z % ORDER, statement.padded), _times))
    return [
        (z - 1 + (weights[place // bits] << place % bits) * powers[size - place])
        % ORDER
        for place in range(size)
    ]


def _blinding(openings: Sequence[Opening], power: int, z: int) -> Secret:
    """Return the weighted sum of the commitments' blindings, `power` being y^(size + 1)."""
    weights = accumulate(repeat(z * z % ORDER, len(openings)), _times)
    parts = zip(openings, weights, strict=True)
    return Secret.total(one.blinding.times(by * power) for one, by in parts)


def _crossed(
    bits: Sequence[int], offsets: Sequence[int], powers: Sequence[int], z: int
) -> Crossed:
    """Return the first round's L and R before V and B, for which no secret multiplies.

    Every number in a is a bit less z, in b a bit plus its offset: the bits choose, as in
    A, and the rest is public. These are half of all the points a proof adds up.
    """
    half = len(bits) // 2
    ahead, back = powers[half], pow(powers[half], -1, ORDER)
    g, h = points(b"G", len(bits)), points(b"H", len(bits))
    low, high = bits[:half], bits[half:]
    left = [
        *_signs(g[half:], low, back), *_signs(h[:half], high, 1),
        *_rest((g[half:], h[:half]), (_HALF - z) * back, offsets[half:]),
    ]  # fmt: skip
    right = [
        *_signs(g[:half], high, ahead), *_signs(h[half:], low, 1),
        *_rest((g[:half], h[half:]), (_HALF - z) * ahead, offsets[:half]),
    ]  # fmt: skip
    return left, right


def _signs(on: Sequence[Point], bits: Sequence[int], by: int) -> list[Point]:
    """Return the sum of by * (bit - 1/2) on each point: signs choose between opposites.

    The sum is multiplied in a time that depends on `by` alone, which everybody knows.
    """
    of = group()
    signed = of.add(_chosen(list(map(of.negate, on)), on, bits))
    return [] if signed is None else _held(of.times(signed, _HALF * by))


def _rest(
    on: tuple[Sequence[Point], Sequence[Point]], flat: int, offsets: Sequence[int]
) -> list[Point]:
    """Return `flat` times each of the first points, 1/2 + offset times each of the second."""
    of = group()
    flats = of.add(on[0])
    assert flats is not None, "generators have no known relation"
    return _held(of.combine([flats, *on[1]], [flat, *(_HALF + o for o in offsets)]))


def _held(point: Point | None) -> list[Point]:
    return [] if point is None else [point]


def _times(one: int, other: int) -> int:
    return one * other % ORDER
