"""Who is to blame when a total does not prove: never a meter by one trustee's word."""

from collections.abc import Mapping

import pytest

from meterseal_aggregator.privacy.trustees import verdict
from meterseal_aggregator.privacy.trustees.model import (
    packed_points,
    packed_sums,
    read_points,
    read_sums,
)
from meterseal_proto.commitment import commit
from meterseal_proto.reporting import Reported
from meterseal_proto.secret import Secret
from meterseal_proto.totals import (
    Mask,
    Masked,
    mask_commitment,
    mask_of,
    seeds_of,
    summed,
)
from meterseal_proto.units import MeterId
from tests.support.trusteeship import House, houses

HOMES = houses(1, 20)
REPORTED = [house.seal() for house in HOMES]
COMMITMENTS = [one.header.sum for one in REPORTED]
MOST = 1 << 62


def reports(cheat: House | None = None) -> dict[MeterId, Masked]:
    return {
        house.meter: house.report(lie_wh=-500 if house is cheat else 0)
        for house in HOMES
    }


def masks(trustee: int, house: House, one: Reported) -> dict[int, Mask]:
    return {n: mask_of(house.seeds[n], one.place()) for n in seeds_of(trustee)}


def answers() -> dict[int, dict[int, Mask]]:
    return {
        trustee: {
            seed: summed(
                masks(trustee, house, one)[seed]
                for house, one in zip(HOMES, REPORTED, strict=True)
            )
            for seed in seeds_of(trustee)
        }
        for trustee in range(3)
    }


def shown() -> dict[int, dict[MeterId, dict[int, bytes]]]:
    return {
        trustee: {
            house.meter: {
                seed: mask_commitment(mask)
                for seed, mask in masks(trustee, house, one).items()
            }
            for house, one in zip(HOMES, REPORTED, strict=True)
        }
        for trustee in range(3)
    }


def moved(mask: Mask) -> Mask:
    return Mask(mask.value + 7, mask.blinding)


@pytest.mark.parametrize("liar", [0, 1, 2, None])
def test_a_total_is_found_whoever_of_the_three_lies(liar: int | None) -> None:
    told = answers()
    if liar is not None:
        told[liar] = {seed: moved(mask) for seed, mask in told[liar].items()}
    found = verdict.found_total(told, list(reports().values()), COMMITMENTS, MOST)
    assert found is not None
    assert found[0].value == sum(house.wh() for house in HOMES)
    assert verdict.liars(told, found[1]) == ([] if liar is None else [liar])
    assert verdict.agree(told) == (liar is None)


def test_a_total_beyond_what_homes_can_use_is_none() -> None:
    found = verdict.found_total(answers(), list(reports().values()), COMMITMENTS, 10)
    assert found is None


def test_one_answer_is_not_enough_and_two_liars_make_none() -> None:
    whole = list(reports().values())
    told = answers()
    assert verdict.found_total({1: told[1]}, whole, COMMITMENTS, MOST) is None
    for liar in (0, 2):
        told[liar] = {seed: moved(mask) for seed, mask in told[liar].items()}
    assert verdict.found_total(told, whole, COMMITMENTS, MOST) is None


def test_the_cheat_is_named_alone() -> None:
    cheat = HOMES[7]
    named = verdict.cheats(REPORTED, reports(cheat), answers(), shown())
    assert named == [cheat.meter]


def shifted(
    points: Mapping[MeterId, Mapping[int, bytes]], by: int
) -> dict[MeterId, dict[int, bytes]]:
    """Exchange a seed's commitments of two meters: they add up to the same."""
    one, other = HOMES[0].meter, HOMES[1].meter
    made = {meter: dict(by_seed) for meter, by_seed in points.items()}
    made[one][by], made[other][by] = made[other][by], made[one][by]
    return made


@pytest.mark.parametrize("liar", [0, 1, 2])
def test_a_trustee_alone_shifts_no_blame_to_another_meter(liar: int) -> None:
    told = shown()
    told[liar] = shifted(told[liar], seeds_of(liar)[0])
    assert verdict.cheats(REPORTED, reports(HOMES[7]), answers(), told) is None


def test_commitments_that_do_not_add_up_to_the_answers_name_nobody() -> None:
    told = shown()
    other = commit(Secret(1), Secret(2))
    for trustee in (0, 1):  # both holders of seed 2, in league
        told[trustee][HOMES[3].meter] |= {2: other}
    assert verdict.cheats(REPORTED, reports(), answers(), told) is None
    for trustee in (0, 1):
        told[trustee][HOMES[3].meter] |= {2: bytes(33)}
    assert verdict.cheats(REPORTED, reports(), answers(), told) is None


def test_what_is_kept_is_read_back() -> None:
    for trustee in range(3):
        assert read_sums(trustee, packed_sums(answers()[trustee])) == answers()[trustee]
        points = shown()[trustee]
        assert read_points(trustee, [*points], packed_points(points)) == points
