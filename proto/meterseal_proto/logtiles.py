"""Reading a log that is published in tiles: names, bundles, and the root of what was read.

C2SP tlog-tiles: `tile/<L>/<N>[.p/<W>]` and `tile/entries/<N>[.p/<W>]`, where N is written in
groups of three digits, all but the last with an x before it. A reader takes every bundle
in order, and what it read is the log when its root is the checkpoint's. Pure. This module
must never take a bundle that is shorter or longer than its name says.

    reading = Reading()
    for name, width in bundles(checkpoint.size):
        for entry in parse_bundle(get(name), width):
            reading.add(leaf_hash(entry))
    reading.root() == checkpoint.root
"""

from collections.abc import Iterator
from typing import Final

from meterseal_proto.errors import Malformed
from meterseal_proto.merkle import EMPTY_ROOT, node_hash

WIDTH: Final = 256
"""Hashes of a full tile, entries of a full bundle."""
MAX_BUNDLE_BYTES: Final = WIDTH * (2 + 0xFFFF)


def tile_path(level: int | None, index: int, width: int = WIDTH) -> str:
    """Return the one name of a tile, or with level None of a bundle of entries."""
    name = "entries" if level is None else str(level)
    groups = [f"{index % 1000:03}"]
    rest = index // 1000
    while rest:
        groups.insert(0, f"x{rest % 1000:03}")
        rest //= 1000
    partial = "" if width == WIDTH else f".p/{width}"
    return f"tile/{name}/{'/'.join(groups)}{partial}"


def bundles(size: int) -> Iterator[tuple[str, int]]:
    """Yield the name and width of every bundle of a log of `size` entries, in order."""
    for index in range(-(-size // WIDTH)):
        width = min(WIDTH, size - index * WIDTH)
        yield tile_path(None, index, width), width


def parse_bundle(raw: bytes, width: int) -> list[bytes]:
    """Return the `width` entries of a bundle; Malformed for any other number."""
    found: list[bytes] = []
    at = 0
    while at < len(raw) and len(found) < width:
        begin = at + 2
        at = begin + int.from_bytes(raw[begin - 2 : begin])
        found.append(raw[begin:at])
    if at != len(raw) or len(found) != width:
        raise Malformed(f"a bundle is not {width} whole entries")
    return found


class Reading:
    """The root over leaves as they come, in room that grows with their number's logarithm."""

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[tuple[int, bytes]] = []

    def add(self, leaf: bytes) -> None:
        """Take the next leaf hash."""
        self.size += 1
        width = 1
        while self._peaks and self._peaks[-1][0] == width:
            leaf = node_hash(self._peaks.pop()[1], leaf)
            width *= 2
        self._peaks.append((width, leaf))

    def root(self) -> bytes:
        """Return the root of all leaves so far (RFC 9162 2.1.1)."""
        if not self._peaks:
            return EMPTY_ROOT
        *rest, (_, found) = self._peaks
        for _, peak in reversed(rest):
            found = node_hash(peak, found)
        return found
