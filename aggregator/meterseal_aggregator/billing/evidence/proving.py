"""Inclusion proofs of many entries at once, under one checkpoint.

    proved = await prove_all(tx, entries)

A month's seals share most of their proofs' hashes: tiles are read once and each subtree is
hashed once. The number of statements hangs on the depth of the log alone. Every proof is
verified before it is given away. This module must never prove an entry that is not the one
it was given.
"""

from meterseal_aggregator.billing.evidence.model import Entries, NotYet, Proved
from meterseal_aggregator.stacks.anchors.carried import anchor_over
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.translog.store import MAX_LOOKUP, Rotten, SignedHead
from meterseal_aggregator.translog.tree import (
    MissingTile,
    Tiles,
    range_root,
    tiles_for,
)
from meterseal_proto.bundle import Logged, anchor_json, canonical
from meterseal_proto.merkle import Range, inclusion_ranges, verify_inclusion

WAITING = "it waits for its place in the log; ask again in a minute"


async def prove_all(tx: Transaction, entries: Entries) -> Proved:
    """Prove entries under the newest checkpoint; raises NotYet where it covers not all."""
    head = await log.latest(tx)
    ids = sorted(entries.bodies)
    places: dict[int, int] = {}
    for at in range(0, len(ids), MAX_LOOKUP):
        places |= await log.indices(tx, ids[at : at + MAX_LOOKUP])
    if head is None or len(places) < len(ids) or max(places.values()) >= head.size:
        raise NotYet(WAITING)
    ranges = {
        entry_id: inclusion_ranges(index, head.size)
        for entry_id, index in places.items()
    }
    wanted = tiles_for({span for spans in ranges.values() for span in spans})
    tiles = await log.tiles(tx, wanted)
    roots: dict[Range, bytes] = {}
    found: dict[bytes, Logged] = {}
    for entry_id, leaf in entries.leaves().items():
        proof = tuple(_root(span, tiles, roots) for span in ranges[entry_id])
        _check(leaf, places[entry_id], proof, head)
        found[leaf] = Logged(places[entry_id], proof)
    anchor = await anchor_over(tx, max(places.values()), head)
    told = anchor_json(anchor)
    return Proved(
        await cosignatures.note(tx, head),
        canonical(told) if isinstance(told, dict) else None,
        found,
    )


def _root(span: Range, tiles: Tiles, roots: dict[Range, bytes]) -> bytes:
    known = roots.get(span)
    if known is None:
        try:
            known = roots[span] = range_root(span, tiles)
        except MissingTile as missing:
            raise Rotten(f"log_tiles: {missing}") from None
    return known


def _check(leaf: bytes, index: int, proof: tuple[bytes, ...], head: SignedHead) -> None:
    if not verify_inclusion(leaf, index, head.size, proof, head.root):
        raise Rotten(f"log_tiles: index {index} has no proof under size {head.size}")
