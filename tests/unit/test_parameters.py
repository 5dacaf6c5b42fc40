"""Parameters hold from their second on, and history is not rewritten."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.parameters.model import NEXT_MORNING, Name, Value
from meterseal_aggregator.parameters.store import (
    Change,
    ParameterRefused,
    history,
    number_at,
    record,
    record_first,
    text_at,
    value_at,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    yield opened
    await opened.close()


def _delay(value: Value, from_at: int, recorded_at: int) -> Change:
    return Change(Name.FINALITY_DELAY_S, value, from_at, recorded_at, "operator:1")


async def test_a_value_holds_from_its_second_until_the_next(database: Database) -> None:
    async with database.transaction() as tx:
        await record(tx, _delay(0, 100, 50))
        await record(tx, _delay(3_600, 200, 150))
        held = [
            await value_at(tx, Name.FINALITY_DELAY_S, at) for at in (99, 100, 199, 200)
        ]
        assert held == [NEXT_MORNING, 0, 0, 3_600]
        assert await number_at(tx, Name.FINALITY_DELAY_S, 5_000) == 3_600
        assert await text_at(tx, Name.ZONE, 5_000) == "UTC"
        assert len(await history(tx, Name.FINALITY_DELAY_S)) == 2


async def test_the_first_value_may_begin_in_the_past_and_no_later_one(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await record(tx, _delay(0, 0, 1_000))
        with pytest.raises(ParameterRefused, match="in the past"):
            await record(tx, _delay(5, 999, 1_000))
        await record(tx, _delay(5, 2_000, 1_000))
        with pytest.raises(ParameterRefused, match="already changes at 2000"):
            await record(tx, _delay(6, 1_500, 1_000))


async def test_a_first_value_is_recorded_only_where_there_is_none(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        assert await record_first(tx, _delay(0, 0, 1_000))
        assert not await record_first(tx, _delay(7, 2_000, 1_000))
        assert [c.value for c in await history(tx, Name.FINALITY_DELAY_S)] == [0]


@pytest.mark.parametrize("value", [-2, 400 * 86_400 + 1, "0", True])
async def test_a_value_of_another_type_or_out_of_range_is_refused(
    database: Database, value: Value
) -> None:
    async with database.transaction() as tx:
        with pytest.raises(ParameterRefused, match="finality_delay_s must"):
            await record(tx, _delay(value, 100, 50))


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
async def test_a_zone_that_is_none_is_refused(database: Database, zone: str) -> None:
    async with database.transaction() as tx:
        with pytest.raises(ParameterRefused, match="zone"):
            await record(tx, Change(Name.ZONE, zone, 0, 0, "operator:1"))
        await record(tx, Change(Name.ZONE, "Africa/Nairobi", 0, 0, "operator:1"))
        assert await text_at(tx, Name.ZONE, 5) == "Africa/Nairobi"


async def test_the_table_is_append_only(database: Database, tmp_path: Path) -> None:
    async with database.transaction() as tx:
        await record(tx, _delay(0, 100, 50))
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    for forbidden in ("UPDATE parameters SET number = 1", "DELETE FROM parameters"):
        with pytest.raises(sqlite3.IntegrityError, match="never"):
            raw.execute(forbidden)
    raw.close()


async def test_money_is_named_by_capitals_and_digits(database: Database) -> None:
    async with database.transaction() as tx:
        assert await text_at(tx, Name.MONEY_ASSET, 5) == "XTS"
        for wrong in ("kes", "K", "K E S", "KES\n", "A" * 13):
            with pytest.raises(ParameterRefused, match="must look like XTS"):
                await record(tx, Change(Name.MONEY_ASSET, wrong, 0, 0, "operator:1"))
        await record(tx, Change(Name.MONEY_ASSET, "KES", 0, 0, "operator:1"))
        assert await text_at(tx, Name.MONEY_ASSET, 5) == "KES"
