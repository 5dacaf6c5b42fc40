"""Whatever becomes of nodes, chain and process: each deed is done once, and nonces are whole."""

import logging
import os
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.storage.migrate import migrate
from tests.support.mortal import Fuse, MortalDatabase
from tests.support.outbox_history import History
from tests.support.quickdatabase import QuickDatabase
from tests.support.seed import NIGHTS, SEED

# A night's share is a fifth of 50,000: five minutes of one core.
HISTORIES = int(
    os.environ.get("METERSEAL_HISTORIES", "300" if NIGHTS == 1 else "10000")
)
ON_DISK = 60
"""Histories over the database as it is in service; the others have it in memory."""
EVENTS = 60
FAULTS = (
    "500",
    "hang",
    "done, and the answer lost",
    "answered, and forgotten at once",
    "done twice",
    "mempool forgotten",
    "stuck nonce",
    "fee spike",
    *(f"reorg {depth}" for depth in range(1, 11)),
    "disagreement",
    "lie",
    "nonce used by a stranger",
    "poison",
    "kill",
)
SHARED_MEMORY = Path("/dev") / "shm"


@pytest.fixture
async def on_disk(tmp_path: Path) -> AsyncIterator[MortalDatabase]:
    """Give a database whose syncs cost nothing where this machine has memory for it."""
    folder = tmp_path
    if SHARED_MEMORY.is_dir():
        folder = SHARED_MEMORY / f"meterseal-{tmp_path.name}-{tmp_path.parent.name}"
        folder.mkdir(mode=0o700, exist_ok=True)
    MortalDatabase.fuse = Fuse()
    opened = await MortalDatabase.open(f"sqlite:///{folder / 'outbox.db'}")
    await migrate(opened)
    yield opened
    await opened.close()
    if folder != tmp_path:
        shutil.rmtree(folder)


@pytest.fixture
async def database() -> AsyncIterator[MortalDatabase]:
    MortalDatabase.fuse = Fuse()
    opened = await QuickDatabase.in_memory()
    await migrate(opened)
    yield opened
    await opened.close()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Let what the outbox tells its operator be built and dropped: it is half the time."""
    kept = structlog.get_config()
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent)
    yield
    structlog.configure(**kept)


async def live(database: MortalDatabase, number: int) -> Counter[str]:
    """Live through a history, and hold it against what was wanted; returns its faults."""
    history = History(database, SEED * 100_000 + number, two=number % 3 == 0)
    try:
        await history.want()
        for _ in range(EVENTS):
            await history.event()
        await history.end()
        await history.check()
    except AssertionError as error:
        raise AssertionError(f"history {number} of seed {SEED}: {error}") from error
    return history.met


async def test_every_history_ends_with_each_deed_done_once(
    database: MortalDatabase,
) -> None:
    met: Counter[str] = Counter()
    began = time.process_time()
    for number in range(HISTORIES):
        met += await live(database, number)
    rate = HISTORIES / (time.process_time() - began)
    print(f"{HISTORIES} histories, {rate:.0f} a second of one core")
    for fault in FAULTS:
        print(f"| {fault} | {met[fault]:,} |")
    scarce = [fault for fault in FAULTS if met[fault] < HISTORIES // 20]
    assert not scarce, met


async def test_histories_end_so_on_the_disk_as_well(on_disk: MortalDatabase) -> None:
    for number in range(ON_DISK):
        await live(on_disk, HISTORIES + number)


async def scripted(history: History) -> None:
    """Live through a replaced fee, a fork and a stranger, three deeds long."""
    await history.want()
    await history.run()
    history.chain.mine()
    await history.want()
    history.chain.stalled = True
    await history.run()
    history.now += 1_000
    await history.run()
    history.chain.stalled = False
    history.chain.mine(2)
    await history.run()
    history.chain.reorg(3, forget=True)
    await history.run()
    await history.want()
    history.steal()
    history.chain.mine()
    for _ in range(30):
        history.now += 61
        await history.run()
        history.chain.mine()


async def test_a_kill_between_any_two_steps_changes_nothing(
    database: MortalDatabase,
) -> None:
    whole = History(database, -1)
    await scripted(whole)
    steps = whole.fuse.burnt
    await whole.end()
    await whole.check()
    kills = 0
    for at in range(steps):
        history = History(database, -2 - at)
        history.fuse.left = at
        await scripted_through(history)
        kills += history.met["kill"]
        await history.end()
        await history.check()
    assert kills > steps // 2
    print(f"{steps} steps, {kills} kills")


async def scripted_through(history: History) -> None:
    """Live through the same; wishes are written by somebody who is not killed."""
    want = history.want

    async def surely(*, poison: bool = False) -> None:
        left, history.fuse.left = history.fuse.left, None
        await want(poison=poison)
        history.fuse.left = left

    history.want = surely  # type: ignore[method-assign] # of this history alone
    await scripted(history)
    history.fuse.left = None


async def test_a_fork_deeper_than_we_believe_is_mended_by_the_same_bytes(
    database: MortalDatabase,
) -> None:
    history = History(database, -100_000)
    await history.want()
    await history.want()
    await history.end()
    history.chain.reorg(history.chain.height - 1, forget=True)
    assert not history.chain.state.notes
    await history.run()
    history.chain.mine()
    assert history.chain.state.notes == (0, 1)
    async with database.reading() as tx:
        known = await deeds.outcome(tx, history.name(1))
    assert known is not None
    assert known.state is State.CONFIRMED
