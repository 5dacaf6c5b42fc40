"""A home's meter points change hands together, and its certification is told once."""

import sqlite3
from pathlib import Path

import pytest

from meterseal_aggregator.registry import store, write
from meterseal_aggregator.registry.certificates import (
    Grant,
    When,
    grant,
    open_at,
    revoke,
)
from meterseal_aggregator.registry.certification import Certifier, Level
from meterseal_aggregator.registry.model import Refused, Tenancy, Trouble
from meterseal_proto.enrolment import EnrolmentAnswer
from meterseal_proto.units import MeterId
from tests.support.enrolling import (
    NOW,
    SLOT,
    Registry,
    a_meter,
    a_registry,
    a_request,
)

MOVED = SLOT + 86_400
BO = 7


async def _two_meters(registry: Registry) -> tuple[list[MeterId], list[int]]:
    """Enrol two meters in one home; returns them with their points, and adds Bo."""
    request = a_request(await registry.code(), a_meter("A"), a_meter("B"))
    answer = EnrolmentAnswer.from_json(await registry.enrol(request))
    meters = [MeterId(bytes.fromhex(meter.meter)) for meter in answer.meters]
    async with registry.db.transaction() as tx:
        await tx.rows(
            "INSERT INTO members (id, name, created_at) VALUES (?, 'Bo', 0)", (BO,)
        )
        places = [(await store.installations(tx, meter))[0] for meter in meters]
    return meters, [place.meter_point_id for place in places]


async def _sees(
    registry: Registry, member: int
) -> set[tuple[MeterId, int, int | None]]:
    async with registry.db.reading() as tx:
        seen = await store.spans(tx, member)
    return {(span.meter, span.from_at, span.to_at) for span in seen}


@pytest.mark.parametrize("out", [0, 1])
@pytest.mark.parametrize("into", [0, 1])
async def test_who_moves_out_sees_neither_meter_and_who_moves_in_sees_both(
    tmp_path: Path, out: int, into: int
) -> None:
    async with a_registry(tmp_path) as registry:
        meters, points = await _two_meters(registry)
        async with registry.db.transaction() as tx:
            was = await write.end_tenancy(tx, points[out], at=MOVED)
            assert was == registry.member
            await write.begin_tenancy(tx, Tenancy(BO, points[into], MOVED, None))
        ada = await _sees(registry, registry.member)
        assert ada == {(meter, SLOT, MOVED) for meter in meters}
        assert await _sees(registry, BO) == {(meter, MOVED, None) for meter in meters}


@pytest.mark.parametrize("door", [0, 1])
async def test_nobody_moves_into_a_home_that_is_held(tmp_path: Path, door: int) -> None:
    async with a_registry(tmp_path) as registry:
        _, points = await _two_meters(registry)
        with pytest.raises(Refused) as refused:
            async with registry.db.transaction() as tx:
                await write.begin_tenancy(tx, Tenancy(BO, points[door], MOVED, None))
        assert refused.value.trouble is Trouble.OVERLAP
        assert await _sees(registry, BO) == set()


async def test_a_homes_meters_are_not_certified_for_more_than_the_home(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        async with registry.db.transaction() as tx:
            producer = Grant(registry.point, 8_000, SLOT - 900)
            await grant(tx, producer, "test", now=SLOT)
        _, points = await _two_meters(registry)
        async with registry.db.reading() as tx:
            certified = [await store.certified_w(tx, point) for point in points]
        assert certified == [8_000, None]

        # The producer behind the second meter is certified by name, or instead.
        async with registry.db.transaction() as tx:
            ended = await open_at(tx, points[0])
            who = Certifier("test", Level.REVOKE)
            when = When(MOVED, minted_until=0, now=MOVED)
            await revoke(tx, ended.id, who, "the other roof", when)
            await grant(tx, Grant(points[1], 8_000, MOVED), "test", now=MOVED)


async def test_a_point_of_another_home_is_never_taken_for_a_further_meter(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        async with registry.db.transaction() as tx:
            await write.add_meter_point(tx, "Home 1 / B", now=NOW)
        with pytest.raises(Refused, match="another home") as refused:
            await _two_meters(registry)
        assert refused.value.trouble is Trouble.OVERLAP


async def test_a_meter_point_stays_in_its_home(tmp_path: Path) -> None:
    async with a_registry(tmp_path) as registry:
        _, points = await _two_meters(registry)
        with pytest.raises(sqlite3.IntegrityError, match="stays in its home"):
            async with registry.db.transaction() as tx:
                await tx.rows(
                    "UPDATE meter_points SET home_id = NULL WHERE id = ?", (points[1],)
                )
