"""Merkle trees of RFC 9162 section 2.1: hashes, roots, proofs and their checks.

Used by the log (checkpoints, inclusion, consistency) and by every seal (the root
over its records). It must never accept a hash that is not exactly 32 bytes, never
say yes to a proof that is longer or shorter than the tree asks for, and never raise
on a proof that came from a stranger: a proof is right or it is not.

All hashes are SHA-256. The "ranges" of a proof are the half-open spans [low, high)
of leaves whose subtree roots the proof holds, in the order the proof holds them; a
log that keeps tiles answers from the ranges without touching the leaves.
"""

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32
MAX_SIZE = 2**63 - 1
"""The largest tree: a size must fit a signed 64-bit database integer."""
EMPTY_ROOT = sha256(b"").digest()
"""The root of a tree without leaves (RFC 9162 2.1.1)."""

_LEAF = b"\x00"
_NODE = b"\x01"

Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """Hash one entry: SHA-256(0x00 || data), 32 bytes (RFC 9162 2.1.1)."""
    return sha256(_LEAF + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash two subtrees: SHA-256(0x01 || left || right) (RFC 9162 2.1.1)."""
    return sha256(_NODE + left + right).digest()


def root_of(leaf_hashes: Sequence[bytes]) -> bytes:
    """Give the root of a tree from the hashes of its leaves, in order (RFC 9162 2.1.1).

    Level by level: a last node without a neighbour moves up as it is, which is the
    recursive split at the largest power of two, without the recursion.
    """
    assert all(len(leaf) == HASH_BYTES for leaf in leaf_hashes)
    if not leaf_hashes:
        return EMPTY_ROOT
    level = list(leaf_hashes)
    while len(level) > 1:
        level = parents(level)
    return level[0]


def parents(level: Sequence[bytes]) -> list[bytes]:
    """Give the nodes one level up; a last node without a neighbour moves up."""
    above = [
        sha256(_NODE + left + right).digest()
        for left, right in zip(level[0::2], level[1::2], strict=False)
    ]
    if len(level) % 2:
        above.append(level[-1])
    return above


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """Say which subtrees prove leaf `index` in a tree of `size` (RFC 9162 2.1.3.1).

    Needs 0 <= index < size. At most 63 ranges, the lowest subtree first.
    """
    assert 0 <= index < size
    ranges: list[Range] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low = middle
    return ranges[::-1]


def consistency_ranges(first: int, second: int) -> list[Range]:
    """Say which subtrees prove that tree `second` extends `first` (RFC 9162 2.1.4.1).

    Needs 0 < first <= second; equal sizes need no proof.
    """
    assert 0 < first <= second
    ranges: list[Range] = []
    low, high, old_tree_ends_here = 0, second, True
    while first < high:
        middle = low + _split(high - low)
        if first <= middle:
            ranges.append((middle, high))
            high = middle
        else:
            ranges.append((low, middle))
            low, old_tree_ends_here = middle, False
    if not old_tree_ends_here:
        ranges.append((low, high))
    return ranges[::-1]


def inclusion_proof(leaf_hashes: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Prove that leaf `index` is in the tree over `leaf_hashes`; for small trees."""
    ranges = inclusion_ranges(index, len(leaf_hashes))
    return tuple(root_of(leaf_hashes[low:high]) for low, high in ranges)


def consistency_proof(leaf_hashes: Sequence[bytes], first: int) -> tuple[bytes, ...]:
    """Prove that the tree over `leaf_hashes` extends its first `first` leaves."""
    ranges = consistency_ranges(first, len(leaf_hashes))
    return tuple(root_of(leaf_hashes[low:high]) for low, high in ranges)


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """Check an inclusion proof of a leaf hash, exactly as RFC 9162 2.1.3.2.

    `leaf` is the 32-byte leaf hash, not the entry. False for any wrong length.
    """
    if not 0 <= index < size <= MAX_SIZE or not _hashes(leaf, root, *proof):
        return False
    fn, sn, r = index, size - 1, leaf
    for p in proof:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            r = node_hash(p, r)
            zeros = 0 if fn & 1 else _trailing_zeros(fn)
            fn, sn = fn >> zeros, sn >> zeros
        else:
            r = node_hash(r, p)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and r == root


def verify_consistency(
    first: int,
    second: int,
    first_root: bytes,
    second_root: bytes,
    proof: Sequence[bytes],
) -> bool:
    """Check that a tree of `second` leaves extends one of `first` (RFC 9162 2.1.4.2).

    Every tree extends the empty one, whose root is `EMPTY_ROOT`; that, and equal
    sizes, are proved by the empty proof only.
    """
    if not 0 <= first <= second <= MAX_SIZE:
        return False
    if not _hashes(first_root, second_root, *proof):
        return False
    if first == 0 and first_root != EMPTY_ROOT:
        return False
    if first == second:
        return not proof and first_root == second_root
    if first == 0:
        return not proof
    return _grows(first, second, (first_root, second_root), proof)


def _grows(
    first: int, second: int, roots: tuple[bytes, bytes], proof: Sequence[bytes]
) -> bool:
    """Walk a consistency proof between two different, non-empty trees."""
    if not proof:
        return False
    # A complete old tree is a node of the new one, so the proof leaves it out.
    path = [roots[0], *proof] if first & (first - 1) == 0 else list(proof)
    fn, sn = first - 1, second - 1
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    fr = sr = path[0]
    for c in path[1:]:
        if sn == 0:
            return False
        if fn & 1 or fn == sn:
            fr, sr = node_hash(c, fr), node_hash(c, sr)
            zeros = 0 if fn & 1 else _trailing_zeros(fn)
            fn, sn = fn >> zeros, sn >> zeros
        else:
            sr = node_hash(sr, c)
        fn, sn = fn >> 1, sn >> 1
    return sn == 0 and (fr, sr) == roots


def _split(size: int) -> int:
    """Give the largest power of two below `size` (size > 1)."""
    return 1 << ((size - 1).bit_length() - 1)


def _trailing_zeros(number: int) -> int:
    """Count how often `number` may be halved before it is odd; none for zero."""
    return (number & -number).bit_length() - 1 if number else 0


def _hashes(*values: bytes) -> bool:
    return all(len(value) == HASH_BYTES for value in values)
