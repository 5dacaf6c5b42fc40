"""Witnesses' keys, logs that are cosigned by them, and logs that misbehave."""

from dataclasses import dataclass, field, replace
from typing import Final, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import cosignatures, store
from meterseal_aggregator.translog.store import SignedHead
from meterseal_proto.checkpoint import Checkpoint, NoteKey, parse_note, sign_note
from meterseal_proto.cosignature import CosignerKey, cosign
from meterseal_proto.merkle import consistency_proof, leaf_hash, root_of
from meterseal_proto.witness import AddCheckpoint

WITNESSES: Final = {
    f"witness.example/w{n}": Ed25519PrivateKey.from_private_bytes(bytes([64 + n]) * 32)
    for n in (1, 2, 3)
}
FIRST, SECOND, THIRD = WITNESSES


def cosigner(name: str = FIRST) -> CosignerKey:
    """Return a witness's public key."""
    return CosignerKey(name, WITNESSES[name].public_key().public_bytes_raw())


async def cosign_head(
    db: Database, at: int, *names: str, size: int | None = None
) -> SignedHead:
    """Let these witnesses (the first one) cosign the latest checkpoint, or that of `size`."""
    async with db.transaction() as tx:
        found = await (store.latest(tx) if size is None else store.head_at(tx, size))
        assert found is not None
        body = parse_note(found.note).body
        for name in names or (FIRST,):
            line = cosign(body, name, WITNESSES[name], at)
            await cosignatures.keep(tx, found, cosigner(name), line)
    return found


@dataclass(frozen=True)
class SmallLog:
    """A log of a few leaves in memory, signed by a key we have: it can be made to lie."""

    origin: str = "street.example/log"
    key: Ed25519PrivateKey = field(
        default_factory=lambda: Ed25519PrivateKey.from_private_bytes(b"l" * 32)
    )
    leaves: tuple[bytes, ...] = tuple(leaf_hash(bytes([n])) for n in range(32))

    @property
    def public(self) -> NoteKey:
        return NoteKey(self.origin, self.key.public_key().public_bytes_raw())

    def forked(self, at: int) -> Self:
        """Return the same log with another entry at index `at`."""
        other = (*self.leaves[:at], leaf_hash(b"another"), *self.leaves[at + 1 :])
        return replace(self, leaves=other)

    def note(self, size: int) -> str:
        root = root_of(self.leaves[:size])
        return sign_note(Checkpoint(self.origin, size, root), self.key)

    def request(self, old: int, size: int) -> AddCheckpoint:
        """Return what an honest client sends."""
        proof = consistency_proof(self.leaves[:size], old) if 0 < old < size else ()
        return AddCheckpoint(old, proof, self.note(size))
