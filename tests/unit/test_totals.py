"""Totals of a community: right whoever lies, and nobody's reading is opened on the way."""

import hashlib
from dataclasses import replace

import pytest

from meterseal_proto.commitment import Slot, commit
from meterseal_proto.curve import ORDER
from meterseal_proto.secret import Secret
from meterseal_proto.totals import (
    SEEDS,
    Mask,
    Masked,
    honest,
    mask_commitment,
    mask_of,
    masked,
    place_of,
    proves,
    seeds_of,
    set_hash,
    summed,
    unmasked,
)
from meterseal_proto.units import IMPORT, MeterId

DAY = 1_790_000_100 - 1_790_000_100 % 86_400


class Meter:
    """A device with its three seeds, its day's total and that total's commitment."""

    def __init__(self, number: int) -> None:
        self.id = MeterId(number.to_bytes(16))
        self.wh = number * 911 % 20_000
        self.blinding = Secret.of_bytes(hashlib.sha512(b"z%d" % number).digest())
        self.seeds = [
            hashlib.sha256(b"seed %d %d" % (number, k)).digest() for k in range(SEEDS)
        ]
        self.slot = Slot(b"\x01" * 32, self.id, IMPORT, DAY, 86_400)
        self.commitment = commit(Secret(self.wh), self.blinding)
        self.place = place_of(self.slot, self.commitment)

    def report(self, wh: int | None = None) -> Masked:
        told = self.wh if wh is None else wh
        return masked(Secret(told), self.blinding, self.seeds, self.place)

    def masks(self) -> list[Mask]:
        return [mask_of(seed, self.place) for seed in self.seeds]


STREET = [Meter(number) for number in range(1, 33)]
REPORTED = [meter for meter in STREET if meter.wh % 7]


def answers(meters: list[Meter], trustees: tuple[int, ...]) -> dict[int, Mask]:
    """The sums of masks that these trustees know, by seed."""
    return {
        seed: summed(m.masks()[seed] for m in meters)
        for trustee in trustees
        for seed in seeds_of(trustee)
    }


@pytest.mark.parametrize("trustees", [(0, 1), (0, 2), (1, 2), (0, 1, 2)])
def test_any_two_trustees_unmask_what_anybody_can_check(
    trustees: tuple[int, ...],
) -> None:
    reports = [meter.report() for meter in REPORTED]
    found = unmasked(reports, answers(REPORTED, trustees))
    assert found.value == sum(meter.wh for meter in REPORTED)
    assert proves(found, [meter.commitment for meter in REPORTED])


@pytest.mark.parametrize("trustee", range(SEEDS))
def test_one_trustee_alone_knows_nothing(trustee: int) -> None:
    reports = [meter.report() for meter in REPORTED]
    known = answers(REPORTED, (trustee,))
    with pytest.raises(ValueError, match="two trustees"):
        unmasked(reports, known)
    missing = ({0, 1, 2} - set(known)).pop()
    guessed = unmasked(reports, known | {missing: Mask(0, 0)})
    assert guessed.value > 1 << 128
    assert not proves(guessed, [meter.commitment for meter in REPORTED])


def test_a_lying_trustee_or_operator_is_found_out() -> None:
    reports = [meter.report() for meter in REPORTED]
    commitments = [meter.commitment for meter in REPORTED]
    truth = answers(REPORTED, (0, 1))
    for seed in range(SEEDS):
        lie = replace(truth[seed], value=(truth[seed].value + 1) % ORDER)
        assert not proves(unmasked(reports, truth | {seed: lie}), commitments)
    found = unmasked(reports, truth)
    assert not proves(replace(found, value=found.value + 1), commitments)
    assert not proves(found, commitments[1:])
    assert not proves(found, [*commitments, STREET[0].commitment])
    assert not proves(found, [*commitments[1:], bytes(33)])


def test_masks_of_another_set_do_not_fit() -> None:
    reports = [meter.report() for meter in REPORTED]
    plus_one = [*REPORTED, next(m for m in STREET if m not in REPORTED)]
    mixed = answers(REPORTED, (0,)) | {0: answers(plus_one, (1,))[0]}
    found = unmasked(reports, mixed)
    assert not proves(found, [meter.commitment for meter in REPORTED])


def test_a_cheating_meter_is_named_without_opening_its_reading() -> None:
    cheat = REPORTED[3]
    reports = [m.report(m.wh - 5 if m is cheat else None) for m in REPORTED]
    found = unmasked(reports, answers(REPORTED, (0, 1)))
    assert found.value == sum(meter.wh for meter in REPORTED) - 5
    assert not proves(found, [meter.commitment for meter in REPORTED])
    blamed = [
        meter
        for meter, report in zip(REPORTED, reports, strict=True)
        if not honest(report, meter.commitment, shown(meter))
    ]
    assert blamed == [cheat]


def shown(meter: Meter) -> list[bytes]:
    return [mask_commitment(mask) for mask in meter.masks()]


def test_a_trustee_cannot_blame_an_honest_meter_unseen() -> None:
    """Two trustees know each seed: what they show of it must be the same."""
    meter = REPORTED[0]
    assert honest(meter.report(), meter.commitment, shown(meter))
    lie = mask_commitment(Mask(1, 1))
    assert not honest(meter.report(), meter.commitment, [lie, *shown(meter)[1:]])
    for bad in ([], shown(meter)[:2], [bytes(33), *shown(meter)[1:]]):
        assert not honest(meter.report(), meter.commitment, bad)


def test_a_second_value_of_a_place_has_other_masks() -> None:
    """Else two reports of one slot would give their difference away."""
    meter = STREET[4]
    again = commit(Secret(meter.wh + 1), meter.blinding)
    place = place_of(meter.slot, again)
    other = masked(Secret(meter.wh + 1), meter.blinding, meter.seeds, place)
    apart = (other.value - meter.report().value) % ORDER
    assert apart > 1 << 128
    revised = replace(meter.slot, revision=1)
    assert place_of(revised, meter.commitment) != meter.place


def test_a_set_is_named_by_its_members_place_and_nothing_else() -> None:
    rows = [(bytes(meter.id), bytes([n]) * 32) for n, meter in enumerate(STREET)]
    name = set_hash(b"\x01" * 32, "cell-1", 20_000, rows)
    assert set_hash(b"\x01" * 32, "cell-1", 20_000, reversed(rows)) == name
    others = {
        set_hash(b"\x02" * 32, "cell-1", 20_000, rows),
        set_hash(b"\x01" * 32, "cell-2", 20_000, rows),
        set_hash(b"\x01" * 32, "cell-1", 20_001, rows),
        set_hash(b"\x01" * 32, "cell-1", 20_000, rows[1:]),
        set_hash(b"\x01" * 32, "cell-1", 20_000, [(rows[0][0], bytes(32)), *rows[2:]]),
    }
    assert len(others | {name}) == 6
    with pytest.raises(ValueError, match="once"):
        set_hash(b"\x01" * 32, "cell-1", 20_000, [*rows, rows[0]])


def test_seeds_are_three_and_whole() -> None:
    meter = STREET[0]
    for bad in (meter.seeds[:2], [*meter.seeds, bytes(32)], [*meter.seeds[:2], b"x"]):
        with pytest.raises(ValueError, match="seeds"):
            masked(Secret(1), Secret(2), bad, meter.place)
    with pytest.raises(ValueError, match="trustees"):
        seeds_of(3)
    assert {seed for j in (0, 1) for seed in seeds_of(j)} == {0, 1, 2}
