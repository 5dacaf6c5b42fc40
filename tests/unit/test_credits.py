"""Minting: final exported Wh once, nothing else ever, on a real database."""

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterseal_aggregator.credits.decide import Purse
from meterseal_aggregator.credits.final import final_before
from meterseal_aggregator.credits.mint import run_batch
from meterseal_aggregator.credits.model import (
    Leg,
    edit_transfer_id,
    mint_id,
    transfer_id,
)
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.parameters.model import NEXT_MORNING, Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.books import LATER, NETWORK, held, mint, open_books, refusals, well
from tests.support.street import BEGIN, STEP, settle_in


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


def test_a_mint_id_is_these_bytes_hashed() -> None:
    # By hand: sha256sum of the label and the parts, big-endian.
    assert mint_id(NETWORK, 7, EXPORT, 1_800_000_000).hex() == (
        "982599e8d3ee2eeb89e7cb24cbbb0f1abd2ac8c7a2d9b7952495db53abd3c9d4"
    )


def test_every_leg_of_every_revision_has_an_id_of_its_own() -> None:
    ids = {
        transfer_id(bytes([mint]) * 32, revision, leg)
        for mint in range(3)
        for revision in (0, 1, 65_535)
        for leg in Leg
    }
    ids |= {
        edit_transfer_id(bytes([mint]) * 32, revision, edit, leg)
        for mint in range(3)
        for revision in (0, 65_535)
        for edit in (1, 2**63)
        for leg in Leg
    }
    assert len(ids) == 3 * 3 * len(Leg) + 3 * 2 * 2 * len(Leg)


@pytest.mark.parametrize("zone", ["UTC", "Africa/Nairobi", "America/New_York"])
def test_a_day_is_final_at_six_the_next_morning(zone: str) -> None:
    where = ZoneInfo(zone)
    # Around both changes of the clock, and an ordinary day.
    for month, day in ((3, 7), (3, 8), (11, 1), (6, 5)):
        before = int(datetime(2026, month, day, tzinfo=where).timestamp())
        morning = int(datetime(2026, month, day + 1, 6, tzinfo=where).timestamp())
        midnight = int(datetime(2026, month, day + 1, tzinfo=where).timestamp())
        assert final_before(morning - 1, NEXT_MORNING, zone) == before
        assert final_before(morning, NEXT_MORNING, zone) == midnight


def test_a_delay_in_seconds_is_counted_from_the_slots_end() -> None:
    assert final_before(10_000, 3_600, "UTC") == 6_400


def test_a_purse_repays_before_it_mints_and_owes_only_what_it_cannot_burn() -> None:
    purse = Purse(held=30, owed=0)
    assert purse.reverse(40) == [(Leg.REVERSE, 30), (Leg.OWE, 10)]
    assert purse.credit(4) == [(Leg.REPAY, 4)]
    assert purse.credit(10) == [(Leg.REPAY, 6), (Leg.MINT, 4)]
    assert (purse.held, purse.owed) == (4, 0)


async def test_exported_wh_become_credits_once(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 0, 250)
    assert await mint(database) == 3
    assert await mint(database) == 0
    assert await held(database, producer(1)) == 350
    async with database.transaction() as tx:
        await home.tell(tx, 7)
    assert await mint(database) == 1
    assert await held(database, producer(1)) == 357
    assert await well(database)


async def test_what_the_house_imports_is_never_minted(database: Database) -> None:
    home = await settle_in(database, 1, register=IMPORT)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 200)
    assert await mint(database) == 0
    assert await well(database)


async def test_a_slot_waits_for_its_end_and_the_finality_delay(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await record(tx, Change(Name.FINALITY_DELAY_S, 3_600, 10, 1, "test"))
        await home.tell(tx, 100, 200)
    assert await mint(database, BEGIN + STEP + 3_599) == 0
    assert await mint(database, BEGIN + STEP + 3_600) == 1
    assert await held(database, producer(1)) == 100
    assert await mint(database, BEGIN + 2 * STEP + 3_600) == 1


async def test_a_long_interval_is_passed_over_and_the_next_mints(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
        await home.tell(tx, 900, quality=10, length=4 * STEP)
        await home.tell(tx, 50)
    assert await mint(database) == 3
    assert await held(database, producer(1)) == 150
    assert await refusals(database) == [(BEGIN + STEP, 900, "interval_size")]
    assert await well(database)


async def test_questionable_energy_is_refused_and_named(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, quality=10)
        await home.tell(tx, 50)
    assert await mint(database) == 2
    assert await refusals(database) == [(BEGIN, 100, "questionable")]
    assert await held(database, producer(1)) == 50
    assert await well(database)


async def test_no_certificate_no_credit_and_the_certificate_must_hold_the_whole_slot(
    database: Database,
) -> None:
    home = await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        await tx.many(
            "INSERT INTO certifications (meter_point_id, capacity_w, from_at, to_at)"
            " VALUES (1, ?, ?, ?)",
            [
                (5_000, BEGIN + STEP + 1, BEGIN + 3 * STEP),
                (100, BEGIN + 3 * STEP, None),
            ],
        )
        await home.tell(tx, 10, 20, 40, 80)
    assert await mint(database) == 4
    assert await refusals(database) == [
        (BEGIN, 10, "uncertified"),
        (BEGIN + STEP, 20, "uncertified"),
        (BEGIN + 3 * STEP, 80, "above_capacity"),
    ]
    assert await held(database, producer(1)) == 40
    assert await well(database)


async def test_a_slot_belongs_to_who_lived_there_during_all_of_it(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    await settle_in(database, 2)
    async with database.transaction() as tx:
        await tx.many(
            "UPDATE tenancies SET to_at = ? WHERE member_id = 1", [(BEGIN + STEP + 60,)]
        )
        await tx.many(
            "INSERT INTO tenancies (member_id, meter_point_id, from_at) VALUES (2, 1, ?)",
            [(BEGIN + STEP + 60,)],
        )
        await home.tell(tx, 10, 20, 40)
    assert await mint(database) == 3
    assert await held(database, producer(1)) == 10
    assert await held(database, producer(2)) == 40
    assert await refusals(database) == [(BEGIN + STEP, 20, "vacant")]


async def test_time_told_twice_is_never_minted_unless_it_was_credited_before(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
    await mint(database)
    async with database.transaction() as tx:
        await home.tell(tx, 20, 40)
        await tx.many(
            "INSERT INTO equivocations (register_id, hash, from_at, to_at, seq,"
            " received_at) VALUES (1, zeroblob(32), ?, ?, 1, ?)",
            [(BEGIN, BEGIN + 2 * STEP, LATER)],
        )
    assert await mint(database) == 2
    assert await refusals(database) == [(BEGIN + STEP, 20, "equivocated")]
    assert await held(database, producer(1)) == 50
    assert await well(database)


async def test_a_reset_of_the_meter_does_not_stop_minting(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
        await home.reset(tx, 0)
        await home.reset(tx, 0)
        await home.tell(tx, 20, 30)
    assert await mint(database) == 3
    assert await held(database, producer(1)) == 60
    assert await well(database)


async def test_a_hole_stops_its_register_and_no_other(database: Database) -> None:
    homes = [await settle_in(database, n) for n in (1, 2)]
    async with database.transaction() as tx:
        homes[0].end += STEP
        await homes[0].tell(tx, 10, 20)
        await homes[1].tell(tx, 40)
    assert await mint(database) == 1
    assert await held(database, producer(1)) == 0
    assert await held(database, producer(2)) == 40


async def test_a_batch_of_many_slots_costs_as_many_statements_as_of_few(
    database: Database,
) -> None:
    homes = [await settle_in(database, n) for n in range(1, 31)]
    counts = []
    for street in (homes[:2], homes):
        async with database.transaction() as tx:
            for home in street:
                await home.tell(tx, *range(1, 40))
        await until_idle(lambda: assess_once(database, LATER))
        async with database.transaction() as tx:
            assert await run_batch(tx, NETWORK, LATER) == 39 * len(street)
            counts.append(tx.statements)
    assert counts[0] == counts[1] <= 16
    assert await well(database)
