"""The aggregator's books in a test: open a database, run the duties, ask what came of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from meterseal_aggregator import credits as credit_room
from meterseal_aggregator import vee
from meterseal_aggregator.credits.mint import run_once
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.model import WH, AccountCode
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.vee.job import run_once as assess_once
from tests.support.migrated import open_migrated
from tests.support.street import BEGIN

NETWORK = bytes(range(32))
LATER = BEGIN + 7 * 86_400
"""A week on: whatever the street told is over."""


@asynccontextmanager
async def open_books(path: Path) -> AsyncIterator[Database]:
    """Open a migrated database in which a slot is final when it has ended."""
    database = await open_migrated(path)
    try:
        async with database.transaction() as tx:
            await record(tx, Change(Name.FINALITY_DELAY_S, 0, 0, 0, "test"))
        yield database
    finally:
        await database.close()


async def mint(database: Database, now: int = LATER) -> int:
    """Run validation and minting until they find nothing; returns the slots decided."""
    await until_idle(lambda: assess_once(database, now))
    return await until_idle(lambda: run_once(database, NETWORK, now))


async def held(database: Database, code: AccountCode) -> int:
    """Return what an account may give, 0 where it was never opened."""
    async with database.reading() as tx:
        found = await store.balances(tx, WH, [code])
    return found[code].held if code in found else 0


async def refusals(database: Database) -> list[tuple[int, int, str]]:
    """Return (start, Wh, cause) of every slot that was not credited, by start."""
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT start, wh, cause FROM credit_refusals ORDER BY start"
        )
    return [(row[0], row[1], row[2]) for row in rows]


async def audit(database: Database) -> list[Finding]:
    """Return the findings of the ledger, of validation and of the credits."""
    async with database.reading() as tx:
        found = await check.findings(tx)
        found += await vee.findings(tx)
        return found + await credit_room.findings(tx)


async def well(database: Database) -> bool:
    """Tell whether the audit finds every invariant kept."""
    return all(finding.ok for finding in await audit(database))
