"""The hash chain's bytes are fixed: whoever has the entries recomputes the hash."""

import hashlib
import struct
from dataclasses import replace

from meterseal_aggregator.ledger.chain import START, entry_hash
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Entry,
    Freeze,
    Phase,
    Transfer,
    TransferId,
)

MINT = Transfer(
    id=TransferId(bytes(range(32))),
    amount=250,
    debit=AccountCode("meter:00ff:measured"),
    credit=AccountCode("producer:7"),
    purpose="mint",
    effective_at=1_800_000_000,
    reference=b"slot",
)
# Made by the release before freezes; a ledger of that time must still replay.
GOLDEN = "be2d4b4149b5e6ae315f58903630be3eeab21efc9c615a991b9d6d05d606c6ba"


def test_an_entry_of_the_first_release_has_the_hash_it_had() -> None:
    assert entry_hash(START, 1, Entry(MINT, 1_800_000_900)).hex() == GOLDEN


def test_a_stranger_recomputes_the_hash_of_a_freeze() -> None:
    freeze = replace(MINT, amount=0, phase=Phase.HOLD, freezes=Freeze.BOTH)
    numbers = struct.pack(">QBBBQIqq", 2, 1, 0, 0, 0, 0, 1_800_000_000, 1_800_000_900)
    texts = (
        bytes(range(32)),
        b"",
        b"wh",
        b"meter:00ff:measured",
        b"producer:7",
        b"mint",
        b"slot",
    )
    framed = b"".join(bytes([len(text)]) + text for text in texts)
    told = hashlib.sha256(b"meterseal-ledger" + START + numbers + framed + b"\x03")
    assert entry_hash(START, 2, Entry(freeze, 1_800_000_900)) == told.digest()
