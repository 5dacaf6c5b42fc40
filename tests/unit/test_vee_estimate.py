"""Estimation: which method fills a gap, with what, and what is left alone."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.days import Series, usage
from meterseal_aggregator.vee.estimate import (
    HISTORY_S,
    Estimated,
    Known,
    Method,
    Unestimable,
    apportion,
    estimate,
)
from meterseal_aggregator.vee.filling import Gap, estimate_gap, rolled
from meterseal_aggregator.vee.values import Cause, NotValued, Value, place_of
from meterseal_proto.units import EXPORT
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN, STEP, Home, settle_in

DAY = 86_400
SLOTS = 96
FRIDAY = BEGIN
"""BEGIN is a Friday, 2027-01-15."""


def known(history: Sequence[int], before: int, gap: int = 0) -> Known:
    """A history of 900 s slots that ends `before` slots after FRIDAY; -1 is missing."""
    return Known(
        FRIDAY - (len(history) - before) * STEP,
        STEP,
        [max(0, value) for value in history],
        [16 if value < 0 else 17 for value in history],
        lambda second: gap,
    )


def run(found: Sequence[Estimated]) -> list[int]:
    return [one.delta for one in found]


def test_two_hours_are_drawn_on_a_line() -> None:
    around = known([10] + [-1] * 8 + [100], before=10)
    found = estimate(around, (FRIDAY + STEP, FRIDAY + 9 * STEP))
    assert run(found) == [20, 30, 40, 50, 60, 70, 80, 90]
    assert {(one.method, one.quality) for one in found} == {(Method.LINE, 9)}


def test_nine_quarters_are_not() -> None:
    around = known([10] + [-1] * 9 + [100], before=11)
    with pytest.raises(Unestimable, match="give what the register moved"):
        estimate(around, (FRIDAY + STEP, FRIDAY + 10 * STEP))


def test_a_day_is_taken_from_the_last_one_of_its_weekday() -> None:
    week = [day * 1_000 + n for day in range(7) for n in range(SLOTS)]
    found = estimate(known(week, before=0), (FRIDAY, FRIDAY + DAY))
    assert run(found) == week[:SLOTS]
    assert {(one.method, one.quality) for one in found} == {(Method.PROXY, 8)}


def test_a_hole_in_last_week_sends_to_the_week_before() -> None:
    history = [2] * (7 * SLOTS) + [-1] + [1] * (7 * SLOTS - 1)
    found = estimate(known(history, before=0), (FRIDAY, FRIDAY + DAY))
    assert set(run(found)) == {2}


def test_where_no_weekday_is_whole_like_days_are_averaged() -> None:
    # Every Friday lacks its first slot; workdays Mon-Thu have 10, weekends 90.
    weeks: list[int] = []
    for _ in range(2):
        weeks += [-1] + [5] * (SLOTS - 1) + [90] * 2 * SLOTS + [10] * 4 * SLOTS
    found = estimate(known(weeks, before=0), (FRIDAY, FRIDAY + DAY))
    assert {one.method for one in found} == {Method.AVERAGE}
    assert run(found)[0] == 10
    assert run(found)[1] == 9  # (8 x 10 + 2 x 5) / 10


def test_a_known_difference_gives_the_sum_and_other_days_the_shape() -> None:
    week = [n % 4 for _ in range(7) for n in range(SLOTS)]
    found = estimate(known(week, before=0), (FRIDAY, FRIDAY + DAY), 300)
    assert sum(run(found)) == 300
    assert {one.method for one in found} == {Method.PROXY}
    assert run(found)[0] == 0
    assert run(found)[3] > run(found)[1] > 0


def test_a_known_difference_alone_is_spread_evenly() -> None:
    found = estimate(known([], before=0), (FRIDAY, FRIDAY + 4 * STEP), 10)
    assert run(found) == [3, 3, 2, 2]
    assert {(one.method, one.quality) for one in found} == {(Method.PRORATION, 8)}


def test_days_are_like_by_the_wall_clock() -> None:
    # Clocks went an hour forward between: the same time of day is an hour earlier in UTC.
    week = [n for _ in range(8) for n in range(SLOTS)]
    around = Known(
        FRIDAY - len(week) * STEP,
        STEP,
        week,
        [17] * len(week),
        lambda second: 3_600 if second >= FRIDAY else 0,
    )
    found = estimate(around, (FRIDAY, FRIDAY + STEP))
    assert run(found) == [4]


def test_what_is_shared_out_adds_up() -> None:
    assert apportion(10, [1, 1, 1]) == [4, 3, 3]
    assert apportion(10, [0, 0]) == [5, 5]
    assert apportion(7, [5, 0, 2]) == [5, 0, 2]
    assert apportion(0, [5, 3]) == [0, 0]


def test_a_register_goes_over_only_within_its_declared_width() -> None:
    assert rolled(99_990, 20, 5) == 30
    for before, after, digits in ((99_990, 20, 4), (20, 99_990, 5), (5, 5, 0)):
        with pytest.raises(ValueError, match="does not go over"):
            rolled(before, after, digits)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


async def work(database: Database, now: int) -> None:
    while await job.run_once(database, now):
        pass
    while await days.run_once(database, now):
        pass


async def live(database: Database, home: Home, weeks: int) -> None:
    """Let a home live some weeks, each day of the week with a figure of its own."""
    async with database.transaction() as tx:
        for day in range(7 * weeks):
            await home.tell(tx, *[1 + day % 7] * SLOTS)


async def fill(
    database: Database, home: Home, span: tuple[int, int], now: int, **how: int
) -> list[Value]:
    await work(database, now)
    async with database.transaction() as tx:
        place = await place_of(tx, home.meter, EXPORT)
        gap = Gap(place, *span, "agent stolen", "op", **how)
        return await estimate_gap(tx, gap, now)


async def seen(database: Database, begin: int, end: int) -> Series:
    async with database.reading() as tx:
        return (await usage(tx, [1], begin, end, known_at=1 << 40))[1]


async def test_a_gap_is_filled_once_and_the_device_takes_it_back(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await live(database, home, 2)
    begin, now = home.end, home.end + 2 * DAY
    made = await fill(database, home, (begin, begin + DAY), now)
    assert len(made) == SLOTS
    assert {(v.source.value, v.method, v.reason, v.author) for v in made} == {
        ("estimate", "proxy-day", "agent stolen", "op")
    }
    assert await fill(database, home, (begin, begin + DAY), now) == []
    await work(database, now)
    first = await seen(database, begin, begin + DAY)
    assert (first.total, first.estimated, first.missing) == (96, 96, ())
    async with database.transaction() as tx:
        await home.tell(tx, *[7] * SLOTS)
    await work(database, now + 60)
    then = await seen(database, begin, begin + DAY)
    assert (then.total, then.estimated) == (7 * SLOTS, 0)


async def test_only_the_gaps_of_a_span_are_filled(database: Database) -> None:
    home = await settle_in(database, 1)
    await live(database, home, 1)
    begin = home.end
    async with database.transaction() as tx:
        await home.tell(tx, *[3] * 10)
        for _ in range(4):
            await home.reset(tx, home.value)
        await home.tell(tx, *[5] * 82)
    made = await fill(database, home, (begin, begin + DAY), begin + DAY)
    assert [one.start for one in made] == [begin + n * STEP for n in range(10, 14)]
    assert [one.delta for one in made] == [3, 4, 4, 5]
    assert {one.quality for one in made} == {9}


async def test_a_later_difference_takes_the_place_of_earlier_estimates(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await live(database, home, 1)
    span = (home.end, home.end + DAY)
    await fill(database, home, span, home.end + DAY)
    made = await fill(database, home, span, home.end + DAY, difference=960)
    assert [one.delta for one in made] == [10] * SLOTS
    await work(database, home.end + DAY)
    assert (await seen(database, *span)).total == 960


async def test_a_register_that_went_over_is_billed_by_its_declared_width(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, *[1] * 10)
        await home.reset(tx, 5)
        await home.tell(tx, *[1] * 85)
    # The register showed 1,010, then 5: with four digits it moved 8,995.
    span = (BEGIN + 10 * STEP, BEGIN + 11 * STEP)
    with pytest.raises(NotValued) as high:
        await fill(database, home, span, BEGIN + DAY, digits=4)
    assert high.value.cause is Cause.ABOVE_CAPACITY
    with pytest.raises(NotValued) as narrow:
        await fill(database, home, span, BEGIN + DAY, digits=2)
    assert narrow.value.cause is Cause.UNESTIMABLE
    with pytest.raises(NotValued) as elsewhere:
        await fill(database, home, (BEGIN, BEGIN + STEP), BEGIN + DAY, digits=4)
    assert elsewhere.value.cause is Cause.SPAN


@pytest.mark.parametrize(
    ("span", "how"),
    [
        ((BEGIN + 1, BEGIN + STEP), {}),
        ((BEGIN - STEP, BEGIN), {}),
        ((BEGIN, BEGIN), {}),
        ((BEGIN, BEGIN + 2 * DAY), {}),
        ((BEGIN, BEGIN + 36 * DAY), {"days": 60}),
        ((BEGIN, BEGIN + STEP), {"difference": 10**6}),
        ((BEGIN, BEGIN + 20 * STEP), {}),
    ],
)
async def test_what_cannot_be_estimated_is_refused(
    database: Database, span: tuple[int, int], how: dict[str, int]
) -> None:
    home = await settle_in(database, 1)
    now = BEGIN + how.pop("days", 1) * DAY + 3_600
    with pytest.raises(NotValued) as refused:
        await fill(database, home, span, now, **how)
    causes = {Cause.SPAN, Cause.ABOVE_CAPACITY, Cause.UNESTIMABLE}
    assert refused.value.cause in causes
    async with database.reading() as tx:
        assert await tx.rows("SELECT id FROM vee_values") == []


async def test_like_days_follow_the_zones_clock(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await record(tx, Change(Name.ZONE, "Europe/Vienna", 0, 0, "test"))
        spring = 1_806_188_400  # 2027-03-27 23:00 UTC, a Sunday of 23 hours begins
        home.end = spring - 7 * DAY - STEP
        # The first reading after a hole is doubted.
        await home.tell(tx, 0)
        for _ in range(7):
            await home.tell(tx, *range(SLOTS))
    end = spring + 23 * 3_600
    made = await fill(database, home, (spring, end), end)
    # 02:00 to 03:00 by the clock does not exist that day.
    assert [one.delta for one in made] == [*range(8), *range(12, SLOTS)]
    assert HISTORY_S > 28 * DAY
