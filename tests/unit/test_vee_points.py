"""A meter point's chain of registers: a replaced meter leaves no slot out and none twice."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.registry.write import remove_meter
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.points import (
    joined,
    registers_of_point,
    usage_of_points,
)
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, CAPACITY_W, STEP, Home, settle_in

DAY = 86_400
GONE = BEGIN + 40 * STEP + 120
"""The old meter was taken off two minutes after slot 40 began."""


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def replace_meter(
    database: Database, *, came: int, counts_from: int, step: int = STEP
) -> Home:
    """Put meter 2 where meter 1 was, with a register of its own."""
    async with database.transaction() as tx:
        await remove_meter(tx, (1).to_bytes(16), at=GONE)
        await tx.many(
            "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
            " VALUES (2, ?, 'S2', 'sdm120', 'agent', 0)",
            [((2).to_bytes(16),)],
        )
        await tx.many(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (2, 1, ?)",
            [(came,)],
        )
        await tx.many(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash) VALUES (2, 2, ?, ?, ?, 0, ?, ?)",
            [(EXPORT, step, CAPACITY_W, counts_from, bytes(32))],
        )
    return Home(2, (2).to_bytes(16), 1, end=counts_from, value=0)


async def pieces(
    database: Database, begin: int, end: int
) -> list[tuple[int, int, int]]:
    async with database.reading() as tx:
        found = await registers_of_point(tx, [1, 9], EXPORT, begin, end)
        assert tx.statements == 1
    return [(one.register_id, one.begin, one.end) for one in found.get(1, ())]


async def test_the_day_of_a_replacement_adds_up(database: Database) -> None:
    old = await settle_in(database, 1)
    async with database.transaction() as tx:
        await old.tell(tx, *[7] * 40)
    new = await replace_meter(database, came=GONE + 600, counts_from=BEGIN + 41 * STEP)
    async with database.transaction() as tx:
        await new.tell(tx, *[3] * 55)
    for duty in (job, days):
        while await duty.run_once(database, BEGIN + 2 * DAY):
            pass
    span = (BEGIN, BEGIN + DAY)
    async with database.reading() as tx:
        found = await usage_of_points(tx, [1], EXPORT, span, known_at=BEGIN + 2 * DAY)
        assert tx.statements == 2
    (first, one), (second, two) = found[1]
    assert (first.register_id, second.register_id) == (1, 2)
    assert (one.total, two.total) == (280, 165)
    whole = joined([one, two])
    assert whole.total == 280 + 165
    # The slot in which nobody counted is the old register's, and unknown.
    assert whole.missing == one.missing == ((BEGIN + 40 * STEP, BEGIN + 41 * STEP),)
    assert len(whole.deltas) == 96


async def test_every_second_is_of_exactly_one_register(database: Database) -> None:
    await settle_in(database, 1)
    await replace_meter(database, came=GONE + DAY, counts_from=BEGIN + DAY + 50 * STEP)
    change = BEGIN + DAY + 50 * STEP
    assert await pieces(database, BEGIN, BEGIN + 3 * DAY) == [
        (1, BEGIN, change),
        (2, change, BEGIN + 3 * DAY),
    ]
    assert await pieces(database, BEGIN, BEGIN + DAY) == [(1, BEGIN, BEGIN + DAY)]
    after = (BEGIN + 2 * DAY, BEGIN + 3 * DAY)
    assert await pieces(database, *after) == [(2, *after)]
    async with database.reading() as tx:
        assert await registers_of_point(tx, [1], IMPORT, *after) == {}


async def test_a_meter_from_elsewhere_counts_from_its_first_whole_slot_here(
    database: Database,
) -> None:
    await settle_in(database, 1)
    await replace_meter(database, came=GONE + 60, counts_from=BEGIN)
    change = BEGIN + 41 * STEP
    assert await pieces(database, BEGIN, BEGIN + DAY) == [
        (1, BEGIN, change),
        (2, change, BEGIN + DAY),
    ]


async def test_a_successor_of_another_step_joins_in_the_shorter_one(
    database: Database,
) -> None:
    old = await settle_in(database, 1)
    async with database.transaction() as tx:
        await old.tell(tx, *[7] * 41)
    new = await replace_meter(
        database, came=GONE, counts_from=BEGIN + 41 * STEP, step=300
    )
    async with database.transaction() as tx:
        for _ in range(5):
            await new.tell(tx, *[1] * 33, length=300)
    for duty in (job, days):
        while await duty.run_once(database, BEGIN + 2 * DAY):
            pass
    span = (BEGIN, BEGIN + DAY)
    async with database.reading() as tx:
        found = await usage_of_points(tx, [1], EXPORT, span, known_at=BEGIN + 2 * DAY)
    whole = joined([series for _, series in found[1]])
    assert (whole.step, len(whole.deltas), whole.missing) == (300, 288, ())
    assert list(whole.deltas[:6]) == [2, 2, 3, 2, 2, 3]
    assert whole.total == 7 * 41 + 165


def test_of_no_register_there_is_nothing_to_join() -> None:
    with pytest.raises(ValueError, match="no register stood there"):
        joined([])
