"""The evidence of a bill or a trade: one ZIP, its manifest, and what each file is.

    manifest.json   {"files": {name: {"kind", "sha256"}}, "format": "meterseal/evidence/1"}
    network.json    the genesis document's values
    checkpoint.txt  the log's signed note; anchor.json what was published of it
    log.json        where every entry that is named stands in the log
    keys.json       the entries that bind registers to their keys
    seals-N.json    the seals of the Nth register: records, salts, signatures
    usage-N.json    its usage, slot by slot, as it was rated; history-N.json how that came
    private-N.json  instead of both, a private register's own bill file
    statement.json  the document, salt.json its salt; earlier.json, earliersalt.json those
                    of the bill it takes back or stands in for; previous.json,
                    previoussalt.json those of the supply's bill before
    tariff-N.json   each tariff's document
    netted.json     Wh that neighbours sold and the bill netted
    netting-1.json  what a private register's device proved to have used of them
    trade.json      instead of a statement; clearing.json, clearingsalt.json its auction
    ledger.json     what was posted

Numbers name members and meter points; no name or address is in it. This module must never
say whether any of it holds: `claims_billed` and `claims_traded` do.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from hashlib import sha256
from typing import Final

from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_object,
    read_text,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBERS, read_archive, write_archive

FORMAT: Final = "meterseal/evidence/1"
MANIFEST: Final = "manifest.json"
NETWORK: Final = "network.json"
CHECKPOINT: Final = "checkpoint.txt"
ANCHOR: Final = "anchor.json"
LOG: Final = "log.json"
KEYS: Final = "keys.json"
STATEMENT: Final = "statement.json"
SALT: Final = "salt.json"
EARLIER: Final = "earlier.json"
EARLIER_SALT: Final = "earliersalt.json"
PREVIOUS: Final = "previous.json"
PREVIOUS_SALT: Final = "previoussalt.json"
NETTED: Final = "netted.json"
NETTING: Final = "netting-1.json"
"""Numbered as `private`: a private register nets once."""
TRADE: Final = "trade.json"
CLEARING: Final = "clearing.json"
CLEARING_SALT: Final = "clearingsalt.json"
LEDGER: Final = "ledger.json"
SEALS: Final = "seals"
USAGE: Final = "usage"
HISTORY: Final = "history"
PRIVATE: Final = "private"
TARIFF: Final = "tariff"
"""The files there may be several of: `numbered` names one."""
_MAX_MANIFEST_BYTES: Final = 65_536
_NUMBER: Final = re.compile(r"(-\d+)?\.[a-z]+")
_SALT_BYTES: Final = 16


class Subject(StrEnum):
    """What evidence is of."""

    BILL = "bill"
    TRADE = "trade"


KINDS: Final[Mapping[str, str]] = {
    "network": "genesis document",
    "checkpoint": "signed checkpoint of the log",
    "anchor": "what was published of the log",
    "log": "inclusion proofs",
    "keys": "key events",
    SEALS: "sealed readings",
    USAGE: "usage as rated",
    HISTORY: "quality history",
    PRIVATE: "private bill",
    TARIFF: "tariff",
    "statement": "statement",
    "salt": "salt of the statement",
    "earlier": "statement corrected or replaced",
    "earliersalt": "salt of that statement",
    "previous": "statement before this one",
    "previoussalt": "salt of the statement before",
    "netted": "Wh bought from neighbours",
    "netting": "what a device proved to net",
    "trade": "trade",
    "clearing": "auction's book",
    "clearingsalt": "salt of the clearing",
    "ledger": "ledger segment",
}
"""What a file is, by its name without its number."""


@dataclass(frozen=True, slots=True)
class Dossier:
    """The files of some evidence by name, and the names of those that cannot be unpacked."""

    subject: Subject
    files: Mapping[str, bytes]
    damaged: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A file as the manifest names it: what it is, and its SHA-256."""

    kind: str
    digest: bytes


def numbered(stem: str, number: int) -> str:
    """Name the file of a kind that there are several of, from 1."""
    return f"{stem}-{number}.json"


def kind_of(name: str) -> str:
    """Return what a file of this name is; empty for none of ours."""
    return KINDS.get(_NUMBER.sub("", name, count=1), "")


def pack(files: Mapping[str, bytes]) -> bytes:
    """Return the ZIP of these files with their manifest; the same bytes for the same files."""
    return write_archive({**files, MANIFEST: write_manifest(files)})


def write_manifest(files: Mapping[str, bytes]) -> bytes:
    """Return the manifest of these files."""
    rows: dict[str, Json] = {
        name: {"kind": kind_of(name), "sha256": sha256(content).hexdigest()}
        for name, content in files.items()
    }
    return canonical({"files": rows, "format": FORMAT})


def read_manifest(data: bytes) -> dict[str, Named]:
    """Return what a manifest names; Rejected says what is wrong with it."""
    top = parse_canonical(data, _MAX_MANIFEST_BYTES, MAX_MEMBERS + 2)
    fields = read_object(top, "manifest", "files format")
    if fields["format"] != FORMAT or not isinstance(fields["files"], dict):
        raise Malformed(f"manifest: files in the format {FORMAT}")
    return {name: _named(row) for name, row in fields["files"].items()}


def unpack(data: bytes) -> Dossier:
    """Return the files of a ZIP; Rejected where it is no evidence of a bill or a trade."""
    files, damaged = read_archive(data)
    known = {*files, *damaged}
    subjects = [
        subject
        for subject, name in ((Subject.BILL, STATEMENT), (Subject.TRADE, TRADE))
        if name in known
    ]
    if len(subjects) != 1:
        raise Malformed(f"it holds either {STATEMENT} or {TRADE}")
    return Dossier(subjects[0], files, damaged)


def write_salt(salt: bytes) -> bytes:
    """Return the file of a salt."""
    return canonical({"salt": salt.hex()})


def read_salt(data: bytes) -> bytes:
    """Return the 16 bytes of a salt's file; Rejected for anything else."""
    fields = read_object(parse_canonical(data), "salt", "salt")
    return read_hex(fields["salt"], "salt", _SALT_BYTES)


def write_keys(entries: list[bytes]) -> bytes:
    """Return the file of key events, log entries in the order they were given."""
    return canonical({"entries": [entry.hex() for entry in entries]})


def read_keys(data: bytes) -> list[bytes]:
    """Return the log entries of a file of key events; Rejected for anything else."""
    fields = read_object(parse_canonical(data), "keys", "entries")
    rows = fields["entries"]
    if not isinstance(rows, list):
        raise Malformed("keys.entries: a list")
    return [read_hex(row, "keys.entries") for row in rows]


def _named(value: Json) -> Named:
    fields = read_object(value, "manifest.files", "kind sha256")
    kind = read_text(fields["kind"], "manifest.kind", 64)
    return Named(kind, read_hex(fields["sha256"], "manifest.sha256", 32))
