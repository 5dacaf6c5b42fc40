"""What the contract `privacy-proof` wants to see: openings, sums step by step, Schnorr proofs.

The contract multiplies no scalar. `secp256k1-recover?` opens a commitment to v > 0 by its
blinding alone; v = 0 and every other knowledge of a logarithm is shown by a Schnorr proof
(a, w): e = SHA-256("meterseal/schnorr/v1" || P || a || message), a = k G, and
w = e x - x(P) k modulo n for P = x G. Sums of points are checked and not computed, so each
step brings the sum so far and the slope that led to it (SEC 1, 2.2.1).

Opening usage on a chain is for ever (SETTLED 26): whether to do so is not decided here.
This module must never prove anything under a message it chose itself but ZERO_MESSAGE.
"""

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.commitment import MAX_VALUE, value_point
from meterseal_proto.curve import FIELD, ORDER, decompress
from meterseal_proto.group import group
from meterseal_proto.secret import Secret

ZERO_MESSAGE: Final = hashlib.sha256(b"meterseal/zero/v1").digest()
"""What a proof that a commitment is to zero is about: nothing but that."""
MAX_TERMS: Final = 31
"""Commitments of a sum: the days of a month."""

_TAG: Final = b"meterseal/schnorr/v1"
_NONCE: Final = b"meterseal/schnorr-nonce/v1\x00"


@dataclass(frozen=True, slots=True)
class Proof:
    """A Schnorr proof: `a` a point of 33 bytes, `w` a scalar of 32."""

    a: bytes
    w: bytes


@dataclass(frozen=True, slots=True)
class Opening:
    """What opens a commitment to `value`: `z` and `a` of the contract's `verify-proof`.

    For value > 0 the blinding and no bytes; for 0 a proof's w and a.
    """

    value: int
    z: bytes
    a: bytes


@dataclass(frozen=True, slots=True)
class Step:
    """One commitment of a sum: point x || y, x squared, the sum so far, its slope."""

    p: bytes
    q: bytes
    s: bytes
    slope: bytes


def prove(secret: Secret, message: bytes, aux: bytes | None = None) -> Proof:
    """Prove knowledge of `secret` under P = secret G, bound to 32 bytes.

    `aux` are 32 random bytes that hedge the nonce; fresh ones where None. ValueError for
    the secret 0, which has no point.
    """
    if len(message) != 32:
        raise ValueError("a message is 32 bytes")
    hedge = secrets.token_bytes(32) if aux is None else aux
    drawn = hashlib.sha512(_NONCE + secret.to_bytes() + message + hedge).digest()
    nonce, of = Secret.of_bytes(drawn), group()
    public, commitment = of.base(secret), of.base(nonce)
    if public is None or commitment is None:
        raise ValueError("the secret 0 proves nothing")
    p, a = of.encode(public), of.encode(commitment)
    x = int.from_bytes(p[1:]) % ORDER
    answer = secret.times(_challenge(p, a, message)).plus(nonce.times(-x))
    return Proof(a, answer.to_bytes())


def knows(public: bytes, proof: Proof, message: bytes) -> bool:
    """Tell whether the contract takes `proof` as one of `public` (33 bytes) and message."""
    w, x = int.from_bytes(proof.w), int.from_bytes(public[1:])
    if (len(proof.w), len(proof.a), len(message)) != (32, 33, 32) or w >= ORDER:
        return False
    if decompress(public) is None or not 0 < x < ORDER:
        return False
    of, back = group(), pow(x, -1, ORDER)
    e = _challenge(public, proof.a, message)
    left = of.times(of.decode(public), e * back)
    right = of.base(Secret(-w * back))
    total = of.add([point for point in (left, right) if point is not None])
    return total is not None and of.encode(total) == proof.a


def opening(value: int, blinding: Secret, aux: bytes | None = None) -> Opening:
    """Return what opens value V + blinding B; ValueError outside 0 to MAX_VALUE."""
    if not 0 <= value <= MAX_VALUE:
        raise ValueError("the chain opens values below 2^128")
    if value:
        return Opening(value, blinding.to_bytes(), b"")
    # C = z B = -z / r G, with r the x of H.
    factor = -pow(int.from_bytes(value_point()[1:]), -1, ORDER)
    proof = prove(blinding.times(factor), ZERO_MESSAGE, aux)
    return Opening(0, proof.w, proof.a)


def steps(commitments: Sequence[bytes]) -> list[Step]:
    """Return what `verify-sum-proof` and `calculate-bills` want of 1 to 31 commitments.

    ValueError for one that is no point, and for two operands with the same x: equal or
    opposite points, whose slope the contract refuses to be told.
    """
    if not 1 <= len(commitments) <= MAX_TERMS:
        raise ValueError(f"a sum has 1 to {MAX_TERMS} commitments")
    made: list[Step] = []
    total: tuple[int, int] | None = None
    for raw in commitments:
        point = decompress(raw)
        if point is None:
            raise ValueError("a commitment is a point of the curve")
        slope = 0
        if total is None:
            total = point
        else:
            total, slope = _added(total, point)
        square = point[0] * point[0] % FIELD
        made.append(Step(_long(point), _field(square), _long(total), _field(slope)))
    return made


def _added(one: tuple[int, int], two: tuple[int, int]) -> tuple[tuple[int, int], int]:
    """Return the sum of points of different x, and the slope between them."""
    if one[0] == two[0]:
        raise ValueError("two operands of the sum share their x")
    slope = (two[1] - one[1]) * pow(two[0] - one[0], -1, FIELD) % FIELD
    x = (slope * slope - one[0] - two[0]) % FIELD
    return (x, (slope * (one[0] - x) - one[1]) % FIELD), slope


def _challenge(p: bytes, a: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha256(_TAG + p + a + message).digest())


def _long(point: tuple[int, int]) -> bytes:
    return _field(point[0]) + _field(point[1])


def _field(number: int) -> bytes:
    return number.to_bytes(32)
