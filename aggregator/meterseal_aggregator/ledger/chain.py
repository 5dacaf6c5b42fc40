"""The hash chain over the ledger's entries: one value stands for the whole history.

Pure. The bytes are fixed and must never change: whoever has the entries recomputes the
hash, in any language.
"""

import hashlib
import struct
from typing import Final

from meterseal_aggregator.ledger.model import Entry

START: Final = bytes(32)
"""What the first entry is chained to."""

_LABEL: Final = b"meterseal-ledger"
_LENGTHS: Final = [bytes((length,)) for length in range(256)]
_NUMBERS: Final = struct.Struct(">QBBBQIqq")


def entry_hash(before: bytes, seq: int, entry: Entry) -> bytes:
    """Return SHA-256 of the entry at position `seq` (from 1) after the hash `before`.

    The bytes: the label `meterseal-ledger`; `before` (32); seq u64, phase u8, at_most u8,
    linked u8, amount u64, timeout u32, effective_at i64, recorded_at i64, big-endian;
    then id, pending id, asset, debit, credit, purpose (UTF-8) and reference, each after
    its length as u8. An entry that freezes ends with one byte more, what it freezes: no
    other entry goes on after its reference, so both have one reading.
    """
    t = entry.transfer
    numbers = _NUMBERS.pack(
        seq,
        t.phase,
        t.at_most,
        t.linked,
        t.amount,
        t.timeout_s,
        t.effective_at,
        entry.recorded_at,
    )
    debit, credit = t.debit.encode(), t.credit.encode()
    asset, purpose = t.asset.encode(), t.purpose.encode()
    # Spelled out: this runs once a transfer, and a loop costs a third more.
    framed = (
        _LABEL,
        before,
        numbers,
        _LENGTHS[len(t.id)],
        t.id,
        _LENGTHS[len(t.pending_id)],
        t.pending_id,
        _LENGTHS[len(asset)],
        asset,
        _LENGTHS[len(debit)],
        debit,
        _LENGTHS[len(credit)],
        credit,
        _LENGTHS[len(purpose)],
        purpose,
        _LENGTHS[len(t.reference)],
        t.reference,
        _LENGTHS[t.freezes] if t.freezes else b"",
    )
    return hashlib.sha256(b"".join(framed)).digest()
