"""The hashes by which bills name usage and the log names edits, made a second way."""

import hashlib
import struct
from array import array
from dataclasses import replace

import cbor2
import pytest

from meterseal_proto.entry import EntryType, operator_edit_entry
from meterseal_proto.rating.edit import Edit, edit_hash
from meterseal_proto.rating.usage import packed, unpacked, usage_digest
from meterseal_proto.units import IMPORT, MeterId

EDIT = Edit(
    bytes(range(32)), MeterId(bytes(16)), IMPORT, 1_800_000_000, 1_800_000_900, 42,
    "read on site", "ms_abc", 1_800_100_000,
)  # fmt: skip


def test_a_usage_digest_is_these_bytes_hashed() -> None:
    raw = struct.pack("<4I", 0, 1, 258, (1 << 32) - 1)
    assert packed(array("I", [0, 1, 258, (1 << 32) - 1])) == raw
    assert unpacked(raw).tolist() == [0, 1, 258, (1 << 32) - 1]
    codes = bytes([17, 17, 8, 16])
    told = b"meterseal/usage/v1\x00" + struct.pack(">QQ", 1_800_000_000, 900)
    assert (
        usage_digest(1_800_000_000, 900, raw, codes)
        == hashlib.sha256(told + raw + codes).digest()
    )


def test_usage_of_other_slots_has_another_digest() -> None:
    raw, codes = bytes(8), bytes(2)
    found = {
        usage_digest(900, 900, raw, codes),
        usage_digest(1_800, 900, raw, codes),
        usage_digest(900, 300, raw, codes),
        usage_digest(900, 900, bytes(7) + b"\x01", codes),
        usage_digest(900, 900, raw, b"\x00\x08"),
    }
    assert len(found) == 5


def test_a_slot_has_four_bytes_and_one_quality() -> None:
    with pytest.raises(ValueError, match="four bytes and one quality"):
        usage_digest(0, 900, bytes(8), bytes(3))
    with pytest.raises(ValueError, match="multiple of item size"):
        unpacked(bytes(7))


def test_an_edits_hash_is_these_bytes_hashed() -> None:
    fields = [
        EDIT.network, EDIT.meter, EDIT.register, EDIT.begin, EDIT.end, EDIT.delta,
        EDIT.reason, EDIT.author, EDIT.known_at,
    ]  # fmt: skip
    salt = bytes(16)
    told = b"meterseal/edit/v1\x00" + salt + cbor2.dumps(fields, canonical=True)
    assert edit_hash(salt, EDIT) == hashlib.sha256(told).digest()


def test_every_field_of_an_edit_is_in_its_hash() -> None:
    salt = bytes(16)
    changed = [
        replace(EDIT, network=bytes(32)),
        replace(EDIT, meter=MeterId(b"\x01" * 16)),
        replace(EDIT, begin=0),
        replace(EDIT, end=1_800_001_800),
        replace(EDIT, delta=43),
        replace(EDIT, reason="guessed"),
        replace(EDIT, author="ms_def"),
        replace(EDIT, known_at=0),
    ]
    hashes = {edit_hash(salt, one) for one in (EDIT, *changed)}
    hashes.add(edit_hash(b"\x01" * 16, EDIT))
    assert len(hashes) == 10
    with pytest.raises(ValueError, match="16 bytes"):
        edit_hash(bytes(15), EDIT)


def test_the_log_is_told_an_edits_hash_and_nothing_else() -> None:
    digest = edit_hash(bytes(16), EDIT)
    assert operator_edit_entry(digest) == bytes((EntryType.OPERATOR_EDIT, 1)) + digest
    with pytest.raises(ValueError, match="32 bytes"):
        operator_edit_entry(digest[1:])
