"""Three trustees' keys, tariffs in a log that a witness cosigned, and what they sign."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_agent.seal.opening import PinnedLog as TwoKeys
from meterseal_agent.seal.seeds import Trustees
from meterseal_aggregator.privacy.trustees.model import PinnedTrustees
from meterseal_proto.checkpoint import parse_note
from meterseal_proto.cosignature import cosign
from meterseal_proto.entry import tariff_entry
from meterseal_proto.errand import SeedDeposits
from meterseal_proto.errand_down import SeedsKept, TariffTold
from meterseal_proto.merkle import inclusion_proof, leaf_hash
from meterseal_proto.reporting import Act, sign
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.tariff import Tariff
from tests.support.devices import GENESIS
from tests.support.witnessing import FIRST, WITNESSES, SmallLog, cosigner

SIGN_KEYS: Final = tuple(
    Ed25519PrivateKey.from_private_bytes(bytes([7 + n]) * 32) for n in range(3)
)
LOG: Final = SmallLog()
TWO_KEYS: Final = TwoKeys(LOG.public.vkey, cosigner().vkey)
"""What a device pins: the log's key and the witness's."""


def trustee(number: int, lot: int = 0) -> TrusteeKey:
    """Return trustee `number`'s keys; of another lot, those of somebody else."""
    box = X25519PrivateKey.from_private_bytes(bytes([17 + number + 3 * lot]) * 32)
    key = SIGN_KEYS[number] if not lot else _stranger(number)
    return TrusteeKey(
        number, box.public_key().public_bytes_raw(), key.public_key().public_bytes_raw()
    )


def _stranger(number: int) -> Ed25519PrivateKey:
    return Ed25519PrivateKey.from_private_bytes(bytes([97 + number]) * 32)


TRUSTEES: Final[Trustees] = (trustee(0), trustee(1), trustee(2))
PINNED: Final = PinnedTrustees(GENESIS.network, TRUSTEES)
"""The same as the aggregator writes them down."""


def kept_by_all(seeds: SeedDeposits, network: bytes = GENESIS.network) -> SeedsKept:
    """Return what an aggregator tells once all three trustees signed."""
    first, second, third = [
        sign(key, Act.DEPOSIT, deposit.digest(network, one.box))
        for key, one, deposit in zip(SIGN_KEYS, TRUSTEES, seeds.deposits, strict=True)
    ]
    return SeedsKept(seeds.meter, (first, second, third))


def told(tariff: Tariff, *, witnessed: bool = True) -> TariffTold:
    """Return a tariff with its evidence: the tenth leaf of a small log."""
    document = tariff.document()
    leaves = (*LOG.leaves[:9], leaf_hash(tariff_entry(document)), *LOG.leaves[10:])
    log = replace(LOG, leaves=leaves)
    note = log.note(len(leaves))
    if witnessed:
        note += cosign(
            parse_note(note).body, FIRST, WITNESSES[FIRST], 1_800_000_000
        ).line()
    proof: Sequence[bytes] = inclusion_proof(leaves, 9)
    return TariffTold(document, 9, tuple(proof), note)
