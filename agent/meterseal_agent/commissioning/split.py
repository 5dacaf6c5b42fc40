"""Two of three: a root secret as three shares, any two of which give it back. Pure.

A. Shamir, "How to share a secret", CACM 22 (1979), byte by byte over GF(256) with the
polynomial of FIPS 197 4.2: share x is s + a x, for a random byte a. What is shared is the
secret and four bytes of its digest, so that a wrong pair is noticed by what it gives; as
the digest is hidden with the secret, one share alone fits every secret there is. This
module must never take chance from anywhere but its argument, nor say a byte.
"""

import hashlib
from collections.abc import Mapping
from typing import Final

from meterseal_proto.keys import SECRET_BYTES

SHARES: Final = (1, 2, 3)
"""Where the three shares lie; the secret lies at 0."""
NEEDED: Final = 2
CHECK_BYTES: Final = 4
"""A wrong pair goes unseen once in four thousand million times."""
SHARE_BYTES: Final = SECRET_BYTES + CHECK_BYTES

_FIELD: Final = 0x11B
_CHECK: Final = b"meterseal/split/v1\x00"


def split(secret: bytes, chance: bytes) -> dict[int, bytes]:
    """Return the shares of a secret of 32 bytes by their numbers, 36 bytes each.

    `chance` is SHARE_BYTES random bytes, never used before or after.
    """
    if len(secret) != SECRET_BYTES or len(chance) != SHARE_BYTES:
        raise ValueError(f"a secret of {SECRET_BYTES} bytes, {SHARE_BYTES} of chance")
    whole = secret + _digest(secret)
    return {
        x: bytes(s ^ _times(a, x) for s, a in zip(whole, chance, strict=True))
        for x in SHARES
    }


def combine(shares: Mapping[int, bytes]) -> bytes:
    """Return the secret of two or three shares; ValueError where they are not of one.

    With three the third must agree with what the first two say.
    """
    numbers = sorted(shares)
    if not set(numbers) <= set(SHARES) or len(numbers) < NEEDED:
        raise ValueError("two different shares are needed")
    if any(len(share) != SHARE_BYTES for share in shares.values()):
        raise ValueError(f"a share has {SHARE_BYTES} bytes")
    a, b, *rest = numbers
    whole = _line(a, shares[a], b, shares[b], 0)
    secret, check = whole[:SECRET_BYTES], whole[SECRET_BYTES:]
    if check != _digest(secret):
        raise ValueError("they are not of one secret")
    for x in rest:
        if _line(a, shares[a], b, shares[b], x) != shares[x]:
            raise ValueError(f"share {x} does not agree with the other two")
    return secret


def _digest(secret: bytes) -> bytes:
    return hashlib.sha256(_CHECK + secret).digest()[:CHECK_BYTES]


def _line(a: int, at_a: bytes, b: int, at_b: bytes, x: int) -> bytes:
    """Return the value at `x` of the line through two shares (Lagrange)."""
    over = _inverse(a ^ b)
    of_a, of_b = _times(x ^ b, over), _times(x ^ a, over)
    return bytes(
        _times(p, of_a) ^ _times(q, of_b) for p, q in zip(at_a, at_b, strict=True)
    )


def _times(p: int, q: int) -> int:
    """Return the product in GF(256); no branch and no table hangs on its bits."""
    product = 0
    for _ in range(8):
        product ^= p * (q & 1)
        p = (p << 1) ^ (_FIELD * (p >> 7))
        q >>= 1
    return product


def _inverse(p: int) -> int:
    """Return 1 / p: p to the 254th."""
    result = 1
    for _ in range(254):
        result = _times(result, p)
    return result
