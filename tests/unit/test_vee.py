"""Validation: which reading becomes a fact, and which stays questionable and why."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator import vee
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee.check import (
    MAX_ESTIMATE_RUN_S,
    MAX_ZERO_RUN_S,
    assess,
    assess_revision,
    follow,
    rebase,
    within_capacity,
)
from meterseal_aggregator.vee.job import run_batch, run_once
from meterseal_aggregator.vee.model import Check, Reading, Register, Step, Trail
from meterseal_proto.units import Quality
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, STEP, settle_in

REGISTER = Register(step=900, capacity_w=4_000)  # 1,000 Wh a quarter of an hour
TRAIL = Trail(end=900, value=500, last_delta=300, last_length=900)
GOOD = Reading(start=900, length=900, revision=0, delta=200, value=700, quality=14)


def _with(delta: int) -> Reading:
    return replace(GOOD, delta=delta, value=500 + delta)


@pytest.mark.parametrize(
    ("reading", "trail", "failed"),
    [
        (GOOD, TRAIL, ()),
        (_with(0), TRAIL, ()),
        (replace(GOOD, quality=0), TRAIL, ()),
        (replace(GOOD, length=1_800), TRAIL, (Check.INTERVAL_SIZE,)),
        (replace(GOOD, quality=10), TRAIL, (Check.AGENT_QUALITY,)),
        (replace(GOOD, quality=8), TRAIL, (Check.AGENT_QUALITY,)),
        (_with(-1), TRAIL, (Check.NEGATIVE,)),
        (_with(1_101), TRAIL, ()),
        (_with(1_102), TRAIL, (Check.HIGH,)),
        (_with(1_001), replace(TRAIL, last_delta=99), (Check.SPIKE,)),
        (_with(1_001), replace(TRAIL, last_delta=100), ()),
        (_with(1_000), replace(TRAIL, last_delta=0), ()),
        (_with(1_001), replace(TRAIL, last_length=0, last_delta=0), ()),
        (replace(GOOD, value=701), TRAIL, (Check.REGISTER_SUM,)),
        (replace(GOOD, start=1_800), TRAIL, (Check.GAP,)),
        (replace(GOOD, start=0), TRAIL, (Check.DUPLICATE,)),
        (_with(0), replace(TRAIL, zero_since=1_800 - MAX_ZERO_RUN_S), ()),
        (
            _with(0),
            replace(TRAIL, zero_since=1_799 - MAX_ZERO_RUN_S),
            (Check.ZERO_RUN,),
        ),
        (_with(1), replace(TRAIL, zero_since=1_799 - MAX_ZERO_RUN_S), ()),
        (
            replace(GOOD, quality=10),
            replace(TRAIL, estimated_since=1_799 - MAX_ESTIMATE_RUN_S),
            (Check.AGENT_QUALITY, Check.PROLONGED_ESTIMATE),
        ),
        (
            replace(_with(9_000), length=1_800, quality=10, start=1_800, value=1),
            replace(TRAIL, last_delta=0),
            (
                Check.INTERVAL_SIZE,
                Check.AGENT_QUALITY,
                Check.HIGH,
                Check.SPIKE,
                Check.REGISTER_SUM,
                Check.GAP,
            ),
        ),
    ],
)
def test_a_reading_fails_exactly_these_checks(
    reading: Reading, trail: Trail, failed: tuple[Check, ...]
) -> None:
    assessment = assess(reading, REGISTER, trail)
    assert assessment.failed == failed
    expected = Quality.QUESTIONABLE if failed else Quality.VALIDATED
    assert assessment.quality is expected


def test_runs_begin_last_and_end() -> None:
    zero, one = replace(GOOD, delta=0), GOOD
    first = follow(TRAIL, zero)
    assert (first.zero_since, first.end, first.value) == (900, 1_800, 700)
    second = follow(first, replace(zero, start=1_800))
    assert second.zero_since == 900
    assert follow(second, one).zero_since is None
    assert follow(TRAIL, replace(one, quality=9)).estimated_since == 900


def test_a_recorded_break_explains_the_hole_and_the_new_value() -> None:
    after = rebase(TRAIL, Step(from_at=900, at=1_800, to_value=3))
    reading = replace(GOOD, start=1_800, delta=4, value=7)
    assert assess(reading, REGISTER, after).failed == ()


def test_a_revision_is_judged_by_itself() -> None:
    revision = replace(GOOD, revision=1, value=0, start=90_000)
    assert assess_revision(revision, REGISTER).failed == ()
    wild = replace(revision, delta=5_000)
    assert assess_revision(wild, REGISTER).failed == (Check.HIGH,)


def test_capacity_is_exact_in_integers() -> None:
    # 3 W for 300 s is 0.25 Wh, x 1.1 = 0.275 Wh, and 1 Wh for the flooring.
    assert within_capacity(1, 300, 3)
    assert not within_capacity(2, 300, 3)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def _assessed(database: Database) -> list[tuple[int, int, int, str]]:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT register_id, start, quality, checks FROM vee_assessments ORDER BY id"
        )
    return [(row[0], row[1], row[2], row[3]) for row in rows]


async def test_every_accepted_reading_is_assessed_once(database: Database) -> None:
    homes = [await settle_in(database, n) for n in (1, 2)]
    async with database.transaction() as tx:
        await homes[0].tell(tx, 10, 20, 30)
        await homes[1].tell(tx, 5)
    assert await run_once(database, BEGIN + 9_000) == 4
    assert await run_once(database, BEGIN + 9_000) == 0
    async with database.transaction() as tx:
        await homes[1].tell(tx, 6)
        await homes[0].tell(tx, 40)
    assert await run_once(database, BEGIN + 9_900) == 2
    rows = await _assessed(database)
    assert [(row[0], row[1]) for row in rows] == [
        (1, BEGIN),
        (1, BEGIN + STEP),
        (1, BEGIN + 2 * STEP),
        (2, BEGIN),
        (2, BEGIN + STEP),
        (1, BEGIN + 3 * STEP),
    ]
    assert {row[2:] for row in rows} == {(17, "")}


async def test_a_long_interval_stays_questionable_and_the_next_is_good(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
        await home.tell(tx, 50, quality=10, length=4 * STEP)
        await home.tell(tx, 20)
    await run_once(database, BEGIN + 9_000)
    assert [row[2:] for row in await _assessed(database)] == [
        (17, ""),
        (10, "interval_size,agent_quality"),
        (17, ""),
    ]


async def test_after_a_reset_of_the_meter_the_next_reading_is_good(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
        await home.reset(tx, 0)
        await home.tell(tx, 7)
    await run_once(database, BEGIN + 9_000)
    assert [row[2:] for row in await _assessed(database)] == [(17, ""), (17, "")]
    async with database.reading() as tx:
        assert all(finding.ok for finding in await vee.findings(tx))


async def test_an_assessment_is_never_changed(
    database: Database, tmp_path: Path
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
    await run_once(database, BEGIN + 900)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    for forbidden in (
        "UPDATE vee_assessments SET quality = 19",
        "DELETE FROM vee_assessments",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            raw.execute(forbidden)
    raw.close()


async def test_the_audit_names_a_register_that_lost_energy(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10, 20)
        await tx.many("UPDATE heads SET seq = 9, value = ?", [(home.value + 3,)])
    async with database.reading() as tx:
        (finding,) = await vee.findings(tx)
    assert not finding.ok
    assert "register 1 leaves 3 Wh and 0 s unexplained" in finding.detail


async def test_many_seals_cost_as_many_statements_as_few(database: Database) -> None:
    homes = [await settle_in(database, n) for n in range(1, 41)]
    counts = []
    for street in (homes[:2], homes):
        async with database.transaction() as tx:
            for home in street:
                await home.tell(tx, 1, 2, 3)
        async with database.transaction() as tx:
            await run_batch(tx, BEGIN + 9_000)
            counts.append(tx.statements)
    assert counts == [7, 7]
