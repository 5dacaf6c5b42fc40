"""Where devices' keys are safe: sealed by a secret of the house that no database holds.

    sealed = vault.seal("SN-0017", key)        # 44 bytes for 16
    key = vault.open("SN-0017", sealed)

AES-256-GCM with a random nonce, bound to the device's serial, so that a key cannot be moved
to another device's row. Whoever has the database or its backup alone reads no key. This
module must never log or show a key, nor its secret.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meterseal_proto.errors import Unavailable

SECRET_BYTES: Final = 32
KEY_BYTES: Final = 16
"""A device's key, OpenPAYGO 2.2: for SipHash-2-4."""
_NONCE: Final = 12
_LABEL: Final = b"meterseal/paygo-key/v1\x00"


@dataclass(frozen=True, slots=True)
class Vault:
    """Seals and opens keys with a 32-byte secret."""

    secret: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if len(self.secret) != SECRET_BYTES:
            raise ValueError(f"a vault's secret has {SECRET_BYTES} bytes")

    def seal(self, serial: str, key: bytes) -> bytes:
        """Return a device's key sealed: nonce (12), ciphertext (16), tag (16)."""
        if len(key) != KEY_BYTES:
            raise ValueError(f"a device's key has {KEY_BYTES} bytes")
        nonce = secrets.token_bytes(_NONCE)
        return nonce + AESGCM(self.secret).encrypt(nonce, key, _about(serial))

    def open(self, serial: str, sealed: bytes) -> bytes:
        """Return a device's key; raises Unavailable where it was sealed otherwise."""
        nonce, rest = sealed[:_NONCE], sealed[_NONCE:]
        try:
            return AESGCM(self.secret).decrypt(nonce, rest, _about(serial))
        except InvalidTag:
            raise Unavailable(
                f"the key of device {serial} was sealed by another house's secret:"
                " restore the keys folder, or add the device anew"
            ) from None


def _about(serial: str) -> bytes:
    return _LABEL + serial.encode()
