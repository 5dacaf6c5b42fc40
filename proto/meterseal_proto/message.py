"""The message up: one seal as a deterministic CBOR array, and back.

    [1, meter, register, first, step, seq, prev, signature,
        [[salt, delta, value, quality, revision], ...]]

The network is the topic's, the count is the array's, record starts follow from
`first` and `step`, and the record root is recomputed: what is not on the wire cannot
disagree with it. This module must never say whether a seal is acceptable.

Reading has a short way for the usual shape - one record of an electricity register -
whose bytes lie at known offsets. It takes nothing that the decoder would not take, and
whatever it does not recognise goes the long way, which alone says what is wrong.
"""

import re
from struct import Struct
from typing import Final

from meterseal_proto.encoding import Value, decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.intervals import STEPS
from meterseal_proto.seal import MAX_RECORDS, Header, OpenRecord, Seal, record_root
from meterseal_proto.units import MAX_REGISTER, METER_ID_BYTES, MeterId, RegisterId

SEAL_VERSION: Final = 1
MAX_COUNT_63: Final = (1 << 63) - 1
"""Databases keep 64-bit signed integers; no register or time is larger."""
MAX_SEQ: Final = (1 << 62) - 1
"""Sequence numbers stay below half of what databases keep: a successor's always fit."""
MAX_STEP: Final = 400 * 86_400
"""A hole-closing interval spans at most the 400 days that edits reach back."""
MAX_QUALITY: Final = 255
MAX_REVISION: Final = 0xFFFF

_FIELDS: Final = 9
_RECORD_FIELDS: Final = 5

# An unsigned integer in its shortest form (RFC 8949 3, 4.2.1), below 2^63.
_UINT: Final = (
    rb"([\x00-\x17]|\x18[\x18-\xff]|\x19(?!\x00)..|\x1a(?!\x00\x00)....|"
    rb"\x1b(?!\x00\x00\x00\x00)[\x00-\x7f].......)"
)
_SEQ: Final = _UINT.replace(rb"[\x00-\x7f]", rb"[\x00-\x3f]")
_USUAL: Final = re.compile(
    rb"\x89\x01\x50(.{16})\x1b\x00\x00(?!\x00\x00)(.{6})\x1a(?!\x00\x00)(.{4})"
    rb"\x19(\x01\x2c|\x03\x84|\x07\x08|\x0e\x10)" + _SEQ + rb"\x58\x20(.{32})"
    rb"\x58\x40(.{64})\x81\x85\x50(.{16})" + _UINT + _UINT + rb"([\x00-\x17])\x00",
    re.DOTALL,
)
_U16: Final = Struct(">H").unpack
_U32: Final = Struct(">I").unpack


def encode_seal(seal: Seal) -> bytes:
    """Return the payload for an agent's `up` topic."""
    header = seal.header
    records: list[Value] = [
        [salt, record.delta, record.value, record.quality, record.revision]
        for record, salt in zip(seal.records, seal.salts, strict=True)
    ]
    body: list[Value] = [
        SEAL_VERSION,
        header.meter,
        header.register,
        header.first,
        header.step,
    ]
    return encode([*body, header.seq, header.prev, seal.signature, records])


def decode_seal(payload: bytes, network: bytes) -> Seal:
    """Return the seal that `payload` holds, its header completed with the 32-byte `network`.

    Raises Rejected(TOO_LARGE) or Malformed naming the first wrong field.
    """
    usual = _USUAL.fullmatch(payload)
    return _any_seal(payload, network) if usual is None else _usual_seal(usual, network)


def _any_seal(payload: bytes, network: bytes) -> Seal:
    """Return the seal of a payload of any shape, or say what is wrong with it."""
    fields = decode(payload)
    if not isinstance(fields, tuple) or len(fields) != _FIELDS:
        raise Malformed(f"a seal is an array of {_FIELDS}")
    version, meter, register, first, step, seq, prev, signature, rows = fields
    if type(version) is not int or version != SEAL_VERSION:
        raise Malformed(f"seal version: only {SEAL_VERSION} is known")
    start = read_uint(first, "first", MAX_COUNT_63)
    span = read_step(step)
    records, salts = _records(rows, start, span)
    header = Header(
        network=network,
        meter=MeterId(read_bytes(meter, "meter", METER_ID_BYTES)),
        register=RegisterId(read_uint(register, "register", MAX_REGISTER)),
        first=start,
        step=span,
        count=len(records),
        seq=read_uint(seq, "seq", MAX_SEQ),
        prev=read_bytes(prev, "prev", 32),
        root=record_root(records, salts),
    )
    return Seal(header, read_bytes(signature, "signature", 64), records, salts)


def _usual_seal(match: re.Match[bytes], network: bytes) -> Seal:
    """Return the seal of one record whose bytes matched."""
    meter, register, first, step, seq, prev, signature, *record = match.groups()
    salt, delta, value, quality = record
    (start,) = _U32(first)
    (length,) = _U16(step)
    told = OpenRecord(start, _integer(delta), _integer(value), quality[0])
    header = Header(
        network,
        MeterId(meter),
        RegisterId(int.from_bytes(register)),
        start,
        length,
        1,
        _integer(seq),
        prev,
        told.leaf(salt),  # RFC 9162 2.1.1: the root of one leaf is the leaf.
    )
    return Seal(header, signature, (told,), (salt,))


def _integer(item: bytes) -> int:
    """Return the integer of an item's head and argument, known to be in shortest form."""
    return item[0] if len(item) == 1 else int.from_bytes(item[1:])


def read_step(value: Value) -> int:
    """Return a step in seconds: one of the grid's, or a multiple of the shortest."""
    step = read_uint(value, "step", MAX_STEP)
    if step not in STEPS and (step == 0 or step % STEPS[0]):
        raise Malformed(f"step {step}: not a multiple of {STEPS[0]} seconds")
    return step


def _records(
    rows: Value, first: int, step: int
) -> tuple[tuple[OpenRecord, ...], tuple[bytes, ...]]:
    if not isinstance(rows, tuple) or not 1 <= len(rows) <= MAX_RECORDS:
        raise Malformed(f"a seal holds 1 to {MAX_RECORDS} records")
    records, salts = [], []
    for index, row in enumerate(rows):
        if not isinstance(row, tuple) or len(row) != _RECORD_FIELDS:
            raise Malformed(f"a record is an array of {_RECORD_FIELDS}")
        salt, delta, value, quality, revision = row
        salts.append(read_bytes(salt, "salt", 16))
        record = OpenRecord(
            first + index * step,
            read_uint(delta, "delta", MAX_COUNT_63),
            read_uint(value, "value", MAX_COUNT_63),
            read_uint(quality, "quality", MAX_QUALITY),
            read_uint(revision, "revision", MAX_REVISION),
        )
        records.append(record)
    return tuple(records), tuple(salts)


def read_uint(value: Value, name: str, limit: int) -> int:
    """Return a field that is an integer of 0 to `limit`; Malformed otherwise."""
    # type(), not isinstance: true is an int to Python, and no number of ours.
    if type(value) is not int or not 0 <= value <= limit:
        raise Malformed(f"{name}: an integer of 0 to {limit}")
    return value


def read_bytes(value: Value, name: str, length: int) -> bytes:
    """Return a field that is so many bytes; Malformed otherwise."""
    if type(value) is not bytes or len(value) != length:
        raise Malformed(f"{name}: {length} bytes")
    return value


def read_meter(value: Value) -> MeterId:
    """Return a meter's id in a message; Malformed otherwise."""
    return MeterId(read_bytes(value, "meter", METER_ID_BYTES))


def read_rows(value: Value, name: str, *, least: int, most: int) -> tuple[Value, ...]:
    """Return an array of so many items; Malformed otherwise."""
    if not isinstance(value, tuple) or not least <= len(value) <= most:
        raise Malformed(f"{name}: {least} to {most} of them")
    return value
