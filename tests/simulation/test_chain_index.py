"""Whatever chain, nodes and process do, each deep event is told once, in order, and adds up."""

import shutil
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from tests.support.index_history import IndexHistory
from tests.support.mortal import Fuse, MortalDatabase
from tests.support.seed import NIGHTS, SEED

HISTORIES = 150 * NIGHTS
EVENTS = 50
SHARED_MEMORY = Path("/dev") / "shm"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Give a folder whose syncs cost nothing where this machine has memory for it."""
    if not SHARED_MEMORY.is_dir():
        yield tmp_path
        return
    found = SHARED_MEMORY / f"meterseal-{tmp_path.name}-{tmp_path.parent.name}"
    found.mkdir(mode=0o700, exist_ok=True)
    yield found
    shutil.rmtree(found)


@pytest.fixture
async def empty(folder: Path) -> Path:
    """Give a database that is up to date and holds nothing; copies of it are cheap."""
    path = folder / "empty.db"
    opened = await Database.open(f"sqlite:///{path}")
    try:
        await migrate(opened)
    finally:
        await opened.close()
    return path


@asynccontextmanager
async def copied(empty: Path) -> AsyncIterator[MortalDatabase]:
    path = empty.parent / "history.db"
    shutil.copy(empty, path)
    MortalDatabase.fuse = Fuse()
    opened = await MortalDatabase.open(f"sqlite:///{path}")
    try:
        yield opened
    finally:
        await opened.close()
        for left in empty.parent.glob("history.db*"):
            left.unlink()


async def test_every_history_ends_with_each_deep_event_told_once(empty: Path) -> None:
    met: Counter[str] = Counter()
    for number in range(HISTORIES):
        async with copied(empty) as database:
            history = IndexHistory(
                database, SEED * 100_000 + number, two=number % 3 == 0
            )
            try:
                await history.begin()
                for _ in range(EVENTS):
                    await history.event()
                await history.end()
                await history.check()
            except AssertionError as error:
                text = f"history {number} of seed {SEED}: {error}"
                raise AssertionError(text) from error
        met += history.met
    forks = [f"fork {depth}" for depth in range(1, 11)]
    lies = ("minted", "silent", "other", "orphan", "below", "none")
    assert all(met[what] >= HISTORIES for what in ("kill", "unavailable")), met
    assert all(met[fork] >= HISTORIES // 30 for fork in forks), met
    assert all(met[f"lie {lie}"] >= HISTORIES // 10 for lie in lies), met
    assert met["told"] > 20 * HISTORIES
    print(dict(met))


async def scripted(history: IndexHistory) -> None:
    """Read on, through two forks, to the end; each round may end anywhere."""
    history.limits = Limits(depth=4)
    history.mine(6, deeds=3)
    await history.run()
    history.chain.cut(4)
    history.mine(7, deeds=3)
    await history.run()
    await history.run()
    history.chain.cut(2)
    history.mine(1, deeds=2)
    await history.run()
    history.mine(12, deeds=2)
    for _ in range(4):
        await history.run()


async def test_an_end_between_any_two_steps_changes_nothing(empty: Path) -> None:
    async with copied(empty) as database:
        whole = IndexHistory(database, SEED)
        await whole.begin()
        whole.fuse.burnt = 0
        await scripted(whole)
        steps = whole.fuse.burnt
        await whole.end()
        await whole.check()
        assert whole.met["told"] > 20
    kills = 0
    for at in range(steps):
        async with copied(empty) as database:
            history = IndexHistory(database, SEED)
            await history.begin()
            history.fuse.left = at
            await scripted(history)
            history.fuse.left = None
            kills += history.met["kill"]
            await history.end()
            await history.check()
    assert kills == steps
    print(f"{steps} steps, {kills} kills")
