"""What trustees sign under a total, in the form a Clarity contract can check.

Trustees answer each other in Ed25519 (`reporting`), which no contract verifies. Under a
total that shall stand on the chain they sign once more, with a secp256k1 key of its own:
the SIP-018 digest of {cell, day, network, set, size, usage} under the seals' domain. The
contract `usage-aggregation` recovers two different keys of the three it was told of.

A trustee signs a total only when it signed that set as a statement (`reporting`), and saw
itself that the set's commitments add to it (`totals.proves`). This module must never sign
what it was not given whole: there is no signature under a hash that somebody else made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto import recovery, sip018
from meterseal_proto.clarity import Ascii, Buffer, Tuple, UInt, encode
from meterseal_proto.reporting import MAX_DAY, Place
from meterseal_proto.seal import DOMAIN_NAME, DOMAIN_VERSION
from meterseal_proto.totals import K_MIN, SEEDS

SIGNATURE_BYTES: Final = 65
MAX_CELL: Final = 64
"""Characters of a cell's name on the chain, ASCII."""
MAX_MEMBERS: Final = 65_536
USAGE_LIMIT: Final = 1 << 64
"""As in the contract: beyond it no total is taken, whoever signed it."""


@dataclass(frozen=True, slots=True)
class ChainTotal:
    """The total `usage` (Wh or litres) of the `size` meters of a set (`totals.set_hash`).

    ValueError for what the contract would refuse whatever signatures are under it.
    """

    place: Place
    set: bytes
    size: int
    usage: int

    def __post_init__(self) -> None:
        cell = self.place.cell
        if not (cell.isascii() and 0 < len(cell) <= MAX_CELL):
            raise ValueError(f"a cell has 1 to {MAX_CELL} ASCII characters")
        if (len(self.place.network), len(self.set)) != (32, 32):
            raise ValueError("a network and a set are 32 bytes")
        if not 0 <= self.place.day < MAX_DAY:
            raise ValueError("no calendar has this day")
        if not K_MIN <= self.size <= MAX_MEMBERS:
            raise ValueError(f"a set has {K_MIN} to {MAX_MEMBERS} members")
        if not 0 <= self.usage < USAGE_LIMIT:
            raise ValueError("more than meters count in a day")

    def consensus(self) -> bytes:
        """Return the message's Clarity consensus bytes (SIP-005)."""
        return encode(
            Tuple.of(
                network=Buffer(self.place.network), cell=Ascii(self.place.cell),
                day=UInt(self.place.day), set=Buffer(self.set), size=UInt(self.size),
                usage=UInt(self.usage),
            )
        )  # fmt: skip

    def digest(self, chain_id: int) -> bytes:
        """Return what is signed, 32 bytes: the contract's `total-hash`."""
        domain = sip018.domain_hash(DOMAIN_NAME, DOMAIN_VERSION, chain_id)
        return sip018.digest(domain, self.consensus())

    def sign(self, secret: bytes, chain_id: int) -> bytes:
        """Return a trustee's signature for `post-total`: r || s || recovery byte, 65 bytes.

        `secret` is the 32-byte scalar of a key used for nothing else. RFC 6979, low s:
        the same total, the same bytes.
        """
        signature, odd = recovery.sign(secret, self.digest(chain_id))
        return signature + bytes((odd,))

    def signer(
        self, keys: Sequence[bytes], signature: bytes, chain_id: int
    ) -> int | None:
        """Return the number of the trustee who signed this total; None where none did."""
        if len(signature) != SIGNATURE_BYTES or signature[64] not in (0, 1):
            return None
        key = recovery.recover(
            self.digest(chain_id), signature[:64], odd=bool(signature[64])
        )
        return keys.index(key) if key in keys else None

    def stands(
        self, keys: Sequence[bytes], signatures: Sequence[bytes], chain_id: int
    ) -> bool:
        """Tell whether two different trustees of `keys` (33 bytes each) signed this total."""
        assert len(keys) == SEEDS
        signers = {self.signer(keys, one, chain_id) for one in signatures}
        return len(signers - {None}) >= 2
