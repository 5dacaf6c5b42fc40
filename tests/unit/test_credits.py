"""Minting: final exported Wh once, nothing else ever, on a real database."""

import sqlite3
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from meterseal_aggregator import credits as credit_room
from meterseal_aggregator import vee
from meterseal_aggregator.credits.decide import Purse
from meterseal_aggregator.credits.final import final_before
from meterseal_aggregator.credits.mint import (
    BooksDiffer,
    debt,
    producer,
    run_batch,
    run_once,
)
from meterseal_aggregator.credits.model import Leg, mint_id, transfer_id
from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Refusal,
    Transfer,
    TransferId,
)
from meterseal_aggregator.parameters.model import NEXT_MORNING, Name
from meterseal_aggregator.parameters.store import Record, record
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.intervals import Interval
from meterseal_proto.units import EXPORT, IMPORT, MeterId
from tests.support.street import BEGIN, STEP, settle_in

NETWORK = bytes(range(32))
LATER = BEGIN + 7 * 86_400


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'aggregator.sqlite'}")
    await migrate(opened)
    async with opened.transaction() as tx:
        await record(tx, Record(Name.FINALITY_DELAY_S, 0, 0, 0, "test"))
    yield opened
    await opened.close()


async def _mint(database: Database, now: int = LATER) -> int:
    await until_idle(lambda: assess_once(database, now))
    return await until_idle(lambda: run_once(database, NETWORK, now))


async def _held(database: Database, code: AccountCode) -> int:
    async with database.reading() as tx:
        found = await store.balances(tx, WH, [code])
    return found[code].held if code in found else 0


async def _audit(database: Database) -> list[Finding]:
    async with database.reading() as tx:
        found = await check.findings(tx)
        found += await vee.findings(tx)
        return found + await credit_room.findings(tx)


async def _well(database: Database) -> bool:
    return all(finding.ok for finding in await _audit(database))


async def _refusals(database: Database) -> list[tuple[int, int, str]]:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT start, wh, cause FROM credit_refusals ORDER BY start"
        )
    return [(row[0], row[1], row[2]) for row in rows]


def test_a_mint_id_is_these_bytes_hashed() -> None:
    # By hand: sha256sum of the label and the parts, big-endian.
    meter = MeterId(bytes(range(16)))
    assert mint_id(NETWORK, meter, EXPORT, 1_800_000_000).hex() == (
        "d2d591091f96bbe0df7a7e33fe8e186bddcf510606bc23788f753494c6fde573"
    )


def test_every_leg_of_every_revision_has_an_id_of_its_own() -> None:
    ids = {
        transfer_id(bytes([mint]) * 32, revision, leg)
        for mint in range(3)
        for revision in (0, 1, 65_535)
        for leg in Leg
    }
    assert len(ids) == 3 * 3 * 4


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
    assert await _mint(database) == 3
    assert await _mint(database) == 0
    assert await _held(database, producer(1)) == 350
    async with database.transaction() as tx:
        await home.tell(tx, 7)
    assert await _mint(database) == 1
    assert await _held(database, producer(1)) == 357
    assert await _well(database)


async def test_what_the_house_imports_is_never_minted(database: Database) -> None:
    home = await settle_in(database, 1, register=IMPORT)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 200)
    assert await _mint(database) == 0
    assert await _well(database)


async def test_a_slot_waits_for_its_end_and_the_finality_delay(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await record(tx, Record(Name.FINALITY_DELAY_S, 3_600, 10, 1, "test"))
        await home.tell(tx, 100, 200)
    assert await _mint(database, BEGIN + STEP + 3_599) == 0
    assert await _mint(database, BEGIN + STEP + 3_600) == 1
    assert await _held(database, producer(1)) == 100
    assert await _mint(database, BEGIN + 2 * STEP + 3_600) == 1


async def test_a_long_interval_is_passed_over_and_the_next_mints(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
        await home.tell(tx, 900, quality=10, length=4 * STEP)
        await home.tell(tx, 50)
    assert await _mint(database) == 3
    assert await _held(database, producer(1)) == 150
    assert await _refusals(database) == [(BEGIN + STEP, 900, "interval_size")]
    assert await _well(database)


async def test_questionable_energy_is_refused_and_named(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, quality=10)
        await home.tell(tx, 50)
    assert await _mint(database) == 2
    assert await _refusals(database) == [(BEGIN, 100, "questionable")]
    assert await _held(database, producer(1)) == 50
    assert await _well(database)


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
    assert await _mint(database) == 4
    assert await _refusals(database) == [
        (BEGIN, 10, "uncertified"),
        (BEGIN + STEP, 20, "uncertified"),
        (BEGIN + 3 * STEP, 80, "above_capacity"),
    ]
    assert await _held(database, producer(1)) == 40
    assert await _well(database)


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
    assert await _mint(database) == 3
    assert await _held(database, producer(1)) == 10
    assert await _held(database, producer(2)) == 40
    assert await _refusals(database) == [(BEGIN + STEP, 20, "vacant")]


async def test_time_told_twice_is_never_minted_unless_it_was_credited_before(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
    await _mint(database)
    async with database.transaction() as tx:
        await home.tell(tx, 20, 40)
        await tx.many(
            "INSERT INTO equivocations (register_id, hash, from_at, to_at, seq,"
            " received_at) VALUES (1, zeroblob(32), ?, ?, 1, ?)",
            [(BEGIN, BEGIN + 2 * STEP, LATER)],
        )
    assert await _mint(database) == 2
    assert await _refusals(database) == [(BEGIN + STEP, 20, "equivocated")]
    assert await _held(database, producer(1)) == 50
    assert await _well(database)


async def test_a_reset_of_the_meter_does_not_stop_minting(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 10)
        await home.reset(tx, 0)
        await home.reset(tx, 0)
        await home.tell(tx, 20, 30)
    assert await _mint(database) == 3
    assert await _held(database, producer(1)) == 60
    assert await _well(database)


async def test_a_hole_stops_its_register_and_no_other(database: Database) -> None:
    homes = [await settle_in(database, n) for n in (1, 2)]
    async with database.transaction() as tx:
        homes[0].end += STEP
        await homes[0].tell(tx, 10, 20)
        await homes[1].tell(tx, 40)
    assert await _mint(database) == 1
    assert await _held(database, producer(1)) == 0
    assert await _held(database, producer(2)) == 40


async def test_a_revision_posts_only_its_difference(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 0)
    await _mint(database)
    async with database.transaction() as tx:
        await home.revise(tx, BEGIN, 130, revision=1)
        await home.revise(tx, BEGIN, 90, revision=2)
        await home.revise(tx, BEGIN + STEP, 5, revision=1)
    assert await _mint(database) == 3
    assert await _mint(database) == 0
    assert await _held(database, producer(1)) == 95
    assert await _held(database, AccountCode("reversed")) == 40
    assert await _well(database)


async def test_a_revision_waits_until_its_slot_is_final(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 200)
        await home.revise(tx, BEGIN + STEP, 150, revision=1)
    assert await _mint(database, BEGIN + STEP) == 1
    assert await _held(database, producer(1)) == 100
    assert await _mint(database, BEGIN + 2 * STEP) == 2
    assert await _held(database, producer(1)) == 250
    assert await _well(database)


async def test_a_revision_that_comes_after_a_later_one_posts_nothing(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await _mint(database)
    for revision, delta in ((2, 90), (1, 500)):
        async with database.transaction() as tx:
            await home.revise(tx, BEGIN, delta, revision=revision)
        await _mint(database)
    assert await _held(database, producer(1)) == 90
    assert await _refusals(database) == [(BEGIN, 500, "superseded")]
    assert await _well(database)


async def test_a_correction_of_credits_already_gone_is_owed_and_repaid_by_the_next(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await _mint(database)
    spent = Retirement(
        TransferId(bytes(32)), producer(1), "member-2", Interval(BEGIN, STEP), 80
    )
    async with database.transaction() as tx:
        assert (await retire(tx, spent, now=LATER)).entered
        await home.revise(tx, BEGIN, 50, revision=1)
    await _mint(database)
    async with database.reading() as tx:
        accounts = await store.balances(tx, WH, [producer(1), debt(1)])
    assert (accounts[producer(1)].held, accounts[debt(1)].owed) == (0, 30)
    assert await _well(database)
    async with database.transaction() as tx:
        await home.tell(tx, 10, 45)
    await _mint(database)
    async with database.reading() as tx:
        accounts = await store.balances(tx, WH, [producer(1), debt(1)])
    assert (accounts[producer(1)].held, accounts[debt(1)].owed) == (25, 0)
    assert await _held(database, AccountCode("retired:member-2")) == 80
    assert await _well(database)


async def test_retiring_twice_is_the_same_answer_and_more_than_held_is_refused(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await _mint(database)
    span = Interval(BEGIN, STEP)
    wish = Retirement(TransferId(bytes(16)), producer(1), "member-1", span, 60)
    more = Retirement(TransferId(bytes([1]) * 16), producer(1), "member-1", span, 41)
    other = Retirement(wish.id, producer(1), "member-1", Interval(BEGIN, 2 * STEP), 60)
    stolen = Retirement(more.id, AccountCode("meter:aa:measured"), "x", span, 1)
    async with database.transaction() as tx:
        answers = [await retire(tx, w, now=LATER) for w in (wish, wish, more, other)]
        refused = await retire(tx, stolen, now=LATER)
    assert [(a.entered, a.duplicate) for a in answers[:2]] == [
        (True, False),
        (True, True),
    ]
    assert answers[2].refusal is Refusal.EXCEEDS_CREDITS
    assert (answers[3].refusal, answers[3].field) == (Refusal.ID_TAKEN, "reference")
    assert refused.refusal is Refusal.ACCOUNT_UNKNOWN
    assert await _well(database)


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
    assert await _well(database)


async def test_a_mint_the_ledger_knows_already_stops_everything(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    known = mint_id(NETWORK, MeterId(home.meter), EXPORT, BEGIN)
    forged = Transfer(
        id=transfer_id(known, 0, Leg.MINT),
        amount=1_000,
        debit=AccountCode(f"meter:{home.meter.hex()}:measured"),
        credit=producer(1),
        purpose="mint",
    )
    async with database.transaction() as tx:
        await store.post(tx, [forged], now=LATER)
        await home.tell(tx, 100)
    with pytest.raises(BooksDiffer):
        await _mint(database)
    async with database.reading() as tx:
        assert await tx.rows("SELECT * FROM credits") == []
    assert not await _well(database)


async def test_the_database_refuses_to_change_a_credit_or_to_mint_a_slot_twice(
    database: Database, tmp_path: Path
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
        await home.tell(tx, 5, quality=10)
    await _mint(database)
    wish = Retirement(TransferId(bytes(16)), producer(1), "a", Interval(BEGIN, STEP), 6)
    async with database.transaction() as tx:
        await retire(tx, wish, now=LATER)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    rest = "start, length, member_id, value_wh, posted_wh, decided_at FROM credits"
    same_id = f"INSERT INTO credits SELECT 9, mint_id, revision, 2, {rest}"
    same_slot = (
        f"INSERT INTO credits SELECT 9, zeroblob(32), revision, register_id, {rest}"
    )
    for forbidden in (
        "UPDATE credits SET posted_wh = 1",
        "DELETE FROM credits",
        same_id,
        same_slot,
        "UPDATE credit_refusals SET wh = 1",
        "DELETE FROM credit_refusals",
        "UPDATE credit_marks SET minted_through = 0",
        "DELETE FROM credit_marks",
        "UPDATE retirements SET beneficiary = 'b'",
        "DELETE FROM retirements",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(forbidden)
    raw.close()


async def test_the_audit_sees_energy_that_was_skipped(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 50)
        await tx.many("INSERT INTO credit_marks VALUES (1, ?)", [(BEGIN + STEP,)])
    await _mint(database)
    bad = [finding for finding in await _audit(database) if not finding.ok]
    assert [finding.invariant for finding in bad] == [2]
    assert "register 1: 100 exported Wh neither" in bad[0].detail
