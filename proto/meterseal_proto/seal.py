"""The seal: what a device signs over a run of intervals, and the chain seals form.

A header is a SIP-018 structured-data tuple, so the same 64-byte signature is
checked by Python, JavaScript and a Clarity contract. Its hash - the signed digest -
is the seal's identity, the next header's `prev`, and never depends on signature
bytes. This module must never decide whether a seal is acceptable: it only says
what one is.
"""

import hashlib
import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto import sip018
from meterseal_proto.errors import Reason
from meterseal_proto.merkle import root_of
from meterseal_proto.units import MeterId, RegisterId

DOMAIN_NAME: Final = "meterseal"
DOMAIN_VERSION: Final = "1.0.0"
MODE_OPEN: Final = 0
MODE_COMMITTED: Final = 1
NO_SUM: Final = bytes(33)
"""`sum` of an open seal: there are no commitments to add."""
MAX_RECORDS: Final = 100
"""Intervals a seal: a day of quarter hours, with room; 100 make a message of 5 KiB."""
SALT_BYTES: Final = 16

_SALT_LABEL: Final = b"meterseal/record-salt/v1"
_UINT: Final = sip018.UINT + bytes(
    8
)  # Clarity's uint has 16 bytes; ours fit the low eight.


def _key(name: str, tail: bytes) -> bytes:
    return sip018.key(name) + tail


def _buffer(length: int) -> bytes:
    return sip018.BUFFER + length.to_bytes(4)


# Clarity serialises tuples by key, sorted by bytes; every field of ours is of fixed
# width, so the whole header is one pack: constant, value, constant, value ...
_LAYOUT: Final = (
    (sip018.TUPLE + (12).to_bytes(4) + _key("bits", _UINT), "Q"),
    (_key("count", _UINT), "Q"),
    (_key("first", _UINT), "Q"),
    (_key("meter", _buffer(16)), "16s"),
    (_key("mode", _UINT), "Q"),
    (_key("network", _buffer(32)), "32s"),
    (_key("prev", _buffer(32)), "32s"),
    (_key("register", _UINT), "Q"),
    (_key("root", _buffer(32)), "32s"),
    (_key("seq", _UINT), "Q"),
    (_key("step", _UINT), "Q"),
    (_key("sum", _buffer(33)), "33s"),
)
_CONSENSUS: Final = struct.Struct(">" + "".join(f"{len(k)}s{f}" for k, f in _LAYOUT))
_K: Final = tuple(k for k, _ in _LAYOUT)
_RECORD: Final = struct.Struct(">c16sQQQBH")
_SALT_INPUT: Final = struct.Struct(">QQQH")

CONSENSUS_BYTES: Final = _CONSENSUS.size


@dataclass(frozen=True, slots=True)
class Header:
    """What is signed. Times in UTC Unix seconds; `register` is six OBIS bytes as uint."""

    network: bytes
    meter: MeterId
    register: RegisterId
    first: int
    step: int
    count: int
    seq: int
    prev: bytes
    root: bytes
    mode: int = MODE_OPEN
    bits: int = 0
    sum: bytes = NO_SUM

    def consensus(self) -> bytes:
        """Return the tuple's Clarity consensus bytes (SIP-005), always CONSENSUS_BYTES long."""
        k = _K
        return _CONSENSUS.pack(
            *(k[0], self.bits, k[1], self.count, k[2], self.first, k[3], self.meter),
            *(
                k[4],
                self.mode,
                k[5],
                self.network,
                k[6],
                self.prev,
                k[7],
                self.register,
            ),
            *(k[8], self.root, k[9], self.seq, k[10], self.step, k[11], self.sum),
        )

    def digest(self, chain_id: int) -> bytes:
        """Return the header hash: SHA-256("SIP018" || domain hash || tuple hash), 32 bytes."""
        domain = sip018.domain_hash(DOMAIN_NAME, DOMAIN_VERSION, chain_id)
        return sip018.digest(domain, self.consensus())

    @property
    def end(self) -> int:
        """The end of the last interval."""
        return self.first + self.step * self.count


def parse_header(consensus: bytes) -> Header:
    """Return the header whose consensus bytes these are; ValueError otherwise."""
    if len(consensus) != CONSENSUS_BYTES:
        raise ValueError(f"a header is {CONSENSUS_BYTES} bytes")
    parts = _CONSENSUS.unpack(consensus)
    if parts[0::2] != _K:
        raise ValueError("these bytes are no seal header")
    bits, count, first, meter, mode, network, prev, register, root, seq, step, total = (
        parts[1::2]
    )
    return Header(
        network, MeterId(meter), RegisterId(register), first, step, count, seq,
        prev, root, mode, bits, total,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class OpenRecord:
    """One interval in the clear, as sealed by the device.

    `start` UTC seconds; `delta` Wh or litres of the interval; `value` the cumulative
    register at its end; `quality` an ESPI code; `revision` 0 for the first telling.
    """

    start: int
    delta: int
    value: int
    quality: int
    revision: int = 0

    def leaf(self, salt: bytes) -> bytes:
        """Return the record's leaf hash: SHA-256(00 || salt || fixed-width fields)."""
        fields = (self.start, self.delta, self.value, self.quality, self.revision)
        return hashlib.sha256(_RECORD.pack(b"\x00", salt, *fields)).digest()


def record_salt(
    salt_key: bytes, register: int, start: int, length: int, revision: int
) -> bytes:
    """Return a record's salt: HMAC-SHA256(K_salt(meter), label || fields), first 16 bytes."""
    message = _SALT_LABEL + _SALT_INPUT.pack(register, start, length, revision)
    return hmac.digest(salt_key, message, hashlib.sha256)[:SALT_BYTES]


def record_root(records: Sequence[OpenRecord], salts: Sequence[bytes]) -> bytes:
    """Return the Merkle root (RFC 9162 2.1.1) over a seal's salted records."""
    return root_of([r.leaf(s) for r, s in zip(records, salts, strict=True)])


@dataclass(frozen=True, slots=True)
class Seal:
    """A signed header with the records and salts its root stands for."""

    header: Header
    signature: bytes
    records: tuple[OpenRecord, ...]
    salts: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Head:
    """Where a register's chain of seals stands; device and aggregator keep the same one.

    `seq` and `hash` are the last header in the chain, `end` and `value` the time and
    register up to which energy is accounted for. Before the first seal they are 0, the
    enrolment hash, and the initial register with its time.
    """

    seq: int
    hash: bytes
    end: int
    value: int

    def after(
        self, header: Header, digest: bytes, value: int, reason: Reason | None
    ) -> "Head":
        """Return the head once a seal was answered; `value` is its last record's register.

        `reason` None means accepted. A quarantined seal advances the chain, and counts
        later energy from itself only where its reason rebases; a refused one does nothing.
        """
        if reason is None or reason.rebases:
            # A day told again ends before the head; time already told stays told.
            return Head(header.seq, digest, max(self.end, header.end), value)
        if reason.advances:
            return Head(header.seq, digest, self.end, self.value)
        return self
