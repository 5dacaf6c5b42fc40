"""A trustee's answer counts when it is its own, of this subject, signed; else it is none."""

from collections.abc import Callable

import pytest

from meterseal_aggregator.privacy.trustees import spelling
from meterseal_aggregator.privacy.trustees.client import Json
from meterseal_proto.curve import ORDER
from meterseal_proto.reporting import (
    Act,
    Place,
    answer_digest,
    blame_digest,
    sign,
    statement,
)
from meterseal_proto.seedbox import deposited
from meterseal_proto.totals import Mask, mask_commitment, seeds_of
from meterseal_trustee.shapes import (
    BlameBody,
    MasksBody,
    RosterBody,
    SeedsBody,
    SetBody,
)
from tests.support.total_evidence import KEYS, SIGNERS
from tests.support.trusteeship import (
    CHAIN_ID,
    DAY,
    NETWORK,
    houses,
    roster_of,
    summed_reports,
)

HOMES = houses(1, 33)
REPORTED = [house.seal() for house in HOMES]
PLACE = Place(NETWORK, "north", DAY)
STATED = statement(PLACE, REPORTED, CHAIN_ID)
ROSTER = roster_of(HOMES)
KEY, SIGNER = KEYS[0], SIGNERS[0]
METERS = [house.meter for house in HOMES[:2]]
SUMS = {seed: Mask(seed + 1, seed + 2) for seed in seeds_of(0)}
POINTS = {
    meter: {seed: mask_commitment(mask) for seed, mask in SUMS.items()}
    for meter in METERS
}
DEPOSIT = deposited(HOMES[0].key, NETWORK, HOMES[0].meter, KEY, HOMES[0].seeds)


def pair(mask: Mask) -> Json:
    return {
        "value": mask.value.to_bytes(32).hex(),
        "blinding": mask.blinding.to_bytes(32).hex(),
    }


def signature(act: Act, digest: bytes, by: int = 0) -> str:
    return sign(SIGNERS[by], act, digest).hex()


def kept() -> Json:
    return {"signature": signature(Act.DEPOSIT, DEPOSIT.digest(NETWORK, KEY.box))}


def countersigned() -> Json:
    digest = ROSTER.hash()
    return {"roster": digest.hex(), "signature": signature(Act.ROSTER, digest)}


def stated() -> Json:
    return {"statement": STATED.hex(), "signature": signature(Act.SET, STATED)}


def answered() -> Json:
    sums = {str(seed): pair(mask) for seed, mask in SUMS.items()}
    return {
        "sums": sums,
        "signature": signature(Act.MASKS, answer_digest(STATED, SUMS)),
    }


def shown() -> Json:
    commitments = {
        meter.hex(): {str(seed): point.hex() for seed, point in by_seed.items()}
        for meter, by_seed in POINTS.items()
    }
    return {
        "commitments": commitments,
        "signature": signature(Act.BLAME, blame_digest(STATED, POINTS)),
    }


READERS: dict[str, tuple[Callable[[], Json], Callable[[Json], object]]] = {
    "deposit": (kept, lambda found: spelling.read_kept(KEY, DEPOSIT, NETWORK, found)),
    "roster": (
        countersigned,
        lambda found: spelling.read_roster(KEY, ROSTER.hash(), found),
    ),
    "set": (stated, lambda found: spelling.read_set(KEY, STATED, found)),
    "masks": (answered, lambda found: spelling.read_masks(KEY, STATED, found)),
    "blame": (shown, lambda found: spelling.read_blame(KEY, STATED, METERS, found)),
}


@pytest.mark.parametrize("name", READERS)
def test_what_is_signed_counts_and_nothing_else_does(name: str) -> None:
    make, read = READERS[name]
    assert read(make())
    others = {make()["signature"] for make, _ in READERS.values()}
    others -= {make()["signature"]}
    for wrong in (*others, "00" * 64, "", None, 7, "zz" * 64):
        with pytest.raises(ValueError, match=r"\w"):
            read(make() | {"signature": wrong})
    with pytest.raises(ValueError, match=r"\w"):
        read({})


def test_answers_of_other_things_are_none() -> None:
    other = {"roster": "11" * 32, "statement": "11" * 32}
    for name in ("roster", "set"):
        make, read = READERS[name]
        with pytest.raises(ValueError, match="another"):
            read(make() | {key: other[key] for key in make().keys() & other.keys()})
    beyond = {"value": ORDER.to_bytes(32).hex(), "blinding": "00" * 32}
    wrong: list[object] = [
        {},
        [],
        {"0": pair(SUMS[1])},
        {"1": beyond, "2": beyond},
        {"1": 4},
    ]
    for sums in wrong:
        with pytest.raises(ValueError, match=r"\w"):
            READERS["masks"][1](answered() | {"sums": sums})
    only = {METERS[0].hex(): shown()["commitments"][METERS[0].hex()]}
    for commitments in ({}, only, {METERS[0].hex(): {}, METERS[1].hex(): 3}):
        with pytest.raises(ValueError, match=r"\w"):
            READERS["blame"][1](shown() | {"commitments": commitments})


def test_bodies_are_what_a_trustee_reads() -> None:
    SeedsBody.model_validate(spelling.seeds_body(DEPOSIT))
    RosterBody.model_validate(spelling.roster_body(ROSTER))
    SetBody.model_validate(spelling.set_body(PLACE, REPORTED))
    MasksBody.model_validate(spelling.masks_body(PLACE, STATED, [bytes(64)] * 3))
    whole = summed_reports([house.report() for house in HOMES])
    _, content = spelling.read_masks(KEY, STATED, answered())
    body = spelling.blame_body(PLACE, STATED, whole, (0, bytes(64), content), METERS)
    complaint = BlameBody.model_validate(body).complaint()
    assert (complaint.reports, dict(complaint.sums)) == (whole, SUMS)
    single = house_numbers()
    assert not [number for number in single if number in str(body)]


def house_numbers() -> list[str]:
    """Return every home's masked opening in hex: no trustee may see one."""
    return [
        number.to_bytes(32).hex()
        for house in HOMES
        for number in (house.report().value, house.report().blinding)
    ]
