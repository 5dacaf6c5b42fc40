"""kill -9 between any two waits of settlement: all of a batch stands, or nothing of it."""

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

from meterseal_aggregator.ledger.accounts import MUTUAL_FUND, stake
from meterseal_aggregator.market.delivery import Lane
from meterseal_aggregator.market.surplus import Choice, choose
from meterseal_aggregator.storage.database import Database
from tests.support.marketplace import a_market
from tests.support.seed import Swept, sample
from tests.support.settling import World, a_world

ROOT = Path(__file__).parents[2]
SETTLER = ROOT / "tests" / "support" / "killable_settler.py"
ONE_IN = 8
FOR_EVER = 1_000_000
WRITTEN = (
    "ledger_transfers", "ledger_accounts", "ledger_holds", "trades", "trade_runs",
    "slot_runs", "slot_sales", "settled_slots", "orders", "trust_events", "trust_scores",
    "retirements", "feed_in_marks", "member_events",
)  # fmt: skip


async def test_a_kill_anywhere_leaves_all_of_a_batch_or_nothing(
    tmp_path: Path, swept: Swept
) -> None:
    now = await _two_busy_slots(tmp_path)
    before = tmp_path / "market.sqlite"
    ((_, waits),) = _lives(before, now, [FOR_EVER])
    unsettled, settled = _state(before), _state(Path(f"{before}.{FOR_EVER}"))
    assert unsettled != settled
    everywhere = range(int(waits))
    counts = sample(everywhere, ONE_IN, "kills of settlement")
    swept("kills of settlement", len(counts), len(everywhere))
    lives = _lives(before, now, counts)
    assert [said for _, said in lives] == ["killed"] * len(counts)
    seen = set()
    for count in counts:
        path = Path(f"{before}.{count}")
        found = _state(path)
        assert await _trades_ended(path) in ({"held"}, {"settled"})
        seen.add(found == unsettled)
        # The next life finishes what is left, and comes to the same.
        ((_, again),) = _lives(path, now, [FOR_EVER])
        assert int(again) <= int(waits)
        assert _state(Path(f"{path}.{FOR_EVER}")) == settled
        path.unlink()
    assert True in seen


async def _two_busy_slots(folder: Path) -> int:
    """Leave a street whose slots wait to be settled; returns the second it is."""
    async with a_market(folder) as database:
        world = await a_world(database)
        await _promise_and_tell(world)
        await world.mint()
        now = world.now
    # The last to close brings the log into the file.
    assert not (folder / "market.sqlite-wal").exists()
    return now


async def _promise_and_tell(world: World) -> None:
    ada, bob = world.buyers
    seller = world.producers[0].member
    await world.pay_in(stake(seller), 4_000)
    await world.pay_in(MUTUAL_FUND, 1_000_000)
    await world.sell(ada, 0, 300)
    await world.sell(bob, 0, 300, lane=Lane.AUCTION)
    await world.sell(ada, 0, 200, lane=Lane.AUCTION)
    await world.sell(bob, 1, 100)
    async with world.database.transaction() as tx:
        await choose(tx, seller, Choice.FEED_IN, 0)
    await world.tell(500, 250, 70)


def _lives(before: Path, now: int, counts: list[int]) -> list[tuple[int, str]]:
    words = [sys.executable, str(SETTLER), str(before), str(now), *map(str, counts)]
    done = subprocess.run(
        words, cwd=ROOT, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
        check=True, timeout=120,
    )  # fmt: skip
    lines = [line.split() for line in done.stdout.splitlines()]
    return [(int(count), said) for count, said in lines]


def _state(path: Path) -> dict[str, list[object]]:
    """Return all that settlement writes, from a copy: reading brings the log into a file."""
    copy = path.with_name(f"{path.name}.read")
    for end in ("", "-wal", "-shm"):
        if Path(f"{path}{end}").exists():
            shutil.copy(f"{path}{end}", f"{copy}{end}")
    connection = sqlite3.connect(copy)
    found: dict[str, list[object]] = {
        table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()  # noqa: S608
        for table in WRITTEN
    }
    connection.close()
    return found


async def _trades_ended(path: Path) -> set[str]:
    """Open a database as the next process does; returns the states of its trades."""
    database = await Database.open(f"sqlite:///{path}")
    async with database.reading() as tx:
        rows = await tx.rows("SELECT DISTINCT state FROM trades")
    await database.close()
    return {row[0] for row in rows}
