"""kill -9 at every step of issuing and of correcting: all of a batch is there, or nothing."""

import shutil
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from meterseal_aggregator.billing.statements import audit
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.storage.database import Database
from tests.support.billinghouse import DAY, HOUR, JUNE, MAY, Utility, a_utility, at
from tests.support.forkedlives import life, program
from tests.support.nettingstreet import a_street
from tests.support.street import BEGIN

PROGRAM = "killable_billing.py"
NOW = JUNE + 6 * HOUR
DELIVERED = BEGIN + 9 * DAY
"""When what was delivered long after the bills is known."""
EVERY = 6
"""Of so many steps one goes on to the next life: the others left the very same tables."""
TABLES = (
    "bills", "bill_standings", "bill_acts", "bill_usage", "bill_waits", "log_entries",
    "ledger_transfers", "ledger_accounts", "member_events", "netted_slots", "retirements",
)  # fmt: skip


async def prepared(folder: Path) -> Path:
    """Make a database in which three homes are due for May, and one waits."""
    async with a_utility(folder) as utility:
        for name in ("Ada", "Ben", "Cleo"):
            home = await utility.supply(name)
            await utility.use(home, MAY, JUNE)
        await utility.supply("Dan")
    return folder / "utility.sqlite"


async def touched(path: Path) -> None:
    """Let a day of each home that was billed be known otherwise."""
    database = await Database.open(f"sqlite:///{path}")
    utility, tenth = Utility(database), at(2026, 5, 10)
    async with database.reading() as tx:
        rows = await tx.rows("SELECT DISTINCT register_id FROM bill_usage")
    for (row,) in rows:
        await utility.tell_day(row, tenth, 7_000, known_at=NOW + HOUR)
    await database.close()


async def delivered(folder: Path) -> Path:
    """Make a database in which a bill was issued before its Wh were delivered."""
    async with a_street(folder) as street:
        world, ada = street.world, street.ada
        for number in (0, 1, 2):
            await world.sell(ada, number, 500)
        await street.used(300, 700, 0)
        await street.bill(BEGIN + 5 * DAY)
        await world.tell(500, 400, 100)
        world.now = DELIVERED - HOUR
        await world.run()
    return folder / "street.sqlite"


def rows(path: Path) -> dict[str, int]:
    """Count the rows of each table, and how far supplies are billed."""
    with sqlite3.connect(path) as found:
        told = {
            one: found.execute(f"SELECT count(*) FROM {one}").fetchone()[0]  # noqa: S608
            for one in TABLES
        }
        (told["billed_to"],) = found.execute(
            "SELECT sum(billed_to) FROM supplies"
        ).fetchone()
        (told["corrected"],) = found.execute(
            "SELECT count(*) FROM bill_standings WHERE state = 'corrected'"
        ).fetchone()
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


PREPARED: Final = {
    "issue": (prepared, NOW, 3),
    "correct": (prepared, NOW + DAY, 9),
    "net": (delivered, DELIVERED, 3),
}
"""How the database is made, when it lives, and how many bills there are in the end."""


@pytest.mark.parametrize("what", ["issue", "correct", "net"])
async def test_bills_killed_at_any_step_are_whole_or_nothing_and_are_made_next_time(
    tmp_path: Path, what: str
) -> None:
    prepare, now, bills = PREPARED[what]
    source = await prepare(tmp_path)
    async with program(PROGRAM) as process:
        if what == "correct":
            assert (await life(process, source, "never", NOW)).startswith("done ")
            await touched(source)
        before_it = rows(source)
        whole = tmp_path / "whole.sqlite"
        shutil.copy(source, whole)
        said = await life(process, whole, "never", now)
        assert said.startswith("done ")
        steps = int(said.split()[1])
        after_it = rows(whole)
        assert after_it["bills"] == bills
        assert steps > 15
        seen: list[int] = []
        for step in range(steps):
            path = tmp_path / "one.sqlite"
            shutil.copy(source, path)
            assert await life(process, path, step, now) == "killed"
            found = rows(path)
            assert found["bills"] in (before_it["bills"], after_it["bills"])
            assert found["corrected"] in (before_it["corrected"], after_it["corrected"])
            if found["bills"] == before_it["bills"]:
                assert found["ledger_transfers"] == before_it["ledger_transfers"]
                assert found["netted_slots"] == before_it["netted_slots"]
                assert found["billed_to"] == before_it["billed_to"]
            if step % EVERY == 0 or seen[-1:] != [found["bills"]]:
                assert not await wrong(path)
                assert (await life(process, path, "never", now)).startswith("done ")
                assert rows(path) == after_it
                assert not await wrong(path)
            seen.append(found["bills"])
            for left in tmp_path.glob("one.sqlite*"):
                left.unlink()
        # Up to the commit nothing, from then on all of it.
        assert seen == sorted(seen)
        assert seen[0] < seen[-1]
