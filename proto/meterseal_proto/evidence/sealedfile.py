"""A register's seals as evidence: every record with its salt, and who signed them.

    {"meter", "register", "seals": [[first, step, seq, prev, root, signature,
                                     [[delta, value, quality, revision, salt], ...]], ...]}

Records stand at first, first + step and so on. Canonical JSON. A file holds readings in
the open and is their member's. This module must never say whether a seal is genuine:
`claims_evidence` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.bundle import (
    Json,
    canonical,
    parse_canonical,
    read_hex,
    read_number,
    read_object,
)
from meterseal_proto.errors import Malformed
from meterseal_proto.evidence.archive import MAX_MEMBER_BYTES
from meterseal_proto.merkle import HASH_BYTES, MAX_SIZE
from meterseal_proto.message import MAX_QUALITY, MAX_REVISION
from meterseal_proto.seal import MAX_RECORDS, SALT_BYTES, Header, OpenRecord, Seal
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

MAX_SEALS: Final = 120_000
"""A year of five minutes, each interval in a seal of its own, and its revisions."""
_MAX_BRACKETS: Final = 400_000
"""A seal opens two lists and a record one."""
_SEAL_COLUMNS: Final = 7
_RECORD_COLUMNS: Final = 5
_SIGNATURE_BYTES: Final = 64


@dataclass(frozen=True, slots=True)
class SealedRegister:
    """The open seals of one register over a span, in the order of their sequence."""

    meter: MeterId
    register: RegisterId
    seals: tuple[Seal, ...]


def write_seals(sealed: SealedRegister) -> bytes:
    """Return the file of these seals."""
    rows: list[Json] = [_row(seal) for seal in sealed.seals]
    return canonical(
        {"meter": sealed.meter.hex(), "register": sealed.register, "seals": rows}
    )


def read_seals(data: bytes, network: bytes) -> SealedRegister:
    """Return the seals of a file, of the network it came in; Rejected for anything else."""
    top = parse_canonical(data, MAX_MEMBER_BYTES, _MAX_BRACKETS)
    fields = read_object(top, "seals", "meter register seals")
    meter = MeterId(read_hex(fields["meter"], "seals.meter", METER_ID_BYTES))
    register = RegisterId(
        read_number(fields["register"], "seals.register", MAX_REGISTER)
    )
    rows = fields["seals"]
    if not isinstance(rows, list) or len(rows) > MAX_SEALS:
        raise Malformed(f"seals: at most {MAX_SEALS} of them")
    seals = tuple(_seal(row, (network, meter, register)) for row in rows)
    return SealedRegister(meter, register, seals)


def records_of(seals: Sequence[Seal]) -> dict[int, tuple[OpenRecord, int]]:
    """Return by start the last revision of every record, with its length in seconds."""
    found: dict[int, tuple[OpenRecord, int]] = {}
    for seal in seals:
        for record in seal.records:
            known = found.get(record.start)
            if known is None or known[0].revision < record.revision:
                found[record.start] = (record, seal.header.step)
    return found


def _row(seal: Seal) -> list[Json]:
    header = seal.header
    records: list[Json] = [
        [one.delta, one.value, one.quality, one.revision, salt.hex()]
        for one, salt in zip(seal.records, seal.salts, strict=True)
    ]
    return [
        header.first, header.step, header.seq, header.prev.hex(), header.root.hex(),
        seal.signature.hex(), records,
    ]  # fmt: skip


def _seal(value: Json, place: tuple[bytes, MeterId, RegisterId]) -> Seal:
    if not isinstance(value, list) or len(value) != _SEAL_COLUMNS:
        raise Malformed(f"seals: a seal has {_SEAL_COLUMNS} fields")
    first, step, seq = (read_number(one, "seals", MAX_SIZE >> 8) for one in value[:3])
    rows = value[6]
    if not isinstance(rows, list) or not 1 <= len(rows) <= MAX_RECORDS or not step:
        raise Malformed(f"seals: a seal has 1 to {MAX_RECORDS} records")
    told = [_record(row, first + n * step) for n, row in enumerate(rows)]
    header = Header(
        *place, first, step, len(told), seq,
        read_hex(value[3], "seals.prev", HASH_BYTES),
        read_hex(value[4], "seals.root", HASH_BYTES),
    )  # fmt: skip
    signature = read_hex(value[5], "seals.signature", _SIGNATURE_BYTES)
    records, salts = zip(*told, strict=True)
    return Seal(header, signature, records, salts)


def _record(value: Json, start: int) -> tuple[OpenRecord, bytes]:
    if not isinstance(value, list) or len(value) != _RECORD_COLUMNS:
        raise Malformed(f"seals: a record has {_RECORD_COLUMNS} fields")
    record = OpenRecord(
        start,
        read_number(value[0], "record.delta", MAX_SIZE),
        read_number(value[1], "record.value", MAX_SIZE),
        read_number(value[2], "record.quality", MAX_QUALITY),
        read_number(value[3], "record.revision", MAX_REVISION),
    )
    return record, read_hex(value[4], "record.salt", SALT_BYTES)
