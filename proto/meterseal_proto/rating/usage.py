"""Packed usage: a row of slots as bytes, and the digest by which a bill names them.

Slots are `step` seconds each from `begin` on: Wh or litres as u32, little-endian, and one
ESPI quality (u8) each. Pure. This module must never guess a slot: what nobody knows has the
quality MISSING, and is never rated.
"""

import hashlib
import struct
import sys
from array import array
from typing import Final

MAX_SLOT: Final = (1 << 32) - 1
"""Wh or litres of one slot: four million kWh, beyond any meter here."""
_DOMAIN: Final = b"meterseal/usage/v1\x00"
_HEAD: Final = struct.Struct(">QQ")


def packed(deltas: "array[int]") -> bytes:
    """Return the bytes of an array("I") of slots."""
    if sys.byteorder != "little":
        deltas = deltas[:]
        deltas.byteswap()
    return deltas.tobytes()


def unpacked(raw: bytes) -> "array[int]":
    """Return the array("I") of slots that bytes spell; ValueError for a part of a slot."""
    deltas = array("I")
    deltas.frombytes(raw)
    if sys.byteorder != "little":
        deltas.byteswap()
    return deltas


def usage_digest(begin: int, step: int, deltas: bytes, qualities: bytes) -> bytes:
    """Return SHA-256(domain || begin u64 || step u64 || packed deltas || qualities).

    `deltas` are four bytes a slot, `qualities` one; ValueError where they do not fit.
    """
    if len(deltas) != 4 * len(qualities):
        raise ValueError("a slot has four bytes and one quality")
    head = _HEAD.pack(begin, step)
    return hashlib.sha256(_DOMAIN + head + deltas + qualities).digest()
