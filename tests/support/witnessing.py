"""Witnesses' keys, and a log that is cosigned by them."""

from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import cosignatures, store
from meterseal_aggregator.translog.store import SignedHead
from meterseal_proto.checkpoint import parse_note
from meterseal_proto.cosignature import CosignerKey, cosign

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
