"""A meter point has one meter at a time, so what it mints has one name."""

import sqlite3
from pathlib import Path

import pytest

from meterseal_aggregator.registry import store as registry_store
from meterseal_aggregator.registry import write
from meterseal_aggregator.registry.certificates import Grant, grant
from meterseal_aggregator.registry.model import CodeKind, Meter, Refused, Trouble
from meterseal_proto.enrolment import EnrolmentAnswer, RegisterStart
from meterseal_proto.units import EXPORT, MeterId
from tests.support.enrolling import (
    NOW,
    SLOT,
    Registry,
    a_key,
    a_meter,
    a_registry,
    a_request,
)

LATER = SLOT + 900


async def _enrol(
    registry: Registry, *serials: str, at: int = SLOT, agent: str = "home-1"
) -> list[MeterId]:
    start = RegisterStart(EXPORT, 900, 50, at)
    meters = (a_meter(serial, registers=(start,)) for serial in serials)
    key = a_key(f"since {at}")
    request = a_request(await registry.code(agent=agent), *meters, key=key)
    text = await registry.enrol(request, max(at, NOW))
    found = EnrolmentAnswer.from_json(text).meters
    return [MeterId(bytes.fromhex(meter.meter)) for meter in found]


async def _where(registry: Registry, meter: MeterId) -> Meter:
    async with registry.db.reading() as tx:
        (place,) = await registry_store.installations(tx, meter)
    return place


async def _remove(registry: Registry, meter: MeterId, at: int) -> None:
    async with registry.db.transaction() as tx:
        await write.remove_meter(tx, meter, at=at)


async def test_two_meters_in_one_enrolment_have_points_of_their_own(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        async with registry.db.transaction() as tx:
            producer = Grant(registry.point, 8_000, SLOT - 900)
            await grant(tx, producer, "test", now=SLOT)
        first, second = await _enrol(registry, "A", "B")
        here, beside = await _where(registry, first), await _where(registry, second)
        async with registry.db.reading() as tx:
            point = await registry_store.meter_point(tx, beside.meter_point_id)
            certified = await registry_store.certified_w(tx, point.id)
            seen = await registry_store.spans(tx, registry.member)

    assert here.meter_point_id == registry.point
    assert (point.name, certified) == ("Home 1 / B", None)
    assert [(s.meter, s.from_at, s.to_at) for s in seen] == [
        (first, SLOT, None),
        (second, SLOT, None),
    ]


async def test_a_second_meter_at_a_point_is_refused_until_the_first_is_removed(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        (first,) = await _enrol(registry, "A")
        with pytest.raises(Refused, match="take it out of service") as refused:
            await _enrol(registry, "B", agent="home-2")
        assert refused.value.trouble is Trouble.OVERLAP
        await _remove(registry, first, LATER)
        with pytest.raises(Refused):
            await _enrol(registry, "B", at=SLOT, agent="home-2")
        (second,) = await _enrol(registry, "B", at=LATER, agent="home-2")
        assert (await _where(registry, second)).meter_point_id == registry.point


async def test_the_database_itself_refuses_two_meters_at_a_point(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        first, _ = await _enrol(registry, "A", "B")
        await _remove(registry, first, LATER)
        insert = (
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (1, ?, ?)"
        )
        for point, at in ((registry.point, LATER - 1), (registry.point + 1, LATER)):
            with pytest.raises(sqlite3.IntegrityError, match="another meter"):
                async with registry.db.transaction() as tx:
                    await tx.rows(insert, (point, at))


async def test_a_dead_agents_successor_takes_over_the_meters_of_all_its_points(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        meters = await _enrol(registry, "A", "B")
        before = [await _where(registry, meter) for meter in meters]
        key = a_key("new Pi")
        starts = (RegisterStart(EXPORT, 900, 50, SLOT),)
        wished = [a_meter(serial, registers=starts) for serial in "AB"]
        code = await registry.code(CodeKind.REPLACEMENT)
        with pytest.raises(Refused, match="exactly the meters"):
            await registry.enrol(a_request(code, wished[0], key=key))
        text = await registry.enrol(a_request(code, *wished, key=key))

        answered = EnrolmentAnswer.from_json(text).meters
        assert [meter.meter for meter in answered] == [m.hex() for m in meters]
        assert [await _where(registry, meter) for meter in meters] == before


async def test_a_meter_that_comes_back_has_its_point_again(
    tmp_path: Path,
) -> None:
    async with a_registry(tmp_path) as registry:
        first, second = await _enrol(registry, "A", "B")
        point = (await _where(registry, second)).meter_point_id
        for meter in (first, second):
            await _remove(registry, meter, LATER)
        first, second = await _enrol(registry, "A", "B", at=LATER)
        assert (await _where(registry, second)).meter_point_id == point
