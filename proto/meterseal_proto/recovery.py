"""Signatures that name their key: 64 bytes and which of two points R was (SEC 1, 4.1.6).

    signature, odd = sign(secret, digest)
    public = recover(digest, signature, odd)

Stacks' transactions and Clarity's `secp256k1-recover?` know keys this way only. R's other
two candidates (r + n below p) happen once in 2^127 signatures and are not ours to meet.
This module must never multiply a secret: the library signs, and R is found again from
what is public.
"""

from typing import Final

from meterseal_proto import curve
from meterseal_proto.curve import ORDER
from meterseal_proto.group import Point, group

_GENERATOR: Final = bytes.fromhex(
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
)
"""G of secp256k1 (SEC 2, 2.4.1)."""


def sign(secret: bytes, digest: bytes) -> tuple[bytes, bool]:
    """Sign 32 bytes (RFC 6979, low s); returns r || s and whether R's y is odd."""
    backend = curve.backend()
    signature = backend.sign(secret, digest)
    public = backend.public_of(secret)
    for odd in (False, True):
        if recover(digest, signature, odd=odd) == public:
            return signature, odd
    raise AssertionError("a signature names its key by one of two points")


def recover(digest: bytes, signature: bytes, *, odd: bool) -> bytes | None:
    """Return the key, 33 bytes, that signed 32 bytes; None where no key did.

    A signature with a high s is none: who accepts both has two transactions for one.
    """
    if (len(digest), len(signature)) != (32, 64):
        return None
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if not (0 < r < ORDER and 0 < s <= ORDER // 2):
        return None
    of = group()
    try:
        point = of.decode(bytes((2 + odd,)) + signature[:32])
    except ValueError:
        return None
    inverse, z = pow(r, -1, ORDER), int.from_bytes(digest)
    found: Point | None = of.combine(
        [point, of.decode(_GENERATOR)],
        [s * inverse % ORDER, -z * inverse % ORDER],
    )
    return None if found is None else of.encode(found)


def named(digest: bytes, signature: bytes, public: bytes) -> bytes:
    """Return a device's 64 bytes with the recovery byte a contract wants, 65 bytes.

    ValueError where the key `public`, 33 bytes, did not sign `digest` so.
    """
    for odd in (False, True):
        if recover(digest, signature, odd=odd) == public:
            return signature + bytes((odd,))
    raise ValueError("the signature is not by this key")
