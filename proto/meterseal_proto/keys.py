"""Keys: one root secret an agent, everything else derived; what is public is checked here.

Seal keys are secp256k1 (checkable by a Clarity contract) or P-256 (secure elements);
signatures are 64 bytes r || s with low s, and signature bytes are never an id.
Receipt and log keys are Ed25519 and live with those who sign with them. A secret's
repr must never show it.
"""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Self

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from meterseal_proto import curve

SECRET_BYTES: Final = 32
PUBLIC_BYTES: Final = 33
SIGNATURE_BYTES: Final = 64
P256_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
_HKDF_SALT: Final = b"meterseal/v1"
_PREHASHED: Final = ec.ECDSA(utils.Prehashed(SHA256()), deterministic_signing=True)
_CHECK: Final = ec.ECDSA(utils.Prehashed(SHA256()))


class Algorithm(StrEnum):
    """The curves a meter may seal with."""

    SECP256K1 = "secp256k1"
    P256 = "p256"


def derive(
    secret: bytes, label: str, context: bytes = b"", *, length: int = SECRET_BYTES
) -> bytes:
    """Return `length` bytes of HKDF-SHA256 (RFC 5869) bound to a label and a context."""
    info = label.encode() + b"\x00" + context
    return HKDF(SHA256(), length, _HKDF_SALT, info).derive(secret)


@dataclass(frozen=True, slots=True)
class RootSecret:
    """An agent's one secret, 32 bytes; every other key of the agent comes from it."""

    value: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.value) != SECRET_BYTES:
            raise ValueError(f"a root secret is {SECRET_BYTES} bytes")

    def seal_key(
        self, algorithm: Algorithm = Algorithm.SECP256K1, epoch: int = 0
    ) -> "SealKey":
        """Return the key of a key epoch; a rotation or replacement moves to the next epoch."""
        label = f"seal/{algorithm}"
        wide = derive(self.value, label, epoch.to_bytes(4), length=48)
        order = curve.ORDER if algorithm is Algorithm.SECP256K1 else P256_ORDER
        # 48 bytes reduced modulo n: the bias is below 2^-128 (FIPS 186-5 A.2.1).
        return SealKey(algorithm, (int.from_bytes(wide) % (order - 1) + 1).to_bytes(32))

    def salt_key(self, meter: bytes) -> bytes:
        """Return K_salt(meter), which hides the readings of a public record root."""
        return derive(self.value, "salt", meter)

    def blind_key(self, meter: bytes) -> bytes:
        """Return K_blind(meter), which every blinding of its commitments comes from."""
        return derive(self.value, "blind", meter)

    @property
    def store_key(self) -> bytes:
        """K_store, 64 bytes: what backups of usage are sealed with (AES-256-SIV)."""
        return derive(self.value, "store", length=64)

    @property
    def nonce_key(self) -> bytes:
        """K_nonce: what a proof's fresh randomness is hedged with."""
        return derive(self.value, "nonce")

    def mask_seeds(self, meter: bytes, count: int) -> tuple[bytes, ...]:
        """Return the first `count` seeds, 32 bytes each, that mask a meter's totals (K_mask)."""
        return tuple(
            derive(self.value, "mask", meter + bytes([n])) for n in range(count)
        )


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A seal key's public half: a compressed SEC 1 point of 33 bytes."""

    algorithm: Algorithm
    raw: bytes

    @classmethod
    def parse(cls, algorithm: str, raw: bytes) -> Self:
        """Return the key; ValueError when the bytes are no point of that curve."""
        chosen = Algorithm(algorithm)
        if len(raw) != PUBLIC_BYTES or raw[0] not in (2, 3):
            raise ValueError("a public key is 33 bytes, first 02 or 03")
        if chosen is Algorithm.P256:
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        elif not curve.backend().is_point(raw):
            raise ValueError("the public key is no point of secp256k1")
        return cls(chosen, raw)

    def verify(self, digest: bytes, signature: bytes) -> bool:
        """Tell whether `signature` (r || s, low s) signs the 32-byte `digest`."""
        if self.algorithm is Algorithm.SECP256K1:
            return curve.backend().verify(self.raw, digest, signature)
        return _verify_p256(self.raw, digest, signature)


@dataclass(frozen=True, slots=True)
class SealKey:
    """A device key that seals; the secret scalar is 32 bytes big-endian."""

    algorithm: Algorithm
    secret: bytes = field(repr=False)

    @property
    def public(self) -> PublicKey:
        """The public half."""
        if self.algorithm is Algorithm.SECP256K1:
            return PublicKey(self.algorithm, curve.backend().public_of(self.secret))
        point = self._p256().public_key()
        raw = point.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
        return PublicKey(self.algorithm, raw)

    def sign(self, digest: bytes) -> bytes:
        """Return r || s, low s, deterministic (RFC 6979): the same digest, the same bytes."""
        if self.algorithm is Algorithm.SECP256K1:
            return curve.backend().sign(self.secret, digest)
        r, s = utils.decode_dss_signature(self._p256().sign(digest, _PREHASHED))
        return r.to_bytes(32) + min(s, P256_ORDER - s).to_bytes(32)

    def _p256(self) -> ec.EllipticCurvePrivateKey:
        return ec.derive_private_key(int.from_bytes(self.secret), ec.SECP256R1())


def _verify_p256(raw: bytes, digest: bytes, signature: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES or len(digest) != 32:
        return False
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    if not (0 < r < P256_ORDER and 0 < s <= P256_ORDER // 2):
        return False
    try:
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), raw)
        key.verify(utils.encode_dss_signature(r, s), digest, _CHECK)
    except (InvalidSignature, ValueError):
        return False
    return True
