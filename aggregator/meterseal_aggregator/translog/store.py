"""The log's tables: append entries, keep indices, tiles and checkpoints, read them back.

A row is verified whenever it is read: an entry by its leaf hash, a tile by its digest
and by the proofs made from it, a checkpoint by its own note. What does not fit is
named (`Rotten`) and never served. Whoever opened the transaction commits it. This
module must never change an entry and never write a checkpoint that shrinks the log;
triggers of the schema hold it to that.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog.tree import Key, Tile
from meterseal_proto.checkpoint import Checkpoint, parse_body, parse_note
from meterseal_proto.errors import Rejected
from meterseal_proto.merkle import leaf_hash

MAX_ENTRY_BYTES: Final = 65_535
"""Entry bundles prefix an entry with its length in 16 bits (C2SP tlog-tiles)."""
MAX_LOOKUP: Final = 10_000
"""Most ids a query names; a statement binds at most 30,000 parameters."""

_APPEND: Final = "INSERT INTO log_entries (id, leaf_hash, body) VALUES (?, ?, ?)"
_INDEX: Final = "INSERT INTO log_index (idx, entry_id) VALUES (?, ?)"
_TILE: Final = """
INSERT INTO log_tiles (level, idx, hashes, digest) VALUES (?, ?, ?, ?)
ON CONFLICT (level, idx) DO UPDATE SET hashes = excluded.hashes, digest = excluded.digest
"""
_TILES: Final = "SELECT idx, hashes, digest FROM log_tiles WHERE level = ? AND idx IN"
_INDICES: Final = "SELECT entry_id, idx FROM log_index WHERE entry_id IN"
_CHECKPOINT: Final = """
INSERT INTO checkpoints (size, root, note, signed_at) VALUES (?, ?, ?, ?)
"""
_LATEST: Final = """
SELECT size, root, note, signed_at FROM checkpoints
WHERE size >= ? ORDER BY size DESC LIMIT 1
"""
_UNINDEXED: Final = """
SELECT id, leaf_hash, body FROM log_entries
WHERE id > (SELECT coalesce(max(entry_id), 0) FROM log_index) ORDER BY id LIMIT ?
"""
_ENTRIES: Final = """
SELECT i.idx, e.id, e.leaf_hash, e.body
FROM log_index i LEFT JOIN log_entries e ON e.id = i.entry_id
WHERE i.idx >= ? AND i.idx < ? ORDER BY i.idx
"""


class Rotten(Exception):
    """A row is not what was written; the message names table and key. Restore a backup."""


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the log: its row `id`, the `leaf` hash of 32 bytes, the `body`."""

    id: int
    leaf: bytes
    body: bytes


@dataclass(frozen=True, slots=True)
class SignedHead:
    """A checkpoint with its signed `note`; `signed_at` in UTC Unix seconds."""

    size: int
    root: bytes
    note: str
    signed_at: int


async def append(tx: Transaction, bodies: Sequence[bytes]) -> list[int]:
    """Append entries in order; returns their ids. Two statements, however many entries.

    The ids are the log's order. Raises ValueError for an entry above MAX_ENTRY_BYTES.
    """
    if not bodies:
        return []
    if max(map(len, bodies)) > MAX_ENTRY_BYTES:
        raise ValueError(f"a log entry has at most {MAX_ENTRY_BYTES} bytes")
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM log_entries")
    rows = [(last + n, leaf_hash(body), body) for n, body in enumerate(bodies, 1)]
    await tx.many(_APPEND, rows)
    return [row[0] for row in rows]


async def unindexed(tx: Transaction, limit: int) -> list[Entry]:
    """Give the first `limit` entries that have no index yet, in order, verified."""
    rows = await tx.rows(_UNINDEXED, (limit,))
    return [_entry(*row) for row in rows]


async def entries(tx: Transaction, first: int, count: int) -> list[Entry]:
    """Give the entries at `count` log indices from `first` on, verified; fewer at the end."""
    rows = await tx.rows(_ENTRIES, (first, first + count))
    for place, (index, entry_id, _, _) in enumerate(rows, first):
        if index != place or entry_id is None:
            raise Rotten(f"log_index {place}: the entry is missing")
    return [_entry(*row[1:]) for row in rows]


async def indices(tx: Transaction, entry_ids: Sequence[int]) -> dict[int, int]:
    """Give the log index of each entry id that has one; at most MAX_LOOKUP ids."""
    if len(entry_ids) > MAX_LOOKUP:
        raise ValueError(f"look up at most {MAX_LOOKUP} entries a call")
    marks = ", ".join("?" * len(entry_ids))
    rows = await tx.rows(f"{_INDICES} ({marks})", entry_ids)
    return dict(rows)


async def indexed(tx: Transaction) -> int:
    """Count the entries that have an index."""
    ((count,),) = await tx.rows("SELECT coalesce(max(idx) + 1, 0) FROM log_index")
    return int(count)


async def waiting(tx: Transaction) -> int:
    """Count the entries that have no index yet; above zero for a minute is an alarm."""
    ((count,),) = await tx.rows(
        "SELECT (SELECT coalesce(max(id), 0) FROM log_entries)"
        " - (SELECT coalesce(max(entry_id), 0) FROM log_index)"
    )
    return int(count)


async def index(tx: Transaction, first: int, entry_ids: Iterable[int]) -> None:
    """Give entries the indices from `first` on; the schema refuses gaps and repeats."""
    await tx.many(_INDEX, list(enumerate(entry_ids, first)))


async def tiles(tx: Transaction, keys: Iterable[Key]) -> dict[Key, bytes]:
    """Give the tiles that exist among `keys`, verified by their digests."""
    found: dict[Key, bytes] = {}
    by_level: dict[int, list[int]] = {}
    for level, place in keys:
        by_level.setdefault(level, []).append(place)
    for level, places in by_level.items():
        marks = ", ".join("?" * len(places))
        rows = await tx.rows(f"{_TILES} ({marks})", (level, *places))
        for place, hashes, digest in rows:
            if sha256(hashes).digest() != digest:
                raise Rotten(
                    f"log_tiles level {level} index {place}: the digest differs"
                )
            found[level, place] = hashes
    return found


async def keep_tiles(tx: Transaction, grown: Sequence[Tile]) -> None:
    """Write new tiles and lengthen partial ones; the schema refuses any other change."""
    rows = [(t.level, t.index, t.hashes, sha256(t.hashes).digest()) for t in grown]
    await tx.many(_TILE, rows)


async def latest(tx: Transaction, *, at_least: int = 0) -> SignedHead | None:
    """Give the last checkpoint if it has `at_least` entries, verified against its note."""
    rows = await tx.rows(_LATEST, (at_least,))
    return _head(*rows[0]) if rows else None


async def head_at(tx: Transaction, size: int) -> SignedHead | None:
    """Give the checkpoint of exactly `size` entries, verified against its note."""
    found = await heads(tx, after=size - 1, limit=1)
    return found[0] if found and found[0].size == size else None


async def heads(tx: Transaction, *, after: int, limit: int) -> list[SignedHead]:
    """Give `limit` checkpoints larger than `after`, by size, verified against their notes."""
    rows = await tx.rows(
        "SELECT size, root, note, signed_at FROM checkpoints"
        " WHERE size > ? ORDER BY size LIMIT ?",
        (after, limit),
    )
    return [_head(*row) for row in rows]


async def keep_head(tx: Transaction, head: SignedHead) -> None:
    """Write a checkpoint; the schema refuses one that is not larger than all before."""
    await tx.many(_CHECKPOINT, [(head.size, head.root, head.note, head.signed_at)])


def _entry(entry_id: int, leaf: bytes, body: bytes) -> Entry:
    if leaf_hash(body) != leaf:
        raise Rotten(f"log_entries {entry_id}: the body does not hash to its leaf")
    return Entry(entry_id, leaf, body)


def _head(size: int, root: bytes, note: str, signed_at: int) -> SignedHead:
    try:
        noted = parse_body(parse_note(note).body)
    except Rejected as rejected:
        raise Rotten(f"checkpoints {size}: {rejected.detail}") from None
    if noted != Checkpoint(noted.origin, size, root):
        raise Rotten(f"checkpoints {size}: the row is not what its note says")
    return SignedHead(size, root, note, signed_at)
