"""Where libsecp256k1 is on this machine: coincurve's copy, btclib's, or the system's.

All three are the same C library behind cffi, so whoever calls it has one way to do so.
This module must never be used but by `curve` and `group`: a caller of the C functions is
responsible for every length, because the library reads what it is handed.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

_SYSTEM: Final = ("libsecp256k1.so.2", "libsecp256k1.so.1", "libsecp256k1.dylib")
"""Sonames of the releases 0.3 and later, 0.2 (Debian 12), and of macOS."""
_CONTEXT_NONE: Final = 1
"""SECP256K1_CONTEXT_NONE of secp256k1.h: all that a context of today is made with."""
_HEADER: Final = """
typedef struct secp256k1_context_struct secp256k1_context;
typedef struct { unsigned char data[64]; } secp256k1_pubkey;
typedef struct { unsigned char data[64]; } secp256k1_ecdsa_signature;
typedef struct { unsigned char data[64]; } secp256k1_xonly_pubkey;
typedef struct { unsigned char data[96]; } secp256k1_keypair;
secp256k1_context *secp256k1_context_create(unsigned int);
int secp256k1_context_randomize(secp256k1_context *, const unsigned char *);
int secp256k1_ec_pubkey_parse(const secp256k1_context *, secp256k1_pubkey *,
  const unsigned char *, size_t);
int secp256k1_ec_pubkey_serialize(const secp256k1_context *, unsigned char *, size_t *,
  const secp256k1_pubkey *, unsigned int);
int secp256k1_ec_pubkey_create(const secp256k1_context *, secp256k1_pubkey *,
  const unsigned char *);
int secp256k1_ec_pubkey_negate(const secp256k1_context *, secp256k1_pubkey *);
int secp256k1_ec_pubkey_tweak_mul(const secp256k1_context *, secp256k1_pubkey *,
  const unsigned char *);
int secp256k1_ec_pubkey_combine(const secp256k1_context *, secp256k1_pubkey *,
  const secp256k1_pubkey * const *, size_t);
int secp256k1_ecdsa_signature_parse_compact(const secp256k1_context *,
  secp256k1_ecdsa_signature *, const unsigned char *);
int secp256k1_ecdsa_signature_serialize_compact(const secp256k1_context *,
  unsigned char *, const secp256k1_ecdsa_signature *);
int secp256k1_ecdsa_verify(const secp256k1_context *, const secp256k1_ecdsa_signature *,
  const unsigned char *, const secp256k1_pubkey *);
int secp256k1_ecdsa_sign(const secp256k1_context *, secp256k1_ecdsa_signature *,
  const unsigned char *, const unsigned char *, void *, const void *);
int secp256k1_ecdh(const secp256k1_context *, unsigned char *, const secp256k1_pubkey *,
  const unsigned char *, int (*)(unsigned char *, const unsigned char *,
  const unsigned char *, void *), void *);
int secp256k1_keypair_create(const secp256k1_context *, secp256k1_keypair *,
  const unsigned char *);
int secp256k1_xonly_pubkey_parse(const secp256k1_context *, secp256k1_xonly_pubkey *,
  const unsigned char *);
int secp256k1_schnorrsig_sign32(const secp256k1_context *, unsigned char *,
  const unsigned char *, const secp256k1_keypair *, const unsigned char *);
int secp256k1_schnorrsig_verify(const secp256k1_context *, const unsigned char *,
  const unsigned char *, size_t, const secp256k1_xonly_pubkey *);
"""
"""The few declarations of secp256k1.h that are used, for the system's library."""


@dataclass(frozen=True, slots=True)
class Library:
    """One copy of libsecp256k1: cffi's two objects, and a context made for it."""

    name: str
    # cffi builds these at run time; no type checker can see into them.
    ffi: Any
    lib: Any
    context: Any


def libraries() -> Iterator[Library]:
    """Yield every copy that loads on this machine, best first."""
    for find in (_coincurve, _btclib, _system):
        try:
            yield find()
        except (ImportError, OSError):
            continue


def _coincurve() -> Library:
    from coincurve._libsecp256k1 import (  # type: ignore[import-not-found]
        ffi,
        lib,
    )
    from coincurve.context import GLOBAL_CONTEXT

    return Library("coincurve", ffi, lib, GLOBAL_CONTEXT.ctx)


def _btclib() -> Library:
    from btclib_secp256k1 import ffi, lib

    return Library("btclib", ffi, lib, _context(lib))


def _system() -> Library:
    from cffi import FFI  # type: ignore[import-untyped]

    ffi = FFI()
    ffi.cdef(_HEADER)
    for name in _SYSTEM:
        try:
            lib = ffi.dlopen(name)
        except OSError:
            continue
        return Library("system", ffi, lib, _context(lib))
    raise ImportError("no libsecp256k1 on this system: apt install libsecp256k1-1")


def _context(lib: Any) -> Any:  # cffi's own objects, as above
    """Return a context whose multiplications of the base point are blinded."""
    context = lib.secp256k1_context_create(_CONTEXT_NONE)
    lib.secp256k1_context_randomize(context, secrets.token_bytes(32))
    return context
