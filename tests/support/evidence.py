"""A small real network: one meter's seals, logged, receipted, and bundled as evidence."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto import merkle
from meterseal_proto.bundle import (
    Anchor,
    Bundle,
    HeldReceipt,
    KeyEvidence,
    Logged,
    SealEvidence,
    file_reference,
)
from meterseal_proto.checkpoint import Checkpoint, NoteKey, sign_note
from meterseal_proto.claims import Claim, Verdict
from meterseal_proto.enrolment import Genesis, RegisterStart, enrolment_hash
from meterseal_proto.entry import KeyEvent, key_event_entry, leaf_of, seal_entry
from meterseal_proto.keys import Algorithm, RootSecret, SealKey
from meterseal_proto.receipt import Answer, Receipt, sign_receipt
from meterseal_proto.seal import Header, OpenRecord, Seal, record_root, record_salt
from meterseal_proto.units import EXPORT, MeterId

ORIGIN = "street.example/log"
LOG_KEY = Ed25519PrivateKey.from_private_bytes(b"log key".ljust(32, b"."))
RECEIPT_KEY = Ed25519PrivateKey.from_private_bytes(b"receipt key".ljust(32, b"."))
ROOT = RootSecret(b"an agent's root secret".ljust(32, b"."))
METER = MeterId(bytes(range(16)))
START = RegisterStart(EXPORT, 900, 1_000, 1_800_000_000)
GENESIS = Genesis(
    2_147_483_648,
    "ST1PQHQKV0RJXZFY1DGX8MNSNYVE3VGZJSRTPGZGM.registry",
    NoteKey(ORIGIN, LOG_KEY.public_key().public_bytes_raw()).vkey,
)


@dataclass
class Street:
    """A log with one enrolled register; `seal` appends, `bundle` gathers the evidence."""

    key: SealKey = field(default_factory=lambda: ROOT.seal_key(Algorithm.SECP256K1))
    entries: list[bytes] = field(default_factory=list)
    seals: list[Seal] = field(default_factory=list)
    value: int = START.value
    end: int = START.at
    key_index: int = -1

    def __post_init__(self) -> None:
        self.prev = enrolment_hash(GENESIS.network, METER, START, self.key.public)
        self.noise(2)
        self.enrol()

    def enrol(self, **changes: Any) -> None:  # fields of KeyEvent
        """Log the event that binds the register to its key."""
        event = KeyEvent(
            GENESIS.network, METER, EXPORT, str(self.key.public.algorithm),
            self.key.public.raw, 1, START.step, START.value, START.at,
        )  # fmt: skip
        self.key_index = len(self.entries)
        self.entries.append(key_event_entry(replace(event, **changes)))

    def noise(self, count: int) -> None:
        """Append entries of other people."""
        self.entries += [b"\x03\x01" + bytes([i]) * 32 for i in range(count)]

    def seal(
        self,
        deltas: tuple[int, ...] = (7, 0, 12),
        *,
        spoil: Callable[[list[OpenRecord]], list[OpenRecord]] = list,
        **changes: Any,  # fields of Header
    ) -> Seal:
        """Seal the next intervals and log the seal; what is spoilt is signed that way."""
        records = []
        for i, delta in enumerate(deltas):
            self.value += delta
            record = OpenRecord(self.end + i * START.step, delta, self.value, 14)
            records.append(record)
        records = spoil(records)
        salts = [
            record_salt(ROOT.salt_key(METER), EXPORT, r.start, START.step, r.revision)
            for r in records
        ]
        header = Header(
            GENESIS.network, METER, EXPORT, self.end, START.step, len(records),
            len(self.seals) + 1, self.prev, record_root(records, salts),
        )  # fmt: skip
        header = replace(header, **changes)
        self.prev = header.digest(GENESIS.chain_id)
        made = Seal(header, self.key.sign(self.prev), tuple(records), tuple(salts))
        self.end = header.end
        self.seals.append(made)
        self.entries.append(seal_entry(header, made.signature))
        return made

    def logged(self, index: int) -> Logged:
        """Prove where an entry stands."""
        leaves = [leaf_of(entry) for entry in self.entries]
        return Logged(index, merkle.inclusion_proof(leaves, index))

    def checkpoint(self) -> Checkpoint:
        """Give the head of the log as it is."""
        root = merkle.root_of([leaf_of(entry) for entry in self.entries])
        return Checkpoint(ORIGIN, len(self.entries), root)

    def receipt(self, seal: Seal) -> HeldReceipt:
        """Answer a seal as the aggregator does."""
        digest = seal.header.digest(GENESIS.chain_id)
        answer = Answer(METER, EXPORT, seal.header.seq, digest)
        receipt = Receipt(GENESIS.network, "pi-1", seal.header.end + 60, (answer,))
        return HeldReceipt(
            RECEIPT_KEY.public_key().public_bytes_raw(),
            sign_receipt(receipt, RECEIPT_KEY),
        )

    def bundle(self, seal: Seal) -> Bundle:
        """Gather the evidence for one seal, receipt and file anchor included."""
        head = self.checkpoint()
        index = self.entries.index(seal_entry(seal.header, seal.signature))
        reference = file_reference(head.size, head.root)
        return Bundle(
            GENESIS,
            KeyEvidence(self.entries[self.key_index], self.logged(self.key_index)),
            SealEvidence(seal, self.logged(index)),
            sign_note(head, LOG_KEY),
            self.receipt(seal),
            Anchor("file", head.size, head.root, reference),
        )


def unproved(claims: Sequence[Claim]) -> list[str]:
    """Name the claims that did not pass, in their order."""
    return [claim.name for claim in claims if claim.verdict is not Verdict.PASS]


def a_bundle() -> Bundle:
    """Give the evidence for the first of two seals in a log of nine entries."""
    street = Street()
    seal = street.seal()
    street.noise(4)
    street.seal((3,))
    return street.bundle(seal)
