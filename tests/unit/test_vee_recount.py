"""Invariant 18: packed days are made again from readings and values, byte for byte."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.vee import days, daystore, job
from meterseal_aggregator.vee.recount import findings
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, STEP, settle_in

DAY = 86_400


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    for number in (1, 2, 300):
        home = await settle_in(opened, number)
        async with opened.transaction() as tx:
            await home.tell(tx, *[number % 9] * 90)
            await home.tell(tx, 500, length=20 * STEP, quality=10)
            await home.tell(tx, *range(82))
            home.end += 70 * DAY
            await home.tell(tx, *[1] * 96)
            if number == 2:
                await home.revise(tx, BEGIN, 77, 1)
    await value(opened, 2, BEGIN + 2 * DAY, "estimate", 8)
    await value(opened, 2, BEGIN, "edit", 7)
    while await job.run_once(opened, BEGIN + 80 * DAY):
        pass
    while await days.run_once(opened, BEGIN + 80 * DAY):
        pass
    yield opened
    await opened.close()


async def value(
    database: Database, number: int, start: int, source: str, quality: int
) -> None:
    async with database.transaction() as tx:
        await tx.many(
            "INSERT INTO vee_values (register_id, start, length, delta, quality, source,"
            " method, reason, author, known_at) VALUES (?, ?, ?, 3, ?, ?, '', '', 'a', 0)",
            [(number, start, STEP, quality, source)],
        )


async def found(database: Database) -> Finding:
    async with database.reading() as tx:
        (finding,) = await findings(tx)
    return finding


async def spoil(database: Database, *statements: str) -> None:
    async with database.transaction() as tx:
        await tx.rows("DROP TRIGGER usage_days_are_never_changed")
        await tx.rows("DROP TRIGGER usage_days_are_never_deleted")
        for statement in statements:
            await tx.rows(statement)


async def test_days_as_packed_are_what_was_told(database: Database) -> None:
    finding = await found(database)
    assert finding.ok, finding
    assert finding.detail == "10 days of 3 registers made again, all alike"


async def test_a_changed_byte_is_named(database: Database) -> None:
    await spoil(
        database,
        "UPDATE usage_days SET qualities = zeroblob(96)"  # noqa: S608
        f" WHERE register_id = 300 AND day = {BEGIN // DAY + 1}",
    )
    finding = await found(database)
    assert not finding.ok
    assert f"day {BEGIN // DAY + 1} of register 300" in finding.detail


async def test_a_day_that_was_lost_is_missed_in_the_sum(database: Database) -> None:
    last = "(SELECT max(day) FROM usage_days WHERE register_id = 1)"
    gone = f"DELETE FROM usage_days WHERE register_id = 1 AND day = {last}"  # noqa: S608
    await spoil(database, gone)
    finding = await found(database)
    assert not finding.ok
    assert "the packed days of register 1 have" in finding.detail


async def test_what_waits_to_be_packed_is_left_out(database: Database) -> None:
    await value(database, 1, BEGIN, "edit", 7)
    assert (await found(database)).ok
    async with database.transaction() as tx:
        marked = await daystore.mark(tx, await daystore.local_days(tx))
        assert (marked.reach.value_id, marked.seen, marked.behind) == (3, 1, False)
    assert (await found(database)).ok
