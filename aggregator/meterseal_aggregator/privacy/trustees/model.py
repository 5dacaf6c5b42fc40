"""Who the trustees are, and what they said: values that a store reads and writes.

Nothing here may hold a seed, or a masked opening of one meter.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from meterseal_proto.reporting import Act
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import Mask, seeds_of
from meterseal_proto.units import MeterId

_NUMBER = 32
_POINT = 33


@dataclass(frozen=True, slots=True)
class PinnedTrustees:
    """The network's trustees: the keys of 0, 1 and 2 in this order; `network` 32 bytes."""

    network: bytes
    keys: tuple[TrusteeKey, TrusteeKey, TrusteeKey]


@dataclass(frozen=True, slots=True)
class Said:
    """What a trustee said to an act: its 64-byte `signature`, or `why` not, in its words.

    `content` is what it signed where nobody here could know it: sums, commitments. `at`
    is Unix seconds.
    """

    act: Act
    subject: int
    trustee: int
    at: int
    signature: bytes | None
    content: bytes = b""
    why: str = ""
    detail: str = ""


def packed_sums(sums: Mapping[int, Mask]) -> bytes:
    """Return a trustee's sums of masks as they are kept, by seed number."""
    ordered = [mask for _, mask in sorted(sums.items())]
    return b"".join(
        mask.value.to_bytes(_NUMBER) + mask.blinding.to_bytes(_NUMBER)
        for mask in ordered
    )


def read_sums(trustee: int, content: bytes) -> dict[int, Mask]:
    """Return the sums that trustee `trustee` answered, by seed number."""
    found = {}
    for at, seed in enumerate(seeds_of(trustee)):
        pair = content[2 * _NUMBER * at : 2 * _NUMBER * (at + 1)]
        found[seed] = Mask(
            int.from_bytes(pair[:_NUMBER]), int.from_bytes(pair[_NUMBER:])
        )
    return found


Shown = Mapping[MeterId, Mapping[int, bytes]]
"""Commitments to the masks of single meters, by meter and seed."""


def packed_points(shown: Shown) -> bytes:
    """Return the commitments a trustee showed as they are kept, by meter and seed."""
    return b"".join(
        point
        for _, by_seed in sorted(shown.items())
        for _, point in sorted(by_seed.items())
    )


def read_points(
    trustee: int, meters: list[MeterId], content: bytes
) -> dict[MeterId, dict[int, bytes]]:
    """Return the commitments that a trustee showed of a set's `meters`."""
    points = iter(content[at : at + _POINT] for at in range(0, len(content), _POINT))
    return {
        meter: {seed: next(points) for seed in seeds_of(trustee)}
        for meter in sorted(meters)
    }
