"""Packed days: what billing reads of a register, when, and what takes whose place."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.days import Series, usage
from meterseal_aggregator.vee.recount import findings
from meterseal_proto.rating.usage import packed, usage_digest
from meterseal_proto.units import Quality
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, STEP, Home, settle_in

DAY = 86_400
SLOTS = 96
VALUE = (
    "INSERT INTO vee_values (register_id, start, length, delta, quality, source, method,"
    " reason, author, known_at) VALUES (1, ?, ?, ?, ?, ?, '', 'r', 'a', 0)"
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def work(database: Database, now: int) -> None:
    """Let validation and packing do all there is to do."""
    while await job.run_once(database, now):
        pass
    while await days.run_once(database, now):
        pass


async def value(
    database: Database,
    start: int,
    delta: int,
    *,
    source: str = "edit",
    length: int = STEP,
    quality: int = 7,
) -> None:
    """Add a value of register 1 as its writers do."""
    async with database.transaction() as tx:
        await tx.many(VALUE, [(start, length, delta, quality, source)])


async def told(database: Database, home: Home, *deltas: int, **how: int) -> None:
    async with database.transaction() as tx:
        for at in range(0, len(deltas), 96):
            await home.tell(tx, *deltas[at : at + 96], **how)


async def seen(
    database: Database, begin: int, end: int, known_at: int = 1 << 40
) -> Series:
    async with database.reading() as tx:
        found = await usage(tx, [1], begin, end, known_at=known_at)
        assert tx.statements == 1
    return found[1]


async def versions(database: Database) -> list[tuple[int, int, int]]:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT day, version, known_at FROM usage_days ORDER BY day, version"
        )
    return [(row[0] - BEGIN // DAY, row[1], row[2]) for row in rows]


async def test_a_day_that_is_over_is_packed_once(database: Database) -> None:
    home = await settle_in(database, 1)
    deltas = [n % 50 for n in range(SLOTS)]
    await told(database, home, *deltas)
    await work(database, BEGIN + DAY - 1)
    assert await versions(database) == []
    await work(database, BEGIN + DAY)
    await work(database, BEGIN + DAY + 60)
    assert await versions(database) == [(0, 1, BEGIN + DAY)]
    found = await seen(database, BEGIN, BEGIN + DAY)
    assert list(found.deltas) == deltas
    assert set(found.qualities) == {Quality.VALIDATED}
    assert (found.step, found.missing, found.estimated) == (STEP, (), 0)
    assert found.digest == usage_digest(
        BEGIN, STEP, packed(found.deltas), found.qualities
    )


async def test_a_silent_meters_day_waits_for_it_until_the_morning(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *[5] * 90)
    await work(database, BEGIN + DAY + 6 * 3_600 - 1)
    assert await versions(database) == []
    await work(database, BEGIN + DAY + 6 * 3_600)
    found = await seen(database, BEGIN, BEGIN + DAY)
    assert found.missing == ((BEGIN + 90 * STEP, BEGIN + DAY),)
    assert found.total == 450
    await told(database, home, *[7] * 6)
    await work(database, BEGIN + DAY + 7 * 3_600)
    assert [row[:2] for row in await versions(database)] == [(0, 1), (0, 2)]
    found = await seen(database, BEGIN, BEGIN + DAY)
    assert (found.missing, found.total) == ((), 492)
    before = await seen(database, BEGIN, BEGIN + DAY, BEGIN + DAY + 7 * 3_600 - 1)
    assert before.total == 450
    nothing = await seen(database, BEGIN, BEGIN + DAY, BEGIN)
    assert nothing.missing == ((BEGIN, BEGIN + DAY),)


async def test_a_long_interval_over_midnight_keeps_its_sum(database: Database) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *[1] * 90)
    await told(database, home, 1_000, length=100 * STEP, quality=10)
    await told(database, home, *[2] * 2)
    await work(database, BEGIN + 2 * DAY)
    found = await seen(database, BEGIN, BEGIN + 2 * DAY)
    assert found.missing == ()
    assert found.total == 90 + 1_000 + 4
    assert set(found.deltas[90:190]) == {10}
    assert set(found.qualities[90:190]) == {Quality.QUESTIONABLE}


async def test_a_questionable_reading_is_named_so(database: Database) -> None:
    home = await settle_in(database, 1)
    await told(database, home, 1, 5_000, 3, *[0] * 93)
    await work(database, BEGIN + DAY)
    found = await seen(database, BEGIN, BEGIN + DAY)
    assert list(found.qualities[:3]) == [17, 10, 17]


async def test_a_later_revision_gives_the_day_a_next_version(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *[5] * SLOTS)
    await work(database, BEGIN + DAY)
    async with database.transaction() as tx:
        await home.revise(tx, BEGIN + STEP, 9, 2)
        await home.revise(tx, BEGIN + STEP, 8, 1)
    await work(database, BEGIN + DAY + 60)
    assert [row[1] for row in await versions(database)] == [1, 2]
    assert (await seen(database, BEGIN, BEGIN + DAY)).deltas[1] == 9


async def test_readings_take_the_place_of_estimates_and_edits_that_of_readings(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await value(database, BEGIN, 40, source="estimate", quality=8)
    await value(database, BEGIN + STEP, 41, source="import", quality=0)
    await value(database, BEGIN + STEP, 99, source="estimate", quality=8)
    await value(database, BEGIN + 2 * STEP, 42)
    await work(database, BEGIN + DAY)
    first = await seen(database, BEGIN, BEGIN + DAY)
    assert list(first.deltas[:4]) == [40, 41, 42, 0]
    assert list(first.qualities[:4]) == [8, 0, 7, 16]
    assert first.estimated == 40
    await told(database, home, *[5] * SLOTS)
    await work(database, BEGIN + DAY + 60)
    then = await seen(database, BEGIN, BEGIN + DAY)
    assert list(then.deltas[:4]) == [5, 5, 42, 5]
    await value(database, BEGIN + 2 * STEP, 43)
    await work(database, BEGIN + DAY + 120)
    assert (await seen(database, BEGIN, BEGIN + DAY)).deltas[2] == 43


async def test_what_changes_nothing_makes_no_version(database: Database) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *[5] * SLOTS)
    await work(database, BEGIN + DAY)
    await value(database, BEGIN, 5, source="import", quality=0)
    await work(database, BEGIN + DAY + 60)
    assert len(await versions(database)) == 1


async def test_a_clock_set_back_makes_no_version_older_than_the_one_before(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *[5] * SLOTS)
    await work(database, BEGIN + DAY + 500)
    await value(database, BEGIN, 6)
    await work(database, BEGIN + DAY + 100)
    assert [row[2] for row in await versions(database)] == [BEGIN + DAY + 500] * 2
    assert (await seen(database, BEGIN, BEGIN + DAY)).deltas[0] == 6


async def test_usage_is_cut_where_it_is_asked_and_holes_are_named(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await told(database, home, *range(SLOTS))
    home.end += 3 * DAY
    await told(database, home, *[1] * SLOTS)
    await work(database, BEGIN + 5 * DAY)
    found = await seen(database, BEGIN + 10 * STEP, BEGIN + 4 * DAY + 2 * STEP)
    assert list(found.deltas[:3]) == [10, 11, 12]
    assert found.missing == ((BEGIN + DAY, BEGIN + 4 * DAY),)
    assert (found.begin, found.end) == (BEGIN + 10 * STEP, BEGIN + 4 * DAY + 2 * STEP)
    assert (
        len(found.deltas) == len(found.qualities) == (found.end - found.begin) // STEP
    )
    inside = await seen(database, BEGIN + 1, BEGIN + STEP + 1)
    assert (inside.begin, list(inside.deltas)) == (BEGIN + STEP, [1])


@pytest.mark.parametrize(
    ("midnight", "slots"),
    [
        (1_806_188_400, 92),  # 2027-03-28 00:00 in Vienna
        (1_824_933_600, 100),  # 2027-10-31
        (1_835_391_600, 96),  # 2028-02-29
    ],
)
async def test_days_follow_the_zone_of_their_time(
    database: Database, midnight: int, slots: int
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await record(tx, Change(Name.ZONE, "Europe/Vienna", 0, 0, "test"))
    home.end = midnight - DAY
    await told(database, home, *[1] * (SLOTS + slots + SLOTS))
    await work(database, midnight + 3 * DAY)
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT first, length(qualities) FROM usage_days ORDER BY day"
        )
    after = midnight + slots * STEP
    assert rows == [(midnight - DAY, 96), (midnight, slots), (after, 96)]
    found = await seen(database, midnight - DAY, after + DAY)
    assert (found.total, found.missing) == (192 + slots, ())


async def test_a_zone_said_to_hold_in_the_past_moves_all_borders(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    for _ in range(4):
        await told(database, home, *range(SLOTS))
    await work(database, BEGIN + 4 * DAY)
    async with database.transaction() as tx:
        await record(tx, Change(Name.ZONE, "America/Bogota", 0, BEGIN, "late"))
    await told(database, home, *range(SLOTS))
    await work(database, BEGIN + 6 * DAY)
    found = await seen(database, BEGIN, BEGIN + 5 * DAY)
    assert (found.missing, found.total) == ((), 5 * sum(range(SLOTS)))
    async with database.reading() as tx:
        ((first,),) = await tx.rows(
            "SELECT first FROM usage_days ORDER BY day DESC, version DESC LIMIT 1"
        )
        (finding,) = await findings(tx)
    assert (first - BEGIN) % DAY == 5 * 3_600
    assert finding.ok, finding


async def test_many_days_cost_as_many_statements_as_few(database: Database) -> None:
    homes = [await settle_in(database, n) for n in range(1, 41)]
    counts = []
    for day, street in ((1, homes[:2]), (2, homes)):
        for home in street:
            home.end = BEGIN + (day - 1) * DAY
            await told(database, home, *[1] * SLOTS)
        await job.run_once(database, BEGIN + 2 * DAY)
        async with database.transaction() as tx:
            await days.run_batch(tx, BEGIN + day * DAY)
            counts.append(tx.statements)
    assert counts[0] == counts[1] <= 15
    async with database.reading() as tx:
        found = await usage(
            tx, range(1, 41), BEGIN, BEGIN + 2 * DAY, known_at=BEGIN + 2 * DAY
        )
        assert tx.statements == 1
    assert [found[n].total for n in (1, 2, 3, 40)] == [192, 192, 96, 96]


async def test_registers_far_apart_are_looked_up_one_by_one(
    database: Database,
) -> None:
    for number in (1, 500, 90_000):
        home = await settle_in(database, number)
        await told(database, home, *[number % 7] * SLOTS)
    await work(database, BEGIN + DAY)
    async with database.reading() as tx:
        found = await usage(
            tx, [1, 500, 90_000], BEGIN, BEGIN + DAY, known_at=BEGIN + DAY
        )
    assert {n: one.total // 96 for n, one in found.items()} == {1: 1, 500: 3, 90_000: 1}


async def test_no_day_is_packed_while_more_of_it_waits(database: Database) -> None:
    await settle_in(database, 1)
    rows = [
        (BEGIN + n % 4_000 // 80 * DAY + n % 80 * STEP, STEP, n, 0, "import")
        for n in range(4_050)
    ]
    async with database.transaction() as tx:
        await tx.many(VALUE, rows)
    now = BEGIN + 60 * DAY
    assert await days.run_once(database, now) == 4_000
    assert await versions(database) == []
    await work(database, now)
    assert {row[1] for row in await versions(database)} == {1}
    assert (await seen(database, BEGIN, BEGIN + STEP)).deltas[0] == 4_000


async def test_a_register_without_a_day_is_missing_as_a_whole(
    database: Database,
) -> None:
    await settle_in(database, 1)
    found = await seen(database, BEGIN, BEGIN + DAY)
    assert (found.step, found.missing) == (STEP, ((BEGIN, BEGIN + DAY),))
    async with database.reading() as tx:
        assert await usage(tx, [2], BEGIN, BEGIN + DAY, known_at=0) == {}
