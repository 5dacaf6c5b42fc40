"""What the log publishes under its prefix, by path (C2SP tlog-tiles, APIs).

`checkpoint`, `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`; a tile and a bundle
never change once they are given away. This module must never give out an entry that no
checkpoint covers, nor one that does not hash to its place in the tree.
"""

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import cosignatures, store
from meterseal_aggregator.translog.paths import Resource, parse_path
from meterseal_aggregator.translog.store import Rotten
from meterseal_aggregator.translog.tree import WIDTH
from meterseal_proto.merkle import HASH_BYTES


async def checkpoint(tx: Transaction) -> str | None:
    """Give the latest checkpoint's note, with the cosignatures there are, as text."""
    head = await store.latest(tx)
    return await cosignatures.note(tx, head) if head else None


async def read(tx: Transaction, path: str) -> bytes | None:
    """Give the bytes a `tile/...` path names, immutable; None for any other path."""
    resource = parse_path(path)
    if resource is None:
        return None
    if resource.level is None:
        return await _entries(tx, resource)
    return await _hashes(tx, resource.level, resource)


async def _hashes(tx: Transaction, level: int, wanted: Resource) -> bytes | None:
    """Give the first hashes of a tile; tiles are written with the head that covers them."""
    key = (level, wanted.index)
    hashes = (await store.tiles(tx, [key])).get(key, b"")
    length = wanted.width * HASH_BYTES
    return hashes[:length] if len(hashes) >= length else None


async def _entries(tx: Transaction, wanted: Resource) -> bytes | None:
    """Give entries with a u16 length before each (C2SP tlog-tiles, Log entries)."""
    leaves = await _hashes(tx, 0, wanted)
    if leaves is None:
        return None
    found = await store.entries(tx, wanted.index * WIDTH, wanted.width)
    if b"".join(entry.leaf for entry in found) != leaves:
        raise Rotten(
            f"log_index: entries of bundle {wanted.index} are not those of its tile"
        )
    return b"".join(len(entry.body).to_bytes(2) + entry.body for entry in found)
