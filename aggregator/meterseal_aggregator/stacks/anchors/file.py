"""A publisher that appends to a local file: for the demo and the tests.

It PROVES NOTHING: whoever runs the log can rewrite the file, and every line says so.
A line is durable before its reference is given; a line torn by a power cut is finished
by the next attempt. It must never write a size that is not larger than the last.
"""

import asyncio
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from meterseal_aggregator.stacks.anchors.job import Refused
from meterseal_proto.bundle import FILE_PUBLISHER, file_reference
from meterseal_proto.errors import Unavailable

WARNING: Final = "NOTHING: this file is written by the log's own operator"
"""What every line of the file says it proves."""
_TAIL_BYTES: Final = 65_536
"""Sizes grow, so only the last lines matter; a line has 300 bytes."""
_MODE: Final = 0o644


class FilePublisher:
    """Publishes into the file at `path`, one JSON object a line; made when missing."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """The publisher's kind, as bundles name it."""
        return FILE_PUBLISHER

    @property
    def proves(self) -> bool:
        """Always False: this is the log vouching for itself."""
        return False

    async def publish(self, size: int, root: bytes) -> str:
        """Append a size and root durably; raises Refused unless the size grows."""
        return await asyncio.to_thread(self._publish, size, root)

    async def find(self, size: int, root: bytes) -> str | None:
        """Give the reference if this size and root stand in the file, else None."""
        return await asyncio.to_thread(self._find, size, root)

    def _publish(self, size: int, root: bytes) -> str:
        found = self._find(size, root)
        if found is not None:
            return found
        line = _line(size, root)
        try:
            torn = self._tail().rpartition(b"\n")[2]
            rest = line[len(torn) :] if line.startswith(torn) else b"\n" + line
            _append(self._path, rest)
        except OSError as error:
            raise Unavailable(f"cannot write {self._path}: {error.strerror}") from error
        return file_reference(size, root)

    def _find(self, size: int, root: bytes) -> str | None:
        try:
            tail = self._tail()
        except OSError as error:
            raise Unavailable(f"cannot read {self._path}: {error.strerror}") from error
        largest = 0
        for known, known_root in _lines(tail):
            if known == size and known_root != root:
                raise Refused(f"{self._path} holds another root at size {size}")
            if known == size:
                return file_reference(size, root)
            largest = max(largest, known)
        if size < largest:
            raise Refused(f"{self._path} holds size {largest} already, not below")
        return None

    def _tail(self) -> bytes:
        """Read the end of the file; nothing when it does not exist."""
        if not self._path.exists():
            return b""
        with self._path.open("rb") as file:
            end = file.seek(0, os.SEEK_END)
            file.seek(max(0, end - _TAIL_BYTES))
            return file.read()


def _line(size: int, root: bytes) -> bytes:
    fields = {"proves": WARNING, "root": root.hex(), "size": size}
    fields["reference"] = file_reference(size, root)
    return json.dumps(fields, sort_keys=True).encode() + b"\n"


def _lines(tail: bytes) -> Iterator[tuple[int, bytes]]:
    """Give size and root of every whole line; torn ones are no publication."""
    for line in tail.split(b"\n")[:-1]:
        try:
            fields = json.loads(line)
            size, root = int(fields["size"]), bytes.fromhex(fields["root"])
        except (ValueError, KeyError, TypeError):
            continue
        if _line(size, root) == line + b"\n":
            yield size, root


def _append(path: Path, data: bytes) -> None:
    """Append and fsync, the directory too, so that the file itself survives."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
    try:
        while data:
            data = data[os.write(handle, data) :]
        os.fsync(handle)
    finally:
        os.close(handle)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
