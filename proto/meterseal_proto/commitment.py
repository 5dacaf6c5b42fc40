"""Pedersen commitments to usage, whose bases let a Clarity contract open one in one call.

C = v V + z B hides the value v behind the blinding z, and binds to it. With r = x(H),
V = r^-1 H and B = -r^-1 G, the point that `secp256k1-recover?` finds for digest z and
signature (r, s = v, recovery id 0) is C itself, so a contract opens C without scalar
arithmetic; v = 0, which no signature may have, opens by a Schnorr proof instead.
Sources: T. Pedersen, CRYPTO '91; SEC 1, 4.1.6 (public key recovery). This module must
never multiply by a usage in a time that depends on it.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from meterseal_proto.curve import ORDER
from meterseal_proto.group import POINT_BYTES, Point, group
from meterseal_proto.secret import Secret
from meterseal_proto.units import MeterId, RegisterId

H_TAG: Final = b"meterseal/pedersen/H/v1"
V_BYTES: Final = bytes.fromhex(
    "02deb4939a0646e2b0195b635f74101f85cb94f9664e7b93e0d8f7f78f70af4c3c"
)
"""V, the value base, as `derive_bases` finds it; a test derives it again."""
B_BYTES: Final = bytes.fromhex(
    "0214f0b161484e09db799f8dc7579db823aa7162bfa4155848482d28f94dfde02d"
)
"""B, the blinding base."""
COMMITMENT_BYTES: Final = POINT_BYTES
MAX_VALUE: Final = (1 << 128) - 1
"""SETTLED 21: a value the chain can open is below 2^128; ours have 16 or 32 bits."""

_BLINDING_LABEL: Final = b"meterseal/blinding/v1"
_BLINDING_INPUT: Final = struct.Struct(">32s16sQQQHQ")
_OFFSET: Final = 1 << 64
"""Added to a value before the constant-time multiplication and taken off after it, so
that the scalar there is never small or zero."""


@dataclass(frozen=True, slots=True)
class Slot:
    """Which interval a commitment is of: what its blinding is bound to.

    `network` 32 bytes; `start` UTC Unix seconds; `length` seconds; `revision` from 0.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    start: int
    length: int
    revision: int = 0


@dataclass(frozen=True, slots=True)
class Bases:
    """V and B as points of the backend in use; `base_factor` is -r^-1: B = that * G."""

    value: Point
    blinding: Point
    base_factor: int
    offset: Point
    """-2^64 V."""


def commit(value: Secret, blinding: Secret) -> bytes:
    """Return C = v V + z B, 33 bytes; ValueError where that is infinity."""
    here, of = bases(), group()
    shifted = of.times_secret(here.value, value.plus(Secret(_OFFSET)))
    hidden = of.base(blinding.times(here.base_factor))
    terms = [here.offset, *(term for term in (shifted, hidden) if term is not None)]
    return encoded(of.add(terms))


def opens(commitment: bytes, value: int, blinding: int) -> bool:
    """Tell whether `commitment` is to `value` (0 to MAX_VALUE) under `blinding` (below n)."""
    if not (0 <= value <= MAX_VALUE and 0 <= blinding < ORDER):
        return False
    try:
        return hmac.compare_digest(
            commit(Secret(value), Secret(blinding)), bytes(commitment)
        )
    except ValueError:
        return False


def blinding_of(blind_key: bytes, slot: Slot, value: int) -> Secret:
    """Return z = HMAC-SHA512(K_blind(meter), label || slot || value) mod n.

    The value is part of what is hashed, so one blinding never covers two values of a
    slot, whatever crashes; and who has the root secret finds every blinding again.
    """
    packed = _BLINDING_INPUT.pack(
        slot.network, slot.meter, slot.register, slot.start, slot.length,
        slot.revision, value,
    )  # fmt: skip
    wide = hmac.digest(blind_key, _BLINDING_LABEL + packed, hashlib.sha512)
    return Secret.of_bytes(wide)


def total(commitments: Sequence[bytes]) -> bytes:
    """Return the sum of commitments, itself one to the sum of their values.

    Raises ValueError for one that is no point, and for a sum that is infinity.
    """
    of = group()
    return encoded(of.add([of.decode(one) for one in commitments]))


def encoded(point: Point | None) -> bytes:
    """Return a point's 33 bytes; ValueError for infinity, which no commitment may be."""
    if point is None:
        raise ValueError("a commitment is never infinity")
    return group().encode(point)


@lru_cache(1)
def bases() -> Bases:
    """Return the bases on the backend in use."""
    of = group()
    value = of.decode(V_BYTES)
    offset = of.times(value, -_OFFSET)
    assert offset is not None
    factor = -pow(int.from_bytes(value_point()[1:]), -1, ORDER) % ORDER
    return Bases(value, of.decode(B_BYTES), factor, offset)


def derive_bases() -> tuple[bytes, bytes]:
    """Return V and B from H_TAG and nothing else, as their 33 bytes."""
    of = group()
    point = of.decode(value_point())
    inverse = pow(int.from_bytes(value_point()[1:]), -1, ORDER)
    value, blinding = of.times(point, inverse), of.base(Secret(-inverse))
    return encoded(value), encoded(blinding)


@lru_cache(1)
def value_point() -> bytes:
    """Return H: x = SHA-256(H_TAG || counter u32), the first below n and on the curve, y even."""
    for raw in _candidates(H_TAG):
        if int.from_bytes(raw[1:]) >= ORDER:
            continue
        try:
            group().decode(raw)
        except ValueError:
            continue
        return raw
    raise AssertionError("half of all x are on the curve")


def _candidates(tag: bytes) -> Iterator[bytes]:
    for counter in range(1 << 32):
        yield b"\x02" + hashlib.sha256(tag + counter.to_bytes(4)).digest()
