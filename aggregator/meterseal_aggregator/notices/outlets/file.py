"""Letters as lines of a file, JSON each: for demos, and for programs that read it.

Whoever reads it may meet a letter twice, by its id. This module must never make a file
that others on the machine can read.
"""

import asyncio
import json
import os
from pathlib import Path
from typing import Final

from meterseal_aggregator.notices.model import Letter
from meterseal_proto.errors import Unavailable

_MODE: Final = 0o600


class FileOutlet:
    """Appends to one file, made where it is not there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = asyncio.Lock()

    async def send(self, letter: Letter) -> None:
        """Append a letter and have it on disk; Unavailable where the file cannot be."""
        line = json.dumps(
            {
                "id": letter.id,
                "kind": letter.kind.value,
                "at": letter.at,
                "to": letter.address.to,
                "subject": letter.subject,
                "body": letter.body,
                "short": letter.short,
                "link": letter.link,
            }
        )
        async with self._lock:
            await asyncio.to_thread(self._append, f"{line}\n".encode())

    def _append(self, line: bytes) -> None:
        try:
            handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, _MODE)
            try:
                os.write(handle, line)
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise Unavailable(f"{self._path}: {error.strerror}") from error
