"""What witnesses said of our checkpoints, kept, and given away with them.

Every cosignature is verified when it is kept and again when it is read; one that does not
fit is named (`Rotten`) and never served. This module must never give a line to another
checkpoint than the one it was made for.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store
from meterseal_aggregator.translog.store import Rotten, SignedHead
from meterseal_proto.checkpoint import Signature, parse_note
from meterseal_proto.cosignature import CosignerKey, add_lines, cosigned_at
from meterseal_proto.errors import Rejected

MAX_WITNESSES: Final = 8
"""Cosignatures a checkpoint is served with: with the longest names a file takes them all."""
LOOK_BACK: Final = 64
"""Cosigned checkpoints that are compared: a witness that was down for some minutes came back."""

_KEEP: Final = """
INSERT INTO cosignatures (size, name, public, raw) VALUES (?, ?, ?, ?)
ON CONFLICT (size, name, public) DO NOTHING
"""
_OF: Final = """
SELECT name, public, raw FROM cosignatures WHERE size = ? ORDER BY name, public LIMIT ?
"""
_COSIGNED: Final = """
SELECT size, count(*) FROM cosignatures WHERE size > ?
GROUP BY size ORDER BY size DESC LIMIT ?
"""


async def keep(
    tx: Transaction, head: SignedHead, key: CosignerKey, line: Signature
) -> None:
    """Keep what a witness said of a checkpoint; its first word for it stands.

    Raises Rejected unless `line` is a cosignature of `key` on this very checkpoint.
    """
    cosigned_at(parse_note(add_lines(head.note, [line])), key)
    await tx.many(_KEEP, [(head.size, key.name, key.public, line.raw)])


async def note(tx: Transaction, head: SignedHead) -> str:
    """Return a checkpoint's note with the cosignatures there are, verified."""
    rows = await tx.rows(_OF, (head.size, MAX_WITNESSES))
    keys = [CosignerKey(name, public) for name, public, _ in rows]
    lines = [
        Signature(key.name, key.key_id, row[2])
        for key, row in zip(keys, rows, strict=True)
    ]
    whole = add_lines(head.note, lines)
    _check(head, whole, keys)
    return whole


async def last_size(tx: Transaction, key: CosignerKey) -> int:
    """Return the largest size a witness cosigned, 0 where it did none."""
    rows = await tx.rows(
        "SELECT coalesce(max(size), 0) FROM cosignatures WHERE name = ? AND public = ?",
        (key.name, key.public),
    )
    return int(rows[0][0])


async def covering(tx: Transaction, index: int) -> SignedHead | None:
    """Return the checkpoint over the entry at `index` that most witnesses cosigned.

    Of the LOOK_BACK newest cosigned ones; of equals the newest. None where none is.
    """
    rows = await tx.rows(_COSIGNED, (index, LOOK_BACK))
    if not rows:
        return None
    size, _ = max(rows, key=lambda row: (row[1], row[0]))
    head = await store.head_at(tx, size)
    if head is None:
        raise Rotten(f"cosignatures {size}: there is no such checkpoint")
    return head


def _check(head: SignedHead, whole: str, keys: Sequence[CosignerKey]) -> None:
    opened = parse_note(whole)
    for key in keys:
        try:
            cosigned_at(opened, key)
        except Rejected as rejected:
            text = f"cosignatures {head.size} of {key.name}: {rejected.detail}"
            raise Rotten(text) from None
