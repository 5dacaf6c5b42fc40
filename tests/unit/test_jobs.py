"""One runner at a time, patient with failure, prompt to stop: on a real database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from meterseal_aggregator.jobs import (
    LEASE_S,
    MAX_BACKOFF_S,
    Duty,
    Runner,
    release_lease,
    take_lease,
    tend,
    until_idle,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


@dataclass
class Time:
    """A clock that moves only when somebody pauses; it ends the loop after its pauses."""

    now: float = 1_000.0
    pauses: list[float] = field(default_factory=list)
    limit: int = 5

    async def pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.now += seconds
        if len(self.pauses) >= self.limit:
            raise asyncio.CancelledError


def _runner(database: Database, time: Time, owner: str = "one") -> Runner:
    return Runner(database, owner, lambda: time.now, lambda: 0.5, time.pause)


async def _take(database: Database, owner: str, now: int) -> bool:
    async with database.transaction() as tx:
        return await take_lease(tx, "mint", owner=owner, now=now)


async def test_a_lease_has_one_owner_until_it_ends_or_is_given_back(
    database: Database,
) -> None:
    assert await _take(database, "one", 0)
    assert not await _take(database, "two", LEASE_S - 1)
    assert await _take(database, "one", LEASE_S - 1)
    assert not await _take(database, "two", LEASE_S)
    assert await _take(database, "two", 2 * LEASE_S - 1)
    async with database.transaction() as tx:
        await release_lease(tx, "mint", owner="one")
    assert not await _take(database, "one", 2 * LEASE_S)
    async with database.transaction() as tx:
        await release_lease(tx, "mint", owner="two")
    assert await _take(database, "one", 2 * LEASE_S)


async def test_a_duty_runs_every_period_and_counts(database: Database) -> None:
    time = Time()
    runner = _runner(database, time)

    async def run() -> int:
        return 3

    with pytest.raises(asyncio.CancelledError):
        await tend(Duty("mint", 7.0, run), runner)
    tally = runner.tallies["mint"]
    assert (tally.runs, tally.done, tally.failures) == (5, 15, 0)
    assert time.pauses == [7.0] * 5


async def test_failures_are_counted_and_tried_again_ever_later(
    database: Database,
) -> None:
    time = Time(limit=9)
    runner = _runner(database, time)
    outcomes = iter([1] + [0] * 7 + [1])

    async def run() -> int:
        if next(outcomes):
            return 1
        raise RuntimeError("the disk is full")

    with pytest.raises(asyncio.CancelledError):
        await tend(Duty("mint", 1.0, run), runner)
    tally = runner.tallies["mint"]
    assert (tally.done, tally.failures, tally.failures_in_a_row) == (2, 7, 0)
    assert tally.last_error == "RuntimeError: the disk is full"
    assert time.pauses == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 1.0]
    assert max(time.pauses) == MAX_BACKOFF_S


async def test_pauses_vary_by_a_fifth_at_most(database: Database) -> None:
    time = Time(limit=2)
    chances = iter([0.0, 1.0])
    runner = Runner(
        database, "one", lambda: time.now, lambda: next(chances), time.pause
    )

    async def run() -> int:
        return 0

    with pytest.raises(asyncio.CancelledError):
        await tend(Duty("mint", 10.0, run), runner)
    assert time.pauses == [8.0, 12.0]


async def test_a_runner_without_the_lease_does_not_run(database: Database) -> None:
    assert await _take(database, "another", 1_000)
    time = Time(limit=3)
    runner = _runner(database, time)
    ran = 0

    async def run() -> int:
        nonlocal ran
        ran += 1
        return 1

    with pytest.raises(asyncio.CancelledError):
        await tend(Duty("mint", LEASE_S - 1.0, run), runner)
    assert (ran, runner.tallies["mint"].runs) == (1, 1)


async def test_two_runners_never_run_the_same_duty_at_once(database: Database) -> None:
    inside, most = 0, 0

    async def run() -> int:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await asyncio.sleep(0)
        inside -= 1
        return 1

    runners = [_runner(database, Time(limit=10), owner) for owner in ("one", "two")]
    loops = [tend(Duty("mint", 0.0, run), runner) for runner in runners]
    await asyncio.gather(*loops, return_exceptions=True)
    assert most == 1
    assert sum(runner.tallies["mint"].runs for runner in runners) >= 10


async def test_a_cancel_stops_at_once_and_gives_the_lease_back(
    database: Database,
) -> None:
    started = asyncio.Event()

    async def run() -> int:
        started.set()
        await asyncio.Event().wait()
        return 0

    loop = asyncio.create_task(tend(Duty("mint", 1.0, run), _runner(database, Time())))
    await started.wait()
    loop.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(loop, 60)
    assert await _take(database, "two", 1_000)


async def test_a_batchwise_deed_is_repeated_until_it_finds_nothing() -> None:
    left = [4, 4, 1, 0, 9]

    async def step() -> int:
        return left.pop(0)

    assert await until_idle(step) == 9
    assert left == [9]
