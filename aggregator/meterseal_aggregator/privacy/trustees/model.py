"""Who the trustees are, and what they said: values that a store reads and writes.

Nothing here may hold a seed, or a masked opening of one meter.
"""

from dataclasses import dataclass

from meterseal_proto.seedbox import TrusteeKey


@dataclass(frozen=True, slots=True)
class Pinned:
    """The network's trustees: the keys of 0, 1 and 2 in this order; `network` 32 bytes."""

    network: bytes
    keys: tuple[TrusteeKey, TrusteeKey, TrusteeKey]
