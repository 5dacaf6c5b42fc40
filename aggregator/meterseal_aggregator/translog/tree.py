"""The tree in tiles: grow it by leaf hashes, and answer roots and proofs from tiles.

Tiles are those of C2SP tlog-tiles: 256 hashes wide; at level 0 leaf hashes, at level l
the roots of full tiles of level l - 1; the last tile of a level may be partial. A tile
is kept as its hashes one after another, and never shrinks, so what it was at an
earlier size is its beginning. Pure: tiles in, tiles and hashes out. This module must
never invent a hash it was not given leaves or tiles for.

    grown = grow(0, {}, leaf_hashes)
    prove(inclusion_ranges(3, grown.size), {(t.level, t.index): t.hashes ...})
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.merkle import EMPTY_ROOT, HASH_BYTES, Range, node_hash, root_of

HEIGHT: Final = 8
"""Levels of the tree that one tile spans (C2SP tlog-tiles, Merkle Tree)."""
WIDTH: Final = 1 << HEIGHT
"""Hashes in a full tile."""
MAX_LEVEL: Final = 7
"""The highest tile level: 256 ** 8 leaves are more than a 63-bit size counts."""

Key = tuple[int, int]
"""A tile's level and its index in the level."""
Tiles = Mapping[Key, bytes]


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile: its `level` from 0, its `index` in the level, its `hashes` of 32 bytes."""

    level: int
    index: int
    hashes: bytes


@dataclass(frozen=True, slots=True)
class Growth:
    """A grown tree: `size` in leaves, 32-byte `root`, and every tile that is new or longer."""

    size: int
    root: bytes
    tiles: tuple[Tile, ...]


class MissingTile(LookupError):
    """A proof needs a tile, or a part of one, that it was not given."""


def edge_keys(size: int) -> list[Key]:
    """Name the partial tiles at the right edge of a tree: what growing it needs."""
    keys = []
    for level in range(MAX_LEVEL + 1):
        width = size >> HEIGHT * level
        if width % WIDTH:
            keys.append((level, width >> HEIGHT))
    return keys


def grow(size: int, edge: Tiles, leaf_hashes: Sequence[bytes]) -> Growth:
    """Append leaves to a tree of `size` whose partial tiles (`edge_keys`) are given.

    Raises MissingTile when `edge` is not the right edge of a tree of that size.
    """
    tiles: list[Tile] = []
    grown = dict(edge)
    fresh = list(leaf_hashes)
    for level in range(MAX_LEVEL + 1):
        if not fresh:
            break
        width = size >> HEIGHT * level
        hashes = split(_start_of(edge, (level, width >> HEIGHT), width % WIDTH))
        made = _cut(level, width >> HEIGHT, hashes + fresh)
        tiles += made
        grown |= {(tile.level, tile.index): tile.hashes for tile in made}
        full = [tile for tile in made if len(tile.hashes) == WIDTH * HASH_BYTES]
        fresh = [root_of(split(tile.hashes)) for tile in full]
    total = size + len(leaf_hashes)
    return Growth(total, root(total, grown), tuple(tiles))


def root(size: int, tiles: Tiles) -> bytes:
    """Give the root of the tree of `size`; its edge tiles are enough."""
    return range_root((0, size), tiles) if size else EMPTY_ROOT


def tiles_for(ranges: Iterable[Range]) -> list[Key]:
    """Name the tiles that `prove` will ask for, each once."""
    keys = {_place(low, height)[0] for span in ranges for low, height in _perfect(span)}
    return sorted(keys)


def prove(ranges: Iterable[Range], tiles: Tiles) -> tuple[bytes, ...]:
    """Give the subtree roots that make an inclusion or consistency proof.

    `ranges` are those of `merkle.inclusion_ranges` or `consistency_ranges`. Raises
    MissingTile when a tile is not there or too short.
    """
    return tuple(range_root(span, tiles) for span in ranges)


def range_root(span: Range, tiles: Tiles) -> bytes:
    """Give the root over the leaves [low, high), a subtree of some tree of ours."""
    found = [_subtree(low, height, tiles) for low, height in _perfect(span)]
    result = found.pop()
    while found:
        result = node_hash(found.pop(), result)
    return result


def split(hashes: bytes) -> list[bytes]:
    """Cut concatenated hashes into single ones."""
    return [hashes[i : i + HASH_BYTES] for i in range(0, len(hashes), HASH_BYTES)]


def _cut(level: int, first: int, hashes: list[bytes]) -> list[Tile]:
    """Cut a level's hashes into tiles, the last one as wide as it comes."""
    starts = range(0, len(hashes), WIDTH)
    return [
        Tile(level, first + i, b"".join(hashes[start : start + WIDTH]))
        for i, start in enumerate(starts)
    ]


def _perfect(span: Range) -> list[tuple[int, int]]:
    """Cut a range into perfect subtrees (first leaf, height), left to right.

    The range starts where a subtree at least as large may start, so taking the largest
    power of two each time keeps every part aligned (RFC 9162 2.1.1).
    """
    low, high = span
    parts = []
    while low < high:
        height = (high - low).bit_length() - 1
        parts.append((low, height))
        low += 1 << height
    return parts


def _place(low: int, height: int) -> tuple[Key, int, int]:
    """Say which tile holds a perfect subtree, and from which hash on how many of them."""
    level = height // HEIGHT
    first = low >> HEIGHT * level
    return (level, first >> HEIGHT), first % WIDTH, 1 << height % HEIGHT


def _subtree(low: int, height: int, tiles: Tiles) -> bytes:
    key, first, count = _place(low, height)
    hashes = _start_of(tiles, key, first + count)
    return root_of(split(hashes[first * HASH_BYTES :]))


def _start_of(tiles: Tiles, key: Key, width: int) -> bytes:
    """Give the first `width` hashes of a tile."""
    hashes = tiles.get(key, b"")[: width * HASH_BYTES]
    if len(hashes) != width * HASH_BYTES:
        raise MissingTile(f"tile {key[1]} of level {key[0]} has not {width} hashes")
    return hashes
