"""Re-derive the whole log from its entries and name the first difference.

Leaf hashes from bodies, every tile from the leaves, every checkpoint's root at its own
size, its signature and its witnesses', and that nothing was passed over. Roots are made
with a stack of perfect subtrees, apart from the tile code that wrote them. This module
must never write, and never take a stored hash for the truth.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, store
from meterseal_aggregator.translog.store import Entry, Rotten, SignedHead
from meterseal_aggregator.translog.tree import MAX_LEVEL, WIDTH, Tile
from meterseal_proto.checkpoint import open_note
from meterseal_proto.errors import Rejected
from meterseal_proto.merkle import EMPTY_ROOT, leaf_hash, node_hash, root_of

PAGE: Final = 4_096
"""Entries or checkpoints read at a time: a few MB, and a multiple of a tile's width."""


@dataclass(frozen=True, slots=True)
class Report:
    """What was re-derived: `entries`, `checkpoints`, and the first `difference` or None."""

    entries: int
    checkpoints: int
    difference: str | None


async def check(tx: Transaction, vkey: str) -> Report:
    """Re-derive the log that `vkey` signs, in one consistent reading transaction."""
    walk = _Walk(tx, vkey)
    try:
        await walk.checkpoints()
        await walk.entries()
        await walk.leftovers()
    except Rotten as rotten:
        return Report(walk.size, len(walk.heads), str(rotten))
    return Report(walk.size, len(walk.heads), None)


@dataclass
class _Walk:
    """One pass over the log; `levels` holds the hashes of each level's open tile."""

    tx: Transaction
    vkey: str
    size: int = 0
    last_id: int = 0
    heads: dict[int, bytes] = field(default_factory=dict)
    subtrees: list[tuple[int, bytes]] = field(default_factory=list)
    levels: list[list[bytes]] = field(
        default_factory=lambda: [[] for _ in range(MAX_LEVEL + 1)]
    )
    starts: list[int] = field(default_factory=lambda: [0] * (MAX_LEVEL + 1))

    async def checkpoints(self) -> None:
        """Open every checkpoint with the log's key, check its cosignatures, keep its root."""
        after = -1
        while page := await store.heads(self.tx, after=after, limit=PAGE):
            for head in page:
                self._signed(head)
                await cosignatures.note(self.tx, head)
                self.heads[head.size] = head.root
            after = page[-1].size

    def _signed(self, head: SignedHead) -> None:
        try:
            open_note(head.note, self.vkey)
        except Rejected as rejected:
            raise Rotten(f"checkpoints {head.size}: {rejected.detail}") from None

    async def entries(self) -> None:
        """Walk all entries by index, compare tiles and roots on the way and at the end."""
        self._compare_root()
        while page := await store.entries(self.tx, self.size, PAGE):
            tiles = [tile for entry in page for tile in self._take(entry)]
            await self._compare_tiles(tiles)
        newest = max(self.heads, default=0)
        if newest > self.size:
            raise Rotten(f"checkpoints {newest}: the log has only {self.size} entries")
        if newest < self.size:
            raise Rotten(f"log_index {newest}: no checkpoint covers it")
        edge = [
            Tile(level, self.starts[level], b"".join(hashes))
            for level, hashes in enumerate(self.levels)
            if hashes
        ]
        await self._compare_tiles(edge)

    async def leftovers(self) -> None:
        """Find tiles that the walk did not meet."""
        for level, start in enumerate(self.starts):
            first_absent = start + (1 if self.levels[level] else 0)
            rows = await self.tx.rows(
                "SELECT min(idx) FROM log_tiles WHERE level = ? AND idx >= ?",
                (level, first_absent),
            )
            if rows[0][0] is not None:
                raise Rotten(
                    f"log_tiles level {level} index {rows[0][0]}: not in the tree"
                )

    def _take(self, entry: Entry) -> Iterator[Tile]:
        """Add one entry; gives the tiles it completes."""
        if entry.id != self.last_id + 1:
            raise Rotten(f"log_index {self.size}: entry {self.last_id + 1} passed over")
        self.size, self.last_id = self.size + 1, entry.id
        leaf = leaf_hash(entry.body)
        self._stack(leaf)
        self._compare_root()
        node, level = leaf, 0
        while True:
            self.levels[level].append(node)
            if len(self.levels[level]) < WIDTH:
                return
            hashes = self.levels[level]
            yield Tile(level, self.starts[level], b"".join(hashes))
            self.levels[level], self.starts[level] = [], self.starts[level] + 1
            node, level = root_of(hashes), level + 1

    def _stack(self, leaf: bytes) -> None:
        """Keep the perfect subtrees of the tree so far, the largest first."""
        height, node = 0, leaf
        while self.subtrees and self.subtrees[-1][0] == height:
            node = node_hash(self.subtrees.pop()[1], node)
            height += 1
        self.subtrees.append((height, node))

    def _compare_root(self) -> None:
        expected = self.heads.get(self.size)
        if expected is None:
            return
        root = self.subtrees[-1][1] if self.subtrees else EMPTY_ROOT
        for _, left in self.subtrees[-2::-1]:
            root = node_hash(left, root)
        if root != expected:
            raise Rotten(f"checkpoints {self.size}: the entries have another root")

    async def _compare_tiles(self, derived: list[Tile]) -> None:
        stored = await store.tiles(self.tx, [(t.level, t.index) for t in derived])
        for tile in derived:
            name = f"log_tiles level {tile.level} index {tile.index}"
            found = stored.get((tile.level, tile.index))
            if found is None:
                raise Rotten(f"{name}: missing")
            if found != tile.hashes:
                raise Rotten(f"{name}: not the hashes of the entries under it")
