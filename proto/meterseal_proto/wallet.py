"""Whose wallet is it: a challenge that a member's Stacks key signs (SIP-018).

    asked = Challenge(network, member, principal, nonce, expires)
    asked.domain(chain_id), asked.message()         # what a wallet is given, and shows
    asked.refusal(signature, chain_id, now)         # None: the principal is the member's

The message is {expires, member, network, nonce, principal} under the seals' domain; no
other message of that domain has these fields. A signature is 65 bytes as wallets give
them: r, s, recovery byte; the key is recovered and has to be the principal's. Whoever
issues a challenge draws its nonce, keeps it, and takes it once: this module remembers
nothing, and must never take a signature without the time and the chain it is for.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_proto import recovery, sip018
from meterseal_proto.c32 import (
    MAINNET_SINGLE,
    TESTNET_SINGLE,
    Principal,
    single,
)
from meterseal_proto.clarity import Ascii, Buffer, Tuple, UInt, encode
from meterseal_proto.seal import DOMAIN_NAME, DOMAIN_VERSION

NONCE_BYTES: Final = 32
SIGNATURE_BYTES: Final = 65
MAINNET_CHAIN: Final = 1
"""Every other chain id is a test's (SIP-005, Chain ID)."""
LIFETIME_S: Final = 900
"""How long a challenge may wait: time to find the phone, none to find it next week."""
MAX_MEMBER: Final = 1 << 63
"""Member numbers are rows of a database."""
MAX_TIME: Final = 1 << 48


class Refusal(StrEnum):
    """Why a signature links nothing."""

    CHAIN = "the principal is an address of another chain"
    EXPIRED = "the challenge has expired: ask for a new one"
    TOO_LONG = "the challenge was made to wait longer than any may"
    SIGNATURE = "the signature is not by the principal's key under this challenge"


@dataclass(frozen=True, slots=True)
class Challenge:
    """That `principal` speaks for `member` of `network`; `expires` in Unix seconds.

    `network` is the hash of its genesis document and `nonce` random, 32 bytes each.
    ValueError for other lengths, numbers out of range, and a principal that no single key
    has: a contract, or an address of several keys.
    """

    network: bytes
    member: int
    principal: Principal
    nonce: bytes
    expires: int

    def __post_init__(self) -> None:
        if (len(self.network), len(self.nonce)) != (32, NONCE_BYTES):
            raise ValueError("a network and a nonce are 32 bytes")
        if not (0 < self.member < MAX_MEMBER and 0 < self.expires < MAX_TIME):
            raise ValueError("a member and a time are positive numbers of a database")
        singles = (MAINNET_SINGLE, TESTNET_SINGLE)
        if self.principal.name is not None or (
            self.principal.address.version not in singles
        ):
            raise ValueError(
                "only the address of one key can sign: no contract, no few"
            )

    def message(self) -> bytes:
        """Return the message's Clarity consensus bytes (SIP-005): what a wallet shows."""
        return encode(
            Tuple.of(
                expires=UInt(self.expires), member=UInt(self.member),
                network=Buffer(self.network), nonce=Buffer(self.nonce),
                principal=self.principal,
            )
        )  # fmt: skip

    def domain(self, chain_id: int) -> bytes:
        """Return the domain's consensus bytes, which a wallet is given beside the message."""
        return encode(
            Tuple.of(
                name=Ascii(DOMAIN_NAME),
                version=Ascii(DOMAIN_VERSION),
                chain_id=UInt(chain_id),
            )
        )

    def digest(self, chain_id: int) -> bytes:
        """Return what is signed, 32 bytes."""
        domain = sip018.domain_hash(DOMAIN_NAME, DOMAIN_VERSION, chain_id)
        return sip018.digest(domain, self.message())

    def sign(self, secret: bytes, chain_id: int) -> bytes:
        """Sign as a wallet does, with a key we hold: r || s || recovery byte, 65 bytes."""
        signature, odd = recovery.sign(secret, self.digest(chain_id))
        return signature + bytes((odd,))

    def refusal(self, signature: bytes, chain_id: int, now: int) -> Refusal | None:
        """Tell why `signature` links nothing at `now` (Unix seconds); None when it links.

        High s is refused, as on the chain: one consent has one signature.
        """
        if self.principal.address.mainnet != (chain_id == MAINNET_CHAIN):
            return Refusal.CHAIN
        if now > self.expires:
            return Refusal.EXPIRED
        if self.expires - now > LIFETIME_S:
            return Refusal.TOO_LONG
        return None if self._signed(signature, chain_id) else Refusal.SIGNATURE

    def _signed(self, signature: bytes, chain_id: int) -> bool:
        if len(signature) != SIGNATURE_BYTES or signature[64] not in (0, 1):
            return False
        key = recovery.recover(
            self.digest(chain_id), signature[:64], odd=bool(signature[64])
        )
        mainnet = self.principal.address.mainnet
        return key is not None and single(key, mainnet=mainnet) == (
            self.principal.address
        )
