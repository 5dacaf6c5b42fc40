"""Revisions post differences, retired credits stay retired, and the books notice all else."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.credits.model import Leg, mint_id, transfer_id
from meterseal_aggregator.credits.posting import BooksDiffer
from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.accounts import debt, producer
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Refusal,
    Transfer,
    TransferId,
)
from meterseal_aggregator.storage.database import Database
from meterseal_proto.intervals import Interval
from meterseal_proto.units import EXPORT
from tests.support.books import (
    LATER,
    NETWORK,
    audit,
    held,
    mint,
    open_books,
    refusals,
    well,
)
from tests.support.street import BEGIN, STEP, settle_in


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


async def test_a_revision_posts_only_its_difference(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 0)
    await mint(database)
    async with database.transaction() as tx:
        await home.revise(tx, BEGIN, 130, revision=1)
        await home.revise(tx, BEGIN, 90, revision=2)
        await home.revise(tx, BEGIN + STEP, 5, revision=1)
    assert await mint(database) == 3
    assert await mint(database) == 0
    assert await held(database, producer(1)) == 95
    assert await held(database, AccountCode("reversed")) == 40
    assert await well(database)


async def test_a_revision_waits_until_its_slot_is_final(database: Database) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100, 200)
        await home.revise(tx, BEGIN + STEP, 150, revision=1)
    assert await mint(database, BEGIN + STEP) == 1
    assert await held(database, producer(1)) == 100
    assert await mint(database, BEGIN + 2 * STEP) == 2
    assert await held(database, producer(1)) == 250
    assert await well(database)


async def test_a_revision_that_comes_after_a_later_one_posts_nothing(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await mint(database)
    for revision, delta in ((2, 90), (1, 500)):
        async with database.transaction() as tx:
            await home.revise(tx, BEGIN, delta, revision=revision)
        await mint(database)
    assert await held(database, producer(1)) == 90
    assert await refusals(database) == [(BEGIN, 500, "superseded")]
    assert await well(database)


async def test_a_correction_of_credits_already_gone_is_owed_and_repaid_by_the_next(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await mint(database)
    spent = Retirement(
        TransferId(bytes(32)), producer(1), "member-2", Interval(BEGIN, STEP), 80
    )
    async with database.transaction() as tx:
        assert (await retire(tx, spent, now=LATER)).entered
        await home.revise(tx, BEGIN, 50, revision=1)
    await mint(database)
    async with database.reading() as tx:
        accounts = await store.balances(tx, WH, [producer(1), debt(1)])
    assert (accounts[producer(1)].held, accounts[debt(1)].owed) == (0, 30)
    assert await well(database)
    async with database.transaction() as tx:
        await home.tell(tx, 10, 45)
    await mint(database)
    async with database.reading() as tx:
        accounts = await store.balances(tx, WH, [producer(1), debt(1)])
    assert (accounts[producer(1)].held, accounts[debt(1)].owed) == (25, 0)
    assert await held(database, AccountCode("retired:member-2")) == 80
    assert await well(database)


async def test_retiring_twice_is_the_same_answer_and_more_than_held_is_refused(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
    await mint(database)
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
    assert await well(database)


async def test_a_mint_the_ledger_knows_already_stops_everything(
    database: Database,
) -> None:
    home = await settle_in(database, 1)
    known = mint_id(NETWORK, home.member_id, EXPORT, BEGIN)
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
        await mint(database)
    async with database.reading() as tx:
        assert await tx.rows("SELECT * FROM credits") == []
    assert not await well(database)


async def test_the_database_refuses_to_change_a_credit_or_to_mint_a_slot_twice(
    database: Database, tmp_path: Path
) -> None:
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
        await home.tell(tx, 5, quality=10)
    await mint(database)
    wish = Retirement(TransferId(bytes(16)), producer(1), "a", Interval(BEGIN, STEP), 6)
    async with database.transaction() as tx:
        await retire(tx, wish, now=LATER)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    rest = (
        "meter_point_id, start, length, member_id, value_wh, posted_wh, decided_at"
        " FROM credits"
    )
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
    await mint(database)
    bad = [finding for finding in await audit(database) if not finding.ok]
    assert [finding.invariant for finding in bad] == [2]
    assert "register 1: 100 exported Wh neither" in bad[0].detail
