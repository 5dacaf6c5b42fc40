"""Inclusion and consistency proofs of the published log, made from tiles.

Every proof is verified against the signed head before it is given away, so a rotten
row is named here and not found by a stranger. This module must never prove anything
about entries that no checkpoint covers yet.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store
from meterseal_aggregator.translog.store import Rotten, SignedHead
from meterseal_aggregator.translog.tree import (
    MissingTile,
    Tiles,
    prove,
    root,
    tiles_for,
)
from meterseal_proto.merkle import (
    Range,
    consistency_ranges,
    inclusion_ranges,
    verify_consistency,
    verify_inclusion,
)


@dataclass(frozen=True, slots=True)
class Inclusion:
    """A proof that the entry at `index` is under the `head`'s root, lowest hash first."""

    index: int
    proof: tuple[bytes, ...]
    head: SignedHead


@dataclass(frozen=True, slots=True)
class Consistency:
    """A proof that the tree of `second` leaves and root extends that of `first`."""

    first: int
    second: int
    first_root: bytes
    second_root: bytes
    proof: tuple[bytes, ...]


async def include(
    tx: Transaction, entry_id: int, head: SignedHead | None = None
) -> Inclusion | None:
    """Prove an entry by its row id, as `include_at`; None while it has no index."""
    index = (await store.indices(tx, [entry_id])).get(entry_id)
    return None if index is None else await include_at(tx, index, head)


async def include_at(
    tx: Transaction, index: int, head: SignedHead | None = None
) -> Inclusion | None:
    """Prove the entry at a log index under `head`, by default the latest checkpoint.

    None when the checkpoint does not cover the entry.
    """
    head = head or await store.latest(tx)
    if head is None or not 0 <= index < head.size:
        return None
    (entry,) = await store.entries(tx, index, 1)
    ranges = inclusion_ranges(index, head.size)
    _, proof = await _prove(tx, ranges, ())
    if not verify_inclusion(entry.leaf, index, head.size, proof, head.root):
        raise Rotten(f"log_tiles: index {index} has no proof under size {head.size}")
    return Inclusion(index, proof, head)


async def consist(tx: Transaction, first: int, second: int) -> Consistency | None:
    """Prove that the tree at `second` extends the one at `first`, 0 < first <= second.

    None when a size is no size of the published log.
    """
    head = await store.latest(tx, at_least=second)
    if head is None or not 0 < first <= second:
        return None
    ranges = consistency_ranges(first, second)
    tiles, proof = await _prove(tx, ranges, (first, second, head.size))
    roots = root(first, tiles), root(second, tiles)
    whole = root(head.size, tiles)
    grows = verify_consistency(first, second, *roots, proof)
    if not grows or whole != head.root:
        raise Rotten(f"log_tiles: size {first} is no beginning of size {second}")
    return Consistency(first, second, *roots, proof)


async def _prove(
    tx: Transaction, ranges: Sequence[Range], sizes: Sequence[int]
) -> tuple[Tiles, tuple[bytes, ...]]:
    """Load the tiles of a proof, and of the roots of `sizes`, and make it."""
    keys = tiles_for([*ranges, *((0, size) for size in sizes)])
    tiles = await store.tiles(tx, keys)
    try:
        return tiles, prove(ranges, tiles)
    except MissingTile as missing:
        raise Rotten(f"log_tiles: {missing}") from None
