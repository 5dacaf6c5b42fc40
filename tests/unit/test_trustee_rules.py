"""What a trustee may sign and answer: each rule refuses what would open a meter."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.reporting import (
    LATE,
    Act,
    Place,
    Reported,
    Roster,
    answer_digest,
    sign,
)
from meterseal_proto.seal import MODE_OPEN
from meterseal_proto.seedbox import TrusteeKey
from meterseal_proto.totals import K_MIN, Mask, mask_of, seeds_of, summed
from meterseal_proto.units import EXPORT, IMPORT
from meterseal_trustee import rules
from meterseal_trustee.rules import Complaint, Refused, Trouble
from tests.support.trusteeship import (
    DAY,
    NETWORK,
    NOON_AFTER,
    QUARTER,
    House,
    houses,
    roster_of,
    summed_reports,
)

STREET = houses(1, 34)
PLACE = Place(NETWORK, "north", DAY)
MEMBERS = {house.meter: IMPORT for house in STREET}
SPAN = rules.Span(DAY * 86_400, (DAY + 1) * 86_400)
SEALS = [house.seal() for house in STREET[:K_MIN]]
SIGNERS = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3)]
PINNED = [
    TrusteeKey(n, bytes([n]) * 32, key.public_key().public_bytes_raw())
    for n, key in enumerate(SIGNERS)
]


def check(seals: Sequence[Reported], now: float = NOON_AFTER) -> None:
    rules.check_set(PLACE, seals, MEMBERS, SPAN, now)


def test_a_set_of_twenty_members_is_signed_once_its_day_is_over() -> None:
    check(SEALS)
    check(SEALS, now=SPAN.end)
    with pytest.raises(Refused) as caught:
        check(SEALS, now=SPAN.end - 1)
    assert caught.value.trouble is Trouble.DAY_NOT_OVER


def changed(**changes: Any) -> list[Reported]:
    return [STREET[0].seal(**changes), *SEALS[1:]]


BAD_SETS: dict[str, tuple[Trouble, list[Reported]]] = {
    "one fewer than twenty": (Trouble.TOO_FEW, SEALS[1:]),
    "nobody": (Trouble.TOO_FEW, []),
    "a meter twice": (Trouble.REPEATED, [*SEALS[1:], SEALS[1]]),
    "twice, the second time revised": (
        Trouble.REPEATED,
        [*SEALS[1:], replace(SEALS[1], revision=1)],
    ),
    "a stranger": (Trouble.NOT_A_MEMBER, [*SEALS, House(99).seal()]),
    "a stranger instead": (Trouble.NOT_A_MEMBER, [*SEALS[1:], House(99).seal()]),
    "another network": (Trouble.OTHER_NETWORK, changed(network=bytes(32))),
    "an open seal": (Trouble.WRONG_SEAL, changed(mode=MODE_OPEN)),
    "another register": (Trouble.WRONG_SEAL, changed(register=EXPORT)),
    "the day before": (Trouble.WRONG_SEAL, [STREET[0].seal(DAY - 1), *SEALS[1:]]),
    "the day after": (Trouble.WRONG_SEAL, [STREET[0].seal(DAY + 1), *SEALS[1:]]),
    "into the next day": (Trouble.WRONG_SEAL, changed(count=97)),
    "no interval": (Trouble.WRONG_SEAL, changed(count=0)),
    "no length": (Trouble.WRONG_SEAL, changed(step=0)),
    "a length beyond numbers": (Trouble.WRONG_SEAL, changed(step=(1 << 64) - 1)),
    "too many intervals": (Trouble.WRONG_SEAL, changed(step=1, count=101)),
    "a sum that is infinity": (Trouble.WRONG_SEAL, changed(sum=bytes(33))),
    "a sum off the curve": (Trouble.WRONG_SEAL, changed(sum=b"\x02" + b"\xff" * 32)),
    "a hybrid encoding": (
        Trouble.WRONG_SEAL,
        changed(sum=b"\x06" + SEALS[0].header.sum[1:]),
    ),
}


@pytest.mark.parametrize("what", BAD_SETS)
def test_a_set_that_is_not_of_its_cell_and_day_is_refused(what: str) -> None:
    why, seals = BAD_SETS[what]
    with pytest.raises(Refused) as caught:
        check(seals)
    assert caught.value.trouble is why


def test_without_a_roster_there_is_no_set() -> None:
    with pytest.raises(Refused) as caught:
        rules.check_set(PLACE, SEALS, {}, SPAN, NOON_AFTER)
    assert caught.value.trouble is Trouble.NO_ROSTER


def test_late_meters_of_two_registers_are_no_set() -> None:
    mixed = dict(MEMBERS) | {STREET[0].meter: EXPORT}
    seals = [STREET[0].seal(register=EXPORT), *SEALS[1:]]
    with pytest.raises(Refused) as caught:
        rules.check_set(PLACE, seals, mixed, SPAN, NOON_AFTER)
    assert caught.value.trouble is Trouble.WRONG_SEAL


def test_sets_share_neither_a_meter_of_a_day_nor_a_masks_place() -> None:
    rules.check_apart(SEALS, set(), set())
    rules.check_apart(SEALS, {House(99).meter}, {bytes(32)})
    for meters, places in (
        ({STREET[3].meter}, set[bytes]()),
        (set(), {STREET[3].seal().place()}),
    ):
        with pytest.raises(Refused) as caught:
            rules.check_apart(SEALS, meters, places)
        assert caught.value.trouble is Trouble.IN_ANOTHER_SET


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("UTC", DAY, 24),
        ("Europe/Berlin", 20_177, 23),  # 2025-03-30
        ("Europe/Berlin", 20_387, 25),  # 2025-10-26
        ("Asia/Kolkata", DAY, 24),
        ("Pacific/Kiritimati", DAY, 24),
    ],
)
def test_a_day_is_the_zones_own(zone: str, day: int, hours: int) -> None:
    span = rules.day_span(day, ZoneInfo(zone))
    assert span.end - span.start == hours * 3_600
    assert rules.day_of(span.start, ZoneInfo(zone)) == day
    assert rules.day_of(span.end - 1, ZoneInfo(zone)) == day


@pytest.mark.parametrize("day", [-1, 1 << 20, 1 << 70])
def test_days_beyond_calendars_are_refused(day: int) -> None:
    with pytest.raises(Refused):
        rules.day_span(day, ZoneInfo("UTC"))


ROSTER = roster_of(STREET)
DEPOSITED = dict(ROSTER.members)

BAD_ROSTERS: dict[str, tuple[Trouble, Roster]] = {
    "31 members": (Trouble.TOO_FEW, roster_of(STREET[:31])),
    "a stranger": (Trouble.NOT_ENROLLED, roster_of([*STREET, House(99)])),
    "another key": (
        Trouble.NOT_ENROLLED,
        replace(ROSTER, members=DEPOSITED | {STREET[0].meter: STREET[1].key.public}),
    ),
    "a quarter that is over": (
        Trouble.BAD_QUARTER,
        roster_of(STREET, quarter=QUARTER - 1),
    ),
    "a quarter too far": (Trouble.BAD_QUARTER, roster_of(STREET, quarter=QUARTER + 2)),
    "the late cell": (Trouble.BAD_REQUEST, roster_of(STREET, cell=LATE)),
    "an odd name": (Trouble.BAD_REQUEST, roster_of(STREET, cell="North")),
    "no name": (Trouble.BAD_REQUEST, roster_of(STREET, cell="")),
}


def test_a_roster_of_known_meters_in_no_other_cell_is_good() -> None:
    rules.check_roster(ROSTER, DEPOSITED, [House(99).meter], QUARTER)
    next_one = replace(ROSTER, quarter=QUARTER + 1)
    rules.check_roster(next_one, DEPOSITED, [], QUARTER)


@pytest.mark.parametrize("what", BAD_ROSTERS)
def test_a_roster_that_does_not_fit_is_refused(what: str) -> None:
    why, roster = BAD_ROSTERS[what]
    with pytest.raises(Refused) as caught:
        rules.check_roster(roster, DEPOSITED, [], QUARTER)
    assert caught.value.trouble is why


def test_a_meter_is_in_one_cell() -> None:
    with pytest.raises(Refused) as caught:
        rules.check_roster(ROSTER, DEPOSITED, [STREET[9].meter], QUARTER)
    assert caught.value.trouble is Trouble.IN_ANOTHER_CELL


def test_nobody_answers_before_all_three_have_signed() -> None:
    stated = bytes(32)
    given = [sign(key, Act.SET, stated) for key in SIGNERS]
    rules.check_signatures(PINNED, stated, given)
    other_act = [sign(key, Act.ROSTER, stated) for key in SIGNERS]
    other_set = [sign(key, Act.SET, b"\x01" * 32) for key in SIGNERS]
    for bad in (
        given[:2], [], [*given, given[0]], [given[0]] * 3, other_act,
        [given[0], given[1], other_set[2]],
    ):  # fmt: skip
        with pytest.raises(Refused) as caught:
            rules.check_signatures(PINNED, stated, bad)
        assert caught.value.trouble is Trouble.NOT_ALL_SIGNED


def sums_of(trustee: int) -> dict[int, Mask]:
    return {
        seed: summed(
            mask_of(house.seeds[seed], house.seal().place()) for house in STREET[:K_MIN]
        )
        for seed in seeds_of(trustee)
    }


def complaint(lie_wh: int, sums: dict[int, Mask], by: int = 1) -> Complaint:
    reports = [house.report() for house in STREET[1:K_MIN]]
    reports.append(STREET[0].report(lie_wh=lie_wh))
    given = sign(SIGNERS[by], Act.MASKS, answer_digest(bytes(32), sums))
    return Complaint(summed_reports(reports), by, sums, given)


def complain(made: Complaint) -> None:
    rules.check_complaint(made, bytes(32), sums_of(0), SEALS, PINNED[made.trustee])


def test_a_wrong_total_may_be_looked_into() -> None:
    complain(complaint(5, sums_of(1)))
    complain(complaint(-5, sums_of(2), by=2))


def test_a_right_total_may_not() -> None:
    with pytest.raises(Refused) as caught:
        complain(complaint(0, sums_of(1)))
    assert caught.value.trouble is Trouble.TOTAL_HOLDS
    # A lie about the seed we hold ourselves changes nothing.
    with pytest.raises(Refused) as caught:
        complain(complaint(0, sums_of(1) | {2: Mask(1, 1)}))
    assert caught.value.trouble is Trouble.TOTAL_HOLDS


def test_a_complaint_brings_another_trustees_own_answer() -> None:
    good = complaint(5, sums_of(1))
    bad = [
        replace(good, signature=bytes(64)),
        replace(good, trustee=2),
        replace(good, sums=sums_of(2)),
        complaint(5, sums_of(0), by=0),
        replace(good, sums={}),
    ]
    for one in bad:
        with pytest.raises(Refused) as caught:
            complain(one)
        assert caught.value.trouble is Trouble.BAD_ANSWER
