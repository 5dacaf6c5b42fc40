"""The message up of a committed register: a day's seal as a deterministic CBOR array.

    [2, meter, register, first, step, seq, prev, signature, bits,
        [[C, quality, revision], ...], proof, backup, masked value, masked blinding,
        envelope signature]

As for open seals, what follows from the rest is not on the wire: network, count, starts,
root, and the sum of the commitments, which is added up again from points that were each
decoded strictly. So a day whose sum is not the sum is a day whose signature is wrong.
Sizes depend on the count and never on usage. This module must never say whether a seal
is acceptable, and never let through a commitment that is no point.
"""

from typing import Final

from meterseal_proto.backup import BACKUP_BYTES
from meterseal_proto.commitment import COMMITMENT_BYTES
from meterseal_proto.committed import (
    CommittedRecord,
    CommittedSeal,
    Envelope,
    Parcel,
    header_over,
    masked_bytes,
)
from meterseal_proto.curve import ORDER
from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.message import (
    MAX_COUNT_63,
    MAX_QUALITY,
    MAX_REVISION,
    MAX_SEQ,
    decode_seal,
    read_bytes,
    read_step,
    read_uint,
)
from meterseal_proto.rangeproof import BITS, proof_bytes
from meterseal_proto.seal import MAX_RECORDS, Header, Seal
from meterseal_proto.totals import Masked
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

COMMITTED_VERSION: Final = 2

_FIELDS: Final = 15
_RECORD_FIELDS: Final = 3
_BEGINNING: Final = bytes((0x80 | _FIELDS, COMMITTED_VERSION))
"""How every committed seal begins: an array of fifteen whose first item is 2."""


def encode_committed(seal: CommittedSeal) -> bytes:
    """Return the payload for an agent's `up` topic."""
    header, envelope = seal.header, seal.envelope
    parcel = envelope.parcel
    rows: list[Value] = [[r.commitment, r.quality, r.revision] for r in seal.records]
    return encode([
        COMMITTED_VERSION, header.meter, header.register, header.first, header.step,
        header.seq, header.prev, seal.signature, header.bits, rows,
        parcel.proof, parcel.backup, *masked_bytes(parcel.masked), envelope.signature,
    ])  # fmt: skip


def is_committed(payload: bytes) -> bool:
    """Tell whether a message of ours is a committed seal, by how it begins."""
    return payload.startswith(_BEGINNING)


def decode_any(payload: bytes, network: bytes) -> Seal | CommittedSeal:
    """Return the seal that `payload` holds, open or committed, of the 32-byte `network`.

    Raises Rejected(TOO_LARGE) or Malformed naming the first wrong field.
    """
    if is_committed(payload):
        return decode_committed(payload, network)
    return decode_seal(payload, network)


def decode_committed(payload: bytes, network: bytes) -> CommittedSeal:
    """Return the committed seal that `payload` holds; raises as `decode_any` does."""
    fields = decode(payload)
    if not isinstance(fields, tuple) or len(fields) != _FIELDS:
        raise Malformed(f"a committed seal is an array of {_FIELDS}")
    version, meter, register, first, step, seq, prev, signature, bits, rows = fields[
        :10
    ]
    if type(version) is not int or version != COMMITTED_VERSION:
        raise Malformed(f"committed seal version: only {COMMITTED_VERSION} is known")
    if bits not in BITS or type(bits) is not int:
        raise Malformed(f"bits: {' or '.join(map(str, BITS))}")
    start, span = read_uint(first, "first", MAX_COUNT_63), read_step(step)
    records = _records(rows, start, span)
    bare = Header(
        network=network,
        meter=MeterId(read_bytes(meter, "meter", METER_ID_BYTES)),
        register=RegisterId(read_uint(register, "register", MAX_REGISTER)),
        first=start,
        step=span,
        count=len(records),
        seq=read_uint(seq, "seq", MAX_SEQ),
        prev=read_bytes(prev, "prev", 32),
        root=bytes(32),
    )
    signed = read_bytes(signature, "signature", 64)
    envelope = _envelope(fields[10:], proof_bytes(bits, len(records)))
    try:
        header = header_over(bare, records, bits)
    except ValueError as error:
        raise Malformed(f"commitments: {error}") from None
    return CommittedSeal(header, signed, records, envelope)


def _records(rows: Value, first: int, step: int) -> tuple[CommittedRecord, ...]:
    if not isinstance(rows, tuple) or not 1 <= len(rows) <= MAX_RECORDS:
        raise Malformed(f"a seal holds 1 to {MAX_RECORDS} records")
    records = []
    for index, row in enumerate(rows):
        if not isinstance(row, tuple) or len(row) != _RECORD_FIELDS:
            raise Malformed(f"a committed record is an array of {_RECORD_FIELDS}")
        commitment, quality, revision = row
        record = CommittedRecord(
            first + index * step,
            read_bytes(commitment, "commitment", COMMITMENT_BYTES),
            read_uint(quality, "quality", MAX_QUALITY),
            read_uint(revision, "revision", MAX_REVISION),
        )
        records.append(record)
    if len({record.commitment for record in records}) < len(records):
        raise Malformed("a commitment is told twice")
    if len({record.revision for record in records}) > 1:
        raise Malformed("a day is revised as a whole: one revision for all its records")
    return tuple(records)


def _envelope(fields: tuple[Value, ...], proof_length: int) -> Envelope:
    proof, backup, value, blinding, signature = fields
    parcel = Parcel(
        read_bytes(proof, "proof", proof_length),
        read_bytes(backup, "backup", BACKUP_BYTES),
        _masked(value, blinding),
    )
    return Envelope(parcel, read_bytes(signature, "envelope signature", 64))


def _masked(value: Value, blinding: Value) -> Masked | None:
    if value == b"" == blinding:
        return None
    numbers = [
        int.from_bytes(read_bytes(part, f"masked {name}", 32))
        for part, name in ((value, "value"), (blinding, "blinding"))
    ]
    if max(numbers) >= ORDER:
        raise Malformed("a masked number is below the group's order")
    return Masked(*numbers)
