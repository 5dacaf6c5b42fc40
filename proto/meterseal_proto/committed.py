"""A committed seal: a device's day of commitments, and what travels beside them.

The header is that of any seal, with mode 1, the bits of its range proof and the sum of
its commitments; the log's entry is header and signature, as for open ones. Beside it
travel, in an envelope the seal key signs too: one range proof for the day, the backup
that only the device opens, and the masked opening of the day's sum for totals. A device
makes one step by step, the slow one whenever it has time:

    openings = openings_of(place, values, blind_key)
    records = records_of(place, openings, qualities)
    header = header_over(header, records, bits)          # sign: header.digest(chain_id)
    proof = prove(statement_of(digest, bits, records), openings)
    envelope = Envelope.sign(key, digest, Parcel(proof, backup, masked))

Days begin where the last one ended, and every slot of the register's step is told:
one the meter was silent in is quality MISSING over the value 0. Sizes follow from the
count alone. This module must never hold a value but as a `Secret`.
"""

import hashlib
import struct
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Self

from meterseal_proto.commitment import Slot, blinding_of, commit, total
from meterseal_proto.keys import SealKey
from meterseal_proto.merkle import root_of
from meterseal_proto.rangeproof import Statement
from meterseal_proto.rangeprover import Opening
from meterseal_proto.seal import MODE_COMMITTED, Header
from meterseal_proto.secret import Secret
from meterseal_proto.totals import Masked

_RECORD: Final = struct.Struct(">cQHB33s")
_ENVELOPE: Final = b"meterseal/envelope/v1\x00"


@dataclass(frozen=True, slots=True)
class CommittedRecord:
    """One interval nobody can read: `start` UTC seconds, C of 33 bytes, an ESPI quality."""

    start: int
    commitment: bytes
    quality: int
    revision: int = 0

    def leaf(self) -> bytes:
        """Return the leaf: SHA-256(00 || start || revision || quality || C). C is its salt."""
        packed = _RECORD.pack(
            b"\x00", self.start, self.revision, self.quality, self.commitment
        )
        return hashlib.sha256(packed).digest()


@dataclass(frozen=True, slots=True)
class Parcel:
    """What goes beside a day's header: its proof, its backup, the masked opening if any."""

    proof: bytes
    backup: bytes
    masked: Masked | None

    def digest(self, header_hash: bytes) -> bytes:
        """Return the 32 bytes the seal key signs, bound to the header."""
        parts = (hashlib.sha256(part).digest() for part in (self.proof, self.backup))
        masked = b"".join(masked_bytes(self.masked))
        body = header_hash + b"".join(parts) + masked
        return hashlib.sha256(_ENVELOPE + body).digest()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A parcel and the seal key's signature of 64 bytes over it."""

    parcel: Parcel
    signature: bytes

    @classmethod
    def sign(cls, key: SealKey, header_hash: bytes, parcel: Parcel) -> Self:
        """Return the parcel signed for the day of this header hash."""
        return cls(parcel, key.sign(parcel.digest(header_hash)))


@dataclass(frozen=True, slots=True)
class CommittedSeal:
    """A signed header of mode 1, its records, and the envelope beside it."""

    header: Header
    signature: bytes
    records: tuple[CommittedRecord, ...]
    envelope: Envelope

    @property
    def revision(self) -> int:
        """How often the day was told before: all its records have the same."""
        return self.records[0].revision


def masked_bytes(masked: Masked | None) -> tuple[bytes, bytes]:
    """Return a masked opening's value and blinding, 32 bytes each; two b"" for none."""
    if masked is None:
        return b"", b""
    return masked.value.to_bytes(32), masked.blinding.to_bytes(32)


def committed_root(records: Sequence[CommittedRecord]) -> bytes:
    """Return the Merkle root (RFC 9162 2.1.1) over a day's records."""
    return root_of([record.leaf() for record in records])


def header_over(
    header: Header, records: Sequence[CommittedRecord], bits: int
) -> Header:
    """Return `header` over these records: mode, bits, count, root and sum are theirs.

    Raises ValueError for a commitment that is no point and a sum that is infinity.
    """
    return replace(
        header,
        count=len(records),
        root=committed_root(records),
        mode=MODE_COMMITTED,
        bits=bits,
        sum=total([record.commitment for record in records]),
    )


def statement_of(
    header_hash: bytes, bits: int, records: Sequence[CommittedRecord]
) -> Statement:
    """Return what a day's range proof is about; BadProof for a commitment told twice."""
    return Statement(header_hash, bits, tuple(record.commitment for record in records))


def openings_of(
    place: Slot, values: Sequence[int | None], blind_key: bytes
) -> list[Opening]:
    """Return the openings of slots that follow each other, the first at `place`.

    `place.length` is the step; None is a slot the meter did not tell, its value is 0.
    """
    found = []
    for slot, value in zip(_slots(place, len(values)), values, strict=True):
        told = value or 0
        found.append(Opening(Secret(told), blinding_of(blind_key, slot, told)))
    return found


def records_of(
    place: Slot, openings: Sequence[Opening], qualities: Sequence[int]
) -> tuple[CommittedRecord, ...]:
    """Return the records of openings, in order, the first at `place`."""
    slots = _slots(place, len(openings))
    return tuple(
        CommittedRecord(
            slot.start, commit(one.value, one.blinding), quality, slot.revision
        )
        for slot, one, quality in zip(slots, openings, qualities, strict=True)
    )


def summed_opening(openings: Sequence[Opening]) -> Opening:
    """Return the opening of a day's sum: the sums of values and of blindings."""
    return Opening(
        Secret.total(one.value for one in openings),
        Secret.total(one.blinding for one in openings),
    )


def _slots(place: Slot, count: int) -> list[Slot]:
    return [replace(place, start=place.start + n * place.length) for n in range(count)]
