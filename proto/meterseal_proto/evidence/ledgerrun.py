"""Entries of the operator's ledger as evidence: what was posted, and that it is chained.

    {"runs": [{"before": "hash", "entries": [[...], ...], "hash": "hash"}]}

A run is entries that follow one another in the ledger's chain, from the hash before the
first of them: whoever was told a later hash of the ledger can have the rest and join them.
Of everybody else's entries nothing is told, so runs have gaps between them. The bytes that
are hashed are fixed (the aggregator's `ledger/chain.py` says them too, and a test compares
both). Canonical JSON. This module must never decide what an entry should have been.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.boundedjson import MAX_UINT
from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
    read_text,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBER_BYTES
from meterseal_proto.merkle import HASH_BYTES

MAX_ENTRIES: Final = 50_000
"""A bill retires each slot of a month that a neighbour sold, and posts each line."""
MAX_REFERENCE: Final = 64
MAX_CODE: Final = 160
DIRECT: Final = 0
HOLD: Final = 1
POST: Final = 2
"""Phases that matter here; a hold moves nothing until it is posted."""

_LABEL: Final = b"meterseal-ledger"
_NUMBERS: Final = struct.Struct(">QBBBQIqq")
_COLUMNS: Final = 16
_ID_LENGTHS: Final = (16, 32)
_LIMITS: Final = (MAX_UINT, 255, 255, 255, MAX_UINT, (1 << 32) - 1, MAX_UINT, MAX_UINT)
"""Of an entry's numbers, as the bytes that are hashed hold them."""


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry as it is hashed: `amount` in Wh or micro-units, times in Unix seconds."""

    seq: int
    phase: int
    at_most: int
    linked: int
    amount: int
    timeout_s: int
    effective_at: int
    recorded_at: int
    id: bytes
    pending_id: bytes
    asset: str
    debit: str
    credit: str
    purpose: str
    reference: bytes
    freezes: int = 0

    def hash(self, before: bytes) -> bytes:
        """Return SHA-256 of the entry after the hash `before` of the one before it."""
        numbers = _NUMBERS.pack(
            self.seq, self.phase, self.at_most, self.linked, self.amount,
            self.timeout_s, self.effective_at, self.recorded_at,
        )  # fmt: skip
        texts = (
            self.id, self.pending_id, self.asset.encode(), self.debit.encode(),
            self.credit.encode(), self.purpose.encode(), self.reference,
        )  # fmt: skip
        framed = b"".join(bytes((len(one),)) + one for one in texts)
        tail = bytes((self.freezes,)) if self.freezes else b""
        return hashlib.sha256(_LABEL + before + numbers + framed + tail).digest()

    @property
    def moves(self) -> bool:
        """Whether it moves its amount."""
        return self.phase in (DIRECT, POST)


@dataclass(frozen=True, slots=True)
class LedgerRun:
    """Entries that follow one another after the hash `before`; `hash` is the last one's."""

    before: bytes
    entries: tuple[LedgerEntry, ...]
    hash: bytes

    def last_hash(self) -> bytes:
        """Return the hash that the entries give."""
        digest = self.before
        for entry in self.entries:
            digest = entry.hash(digest)
        return digest


def write_runs(runs: Sequence[LedgerRun]) -> bytes:
    """Return the file of these runs."""
    rows: list[Json] = [
        {
            "before": run.before.hex(),
            "entries": [_row(entry) for entry in run.entries],
            "hash": run.hash.hex(),
        }
        for run in runs
    ]
    return canonical({"runs": rows})


def read_runs(data: bytes) -> tuple[LedgerRun, ...]:
    """Return the runs of a file; Rejected names what is wrong with it."""
    top = parse_canonical(data, MAX_MEMBER_BYTES, 3 * MAX_ENTRIES)
    rows = read_object(top, "ledger", "runs")["runs"]
    if not isinstance(rows, list):
        raise Malformed("ledger.runs: a list")
    return tuple(_run(row) for row in rows)


def _row(entry: LedgerEntry) -> list[Json]:
    return [
        entry.seq, entry.phase, entry.at_most, entry.linked, entry.amount,
        entry.timeout_s, entry.effective_at, entry.recorded_at, entry.id.hex(),
        entry.pending_id.hex(), entry.asset, entry.debit, entry.credit, entry.purpose,
        entry.reference.hex(), entry.freezes,
    ]  # fmt: skip


def _run(value: Json) -> LedgerRun:
    fields = read_object(value, "ledger.run", "before entries hash")
    rows = fields["entries"]
    if not isinstance(rows, list) or not rows:
        raise Malformed("ledger.entries: a list of at least one")
    entries = tuple(_entry(row) for row in rows)
    seqs = [entry.seq for entry in entries]
    if seqs != list(range(seqs[0], seqs[0] + len(seqs))):
        raise Malformed("ledger.entries: they do not follow one another")
    return LedgerRun(
        read_hex(fields["before"], "ledger.before", HASH_BYTES),
        entries,
        read_hex(fields["hash"], "ledger.hash", HASH_BYTES),
    )


def _entry(value: Json) -> LedgerEntry:
    if not isinstance(value, list) or len(value) != _COLUMNS:
        raise Malformed(f"ledger.entry: {_COLUMNS} fields")
    numbers = [
        read_number(one, "ledger.entry", limit)
        for one, limit in zip(value[:8], _LIMITS, strict=True)
    ]
    seq, phase, at_most, linked, amount, timeout_s, effective_at, recorded_at = numbers
    asset, debit, credit, purpose = (
        read_text(one, "ledger.entry", MAX_CODE) for one in value[10:14]
    )
    named, pending = _bytes(value[8]), _bytes(value[9])
    if len(named) not in _ID_LENGTHS or len(pending) not in (0, *_ID_LENGTHS):
        raise Malformed("ledger.entry: an id of 16 or 32 bytes")
    return LedgerEntry(
        seq, phase, at_most, linked, amount, timeout_s, effective_at, recorded_at,
        named, pending, asset, debit, credit, purpose, _bytes(value[14]),
        read_number(value[15], "ledger.entry", 255),
    )  # fmt: skip


def _bytes(value: Json) -> bytes:
    if value == "":
        return b""
    found = read_hex(value, "ledger.entry")
    if len(found) > MAX_REFERENCE:
        raise Malformed(f"ledger.entry: at most {MAX_REFERENCE} bytes")
    return found
