"""Who is right when a total does not prove: arithmetic over what was signed, nothing else.

Each seed is held by two trustees. Where their answers agree and the total is wrong, a
meter's masked opening is not of its commitment, and the commitments to its masks name it.
Where they differ, one of the two lies; with the third a pair that is right is found. A
meter is blamed only by commitments on which both holders of each seed agree, and which
add up to their answers: no single trustee can shift blame. Pure.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from meterseal_aggregator.privacy.trustees.model import Shown
from meterseal_proto.commitment import total
from meterseal_proto.reporting import Reported
from meterseal_proto.totals import (
    SEEDS,
    Mask,
    Masked,
    honest,
    mask_commitment,
    proves,
    unmasked,
)
from meterseal_proto.units import MeterId

Sums = Mapping[int, Mask]


def pairs(answers: Mapping[int, Sums]) -> Iterator[dict[int, Mask]]:
    """Return the sums of each two trustees who agree on the seed they both hold."""
    for one, other in combinations(sorted(answers), 2):
        mine, its = answers[one], answers[other]
        if all(its.get(seed, mask) == mask for seed, mask in mine.items()):
            yield {**mine, **its}


def found_total(
    answers: Mapping[int, Sums],
    reports: Sequence[Masked],
    commitments: Sequence[bytes],
    most: int,
) -> tuple[Masked, dict[int, Mask]] | None:
    """Return the total that proves, at most `most`, and the right sums; or None."""
    for sums in pairs(answers):
        found = unmasked(reports, sums)
        if found.value <= most and proves(found, commitments):
            return found, sums
    return None


def liars(answers: Mapping[int, Sums], right: Sums) -> list[int]:
    """Return the trustees whose signed answer is not the right one."""
    return [
        number
        for number, sums in sorted(answers.items())
        if any(right[seed] != mask for seed, mask in sums.items())
    ]


def agree(answers: Mapping[int, Sums]) -> bool:
    """Tell whether all answers are of the same sums, seed by seed."""
    return len(list(pairs(answers))) == SEEDS


def cheats(
    members: Sequence[Reported],
    reports: Mapping[MeterId, Masked],
    answers: Mapping[int, Sums],
    shown: Mapping[int, Shown],
) -> list[MeterId] | None:
    """Name the meters whose masked opening is not of their commitment; None: trustees differ.

    `answers` agree (`agree`), and all three trustees have `shown` their commitments.
    """
    masks: dict[MeterId, dict[int, bytes]] = {m.header.meter: {} for m in members}
    for by_meter in shown.values():
        for meter, by_seed in by_meter.items():
            for seed, point in by_seed.items():
                if masks[meter].setdefault(seed, point) != point:
                    return None
    sums = {seed: mask for one in answers.values() for seed, mask in one.items()}
    for seed in range(SEEDS):
        points = [one[seed] for one in masks.values()]
        if not _adds_up(points, sums[seed]):
            return None
    return [
        one.header.meter
        for one in members
        if not honest(
            reports[one.header.meter],
            one.header.sum,
            [masks[one.header.meter][seed] for seed in range(SEEDS)],
        )
    ]


def _adds_up(points: Sequence[bytes], whole: Mask) -> bool:
    try:
        return total(points) == mask_commitment(whole)
    except ValueError:
        return False
