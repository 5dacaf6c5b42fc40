"""What a community used together, without opening a household.

At enrolment a device gives three seeds to three trustees so that each lacks one: any two
know all three, one alone knows nothing. For each total it sends the operator its opening,
masked by all three seeds; the trustees answer with the sum of the masks of one set of
meters, and what is left is the set's total, U, with the sum of its blindings, Z. Anyone
checks sum C_i = U V + Z B, so neither operator nor trustees need be believed. Every mask
is bound to its place and to the commitment itself: a second value of a place has other
masks. Sets are named by their hash; answering for one set a place only, and for `K_MIN`
meters or more, is the trustee's duty, which no arithmetic here replaces.
"""

import hashlib
import hmac
import struct
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.commitment import COMMITMENT_BYTES, Slot, commit, encoded, total
from meterseal_proto.curve import ORDER
from meterseal_proto.group import group
from meterseal_proto.seal import Header
from meterseal_proto.secret import Secret

SEEDS: Final = 3
SEED_BYTES: Final = 32
K_MIN: Final = 20
"""Meters of a set at least (SETTLED 23): k - 1 of them together learn the last one."""

_CONTEXT: Final = struct.Struct(">32s16sQQQH33s")
_PLACE: Final = b"meterseal/total/place/v1\x00"
_SET: Final = b"meterseal/total/set/v1\x00"
_VALUE: Final = b"meterseal/total/mask-value/v1\x00"
_BLINDING: Final = b"meterseal/total/mask-blinding/v1\x00"


@dataclass(frozen=True, slots=True)
class Masked:
    """An opening nobody can read: value and blinding plus masks, both modulo n."""

    value: int
    blinding: int


@dataclass(frozen=True, slots=True)
class Mask:
    """One seed's mask of one place, or the sum of many."""

    value: int
    blinding: int


def seeds_of(trustee: int) -> tuple[int, ...]:
    """Return the numbers of the seeds that trustee 0, 1 or 2 holds: all but its own."""
    if trustee not in range(SEEDS):
        raise ValueError(f"trustees are 0 to {SEEDS - 1}")
    return tuple(number for number in range(SEEDS) if number != trustee)


def place_of(slot: Slot, commitment: bytes) -> bytes:
    """Return the context of a masked opening: 32 bytes that bind place and commitment."""
    assert len(commitment) == COMMITMENT_BYTES
    packed = _CONTEXT.pack(
        slot.network, slot.meter, slot.register, slot.start, slot.length,
        slot.revision, commitment,
    )  # fmt: skip
    return hashlib.sha256(_PLACE + packed).digest()


def day_place(header: Header, revision: int) -> bytes:
    """Return the context of the masked opening of a committed day's sum: 32 bytes."""
    slot = Slot(
        header.network, header.meter, header.register, header.first,
        header.step * header.count, revision,
    )  # fmt: skip
    return place_of(slot, header.sum)


def mask_of(seed: bytes, place: bytes) -> Mask:
    """Return a seed's mask of a place."""
    value, blinding = (
        int.from_bytes(hmac.digest(seed, label + place, hashlib.sha512)) % ORDER
        for label in (_VALUE, _BLINDING)
    )
    return Mask(value, blinding)


def masked(
    value: Secret, blinding: Secret, seeds: Sequence[bytes], place: bytes
) -> Masked:
    """Return the opening of a place under all its device's seeds."""
    if len(seeds) != SEEDS or {len(seed) for seed in seeds} != {SEED_BYTES}:
        raise ValueError(f"a device has {SEEDS} seeds of {SEED_BYTES} bytes")
    over = summed(mask_of(seed, place) for seed in seeds)
    return Masked(
        value.plus(Secret(over.value)).reveal(),
        blinding.plus(Secret(over.blinding)).reveal(),
    )


def summed(masks: Iterable[Mask]) -> Mask:
    """Return the sum of masks: what a trustee answers for a set."""
    found = list(masks)
    return Mask(
        sum(m.value for m in found) % ORDER, sum(m.blinding for m in found) % ORDER
    )


def set_hash(
    network: bytes, cell: str, day: int, members: Iterable[tuple[bytes, bytes]]
) -> bytes:
    """Return the hash of a reporting set: (meter 16 bytes, header hash 32 bytes) each.

    `day` counts days since 1970 in the network's zone. The order of `members` does not
    matter; ValueError for a meter that is named twice.
    """
    rows = sorted(members)
    if len({meter for meter, _ in rows}) < len(rows):
        raise ValueError("a meter is in a set once")
    name = cell.encode()
    head = network + len(name).to_bytes(2) + name + day.to_bytes(8)
    whole = hashlib.sha256(_SET + head + len(rows).to_bytes(4))
    for meter, digest in rows:
        assert (len(meter), len(digest)) == (16, 32)
        whole.update(meter + digest)
    return whole.digest()


def unmasked(reports: Iterable[Masked], masks: Mapping[int, Mask]) -> Masked:
    """Return the total of a set: its reports without the sums of its masks, by seed.

    Raises ValueError unless there is one sum for each seed.
    """
    if set(masks) != set(range(SEEDS)):
        raise ValueError("one sum of masks for each seed: two trustees know all three")
    found, over = list(reports), summed(masks.values())
    return Masked(
        (sum(r.value for r in found) - over.value) % ORDER,
        (sum(r.blinding for r in found) - over.blinding) % ORDER,
    )


def proves(found: Masked, commitments: Sequence[bytes]) -> bool:
    """Tell whether a total is that of these commitments: sum C_i = U V + Z B."""
    try:
        made = commit(Secret(found.value), Secret(found.blinding))
        return total(commitments) == made
    except ValueError:
        return False


def mask_commitment(mask: Mask) -> bytes:
    """Return a mask committed to: what trustees show of one meter when a total is wrong."""
    return commit(Secret(mask.value), Secret(mask.blinding))


def honest(report: Masked, commitment: bytes, masks: Sequence[bytes]) -> bool:
    """Tell whether a meter's masked opening is of its commitment, without opening it.

    `masks` are the three mask commitments of its place: C + their sum must be what the
    masked numbers commit to.
    """
    of = group()
    try:
        points = [of.decode(one) for one in (commitment, *masks)]
        made = commit(Secret(report.value), Secret(report.blinding))
        return len(masks) == SEEDS and encoded(of.add(points)) == made
    except ValueError:
        return False
