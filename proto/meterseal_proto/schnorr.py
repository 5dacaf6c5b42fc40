"""BIP340 signatures: who signs under a point X knows its logarithm, and says so of a message.

Under X = R B, what is left of a sum of commitments once an amount is taken off, a
signature proves that the amount is right and binds it to what was signed. Made by
libsecp256k1 where `library` finds it, else in pure Python. This module must never sign
with a secret that is not the whole proof: what X means is the caller's business.
"""

import hashlib
import secrets
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from typing import Any, Final, Protocol

from meterseal_proto.curve import FIELD, ORDER, decompress
from meterseal_proto.library import Library, libraries
from meterseal_proto.secret import Secret

MESSAGE_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
XONLY_BYTES: Final = 32


class Schnorr(Protocol):
    """What a library must do for us."""

    name: str

    def sign(self, secret: Secret, message: bytes, aux: bytes) -> bytes:
        """Sign 32 bytes; `aux` are 32 random bytes. ValueError for the secret 0."""
        ...

    def verify(self, xonly: bytes, message: bytes, signature: bytes) -> bool:
        """Check one signature; False for anything that is not exactly right."""
        ...


class NativeSchnorr:
    """libsecp256k1's schnorrsig module through cffi."""

    def __init__(self, found: Library) -> None:
        if not hasattr(found.lib, "secp256k1_schnorrsig_verify"):
            raise ImportError(f"{found.name} was built without Schnorr signatures")
        self.name = found.name
        # cffi's objects have no static types.
        self._ffi: Any = found.ffi
        self._lib: Any = found.lib
        self._ctx: Any = found.context

    def sign(self, secret: Secret, message: bytes, aux: bytes) -> bytes:
        """See Schnorr."""
        _expect(message, aux)
        pair = self._ffi.new("secp256k1_keypair *")
        if not self._lib.secp256k1_keypair_create(self._ctx, pair, secret.to_bytes()):
            raise ValueError("the secret 0 signs nothing")
        out = self._ffi.new("unsigned char[64]")
        done = self._lib.secp256k1_schnorrsig_sign32(self._ctx, out, message, pair, aux)
        assert done, "the library refused a good key"
        return bytes(self._ffi.buffer(out, SIGNATURE_BYTES))

    def verify(self, xonly: bytes, message: bytes, signature: bytes) -> bool:
        """See Schnorr."""
        if not _shaped(xonly, message, signature):
            return False
        key = self._ffi.new("secp256k1_xonly_pubkey *")
        if not self._lib.secp256k1_xonly_pubkey_parse(self._ctx, key, xonly):
            return False
        return bool(
            self._lib.secp256k1_schnorrsig_verify(
                self._ctx, signature, message, MESSAGE_BYTES, key
            )
        )


class PythonSchnorr:
    """BIP340's own equations on py-ecc: everywhere, slow, variable time, and the oracle."""

    name = "py-ecc"

    def __init__(self) -> None:
        from meterseal_proto.group_python import PythonGroup

        self._group = PythonGroup()

    def sign(self, secret: Secret, message: bytes, aux: bytes) -> bytes:
        """See Schnorr; the section "Default Signing"."""
        _expect(message, aux)
        public = self._group.base(secret)
        if public is None:
            raise ValueError("the secret 0 signs nothing")
        key = self._group.encode(public)
        scalar = _even(secret.reveal(), key)
        masked = scalar ^ int.from_bytes(_tagged(b"BIP0340/aux", aux))
        drawn = _tagged(b"BIP0340/nonce", masked.to_bytes(32) + key[1:] + message)
        nonce = int.from_bytes(drawn) % ORDER
        commitment = self._group.base(Secret(nonce))
        assert commitment is not None, "a hash of this value is not known"
        r = self._group.encode(commitment)
        answer = _even(nonce, r) + _challenge(r[1:], key[1:], message) * scalar
        return r[1:] + (answer % ORDER).to_bytes(32)

    def verify(self, xonly: bytes, message: bytes, signature: bytes) -> bool:
        """See Schnorr; the section "Verification"."""
        if not _shaped(xonly, message, signature):
            return False
        r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
        key = b"\x02" + xonly
        if decompress(key) is None or r >= FIELD or s >= ORDER:
            return False
        e = _challenge(signature[:32], xonly, message)
        point, base = self._group.decode(key), self._group.base(Secret(s))
        back = self._group.times(point, -e)
        total = self._group.add([one for one in (base, back) if one is not None])
        return (
            total is not None
            and self._group.encode(total) == b"\x02" + (signature[:32])
        )


def schnorrs() -> Iterator[Schnorr]:
    """Yield every backend that loads on this machine, best first."""
    for found in libraries():
        with suppress(ImportError):
            yield NativeSchnorr(found)
    with suppress(ImportError):
        yield PythonSchnorr()


@lru_cache(1)
def schnorr() -> Schnorr:
    """Return the backend in use; ImportError when there is none."""
    for found in schnorrs():
        return found
    raise ImportError("no secp256k1 library with Schnorr signatures: install coincurve")


def sign(secret: Secret, message: bytes) -> bytes:
    """Return a signature of 32 bytes by `secret`, hedged by fresh randomness."""
    return schnorr().sign(secret, message, secrets.token_bytes(32))


def verify(xonly: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether the owner of the point with this x signed `message`."""
    return schnorr().verify(xonly, message, signature)


def _expect(message: bytes, aux: bytes) -> None:
    if len(message) != MESSAGE_BYTES or len(aux) != MESSAGE_BYTES:
        raise ValueError("a message and its randomness are 32 bytes each")


def _shaped(xonly: bytes, message: bytes, signature: bytes) -> bool:
    return (len(xonly), len(message), len(signature)) == (
        XONLY_BYTES,
        MESSAGE_BYTES,
        SIGNATURE_BYTES,
    )


def _even(scalar: int, encoded: bytes) -> int:
    """Return the scalar whose point has this x and an even y."""
    return scalar if encoded[0] == 2 else ORDER - scalar


def _challenge(r: bytes, xonly: bytes, message: bytes) -> int:
    tagged = _tagged(b"BIP0340/challenge", r + xonly + message)
    return int.from_bytes(tagged) % ORDER


def _tagged(tag: bytes, data: bytes) -> bytes:
    twice = hashlib.sha256(tag).digest() * 2
    return hashlib.sha256(twice + data).digest()
