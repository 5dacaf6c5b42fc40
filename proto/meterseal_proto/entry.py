"""Entries of the public log: type u8 || version u8 || body; usage must never be in one.

A seal's entry is its header in consensus bytes with its signature, so a contract can
rebuild the leaf. A key event binds a register to the key that speaks for it. A device's
opening says that an amount was opened, and hides how much.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Self

from meterseal_proto.bill import ProvedBill
from meterseal_proto.encoding import decode, encode
from meterseal_proto.errors import Malformed
from meterseal_proto.merkle import leaf_hash
from meterseal_proto.rating.documenthash import document_hash
from meterseal_proto.seal import CONSENSUS_BYTES, MODE_OPEN, Header, parse_header
from meterseal_proto.units import MeterId, RegisterId

ENTRY_VERSION: Final = 1
HASHED_VERSION: Final = 2
"""Of a tariff's entry whose body is the hash of its document."""
MAX_TARIFF_BODY: Final = 65_000
"""An entry has at most 65,535 bytes (C2SP tlog-tiles): a tariff with a price for each hour of
a year may have three times as many."""
_HEAD_BYTES: Final = 2
_HASH_BYTES: Final = 32
_SEAL_BYTES: Final = _HEAD_BYTES + CONSENSUS_BYTES + 64


class EntryType(IntEnum):
    """What an entry records."""

    SEAL = 1
    TARIFF = 2
    TRADE_EVENT = 3
    BILL_HASH = 4
    REPORTING_SET = 5
    OPERATOR_EDIT = 6
    KEY_EVENT = 7
    DEVICE_OPENING = 8


@dataclass(frozen=True, slots=True)
class KeyEvent:
    """From `from_seq` on, `public` (33 bytes, `algorithm`) seals this register.

    `initial_value` and `initial_at` are the register and time the chain counts from;
    `step` is the register's interval in seconds; `previous` is the header hash the
    chain stood at, zero bytes at enrolment. `mode` and `bits` are a committed register's,
    and stand in the entry of no other.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    algorithm: str
    public: bytes
    from_seq: int
    step: int
    initial_value: int
    initial_at: int
    previous: bytes = bytes(32)
    mode: int = MODE_OPEN
    bits: int = 0


def seal_entry(header: Header, signature: bytes) -> bytes:
    """Return the log entry of a seal."""
    return bytes((EntryType.SEAL, ENTRY_VERSION)) + header.consensus() + signature


def open_seal_entry(entry: bytes) -> tuple[Header, bytes]:
    """Return header and signature of a seal's entry; ValueError when it is none."""
    if len(entry) != _SEAL_BYTES or entry[:2] != bytes((EntryType.SEAL, ENTRY_VERSION)):
        raise ValueError("not the log entry of a seal")
    return parse_header(entry[2:-64]), entry[-64:]


def key_event_entry(event: KeyEvent) -> bytes:
    """Return the log entry of a key event."""
    body = encode([
        *(event.network, event.meter, event.register, event.algorithm, event.public),
        *(event.from_seq, event.step, event.initial_value, event.initial_at, event.previous),
        *((event.mode, event.bits) if event.mode else ()),
    ])  # fmt: skip
    return bytes((EntryType.KEY_EVENT, ENTRY_VERSION)) + body


def open_key_event_entry(entry: bytes) -> KeyEvent:
    """Return the key event of an entry; ValueError when it is none."""
    if entry[:_HEAD_BYTES] != bytes((EntryType.KEY_EVENT, ENTRY_VERSION)):
        raise ValueError("not the log entry of a key event")
    try:
        fields = decode(entry[_HEAD_BYTES:])
    except Malformed as error:
        raise ValueError(str(error)) from None
    open_kinds = (bytes, bytes, int, str, bytes, int, int, int, int, bytes)
    kinds = (open_kinds, (*open_kinds, int, int))
    if not isinstance(fields, tuple) or tuple(map(type, fields)) not in kinds:
        raise ValueError("a key event with fields of the wrong shape")
    event = KeyEvent(*fields)
    if len(fields) > len(open_kinds) and event.mode == MODE_OPEN:
        raise ValueError("a key event names a mode only where it is not open")
    return event


@dataclass(frozen=True, slots=True)
class Opening:
    """A device opened one amount over [`begin`, `end`) at a tariff: which, not how much.

    `hash` is the bill's (`ProvedBill.hash`): who holds the bill finds it here.
    """

    network: bytes
    meter: MeterId
    register: RegisterId
    begin: int
    end: int
    tariff: bytes
    revision: int
    hash: bytes

    @classmethod
    def of(cls, bill: ProvedBill) -> Self:
        """Return what the log says of a bill."""
        s = bill.statement
        return cls(
            s.network, s.meter, s.register, s.begin, s.end, s.tariff, s.revision,
            bill.hash(),
        )  # fmt: skip


def opening_entry(opening: Opening) -> bytes:
    """Return the log entry of a device's opening."""
    body = encode([
        *(opening.network, opening.meter, opening.register, opening.begin, opening.end),
        *(opening.tariff, opening.revision, opening.hash),
    ])  # fmt: skip
    return bytes((EntryType.DEVICE_OPENING, ENTRY_VERSION)) + body


def open_opening_entry(entry: bytes) -> Opening:
    """Return the opening of an entry; ValueError when it is none."""
    if entry[:_HEAD_BYTES] != bytes((EntryType.DEVICE_OPENING, ENTRY_VERSION)):
        raise ValueError("not the log entry of a device's opening")
    try:
        fields = decode(entry[_HEAD_BYTES:])
    except Malformed as error:
        raise ValueError(str(error)) from None
    kinds = (bytes, bytes, int, int, int, bytes, int, bytes)
    if not isinstance(fields, tuple) or tuple(map(type, fields)) != kinds:
        raise ValueError("an opening with fields of the wrong shape")
    return Opening(*fields)


def trade_event_entry(salted: bytes) -> bytes:
    """Return the log entry of a slot's clearing: SHA-256(salt || clearing hash), no more.

    ValueError for what is no hash of 32 bytes.
    """
    if len(salted) != _HASH_BYTES:
        raise ValueError("a clearing is logged by a hash of 32 bytes")
    return bytes((EntryType.TRADE_EVENT, ENTRY_VERSION)) + salted


def bill_hash_entry(salted: bytes) -> bytes:
    """Return the log entry of a bill: `statement_hash`, which is salted, and no more.

    ValueError for what is no hash of 32 bytes.
    """
    if len(salted) != _HASH_BYTES:
        raise ValueError("a bill is logged by a hash of 32 bytes")
    return bytes((EntryType.BILL_HASH, ENTRY_VERSION)) + salted


def operator_edit_entry(salted: bytes) -> bytes:
    """Return the log entry of an operator's edit of usage: `edit_hash`, no more.

    ValueError for what is no hash of 32 bytes.
    """
    if len(salted) != _HASH_BYTES:
        raise ValueError("an edit is logged by a hash of 32 bytes")
    return bytes((EntryType.OPERATOR_EDIT, ENTRY_VERSION)) + salted


def reporting_entry(
    network: bytes, cell: str, day: int, statement: bytes, count: int
) -> bytes:
    """Return the log entry of a cell's reporting set: what trustees sign, of how many."""
    body = encode([network, cell, day, statement, count])
    return bytes((EntryType.REPORTING_SET, ENTRY_VERSION)) + body


def tariff_entry(document: bytes) -> bytes:
    """Return the log entry of a tariff's document: all of it, or the hash of a long one.

    By that hash the network gives the document to anybody; a bill names it by the same.
    """
    if len(document) > MAX_TARIFF_BODY:
        return bytes((EntryType.TARIFF, HASHED_VERSION)) + document_hash(document)
    return bytes((EntryType.TARIFF, ENTRY_VERSION)) + document


def leaf_of(entry: bytes) -> bytes:
    """Return an entry's leaf hash in the log (RFC 9162 2.1.1)."""
    return leaf_hash(entry)
