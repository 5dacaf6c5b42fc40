"""The duty that bills asks as often as it must: once where nobody is due."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.app import billing
from meterseal_aggregator.app.house import House, open_house
from meterseal_aggregator.config import Config
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.clock import ClockRate
from tests.support.billinghouse import HOUR, JUNE, MAY, Utility, a_utility

NOW = JUNE + 6 * HOUR


class Asked(Database):
    """The database, which counts how often somebody reads it, and how often writes."""

    looks = 0
    writes = 0

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[Transaction]:
        self.looks += 1
        async with super().reading() as tx:
            yield tx

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.writes += 1
        async with super().transaction() as tx:
            yield tx


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def a_house(folder: Path) -> AsyncIterator[tuple[House, Asked]]:
    """Open the utility's database in a house whose clock says NOW and goes on slowly."""
    config = Config.model_validate({"data_dir": str(folder / "house")})
    database = await Asked.open(f"sqlite:///{folder / 'utility.sqlite'}")
    try:
        async with open_house(config, upgrade=True) as house:
            rate = ClockRate(NOW, 1e-9)
            yield replace(house, database=database, rate=rate), database
    finally:
        await database.close()


async def test_where_nobody_is_due_nobody_is_asked_for_twice(
    utility: Utility, tmp_path: Path
) -> None:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE)
    async with a_house(tmp_path) as (house, database):
        # Who is due, and who is due then; whom later usage touches.
        assert await billing.bill(house) == 1
        assert (database.looks, database.writes) == (3, 1)
        assert await billing.bill(house) == 0
        assert (database.looks, database.writes) == (5, 1)
    assert len(await utility.bills()) == 1
