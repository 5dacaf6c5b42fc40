"""Mask seeds on their way to trustees: sealed to one of them, signed by their meter.

    deposit = deposited(seal_key, network, meter, trustee, seeds)
    seeds = opened(deposit, private_key, network, number)

A device gives trustee j all its seeds but number j (`totals.seeds_of`), each in a box that
only that trustee opens, for that network, meter and seed number: HPKE base mode (RFC 9180)
with DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and ChaCha20-Poly1305. HPKE does not say who
sealed: an operator on the way could put seeds of his own into an honest meter's place and
then subtract what he knows. So the meter's seal key signs the boxes. This module must
never let a seed into a repr or an error.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import (
    X25519PrivateKey,
    X25519PublicKey,
)
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from meterseal_proto.keys import PublicKey, SealKey
from meterseal_proto.totals import SEED_BYTES, SEEDS, seeds_of
from meterseal_proto.units import MeterId

KEY_BYTES: Final = 32
"""Of an X25519 and of an Ed25519 public key (RFC 7748 5, RFC 8032 5.1.5)."""
BOX_BYTES: Final = 32 + SEED_BYTES + 16
"""What HPKE makes of a seed: the ephemeral key, the seed, the tag (RFC 9180 7.1, 7.3)."""
FINGERPRINT_BYTES: Final = 16
"""Of a trustee's keys, for eyes and QR codes: finding a twin takes 2^128 tries."""

_SUITE: Final = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.CHACHA20_POLY1305)
_INFO: Final = b"meterseal/seedbox/v1\x00"
_DEPOSIT: Final = b"meterseal/deposit/v1\x00"
_TRUSTEE: Final = b"meterseal/trustee-key/v1\x00"


@dataclass(frozen=True, slots=True)
class TrusteeKey:
    """A trustee's public keys, pinned at installation: which of the three, and 32 bytes each.

    `box` (X25519) opens seeds, `sign` (Ed25519) signs sets, rosters and answers.
    """

    number: int
    box: bytes
    sign: bytes

    def __post_init__(self) -> None:
        seeds_of(self.number)
        if {len(self.box), len(self.sign)} != {KEY_BYTES}:
            raise ValueError(f"a trustee's keys are {KEY_BYTES} bytes each")

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the keys in NUMBER:BOX:SIGN, as `text` writes them; ValueError otherwise."""
        parts = text.split(":")
        if len(parts) != 3 or len(parts[0]) != 1 or parts[0] not in "012":
            raise ValueError("a trustee's keys are written NUMBER:BOX:SIGN")
        found = cls(int(parts[0]), bytes.fromhex(parts[1]), bytes.fromhex(parts[2]))
        if found.text() != text:
            raise ValueError("a trustee's keys are lower-case hex without spaces")
        return found

    def text(self) -> str:
        """Return NUMBER:BOX:SIGN, keys in hex: what enrolment hands on."""
        return f"{self.number}:{self.box.hex()}:{self.sign.hex()}"

    def fingerprint(self) -> str:
        """Return 16 bytes over number and keys as eight groups of hex, to be compared."""
        content = _TRUSTEE + bytes([self.number]) + self.box + self.sign
        digest = hashlib.sha256(content).digest()[:FINGERPRINT_BYTES].hex()
        return " ".join(digest[at : at + 4] for at in range(0, len(digest), 4))


@dataclass(frozen=True, slots=True)
class Deposit:
    """A meter's seeds for one trustee: boxes in the order of `seeds_of`, and who says so."""

    meter: MeterId
    key: PublicKey
    boxes: tuple[bytes, ...]
    signature: bytes

    def digest(self, network: bytes, trustee: bytes) -> bytes:
        """Return what the seal key signs; `trustee` is the trustee's box key."""
        boxes = hashlib.sha256(b"".join(self.boxes)).digest()
        bound = network + self.meter + trustee + self.key.raw + boxes
        return hashlib.sha256(_DEPOSIT + bound).digest()

    def authentic(self, network: bytes, trustee: bytes) -> bool:
        """Tell whether the seal key signed these boxes for this trustee and network."""
        return self.key.verify(self.digest(network, trustee), self.signature)


def deposited(
    seal_key: SealKey,
    network: bytes,
    meter: MeterId,
    trustee: TrusteeKey,
    seeds: Sequence[bytes],
) -> Deposit:
    """Return what a device sends a trustee of all its three seeds; each call's bytes differ."""
    if len(seeds) != SEEDS or {len(seed) for seed in seeds} != {SEED_BYTES}:
        raise ValueError(f"a device has {SEEDS} seeds of {SEED_BYTES} bytes")
    to = X25519PublicKey.from_public_bytes(trustee.box)
    boxes = tuple(
        _SUITE.encrypt(seeds[number], to, _info(network, meter, trustee.box, number))
        for number in seeds_of(trustee.number)
    )
    unsigned = Deposit(meter, seal_key.public, boxes, b"")
    signature = seal_key.sign(unsigned.digest(network, trustee.box))
    return Deposit(meter, seal_key.public, boxes, signature)


def opened(
    deposit: Deposit, private: X25519PrivateKey, network: bytes, number: int
) -> dict[int, bytes]:
    """Return the seeds in a deposit for trustee `number`, by seed number.

    Raises ValueError when a box is not for this trustee, network, meter and seed.
    """
    held = seeds_of(number)
    if len(deposit.boxes) != len(held):
        raise ValueError(f"a deposit has {len(held)} boxes")
    public = private.public_key().public_bytes_raw()
    found = {}
    for seed, box in zip(held, deposit.boxes, strict=True):
        if len(box) != BOX_BYTES:
            raise ValueError(f"a box is {BOX_BYTES} bytes")
        info = _info(network, deposit.meter, public, seed)
        try:
            found[seed] = _SUITE.decrypt(box, private, info)
        except (InvalidTag, ValueError):
            raise ValueError(
                f"the box of seed {seed} is not for this trustee, meter and network"
            ) from None
    return found


def _info(network: bytes, meter: bytes, trustee: bytes, number: int) -> bytes:
    assert (len(network), len(meter), len(trustee)) == (32, 16, KEY_BYTES)
    return _INFO + network + meter + trustee + bytes([number])
