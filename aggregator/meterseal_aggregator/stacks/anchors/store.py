"""The table of anchors: intents first, references after; read back beside the checkpoint.

A row is compared with the checkpoint of its size whenever it is read. Whoever opened
the transaction commits it. This module must never change an anchor that has its
reference; triggers of the schema hold it to that.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog.store import Rotten, SignedHead
from meterseal_proto.bundle import STACKS_PUBLISHER

_READ: Final = """
SELECT a.id, a.publisher, a.size, a.root, a.intended_at, a.reference, a.published_at,
  c.root
FROM anchors a LEFT JOIN checkpoints c ON c.size = a.size
"""
_INTEND: Final = """
INSERT INTO anchors (publisher, size, root, intended_at) VALUES (?, ?, ?, ?)
"""
_PENDING: Final = """
SELECT count(*) FROM anchors a WHERE a.reference IS NULL AND NOT EXISTS (
  SELECT 1 FROM deeds d WHERE d.state IN ('wanted', 'sent') AND d.deed || ' ' LIKE
    'anchor ' || a.size || ' ' || lower(hex(a.root)) || ' %'
)
"""
_COMPLETE: Final = """
UPDATE anchors SET reference = ?, published_at = ?
WHERE publisher = ? AND size = ? AND reference IS NULL
"""


@dataclass(frozen=True, slots=True)
class AnchorRow:
    """An anchor of `size` and 32-byte `root`; no `reference` yet means it is intended.

    Times in UTC Unix seconds.
    """

    publisher: str
    size: int
    root: bytes
    intended_at: int
    reference: str | None
    published_at: int | None


async def last(tx: Transaction, publisher: str) -> AnchorRow | None:
    """Give the publisher's largest anchor, intended or published."""
    return await _one(tx, "WHERE a.publisher = ? ORDER BY a.size DESC", (publisher,))


async def covering(tx: Transaction, index: int) -> AnchorRow | None:
    """Give the smallest published anchor over the entry at a log index, on a chain first."""
    where = (
        "WHERE a.reference IS NOT NULL AND a.size > ? ORDER BY a.publisher <> ?, a.size"
    )
    return await _one(tx, where, (index, STACKS_PUBLISHER))


async def published(tx: Transaction, *, after: int, limit: int) -> list[AnchorRow]:
    """Give published anchors by size, `limit` of them above size `after`."""
    where = "WHERE a.reference IS NOT NULL AND a.size > ? ORDER BY a.size"
    return await _some(tx, where, (after,), limit)


async def pending(tx: Transaction) -> int:
    """Count the intents without a reference that nothing is being done about.

    Zero after every fault has healed: a deed under way on the chain takes its blocks.
    """
    ((count,),) = await tx.rows(_PENDING)
    return int(count)


async def intend(
    tx: Transaction, publisher: str, head: SignedHead, *, now: int
) -> AnchorRow:
    """Write down that a checkpoint is about to be published; the schema refuses repeats."""
    await tx.many(_INTEND, [(publisher, head.size, head.root, now)])
    return AnchorRow(publisher, head.size, head.root, now, None, None)


async def complete(
    tx: Transaction, anchor: AnchorRow, reference: str, *, now: int
) -> None:
    """Fill in where an intended anchor was published; once, and a second time is no change."""
    row = (reference, now, anchor.publisher, anchor.size)
    await tx.many(_COMPLETE, [row])


async def _one(
    tx: Transaction, where: str, params: tuple[str | int, ...]
) -> AnchorRow | None:
    found = await _some(tx, where, params, 1)
    return found[0] if found else None


async def _some(
    tx: Transaction, where: str, params: tuple[str | int, ...], limit: int
) -> list[AnchorRow]:
    rows = await tx.rows(f"{_READ} {where} LIMIT ?", (*params, limit))
    found = []
    for anchor_id, *fields, expected in rows:
        anchor = AnchorRow(*fields)
        if anchor.root != expected:
            raise Rotten(
                f"anchors {anchor_id}: the root is not that of checkpoint {anchor.size}"
            )
        found.append(anchor)
    return found


async def last_published_at(tx: Transaction) -> int | None:
    """Give the second at which an anchor was published last, by whomever; None of none."""
    ((at,),) = await tx.rows("SELECT max(published_at) FROM anchors")
    return None if at is None else int(at)
