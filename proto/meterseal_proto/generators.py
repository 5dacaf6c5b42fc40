"""The range proofs' generators: points whose logarithms nobody knows, made from a tag.

G_i and H_i are found by try-and-increment on x from SHA-256 of the tag, a letter, the
index and a counter, with even y: whoever doubts them makes them again. Their hash, with
both bases of commitments, is the first thing every proof's transcript absorbs. Nothing
here may ever depend on a secret, and no generator may be changed once proofs were made.
"""

import hashlib
from functools import lru_cache
from typing import Final

from meterseal_proto.commitment import B_BYTES, V_BYTES
from meterseal_proto.group import Point, group

TAG: Final = b"meterseal/range-proof/generator/v1"
MAX_GENERATORS: Final = 4096
"""Of each letter: 128 values of 32 bits, the largest proof there is."""
SET_HASH: Final = bytes.fromhex(
    "80442353eeb74d788f934cadf00e1ea43e065d7f3949eec32abf7cf2a799dcd5"
)
"""SHA-256 over the tag, V, B, every G_i and every H_i as 33 bytes; a test makes it again."""


def points(letter: bytes, count: int) -> tuple[Point, ...]:
    """Return the first `count` generators of b"G" or b"H" on the backend in use."""
    assert letter in {b"G", b"H"}
    assert 0 < count <= MAX_GENERATORS
    return _points(letter, count)


@lru_cache(16)
def _points(letter: bytes, count: int) -> tuple[Point, ...]:
    of = group()
    return tuple(of.decode(encoding(letter, index)) for index in range(count))


@lru_cache(2 * MAX_GENERATORS)
def encoding(letter: bytes, index: int) -> bytes:
    """Return the 33 bytes of one generator."""
    of, seed = group(), TAG + letter + index.to_bytes(4)
    for counter in range(1 << 32):
        raw = b"\x02" + hashlib.sha256(seed + counter.to_bytes(4)).digest()
        try:
            of.decode(raw)
        except ValueError:
            continue
        return raw
    raise AssertionError("half of all x are on the curve")


def set_hash() -> bytes:
    """Return the hash of the whole set, made again from the tag."""
    whole = hashlib.sha256(TAG + V_BYTES + B_BYTES)
    for letter in (b"G", b"H"):
        for index in range(MAX_GENERATORS):
            whole.update(encoding(letter, index))
    return whole.digest()
