"""Where many entries stand in the log: their inclusion proofs, each shared hash told once.

    {"hashes": ["..."], "places": {"leaf hash": [index, [positions in hashes]]}}

The proofs of a month's seals have most of their hashes in common. An entry is found by
its leaf hash, so whoever holds the entry needs no other name for it. Canonical JSON. This
module must never say whether a proof holds: `claims.included` does.
"""

from collections.abc import Mapping
from typing import Final

from meterseal_proto.bundle import (
    MAX_PROOF,
    Json,
    Logged,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBER_BYTES
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE

MAX_PLACES: Final = 500_000
"""Entries of a file: a year of five-minute seals of four registers."""


def write_places(places: Mapping[bytes, Logged]) -> bytes:
    """Return the file of these places, by the leaf hash of each entry."""
    known: dict[bytes, int] = {}
    rows: dict[str, Json] = {}
    for leaf in sorted(places):
        steps: list[Json] = [
            known.setdefault(step, len(known)) for step in places[leaf].proof
        ]
        rows[leaf.hex()] = [places[leaf].index, steps]
    return canonical({"hashes": [one.hex() for one in known], "places": rows})


def read_places(data: bytes) -> dict[bytes, Logged]:
    """Return the places of a file; Rejected names what is wrong with it."""
    top = parse_canonical(data, MAX_MEMBER_BYTES, 2 * MAX_PLACES + 3)
    fields = read_object(top, "log", "hashes places")
    rows, told = fields["places"], fields["hashes"]
    if not isinstance(rows, dict) or not isinstance(told, list):
        raise Malformed("log: a list of hashes and an object of places")
    hashes = [read_hex(one, "log.hashes", HASH_BYTES) for one in told]
    return {
        read_hex(leaf, "log.places", HASH_BYTES): _place(row, hashes)
        for leaf, row in rows.items()
    }


def _place(row: Json, hashes: list[bytes]) -> Logged:
    if not isinstance(row, list) or len(row) != 2 or not isinstance(row[1], list):
        raise Malformed("log.places: an index and positions of hashes")
    if len(row[1]) > MAX_PROOF:
        raise Malformed(f"log.places: a proof has at most {MAX_PROOF} hashes")
    steps = [read_number(at, "log.places", len(hashes) - 1) for at in row[1]]
    index = read_number(row[0], "log.places", MAX_SIZE)
    return Logged(index, tuple(hashes[at] for at in steps))
