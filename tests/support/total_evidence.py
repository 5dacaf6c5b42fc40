"""A total's file of a small real network: homes sealed, trustees signed, the set is logged."""

from dataclasses import replace
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from meterseal_proto import merkle
from meterseal_proto.bundle import Logged
from meterseal_proto.checkpoint import Checkpoint, sign_note
from meterseal_proto.curve import ORDER
from meterseal_proto.entry import leaf_of, reporting_entry
from meterseal_proto.reporting import Act, Place, answer_digest, sign, statement
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totalfile import MaskAnswer, Member, TotalFile, TrusteeEvidence
from meterseal_proto.totals import Mask, mask_of, seeds_of, summed
from tests.support.evidence import GENESIS, LOG_KEY, ORIGIN
from tests.support.trusteeship import DAY, House, houses

HOMES: Final = 20
SIGNERS: Final = [
    Ed25519PrivateKey.from_private_bytes(bytes([40 + n]) * 32) for n in range(3)
]
BOXES: Final = [
    X25519PrivateKey.from_private_bytes(bytes([50 + n]) * 32) for n in range(3)
]
KEYS: Final = [
    TrusteeKey(
        n, box.public_key().public_bytes_raw(), key.public_key().public_bytes_raw()
    )
    for n, (box, key) in enumerate(zip(BOXES, SIGNERS, strict=True))
]


def member(house: House, **changes: Any) -> Member:
    """Return a home's day in the network of the evidence."""
    reported = house.seal(DAY, network=GENESIS.network, **changes)
    digest = reported.header.digest(GENESIS.chain_id)
    return Member(reported, house.key.sign(digest))


def sums_of(members: list[Member], homes: list[House], trustee: int) -> dict[int, Mask]:
    """Return what a trustee answers for these members."""
    return {
        seed: summed(
            mask_of(home.seeds[seed], one.reported.place())
            for home, one in zip(homes, members, strict=True)
        )
        for seed in seeds_of(trustee)
    }


def a_total(members: list[Member] | None = None, **changes: Any) -> TotalFile:
    """Return the file of a right total; `changes` are made after everything was signed."""
    homes = houses(1, HOMES)
    chosen = [member(home) for home in homes] if members is None else members
    place = Place(GENESIS.network, "north", DAY)
    stated = statement(place, [one.reported for one in chosen], GENESIS.chain_id)
    trustees = []
    for number, signer in enumerate(SIGNERS):
        answer = None
        if number < 2 and len(chosen) == HOMES:
            sums = sums_of(chosen, homes, number)
            told = sign(signer, Act.MASKS, answer_digest(stated, sums))
            answer = MaskAnswer(sums, told)
        signature = sign(signer, Act.SET, stated)
        trustees.append(TrusteeEvidence(KEYS[number], signature, answer))
    value = sum(home.wh() for home in homes)
    blinding = sum(home.opening(DAY)[1].reveal() for home in homes) % ORDER
    entry = reporting_entry(GENESIS.network, "north", DAY, stated, len(chosen))
    leaves = [leaf_of(b"\x00before"), leaf_of(entry), leaf_of(b"\x00after")]
    head = Checkpoint(ORIGIN, len(leaves), merkle.root_of(leaves))
    whole = TotalFile(
        genesis=GENESIS,
        cell="north",
        day=DAY,
        members=tuple(chosen),
        trustees=tuple(trustees),
        value=value,
        blinding=blinding.to_bytes(32),
        reporting=Logged(1, tuple(merkle.inclusion_proof(leaves, 1))),
        checkpoint=sign_note(head, LOG_KEY),
    )
    return replace(whole, **changes)
