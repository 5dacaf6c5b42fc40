"""What a trustee keeps: sets it signed, what it answered, its log, checkpoints it cosigned.

Values only; a store reads and writes them, rules judge them. Nothing here may hold a seed.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_proto.reporting import Reported
from meterseal_proto.totals import Mask

FIRST: Final = bytes(32)
"""What the log's first entry follows."""
_ENTRY: Final = b"meterseal/trustee-log/v1\x00"


@dataclass(frozen=True, slots=True)
class SignedSet:
    """A set as signed: its members by their seals, the statement, our signature."""

    cell: str
    day: int
    reported: tuple[Reported, ...]
    statement: bytes
    signature: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """The sums of masks we answered, our signature, and the three that we were shown."""

    sums: Mapping[int, Mask]
    witnesses: tuple[bytes, ...]
    signature: bytes


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the log; `hash` covers it and the line before. `at` is Unix seconds."""

    seq: int
    at: int
    act: str
    body: str
    hash: bytes

    @classmethod
    def after(
        cls, last: "Entry | None", at: int, act: str, said: Mapping[str, object]
    ) -> "Entry":
        """Return the entry that follows `last`, or the first one."""
        seq = last.seq + 1 if last else 1
        body = json.dumps(said, sort_keys=True, separators=(",", ":"))
        chained = entry_hash(last.hash if last else FIRST, seq, at, act + "\n" + body)
        return cls(seq, at, act, body, chained)


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A checkpoint of a log by its parts and its note, cosigned or shown at second `at`."""

    origin: str
    size: int
    root: bytes
    note: str
    at: int


def entry_hash(previous: bytes, seq: int, at: int, text: str) -> bytes:
    """Return the hash of an entry whose act and body are the two lines of `text`."""
    where = previous + seq.to_bytes(8) + at.to_bytes(8)
    return hashlib.sha256(_ENTRY + where + text.encode()).digest()
