"""Certificates in the database: an old one keeps minting, and the schema guards the trail."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.credits.store import minted_until
from meterseal_aggregator.ledger.accounts import producer
from meterseal_aggregator.registry import certificates, certifiers, check
from meterseal_aggregator.registry.certificates import Application, Grant, When
from meterseal_aggregator.registry.certification import (
    HOUR_S,
    Certifier,
    Level,
    Limits,
    Source,
    State,
    Wish,
)
from meterseal_aggregator.registry.model import Refused, Trouble
from meterseal_aggregator.registry.store import certified_w
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from tests.support.books import held, mint, open_books, refusals, well
from tests.support.migrated import open_before
from tests.support.street import BEGIN, STEP, settle_in

CERTIFICATION = 27
"""The migration's number."""
BOSS = Certifier("operator", Level.REVOKE)
LIMITS = Limits(1, 1 << 50, 250)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_books(tmp_path / "aggregator.sqlite") as opened:
        yield opened


async def _ask(tx: Transaction, member: int = 1, now: int = BEGIN) -> Application:
    wish = Wish(member, 1, 5_000, 600_000, Source.SOLAR)
    return await certificates.ask(tx, wish, f"{member}/{now}", LIMITS, now=now)


async def _certify(tx: Transaction, member: int, at: int) -> Application:
    asked = await _ask(tx, member, at)
    when = When(None, await minted_until(tx, 1), at)
    return await certificates.approve(tx, asked.id, BOSS, when)


async def _whole(database: Database) -> bool:
    async with database.reading() as tx:
        (found,) = await check.findings(tx)
    return found.ok and await well(database)


async def test_a_database_from_before_keeps_minting_and_gets_its_trail(
    tmp_path: Path,
) -> None:
    database = await open_before(tmp_path / "old.db", lambda n: n < CERTIFICATION)
    try:
        home, ended = await settle_in(database, 1), await settle_in(database, 2)
        async with database.transaction() as tx:
            await tx.rows(
                "UPDATE certifications SET to_at = ? WHERE meter_point_id = 2",
                (BEGIN + STEP,),
            )
            await home.tell(tx, 100)
        assert "0027_certification.sql" in await migrate(database)
        async with database.transaction() as tx:
            await home.tell(tx, 50)
            await ended.tell(tx, 7, 8)
            trail = await certificates.trail(tx, after=0, limit=9)
        await mint(database)
        assert await held(database, producer(1)) == 150
        assert await held(database, producer(2)) == 7
        assert [(e.application_id, e.act, e.effective_at) for e in trail] == [
            (1, "grant", 0),
            (2, "grant", 0),
            (2, "revoke", BEGIN + STEP),
        ]
        assert await _whole(database)
        async with database.transaction() as tx:
            at = When(None, await minted_until(tx, 1), BEGIN)
            gone = await certificates.revoke(tx, 1, BOSS, "sold", at)
        assert (gone.state, gone.to_at) == (State.REVOKED, BEGIN + 2 * STEP)
        assert await _whole(database)
    finally:
        await database.close()


async def test_the_release_before_may_still_certify(database: Database) -> None:
    # settle_in writes the row as that release did: no application, whoever holds it.
    home = await settle_in(database, 1)
    async with database.transaction() as tx:
        await home.tell(tx, 100)
        assert (await _certify(tx, 1, BEGIN + STEP)).from_at == BEGIN + HOUR_S
    await mint(database)
    assert await held(database, producer(1)) == 100
    assert await _whole(database)


async def test_energy_mints_from_the_certificate_to_its_revocation(
    database: Database,
) -> None:
    home = await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        await home.tell(tx, 1, 2, 4, 8, 16)
        asked = await _certify(tx, 1, BEGIN + STEP)
        assert (asked.state, asked.fee_micro) == (State.CERTIFIED, 250)
        at = When(BEGIN + 3 * STEP, 0, BEGIN + 2 * STEP)
        await certificates.revoke(tx, asked.id, BOSS, "the panels were taken down", at)
    await mint(database)
    assert await held(database, producer(1)) == 2 + 4
    assert [(wh, cause) for _, wh, cause in await refusals(database)] == [
        (1, "uncertified"),
        (8, "uncertified"),
        (16, "uncertified"),
    ]
    assert await _whole(database)


async def test_a_certificate_is_its_members_and_the_next_tenant_needs_his_own(
    database: Database,
) -> None:
    home = await settle_in(database, 1, certified=False)
    await settle_in(database, 2, certified=False)
    moved = BEGIN + 2 * STEP
    async with database.transaction() as tx:
        await _certify(tx, 1, BEGIN)
        await tx.rows(
            "UPDATE tenancies SET to_at = ? WHERE meter_point_id = 1", (moved,)
        )
        row = (moved,)
        await tx.rows(
            "INSERT INTO tenancies (member_id, meter_point_id, from_at) VALUES (2, 1, ?)",
            row,
        )
        await home.tell(tx, 1, 2, 4, 8, 16, 32)
        assert await certified_w(tx, 1, 1) == 5_000
        assert await certified_w(tx, 1, 2) is None
        second = await _certify(tx, 2, moved)
        assert second.from_at == BEGIN + HOUR_S
    await mint(database)
    assert await held(database, producer(1)) == 3
    assert await held(database, producer(2)) == 16 + 32
    assert await _whole(database)


async def test_who_left_is_not_certified_any_more(database: Database) -> None:
    await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        asked = await _ask(tx)
        await tx.rows("UPDATE tenancies SET to_at = ?", (BEGIN + 1,))
        with pytest.raises(Refused) as refused:
            when = When(None, 0, BEGIN + 1)
            await certificates.approve(tx, asked.id, BOSS, when)
    assert refused.value.trouble is Trouble.NOT_FOUND


async def test_a_larger_plant_takes_over_at_an_hour_and_no_slot_falls_between(
    database: Database,
) -> None:
    home = await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        first = await _certify(tx, 1, BEGIN)
        second = await _certify(tx, 1, BEGIN + STEP + 7)
        first = await certificates.application(tx, first.id)
        assert (first.state, first.to_at) == (State.REPLACED, second.from_at)
        await home.tell(tx, *[10] * 8)
    await mint(database)
    assert await held(database, producer(1)) == 80
    assert await _whole(database)


async def test_what_a_month_is_certified_for_is_the_sum_of_what_is_in_force(
    database: Database,
) -> None:
    await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        assert await certificates.monthly_production_wh(tx, 1, BEGIN) is None
        asked = await _certify(tx, 1, BEGIN)
        at = When(BEGIN + 900, 0, BEGIN)
        await certificates.revoke(tx, asked.id, BOSS, "sold", at)
        told = [
            await certificates.monthly_production_wh(tx, 1, BEGIN + at)
            for at in (-1, 0, 899, 900)
        ]
        # What an operator certified of himself says nothing of a month.
        await certificates.grant(tx, Grant(1, 9_000, BEGIN + 900), "me", now=BEGIN)
        told.append(await certificates.monthly_production_wh(tx, 1, BEGIN + 900))
    assert told == [None, 600_000, 600_000, None, None]


async def test_one_application_waits_and_a_key_is_one_wish(database: Database) -> None:
    await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        first = await _ask(tx)
        assert await _ask(tx) == first
        with pytest.raises(Refused) as second:
            await _ask(tx, now=BEGIN + 1)
        with pytest.raises(Refused) as other:
            wish = Wish(1, 1, 5_001, 600_000, Source.SOLAR)
            await certificates.ask(tx, wish, f"1/{BEGIN}", LIMITS, now=BEGIN)
    assert second.value.trouble is Trouble.STATE
    assert other.value.trouble is Trouble.KEY_USED


async def test_an_authorisation_ends_once_and_may_begin_again(
    database: Database,
) -> None:
    await settle_in(database, 1)
    async with database.transaction() as tx:
        number = await certifiers.authorise(tx, 1, Level.SMALL, now=5)
        with pytest.raises(Refused):
            await certifiers.authorise(tx, 1, Level.ANY, now=6)
        assert await certifiers.deauthorise(tx, number, now=4)
        assert not await certifiers.deauthorise(tx, number, now=7)
        assert await certifiers.level_of(tx, 1) is None
        await certifiers.authorise(tx, 1, Level.REVOKE, now=8)
        assert await certifiers.level_of(tx, 1) is Level.REVOKE


A_CREDIT = (
    "INSERT INTO credits VALUES (NULL, randomblob(32), 0, 1, 1, {at}, 900, 1, 9, 9, 0)"
)
ENDS = "UPDATE certifications SET to_at = {at}"
A_CERTIFICATE = (
    "INSERT INTO certifications (meter_point_id, capacity_w, from_at, application_id)"
    " VALUES (2, 5000, 0, 1)"
)
AN_ACT = (
    "INSERT INTO certification_acts (application_id, number, act, actor, effective_at,"
    " reason, at) VALUES (1, {number}, '{act}', 'eve', {at}, 'so', 0)"
)


@pytest.mark.parametrize(
    ("deed", "says"),
    [
        (A_CREDIT.format(at=BEGIN - STEP), "no certificate was in force"),
        (AN_ACT.format(number=3, act="approve", at=1), "cannot go there"),
        (AN_ACT.format(number=4, act="revoke", at=1), "cannot go there"),
        (AN_ACT.format(number=3, act="grant", at=1), "cannot go there"),
        (
            ENDS.format(at=BEGIN + 1),
            "ends after what was minted",
        ),
        ("UPDATE certifications SET member_id = NULL", "may only end"),
        ("UPDATE certification_acts SET actor = 'eve'", "never changed"),
        ("DELETE FROM certification_acts", "never deleted"),
        ("UPDATE certification_applications SET capacity_w = 9", "never changed"),
        ("DELETE FROM certification_applications", "never deleted"),
        (
            A_CERTIFICATE,
            "nobody decided",
        ),
    ],
)
async def test_the_schema_itself_refuses(
    database: Database, tmp_path: Path, deed: str, says: str
) -> None:
    home = await settle_in(database, 1, certified=False)
    await settle_in(database, 2, certified=False)
    async with database.transaction() as tx:
        await _certify(tx, 1, BEGIN)
        await home.tell(tx, 100)
    await mint(database)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match=says):
        raw.execute(deed)
    raw.close()


@pytest.mark.parametrize(
    "misdeed",
    [
        ENDS.format(at=BEGIN + 9 * STEP),
        "DELETE FROM certification_acts WHERE act = 'approve'",
        "DELETE FROM certifications",
    ],
)
async def test_the_audit_finds_a_certificate_nobody_decided_on(
    database: Database, tmp_path: Path, misdeed: str
) -> None:
    home = await settle_in(database, 1, certified=False)
    async with database.transaction() as tx:
        await _certify(tx, 1, BEGIN)
        await home.tell(tx, 100)
    await mint(database)
    assert await _whole(database)
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    for trigger in ("certifications", "certification_acts"):
        raw.execute(f"DROP TRIGGER {trigger}_are_never_deleted")
    raw.execute(misdeed)
    raw.commit()
    raw.close()
    assert not await _whole(database)
