"""The anchor that a file of evidence carries: what was published over its entries.

A file is made under the newest checkpoint, for that is the one witnesses cosign; the
anchor is of an earlier or a later one, so it carries the proof that both are of one log.
This module must never give an anchor that does not cover every entry of the file.
"""

from meterseal_aggregator.stacks.anchors import store
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import proofs
from meterseal_aggregator.translog.store import SignedHead
from meterseal_proto.bundle import Anchor


async def anchor_over(tx: Transaction, index: int, head: SignedHead) -> Anchor | None:
    """Give what was published over the entry at `index`, for a file under `head`.

    None while nothing was.
    """
    row = await store.covering(tx, index)
    if row is None or row.reference is None:
        return None
    proof: tuple[bytes, ...] = ()
    if row.size != head.size:
        grown = await proofs.consist(tx, *sorted((row.size, head.size)))
        assert grown is not None
        proof = grown.proof
    return Anchor(row.publisher, row.size, row.root, row.reference, proof)
