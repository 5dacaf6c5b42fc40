"""What a meter's seal key signs for the chain besides seals: whose it is, and its next key.

    wish = Binding(network, meter, owner, valid_from=1)
    wish.sign(seal_key, chain_id)               # 65 bytes for `bind-meter`
    KeyChange(network, meter, new, 412).sign(old_key, chain_id)    # `rotate-meter-key`

Both are SIP-018 digests under the seals' domain: {meter, network, owner, valid-from} and
{key, meter, network, valid-from}, which no seal's header has the fields of. The contract
`user-registry` makes the same from its own state, so a signature is good for one network,
one meter and one owner, or one key. This module must never sign a hash that somebody else
made.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_proto import recovery, sip018
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, Tuple, UInt, encode
from meterseal_proto.keys import Algorithm, PublicKey, SealKey
from meterseal_proto.seal import DOMAIN_NAME, DOMAIN_VERSION

SIGNATURE_BYTES: Final = 65
MAX_SEQ: Final = 1 << 62
"""Sequence numbers stay below it (README, Numbers; the contract's u109)."""


@dataclass(frozen=True, slots=True)
class Binding:
    """That `owner` speaks for `meter` from its seal `valid_from` on (SETTLED 30).

    `network` is 32 bytes, `meter` 16, `valid_from` 1 to 2^62 - 1; ValueError otherwise.
    """

    network: bytes
    meter: bytes
    owner: Principal
    valid_from: int

    def __post_init__(self) -> None:
        _check(self.network, self.meter, self.valid_from)

    def message(self) -> bytes:
        """Return the message's Clarity consensus bytes (SIP-005)."""
        return encode(
            Tuple(
                {
                    "meter": Buffer(self.meter),
                    "network": Buffer(self.network),
                    "owner": self.owner,
                    "valid-from": UInt(self.valid_from),
                }
            )
        )

    def digest(self, chain_id: int) -> bytes:
        """Return what is signed, 32 bytes: the contract's `binding-hash`."""
        return _digest(self.message(), chain_id)

    def sign(self, key: SealKey, chain_id: int) -> bytes:
        """Return the seal key's signature for `bind-meter`, 65 bytes."""
        return _signed(self.digest(chain_id), key)

    def holds(self, public: PublicKey, signature: bytes, chain_id: int) -> bool:
        """Tell whether the contract would take `signature` as that of the key `public`."""
        return _holds(self.digest(chain_id), public, signature)


@dataclass(frozen=True, slots=True)
class KeyChange:
    """That `meter` seals with `key` from its seal `valid_from` on.

    At a rotation the old and the new key sign it, where the old one is lost the new one
    alone. Lengths and ranges as in Binding.
    """

    network: bytes
    meter: bytes
    key: PublicKey
    valid_from: int

    def __post_init__(self) -> None:
        _check(self.network, self.meter, self.valid_from)

    def message(self) -> bytes:
        """Return the message's Clarity consensus bytes (SIP-005)."""
        return encode(
            Tuple(
                {
                    "key": Buffer(self.key.raw),
                    "meter": Buffer(self.meter),
                    "network": Buffer(self.network),
                    "valid-from": UInt(self.valid_from),
                }
            )
        )

    def digest(self, chain_id: int) -> bytes:
        """Return what is signed, 32 bytes: the contract's `rotation-hash`."""
        return _digest(self.message(), chain_id)

    def sign(self, key: SealKey, chain_id: int) -> bytes:
        """Return a signature for `rotate-meter-key` or `replace-meter-key`, 65 bytes."""
        return _signed(self.digest(chain_id), key)

    def holds(self, public: PublicKey, signature: bytes, chain_id: int) -> bool:
        """Tell whether the contract would take `signature` as that of the key `public`."""
        return _holds(self.digest(chain_id), public, signature)


def _check(network: bytes, meter: bytes, valid_from: int) -> None:
    if (len(network), len(meter)) != (32, 16):
        raise ValueError("a network is 32 bytes and a meter 16")
    if not 0 < valid_from < MAX_SEQ:
        raise ValueError("a meter's first seal has a number from 1 to 2^62 - 1")


def _digest(message: bytes, chain_id: int) -> bytes:
    domain = sip018.domain_hash(DOMAIN_NAME, DOMAIN_VERSION, chain_id)
    return sip018.digest(domain, message)


def _signed(digest: bytes, key: SealKey) -> bytes:
    """Return r, s and what the contract wants behind them: which R, or 0 for P-256."""
    signature = key.sign(digest)
    if key.algorithm is Algorithm.P256:
        return signature + b"\x00"
    return recovery.named(digest, signature, key.public.raw)


def _holds(digest: bytes, public: PublicKey, signature: bytes) -> bool:
    if len(signature) != SIGNATURE_BYTES or signature[64] not in (0, 1):
        return False
    if public.algorithm is Algorithm.P256:
        return signature[64] == 0 and public.verify(digest, signature[:64])
    odd = bool(signature[64])
    return recovery.recover(digest, signature[:64], odd=odd) == public.raw
