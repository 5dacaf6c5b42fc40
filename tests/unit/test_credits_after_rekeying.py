"""A meter re-keyed without its old key mints nothing for 72 hours: time to object."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.credits.final import REKEYED_HOLD_S
from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.registry.model import Moment
from meterseal_aggregator.registry.write import note_rekeying
from meterseal_aggregator.storage.database import Database
from meterseal_proto.units import MeterId
from tests.support.books import held, mint, open_books, refusals, well
from tests.support.street import BEGIN, STEP, settle_in

REKEYED = BEGIN + 2 * STEP
OVER = REKEYED + REKEYED_HOLD_S


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


@pytest.mark.parametrize(("kind", "early"), [("replacement", 0), ("rotation", 100)])
async def test_after_a_replacement_a_meter_mints_when_72_hours_have_passed(
    database: Database, kind: str, early: int
) -> None:
    home, other = await settle_in(database, 1), await settle_in(database, 2)
    async with database.transaction() as tx:
        await home.tell(tx, 10, 20, 30, 40)
        await other.tell(tx, 1, 2, 3, 4)
        meter = MeterId(home.meter)
        await note_rekeying(tx, [meter], kind, Moment(REKEYED, REKEYED))
    await mint(database, OVER - 1)
    assert await held(database, producer(1)) == early
    assert await held(database, producer(2)) == 10
    assert await well(database)

    await mint(database, OVER)
    assert await held(database, producer(1)) == 100
    assert await held(database, producer(2)) == 10
    assert await refusals(database) == []
    assert await well(database)


async def test_what_was_minted_before_a_replacement_stays(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10, 20)
    await mint(database, REKEYED)
    async with database.transaction() as tx:
        moment = Moment(REKEYED, REKEYED)
        await note_rekeying(tx, [MeterId(home.meter)], "replacement", moment)
        await home.tell(tx, 30, 40)
    await mint(database, OVER - 1)
    assert await held(database, producer(1)) == 30
    # A second replacement begins the wait anew.
    async with database.transaction() as tx:
        moment = Moment(OVER - 1, OVER - 1)
        await note_rekeying(tx, [MeterId(home.meter)], "replacement", moment)
    await mint(database, OVER)
    assert await held(database, producer(1)) == 30
    await mint(database, OVER - 1 + REKEYED_HOLD_S)
    assert await held(database, producer(1)) == 100
