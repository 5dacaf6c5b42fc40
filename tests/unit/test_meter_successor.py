"""A meter's successor at the same meter point: no slot is minted by both."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.credits.model import mint_id
from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.storage.database import Database
from meterseal_proto.units import EXPORT
from tests.support.books import NETWORK, audit, held, mint, open_books, refusals, well
from tests.support.street import BEGIN, CAPACITY_W, STEP, Home, settle_in

END = BEGIN + 4 * STEP


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


async def _succeed(database: Database, home: Home, *, at: int, begin: int) -> Home:
    """Let a new meter take the place of `home`'s at `at`; its register is from `begin`."""
    number = home.register_id + 10
    async with database.transaction() as tx:
        await tx.rows(
            "UPDATE installations SET to_at = ? WHERE meter_id = ?",
            (at, home.register_id),
        )
        await tx.rows(
            "INSERT INTO meters (id, meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, 'NEW', 'sdm120', 'agent', 0)",
            (number, number.to_bytes(16)),
        )
        await tx.rows(
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, ?, ?)",
            (number, home.member_id, at),
        )
        await tx.rows(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash) VALUES (?, ?, ?, ?, ?, 0, ?, ?)",
            (number, number, EXPORT, STEP, CAPACITY_W, begin, number.to_bytes(32)),
        )
    return Home(number, number.to_bytes(16), home.member_id, end=begin, value=0)


async def _tell(database: Database, home: Home, *deltas: int) -> None:
    async with database.transaction() as tx:
        await home.tell(tx, *deltas)


async def test_a_slot_in_which_the_meter_was_replaced_is_minted_by_neither(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    begin = BEGIN + 3 * STEP
    new = await _succeed(database, home, at=begin + 300, begin=begin)
    await _tell(database, home, 10, 20, 30, 40)
    await _tell(database, new, 50, 60)
    await mint(database)
    assert await held(database, producer(1)) == 10 + 20 + 30 + 60
    assert await refusals(database) == [(begin, 40, "vacant"), (begin, 50, "vacant")]
    assert await well(database)


async def test_a_replacement_recorded_late_does_not_mint_the_past_again(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await _tell(database, home, 10, 0, 30, 40)
    await mint(database)
    new = await _succeed(database, home, at=BEGIN, begin=BEGIN)
    await _tell(database, new, 11, 21, 31, 41, 51)
    await mint(database)
    assert await held(database, producer(1)) == 10 + 30 + 40 + 21 + 51
    assert [r for r in await refusals(database) if r[2] == "taken"] == [
        (BEGIN, 11, "taken"),
        (BEGIN + 2 * STEP, 31, "taken"),
        (BEGIN + 3 * STEP, 41, "taken"),
    ]
    assert await well(database)


async def test_a_revision_of_either_meter_leaves_a_taken_slot_alone(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await _tell(database, home, 10)
    await mint(database)
    new = await _succeed(database, home, at=BEGIN, begin=BEGIN)
    await _tell(database, new, 11)
    async with database.transaction() as tx:
        await new.revise(tx, BEGIN, 500, 1)
        await home.revise(tx, BEGIN, 700, 1)
    await mint(database)
    assert await held(database, producer(1)) == 10
    assert await well(database)


async def test_the_database_refuses_a_second_meter_in_any_revision(
    database: Database, tmp_path: Path
) -> None:
    home = await settle_in(database, 1)
    await _tell(database, home, 10)
    await mint(database)
    await _succeed(database, home, at=END, begin=END)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    insert = "INSERT INTO credits VALUES (NULL, ?, ?, 11, 1, ?, 900, 1, 5, 5, 0)"
    known = mint_id(NETWORK, 1, EXPORT, BEGIN)
    for revision in (0, 1):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(insert, (known, revision, BEGIN))
    # Under another id it is only a wrong id: that is for the audit to see.
    raw.execute(insert, (bytes(32), 0, BEGIN))
    raw.commit()
    raw.close()
    found = [f.detail for f in await audit(database) if not f.ok]
    assert any("two meters were credited with one time" in text for text in found)
