"""kill -9 at every step of a clearing: all of it is there or nothing, and the next run does it."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.market.auction import audit
from meterseal_aggregator.storage.database import Database
from tests.support.auctions import People, gate, make_people
from tests.support.forkedlives import life, program
from tests.support.marketplace import a_market, slot

START = slot(40)
CLOSE = gate(START)
PROGRAM = "killable_clearing.py"
TABLES = (
    "auction_orders", "clearings", "trades", "slot_sales", "ledger_transfers",
    "ledger_accounts", "ledger_holds", "log_entries", "member_events",
)  # fmt: skip
ORDERS = 18


async def prepared(folder: Path) -> Path:
    """Make a database with a slot whose gate is about to close."""
    async with a_market(folder) as database:
        people = await make_people(database, sellers=3, buyers=3)
        await _submit(people)
    return folder / "market.sqlite"


async def _submit(people: People) -> None:
    for n in range(3):
        for who in (0, 1, 2):
            await people.ask(who, START, 10 + n + who, 100_000 + 20_000 * n)
            await people.bid(who, START, 12 + n + who, 200_000 - 20_000 * n)


def rows(path: Path) -> dict[str, int]:
    """Count the rows of each table, and what ended of the orders."""
    with sqlite3.connect(path) as found:
        told = {
            one: found.execute(f"SELECT count(*) FROM {one}").fetchone()[0]  # noqa: S608
            for one in TABLES
        }
        ended = "SELECT count(*), sum(filled_wh) FROM auction_orders WHERE state = 'cleared'"
        told["cleared"], told["filled"] = found.execute(ended).fetchone()
    found.close()
    return told


async def wrong(path: Path) -> list[str]:
    database = await Database.open(f"sqlite:///{path}")
    try:
        async with database.reading() as tx:
            found = await ledger_check.findings(tx) + await audit.findings(tx)
        return [one.detail for one in found if not one.ok]
    finally:
        await database.close()


@pytest.fixture
def copies(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "lives"
    folder.mkdir()
    yield folder
    shutil.rmtree(folder)


async def test_a_clearing_killed_at_any_step_is_whole_or_nothing_and_is_done_next_time(
    tmp_path: Path, copies: Path
) -> None:
    source = await prepared(tmp_path)
    before_it = rows(source)
    assert (before_it["auction_orders"], before_it["trades"]) == (ORDERS, 0)
    async with program(PROGRAM) as process:
        whole = copies / "whole.sqlite"
        shutil.copy(source, whole)
        said = await life(process, whole, "never", CLOSE)
        assert said.startswith("done ")
        steps = int(said.split()[1])
        after_it = rows(whole)
        assert after_it["cleared"] == ORDERS
        assert after_it["trades"] > 3
        # Every wait of the clearing, and around each of its two commits.
        assert steps > 15
        outcomes = []
        for step in range(steps):
            path = copies / f"{step}.sqlite"
            shutil.copy(source, path)
            assert await life(process, path, step, CLOSE) == "killed"
            found = rows(path)
            assert found in (before_it, after_it), (step, found)
            outcomes.append(found == after_it)
            assert (await life(process, path, "never", CLOSE)).startswith("done ")
            assert rows(path) == after_it
            assert not await wrong(path)
        # Up to the commit nothing, from then on all of it.
        assert outcomes == sorted(outcomes)
        assert (outcomes[0], outcomes[-1]) == (False, True)
