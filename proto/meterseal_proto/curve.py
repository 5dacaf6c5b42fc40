"""The secp256k1 shim: every ECDSA signature of the product passes through here.

Backends in order of preference: libsecp256k1 wherever `library` finds it (its calls
release the interpreter lock, so verification scales over threads), else py-ecc, pure
Python, everywhere, slow, and the independent oracle in tests.
Signatures are 64 bytes r || s, RFC 6979 nonces, low s; a high s is never accepted.
Secret scalars enter `sign` and `public_of` only, both constant-time in the C library.
"""

import hashlib
import hmac
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Protocol

from meterseal_proto.library import Library, libraries

ORDER: Final = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
"""n, the order of the group (SEC 2, 2.4.1)."""
FIELD: Final = 2**256 - 2**32 - 977
COMPRESSED: Final = 258
"""SECP256K1_EC_COMPRESSED of secp256k1.h: 33 bytes, 02 or 03 first."""
MAX_CACHED_KEYS: Final = 65_536
"""Parsed keys kept: one a meter of a city district, 100 bytes each."""

Check = tuple[bytes, bytes, bytes]
"""A signature to check: public key (33 bytes), digest (32), signature (64)."""


class Backend(Protocol):
    """What a curve library must do for us."""

    name: str

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """Sign 32 bytes; returns r || s with low s, RFC 6979."""

    def public_of(self, secret: bytes) -> bytes:
        """Return the compressed point of a secret scalar."""

    def is_point(self, public: bytes) -> bool:
        """Tell whether 33 bytes are a compressed point of the curve."""

    def verify(self, public: bytes, digest: bytes, signature: bytes) -> bool:
        """Check one signature; False for anything that is not exactly right."""

    def verify_all(self, checks: Sequence[Check]) -> list[bool]:
        """Check many; called from several threads at once."""


class _Native:
    """libsecp256k1 through cffi."""

    def __init__(self, found: Library) -> None:
        self.name = found.name
        self._ffi = found.ffi
        self._lib = found.lib
        self._ctx = found.context
        self._parsed = lru_cache(MAX_CACHED_KEYS)(self._parse)

    def _parse(self, public: bytes) -> Any:  # a C structure of cffi's
        key = self._ffi.new("secp256k1_pubkey *")
        good = len(public) == 33 and self._lib.secp256k1_ec_pubkey_parse(
            self._ctx, key, public, 33
        )
        return key if good else None

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """See Backend."""
        _expect(secret, digest)
        signature = self._ffi.new("secp256k1_ecdsa_signature *")
        null = self._ffi.NULL
        if not self._lib.secp256k1_ecdsa_sign(
            self._ctx, signature, digest, secret, null, null
        ):
            raise ValueError("the secret is no scalar of the curve")
        out = self._ffi.new("unsigned char[64]")
        self._lib.secp256k1_ecdsa_signature_serialize_compact(self._ctx, out, signature)
        return bytes(self._ffi.buffer(out, 64))

    def public_of(self, secret: bytes) -> bytes:
        """See Backend."""
        _expect(secret, bytes(32))
        point = self._ffi.new("secp256k1_pubkey *")
        self._lib.secp256k1_ec_pubkey_create(self._ctx, point, secret)
        out, size = self._ffi.new("unsigned char[33]"), self._ffi.new("size_t *", 33)
        self._lib.secp256k1_ec_pubkey_serialize(self._ctx, out, size, point, COMPRESSED)
        return bytes(self._ffi.buffer(out, 33))

    def is_point(self, public: bytes) -> bool:
        """See Backend."""
        return self._parsed(public) is not None

    def verify(self, public: bytes, digest: bytes, signature: bytes) -> bool:
        """See Backend."""
        return self.verify_all([(public, digest, signature)])[0]

    def verify_all(self, checks: Sequence[Check]) -> list[bool]:
        """See Backend; one structure serves all signatures of a call."""
        parsed = self._ffi.new("secp256k1_ecdsa_signature *")
        parse = self._lib.secp256k1_ecdsa_signature_parse_compact
        verify, ctx, key_of = self._lib.secp256k1_ecdsa_verify, self._ctx, self._parsed
        found = []
        for public, digest, signature in checks:
            # The library reads 64 and 32 bytes whatever we hand it: lengths first.
            good = len(signature) == 64 and len(digest) == 32
            key = key_of(public) if good else None
            good = key is not None and parse(ctx, parsed, signature) == 1
            found.append(good and verify(ctx, parsed, digest, key) == 1)
        return found


class _PyEcc:
    """py-ecc: pure Python, variable time, for machines without the C library and for tests."""

    name = "py-ecc"

    def __init__(self) -> None:
        limit = sys.getrecursionlimit()
        from py_ecc.secp256k1 import secp256k1

        # py-ecc raises the limit to 100,000; nested JSON could then exhaust the C stack.
        sys.setrecursionlimit(limit)
        self._curve: Any = secp256k1  # py-ecc's points are bare tuples

    def sign(self, secret: bytes, digest: bytes) -> bytes:
        """See Backend."""
        scalar = _expect(secret, digest)
        message = int.from_bytes(digest) % ORDER
        for nonce in _nonces(secret, digest):
            r = int(self._curve.multiply(self._curve.G, nonce)[0]) % ORDER
            s = pow(nonce, -1, ORDER) * (message + r * scalar) % ORDER
            if r and s:
                return r.to_bytes(32) + min(s, ORDER - s).to_bytes(32)
        raise AssertionError("RFC 6979 yields nonces without end")

    def public_of(self, secret: bytes) -> bytes:
        """See Backend."""
        x, y = self._curve.multiply(self._curve.G, _expect(secret, bytes(32)))
        return bytes((2 + int(y) % 2,)) + int(x).to_bytes(32)

    def is_point(self, public: bytes) -> bool:
        """See Backend."""
        return decompress(public) is not None

    def verify(self, public: bytes, digest: bytes, signature: bytes) -> bool:
        """See Backend."""
        point = decompress(public)
        if point is None or len(digest) != 32 or len(signature) != 64:
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        if not (0 < r < ORDER and 0 < s <= ORDER // 2):
            return False
        inverse = pow(s, -1, ORDER)
        c = self._curve
        total = c.add(
            c.multiply(c.G, int.from_bytes(digest) * inverse % ORDER),
            c.multiply(point, r * inverse % ORDER),
        )
        return bool(total != (0, 0)) and int(total[0]) % ORDER == r

    def verify_all(self, checks: Sequence[Check]) -> list[bool]:
        """See Backend."""
        return [self.verify(*check) for check in checks]


def _expect(secret: bytes, digest: bytes) -> int:
    scalar = int.from_bytes(secret)
    if len(secret) != 32 or not 0 < scalar < ORDER:
        raise ValueError("the secret is no scalar of the curve")
    if len(digest) != 32:
        raise ValueError("a digest is 32 bytes")
    return scalar


def _nonces(secret: bytes, digest: bytes) -> Iterator[int]:
    """Yield the candidate nonces of RFC 6979 3.2, for SHA-256, without end."""
    reduced = (int.from_bytes(digest) % ORDER).to_bytes(32)
    value, key = b"\x01" * 32, bytes(32)
    for step in (b"\x00", b"\x01"):
        key = hmac.digest(key, value + step + secret + reduced, hashlib.sha256)
        value = hmac.digest(key, value, hashlib.sha256)
    while True:
        value = hmac.digest(key, value, hashlib.sha256)
        if 0 < int.from_bytes(value) < ORDER:
            yield int.from_bytes(value)
        key = hmac.digest(key, value + b"\x00", hashlib.sha256)
        value = hmac.digest(key, value, hashlib.sha256)


def decompress(public: bytes) -> tuple[int, int] | None:
    """Return x and y of a compressed point (SEC 1, 2.3.4), None when it is none."""
    if len(public) != 33 or public[0] not in (2, 3):
        return None
    x = int.from_bytes(public[1:])
    if x >= FIELD:
        return None
    square = (pow(x, 3, FIELD) + 7) % FIELD
    y = pow(square, (FIELD + 1) // 4, FIELD)
    if y * y % FIELD != square:
        return None
    return x, y if y % 2 == public[0] % 2 else FIELD - y


def backends() -> list[Backend]:
    """Return every backend that loads on this machine, best first."""
    return list(_loadable())


@lru_cache(1)
def backend() -> Backend:
    """Return the backend in use; ImportError when no library for the curve is there."""
    for found in _loadable():
        return found
    raise ImportError(
        "no secp256k1 library: install coincurve (fast) or py-ecc (anywhere)"
    )


def _loadable() -> Iterator[Backend]:
    for found in libraries():
        yield _Native(found)
    with suppress(ImportError):
        yield _PyEcc()


def verify_all(checks: Sequence[Check]) -> list[bool]:
    """Check many signatures, in order; made to be called from several threads at once."""
    return backend().verify_all(checks)
