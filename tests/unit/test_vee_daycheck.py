"""Checks of whole days: what an operator is shown, and what he is not."""

from array import array
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days, job, look
from meterseal_aggregator.vee.daycheck import (
    Around,
    Day,
    DayCheck,
    Kind,
    Sibling,
    check_day,
    disagree,
)
from meterseal_aggregator.vee.look import Relation
from meterseal_aggregator.vee.values import NotValued
from meterseal_proto.rating.usage import packed
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, settle_in

DAY = 86_400
EVEN = [100] * 96


def a_day(deltas: Sequence[int], quality: int = 17) -> Day:
    return Day(packed(array("I", deltas)), bytes([quality]) * len(deltas))


def failed(day: Day, **around: object) -> list[DayCheck]:
    given = {"before": (), "like": (), "siblings": (), "replaced": False} | around
    return [check for check, _ in check_day(day, Around(**given))]  # type: ignore[arg-type]


def test_an_ordinary_day_fails_nothing() -> None:
    like = [a_day(EVEN)] * 4
    assert failed(a_day(EVEN), before=[a_day([99] * 96)], like=like) == []


def test_a_day_that_repeats_the_one_before_is_odd_unless_it_is_flat() -> None:
    day = a_day([n % 8 for n in range(96)])
    assert failed(day, before=[day]) == [DayCheck.REPEATED]
    flat = a_day([n % 7 for n in range(96)])
    assert failed(flat, before=[flat]) == []
    assert failed(day, before=[None]) == []


@pytest.mark.parametrize(
    ("total", "check"),
    [
        (30_800, []),
        (30_801, [DayCheck.HIGH]),
        (1_200, []),
        (1_199, [DayCheck.LOW]),
    ],
)
def test_a_day_is_high_or_low_beside_its_like(
    total: int, check: list[DayCheck]
) -> None:
    like = [a_day(EVEN)] * 3  # 9,600 each
    assert failed(a_day([total] + [0] * 95), like=like) == check


def test_without_three_whole_like_days_nothing_is_usual() -> None:
    like = [a_day(EVEN), a_day(EVEN), a_day(EVEN, quality=16)]
    assert failed(a_day([10**6] + [0] * 95), like=like) == []


def test_the_third_day_without_a_measurement_is_named() -> None:
    guess = a_day(EVEN, quality=8)
    assert failed(guess, before=[guess, guess]) == [DayCheck.PROLONGED_ESTIMATE]
    assert failed(guess, before=[guess, a_day(EVEN)]) == []
    assert failed(guess, before=[guess, None]) == []


@pytest.mark.parametrize(
    ("kind", "here", "there", "apart"),
    [
        (Kind.CHECK, 10_000, 10_202, False),
        (Kind.CHECK, 10_000, 10_207, True),
        (Kind.CHECK, 10_207, 10_000, True),
        (Kind.SUB, 10_000, 3, False),
        (Kind.SUB, 10_000, 10_300, True),
        (Kind.MAIN, 3, 10_000, False),
        (Kind.MAIN, 10_300, 10_000, True),
    ],
)
def test_siblings_may_differ_by_their_tolerance(
    kind: Kind, here: int, there: int, *, apart: bool
) -> None:
    sibling = Sibling(2, kind, 200, a_day([there]))
    assert disagree(a_day([here]), sibling) is apart
    assert not disagree(a_day([here], quality=16), sibling)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def work(database: Database, now: int) -> None:
    for duty in (job, days, look):
        while await duty.run_once(database, now):
            pass


async def found(database: Database) -> list[tuple[int, int, str]]:
    async with database.reading() as tx:
        rows = await look.found_since(tx, after=0, limit=100)
    return [(row.register_id, row.day - BEGIN // DAY, row.failed) for row in rows]


async def test_days_are_looked_at_once_they_are_packed(database: Database) -> None:
    homes = [await settle_in(database, n) for n in (1, 2)]
    async with database.transaction() as tx:
        await look.relate(tx, Relation(1, 2, Kind.CHECK, 200, "op"), BEGIN)
        await look.relate(tx, Relation(1, 2, Kind.CHECK, 200, "op"), BEGIN)
        with pytest.raises(NotValued, match="already"):
            await look.relate(tx, Relation(1, 2, Kind.SUB, 200, "op"), BEGIN)
        for home in homes:
            for _ in range(21):
                await home.tell(tx, *EVEN)
        await homes[0].tell(tx, *[400] * 96)
        await homes[1].tell(tx, *range(96))
        await homes[0].tell(tx, *EVEN)
        await homes[1].tell(tx, *range(96))
    await work(database, BEGIN + 23 * DAY)
    assert sorted(await found(database)) == [
        (1, 21, "high-day"),
        (1, 21, "sibling"),
        (1, 22, "sibling"),
        (2, 21, "sibling"),
        (2, 22, "repeated-day"),
        (2, 22, "sibling"),
    ]
    await work(database, BEGIN + 23 * DAY)
    assert len(await found(database)) == 6


async def test_the_day_a_meter_left_is_named(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, *[1] * 50)
        gone = [(BEGIN + 50 * 900, 1)]
        await tx.many("UPDATE installations SET to_at = ? WHERE meter_id = ?", gone)
    await work(database, BEGIN + 2 * DAY)
    assert await found(database) == [(1, 0, "replacement")]


async def test_many_days_are_looked_at_in_as_many_statements_as_few(
    database: Database,
) -> None:
    counts = []
    for numbers in ((1,), range(2, 40)):
        for number in numbers:
            home = await settle_in(database, number)
            async with database.transaction() as tx:
                await home.tell(tx, *[400] * 96)
        for duty in (job, days):
            while await duty.run_once(database, BEGIN + DAY):
                pass
        async with database.transaction() as tx:
            assert await look.run_batch(tx, BEGIN + DAY) == len(numbers)
            counts.append(tx.statements)
    assert counts == [5, 5]
