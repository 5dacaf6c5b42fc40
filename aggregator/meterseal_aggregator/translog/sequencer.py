"""Give entries their index, grow the tree, sign a checkpoint: one batch at a time.

A batch is read and hashed outside the writer's transaction, then indices, tiles and
checkpoint are written in one: a crash anywhere leaves the log as it was, and the next
run starts again from the tables. Runs hold the lease of the job loop; should two run
at once, the second finds the log moved and does nothing. This module must never sign
a head that does not extend the last one: it re-derives the old root from the very
tiles it grows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import store
from meterseal_aggregator.translog.store import Entry, Rotten, SignedHead
from meterseal_aggregator.translog.tree import (
    Growth,
    MissingTile,
    Tiles,
    edge_keys,
    grow,
    root,
)
from meterseal_proto.checkpoint import Checkpoint, NoteKey, open_note, sign_note
from meterseal_proto.errors import Rejected

MAX_BATCH: Final = 16_384
"""Entries a run integrates: 10 MB in memory, and the writer is held some 50 ms."""


@dataclass(frozen=True, slots=True)
class LogKey:
    """Who signs checkpoints: the log's `origin` and its Ed25519 key, apart from receipts'."""

    origin: str
    key: Ed25519PrivateKey = field(repr=False)

    @property
    def vkey(self) -> str:
        """The verifier key, as the genesis document holds it."""
        return NoteKey(self.origin, self.key.public_key().public_bytes_raw()).vkey


@dataclass(frozen=True, slots=True)
class Sequenced:
    """What a run did: the log's `size` now, entries `added`, whether `more` are waiting."""

    size: int
    added: int
    more: bool


@dataclass(frozen=True, slots=True)
class _Batch:
    """What a run starts from: the last head, the tree's edge, and the entries to come."""

    head: SignedHead | None
    edge: Tiles
    entries: Sequence[Entry]

    @property
    def size(self) -> int:
        return self.head.size if self.head else 0


async def run_once(db: Database, key: LogKey, now: int) -> Sequenced:
    """Integrate up to MAX_BATCH waiting entries and sign a checkpoint at Unix second `now`.

    An empty log gets a checkpoint of size 0; with nothing waiting nothing is written.
    Call again at once while `more`. Raises Rotten when the tables contradict the last
    checkpoint, or when that was signed by another key: nothing is signed then.
    """
    async with db.reading() as tx:
        batch = await _read(tx, key)
    if batch.head is not None and not batch.entries:
        return Sequenced(batch.size, 0, more=False)
    growth = await asyncio.to_thread(_grow, batch)
    note = sign_note(Checkpoint(key.origin, growth.size, growth.root), key.key)
    async with db.transaction() as tx:
        head = await store.latest(tx)
        if head != batch.head:
            return Sequenced(head.size if head else 0, 0, more=True)
        await store.index(tx, batch.size, (entry.id for entry in batch.entries))
        await store.keep_tiles(tx, growth.tiles)
        signed = SignedHead(growth.size, growth.root, note, now)
        await store.keep_head(tx, signed)
    added = len(batch.entries)
    return Sequenced(growth.size, added, more=added == MAX_BATCH)


async def _read(tx: Transaction, key: LogKey) -> _Batch:
    head = await store.latest(tx)
    if head is not None:
        _own(head, key)
    size = head.size if head else 0
    if await store.indexed(tx) != size:
        raise Rotten(f"log_index: its length is not the last checkpoint's size, {size}")
    edge = await store.tiles(tx, edge_keys(size))
    return _Batch(head, edge, await store.unindexed(tx, MAX_BATCH))


def _own(head: SignedHead, key: LogKey) -> None:
    try:
        open_note(head.note, key.vkey)
    except Rejected as rejected:
        raise Rotten(f"checkpoints {head.size}: {rejected.detail}") from None


def _grow(batch: _Batch) -> Growth:
    try:
        if batch.head and root(batch.size, batch.edge) != batch.head.root:
            raise Rotten(f"log_tiles: the edge is not that of checkpoint {batch.size}")
        return grow(batch.size, batch.edge, [entry.leaf for entry in batch.entries])
    except MissingTile as missing:
        raise Rotten(f"log_tiles: {missing}") from None
