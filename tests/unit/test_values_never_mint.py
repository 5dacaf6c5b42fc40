"""Estimates, imports and edits upwards bill; credits, trades, trust and money stay as they are.

What an edit downwards takes back, tests/unit/test_edit_reversals.py says.
"""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee import days
from meterseal_aggregator.vee.days import usage
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.filling import Gap, estimate_gap
from meterseal_aggregator.vee.importing import File, Upload, keep, places_of, prepare
from meterseal_aggregator.vee.nem12 import Channel, NemDay
from meterseal_aggregator.vee.packing import Source
from meterseal_aggregator.vee.values import Place, Value, place_of, write
from meterseal_proto.units import EXPORT, MINTABLE, Quality
from tests.support.marketplace import a_market
from tests.support.migrated import open_migrated
from tests.support.settling import World, a_world, slot
from tests.support.street import BEGIN, STEP, settle_in

DAY = 86_400
OURS = (
    "vee_values",
    "vee_edits",
    "usage_",
    "days_to_look_at",
    "day_checks",
    "log_",
    "edits_followed",
)
"""Tables that may differ: the values, what is packed of them, and the log's entries."""
NAMED = ("offers", "orders")
"""Tables whose rows have keys that a test's lanes count up."""


@asynccontextmanager
async def traded(folder: Path) -> AsyncIterator[tuple[World, Database]]:
    """Sell five slots: two metered in full, one short, two nobody metered."""
    folder.mkdir()
    async with a_market(folder) as database:
        world = await a_world(database)
        world.now = BEGIN + 40 * DAY
        for number in range(5):
            await world.sell(world.buyers[0], number, 300)
        await world.tell(400, 300, 100)
        yield world, database


async def books(database: Database) -> dict[str, list[tuple[object, ...]]]:
    """Return every table's rows but ours."""
    async with database.reading() as tx:
        names = await tx.rows("SELECT name FROM sqlite_master WHERE type = 'table'")
        wanted = [name for (name,) in names if not name.startswith(OURS + NAMED)]
        return {
            name: sorted(await tx.rows(f"SELECT * FROM {name}"), key=repr)  # noqa: S608
            for name in wanted
        }


async def say_everything(world: World) -> None:
    """Edit what was told upwards, import and estimate what was not."""
    async with world.database.transaction() as tx:
        meter = (await tx.rows("SELECT meter FROM meters ORDER BY id LIMIT 1"))[0][0]
        place: Place = await place_of(tx, meter, EXPORT)
        for number, wh in ((0, 400), (1, 900), (2, 300), (3, 300)):
            span = (slot(number), slot(number) + STEP)
            wish = EditWish(place, *span, wh, "read on site", "op", f"key-{number}")
            await edit(tx, bytes(32), wish, world.now)
        values = [
            Value(
                0, place.register_id, slot(4), STEP, 300, Quality.VALID, source, "",
                "", "op", world.now,
            )
            for source in (Source.IMPORT, Source.ESTIMATE)
        ]  # fmt: skip
        await write(tx, values)
        gap = Gap(place, slot(5), slot(9), "dead", "op", difference=400)
        assert len(await estimate_gap(tx, gap, world.now)) == 4


async def test_nothing_but_bills_moves_by_what_no_device_sealed(
    tmp_path: Path,
) -> None:
    async with traded(tmp_path / "without") as (world, database):
        await world.run()
        without = await books(database)
    async with traded(tmp_path / "with") as (world, database):
        await say_everything(world)
        # The second run is after the credits: what is minted stays as it is.
        await world.run()
        await world.run()
        while await days.run_once(database, world.now):
            pass
        async with database.reading() as tx:
            found = await usage(tx, [1], BEGIN, slot(9), known_at=world.now)
        assert list(found[1].deltas) == [400, 900, 300, 300, 300] + [100] * 4
        assert found[1].missing == ()
        assert await world.well()
        after = await books(database)
    assert without.keys() == after.keys()
    assert {"ledger_transfers", "trust_events"} <= without.keys()
    assert len(without["credits"]) == 3
    for table, rows in without.items():
        assert after[table] == rows, table


@pytest.mark.parametrize("quality", sorted(Quality))
async def test_the_table_of_values_takes_no_quality_that_mints(
    quality: Quality, tmp_path: Path
) -> None:
    value = Value(0, 1, BEGIN, STEP, 1, quality, Source.EDIT, "", "", "op", 0)
    taken = quality in {
        Quality.VALID, Quality.EDITED, Quality.ESTIMATED, Quality.INTERPOLATED,
    }  # fmt: skip
    assert not (taken and quality in MINTABLE)
    refused = pytest.raises(sqlite3.IntegrityError, match="CHECK constraint failed")
    database = await open_migrated(tmp_path / "aggregator.sqlite")
    await settle_in(database, 1)
    with nullcontext() if taken else refused:
        async with database.transaction() as tx:
            await write(tx, [value])
    await database.close()


async def test_an_imported_day_of_actual_values_does_not_mint(tmp_path: Path) -> None:
    async with traded(tmp_path / "one") as (world, database):
        async with database.transaction() as tx:
            ((serial,),) = await tx.rows(
                "SELECT serial FROM meters ORDER BY id LIMIT 1"
            )
            channel = Channel("NMI0000001", "B1", serial, 15, 1_000, 2)
            date = datetime.fromtimestamp(BEGIN, UTC).date()
            channel.days.append(NemDay(date, (50,) * 96, ("A",) * 96, 3))
            upload = Upload(File(bytes(32), (channel,)), "op", 0)
            told = prepare(upload, await places_of(tx, upload.file), world.now)
            done = await keep(tx, upload, told, world.now)
        assert done.values == 96
        await world.run()
        async with database.reading() as tx:
            ((minted,),) = await tx.rows("SELECT sum(value_wh) FROM credits")
    assert minted == 800
