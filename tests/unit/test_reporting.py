"""What trustees sign names exactly what was meant, and one act never stands for another."""

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_proto.reporting import (
    Act,
    Place,
    answer_digest,
    answered_by,
    blame_digest,
    disagreeing,
    parse_quarter,
    quarter_of,
    quarter_text,
    sign,
    signed,
    statement,
)
from meterseal_proto.totals import Mask, place_of
from meterseal_proto.units import EXPORT, MeterId
from tests.support.trusteeship import (
    CHAIN_ID,
    DAY,
    NETWORK,
    QUARTER,
    House,
    houses,
    roster_of,
)

STREET = houses(1, 33)
PLACE = Place(NETWORK, "north", DAY)
TRUSTEES = [Ed25519PrivateKey.from_private_bytes(bytes([n]) * 32) for n in (1, 2, 3)]
PUBLIC = [key.public_key().public_bytes_raw() for key in TRUSTEES]


def test_a_roster_has_one_hash_in_any_order() -> None:
    roster = roster_of(STREET)
    assert roster_of(STREET[::-1]).hash() == roster.hash()
    others = [
        replace(roster, network=bytes(32)),
        replace(roster, cell="south"),
        replace(roster, quarter=QUARTER + 1),
        replace(roster, register=EXPORT),
        roster_of(STREET[1:]),
        roster_of([*STREET[1:], House(99)]),
    ]
    key = House(99).key.public
    others.append(
        replace(roster, members=dict(roster.members) | {STREET[0].meter: key})
    )
    assert len({other.hash() for other in [*others, roster]}) == len(others) + 1


def test_a_statement_names_place_seals_and_masks() -> None:
    seals = [house.seal() for house in STREET]
    stated = statement(PLACE, seals, CHAIN_ID)
    assert statement(PLACE, seals[::-1], CHAIN_ID) == stated
    first, *rest = seals
    others = [
        statement(replace(PLACE, cell="south"), seals, CHAIN_ID),
        statement(replace(PLACE, day=DAY + 1), seals, CHAIN_ID),
        statement(replace(PLACE, network=bytes(32)), seals, CHAIN_ID),
        statement(PLACE, rest, CHAIN_ID),
        statement(PLACE, [*seals, House(99).seal()], CHAIN_ID),
        statement(PLACE, [STREET[0].seal(seq=5), *rest], CHAIN_ID),
        statement(PLACE, [STREET[0].seal(sum=rest[0].header.sum), *rest], CHAIN_ID),
        # The header is the same: only the place of the mask differs.
        statement(PLACE, [replace(first, revision=1), *rest], CHAIN_ID),
        statement(PLACE, seals, 1),
    ]
    assert len({*others, stated}) == len(others) + 1
    with pytest.raises(ValueError, match="once"):
        statement(PLACE, [*seals, first], CHAIN_ID)


def test_a_place_is_the_one_its_device_masked_under() -> None:
    house = STREET[0]
    header = house.seal().header
    from meterseal_proto.commitment import Slot

    slot = Slot(NETWORK, house.meter, header.register, header.first, 86_400, 0)
    assert house.seal().place() == place_of(slot, header.sum)


def test_one_signature_never_stands_for_another_act_or_trustee() -> None:
    digest = bytes(range(32))
    given = sign(TRUSTEES[0], Act.SET, digest)
    assert signed(PUBLIC[0], Act.SET, digest, given)
    for act in set(Act) - {Act.SET}:
        assert not signed(PUBLIC[0], act, digest, given)
    assert not signed(PUBLIC[1], Act.SET, digest, given)
    assert not signed(PUBLIC[0], Act.SET, bytes(32), given)
    assert not signed(b"", Act.SET, digest, given)
    assert not signed(PUBLIC[0], Act.SET, digest, b"")


def test_whoever_did_not_sign_is_named() -> None:
    stated = bytes(32)
    given = [sign(key, Act.SET, stated) for key in TRUSTEES]
    assert disagreeing(PUBLIC, stated, given) == []
    assert disagreeing(PUBLIC, stated, given[:2]) == [2]
    assert disagreeing(PUBLIC, stated, [given[0], given[0], given[2]]) == [1]
    assert disagreeing(PUBLIC, stated, given[::-1]) == [0, 2]
    assert disagreeing(PUBLIC, bytes([1]) * 32, given) == [0, 1, 2]


def test_an_answer_is_of_the_seeds_its_trustee_holds() -> None:
    stated, sums = bytes(32), {1: Mask(1, 2), 2: Mask(3, 4)}
    given = sign(TRUSTEES[0], Act.MASKS, answer_digest(stated, sums))
    assert answered_by(PUBLIC[0], 0, stated, sums, given)
    assert not answered_by(PUBLIC[0], 1, stated, sums, given)
    assert not answered_by(PUBLIC[0], 0, stated, {**sums, 2: Mask(3, 5)}, given)
    assert not answered_by(PUBLIC[0], 0, stated, {0: Mask(1, 2)}, given)
    assert not answered_by(PUBLIC[1], 0, stated, sums, given)


def test_shown_commitments_are_bound_to_meter_seed_and_set() -> None:
    one, two = MeterId(bytes(16)), MeterId(b"\x01" * 16)
    shown = {one: {1: bytes(33)}, two: {2: bytes(33)}}
    digests = {
        blame_digest(bytes(32), shown),
        blame_digest(b"\x01" * 32, shown),
        blame_digest(bytes(32), {one: {2: bytes(33)}, two: {2: bytes(33)}}),
        blame_digest(bytes(32), {one: {1: b"\x01" * 33}, two: {2: bytes(33)}}),
    }
    assert len(digests) == 4


def test_quarters_are_those_of_the_calendar() -> None:
    assert quarter_text(quarter_of(0)) == "1970-Q1"
    assert [quarter_text(quarter_of(day)) for day in (89, 90)] == ["1970-Q1", "1970-Q2"]
    assert quarter_of(DAY) == QUARTER == parse_quarter("2024-Q4")
    for bad in ("2024-Q5", "2024Q4", "24-Q4", " 2024-Q4", "٢٠٢٤-Q4"):
        with pytest.raises(ValueError, match="2026-Q4"):
            parse_quarter(bad)
