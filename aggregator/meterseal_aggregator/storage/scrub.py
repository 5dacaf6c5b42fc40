"""Clearing the file of what was deleted, a stretch of pages at a time.

    at = 0
    while at is not None:                       # each in the writer's thread, others between
        at = clear_stretch(connection, file, at)

SQLite with secure_delete writes zeros over what it deletes. What it leaves is the room of a
page that no cell uses: where a page was split, copies of rows lie there that now live, or
lived, on another page. Those bytes mean nothing to SQLite (file format 1.6 and 1.5), so
they are written over in the file itself, while nobody can write to it: the log is empty and
the one write lock is held. A power cut in the midst of it leaves the same database. This
module must never write a byte that a page uses.
"""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

STRETCH_PAGES: Final = 4_096
"""16 MiB: others wait a few tenths of a second at most."""
MOST_PAGES: Final = 1 << 25
"""Pages below this have numbers whose first byte is 0 or 1, and an overflow page begins with
such a number: so it is never taken for a page of a tree. 128 GiB of pages of 4 KiB."""
PATIENCE_MS: Final = 100
"""How long a stretch waits for readers who still need the log: the writer waits with it."""

_TREE: Final = {2: 12, 5: 12, 10: 8, 13: 8}
"""The length of a page's header, by the kind of a tree's page (1.6)."""
_FIRST_HEADER: Final = 100
"""Where the first page's own header begins: after the file's."""
_FREE_LIST: Final = 32
"""Where the file's header names the first page of the list of free ones (1.3)."""
_OPEN: Final[dict[tuple[int, int], int]] = {}


class ReadersInTheWay(Exception):
    """Somebody reads from the log, or another process writes: try again in a moment."""


class TooManyPages(Exception):
    """A page of this file could be taken for another kind: write it anew instead."""


def write_anew(connection: sqlite3.Connection) -> None:
    """Write the whole file anew, its log emptied before and after: minutes for many GB.

    Raises ReadersInTheWay, and it is to be done again.
    """
    try:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("VACUUM")
        ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.OperationalError as error:
        raise ReadersInTheWay from error
    if busy:
        raise ReadersInTheWay


def clear_stretch(connection: sqlite3.Connection, path: str, first: int) -> int | None:
    """Clear pages from number `first` (0: the first) on; returns the next, None at the end.

    `connection` is the one that writes, with no transaction open. Raises ReadersInTheWay
    where nothing was done, and TooManyPages for a file that is too large to be sure.
    """
    with _alone(connection, path):
        ((size,),) = connection.execute("PRAGMA page_size")
        ((count,),) = connection.execute("PRAGMA page_count")
        if count >= MOST_PAGES:
            raise TooManyPages
        file = _file(path)
        _clear(file, size, first, min(count, first + STRETCH_PAGES))
    # Its cache holds pages as they were, and would write them so again.
    connection.execute("PRAGMA shrink_memory")
    return first + STRETCH_PAGES if first + STRETCH_PAGES < count else None


def unused(page: memoryview, header: int = 0) -> list[tuple[int, int]]:
    """Return the spans [begin, end) of a tree's page that no cell uses; none of others.

    `header` is where its header begins. An odd page, which SQLite would call malformed,
    has none.
    """
    length = _TREE.get(page[header])
    if length is None:
        return []
    cells = header + length + 2 * _number(page, header + 3)
    content = _number(page, header + 5) or 1 << 16
    if not cells <= content <= len(page):
        return []
    return [(cells, content), *_free_blocks(page, _number(page, header + 1), content)]


@contextmanager
def _alone(connection: sqlite3.Connection, path: str) -> Iterator[None]:
    """Hold the write lock with an empty log: then the file is all there is."""
    ((patience,),) = connection.execute("PRAGMA busy_timeout")
    connection.execute(f"PRAGMA busy_timeout={PATIENCE_MS}")
    try:
        ((busy, *_),) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        if busy:
            raise ReadersInTheWay
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Another process may have written since.
            log = Path(f"{path}-wal")
            if log.exists() and log.stat().st_size:
                raise ReadersInTheWay
            yield
        finally:
            connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        raise ReadersInTheWay from error
    finally:
        connection.execute(f"PRAGMA busy_timeout={patience}")


def _clear(file: int, size: int, first: int, end: int) -> None:
    """Write zeros over what pages [first, end) do not use, and wait for the disk."""
    free = _free_pages(file, size)
    whole = memoryview(os.pread(file, (end - first) * size, first * size))
    wrote = False
    for number in range(first, end):
        at = (number - first) * size
        page = whole[at : at + size]
        header = 0 if number else _FIRST_HEADER
        spans = [free[number]] if number in free else unused(page, header)
        for begin, stop in spans:
            if any(page[begin:stop]):
                os.pwrite(file, bytes(stop - begin), number * size + begin)
                wrote = True
    if wrote:
        os.fsync(file)


def _free_blocks(page: memoryview, at: int, content: int) -> list[tuple[int, int]]:
    """Return the insides of free blocks, which lie in order; their first four bytes stay."""
    found = []
    while content <= at <= len(page) - 4:
        end = at + _number(page, at + 2)
        if end > len(page):
            return []
        found.append((at + 4, max(at + 4, end)))
        after = _number(page, at)
        at = after if after >= end else 0
    return found


def _free_pages(file: int, size: int) -> dict[int, tuple[int, int]]:
    """Return what of each free page is unused: all of it, but for the list itself (1.5)."""
    found: dict[int, tuple[int, int]] = {}
    trunk = _long(os.pread(file, 4, _FREE_LIST), 0)
    while trunk and trunk - 1 not in found:
        page = os.pread(file, size, (trunk - 1) * size)
        count = min(_long(page, 4), size // 4 - 2)
        found[trunk - 1] = (8 + 4 * count, size)
        found |= dict.fromkeys(
            (_long(page, 8 + 4 * n) - 1 for n in range(count)), (0, size)
        )
        trunk = _long(page, 0)
    return found


def _file(path: str) -> int:
    """Return the file, opened once for as long as the process lives.

    Closing it would end the locks that SQLite holds on it for this process (POSIX fcntl).
    """
    status = Path(path).stat()
    known = (status.st_dev, status.st_ino)
    if known not in _OPEN:
        _OPEN[known] = os.open(path, os.O_RDWR)
    return _OPEN[known]


def _number(page: memoryview, at: int) -> int:
    return page[at] << 8 | page[at + 1]


def _long(page: bytes, at: int) -> int:
    return int.from_bytes(page[at : at + 4])
