"""Who asks and what he may: the whole table of roles, and tokens that end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.identity import store
from meterseal_aggregator.identity.model import (
    Action,
    MemberId,
    NameTaken,
    NoSuchMember,
    Role,
    may,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

NOW = 1_790_000_000


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "identity.db")
    yield opened
    await opened.close()


def test_the_operator_may_everything_and_a_scraper_one_thing() -> None:
    assert all(may(Role.OPERATOR, action, owns=False) for action in Action)
    seen = {action for action in Action if may(Role.METRICS, action, owns=True)}
    assert seen == {Action.SEE_METRICS}


def test_a_member_may_nothing_of_what_is_not_his() -> None:
    assert not any(may(Role.MEMBER, action, owns=False) for action in Action)
    own = {action for action in Action if may(Role.MEMBER, action, owns=True)}
    assert own == {
        Action.SEE_MEMBER, Action.SEE_METER, Action.SEE_READINGS,
        Action.SEE_BALANCES, Action.TAKE_BUNDLE, Action.USE_WALLETS, Action.APPLY,
        Action.TRADE, Action.PAY,
    }  # fmt: skip


def test_an_auditor_never_sees_a_households_readings() -> None:
    for action in (Action.SEE_READINGS, Action.TAKE_BUNDLE, Action.SEE_BALANCES):
        assert not may(Role.AUDITOR, action, owns=True)


async def test_a_token_speaks_until_it_expires_or_is_revoked(db: Database) -> None:
    async with db.transaction() as tx:
        ada = await store.add_member(tx, "Ada", now=NOW)
        new = store.NewToken(Role.MEMBER, "phone", NOW, NOW + 10, ada)
        token = await store.make_token(tx, new)
        caller = await store.caller(tx, token, now=NOW + 9)
        assert caller is not None
        assert (caller.role, caller.member) == (Role.MEMBER, ada)
        assert await store.caller(tx, token, now=NOW + 10) is None
        (info,) = await store.tokens(tx, after=0, limit=10)
        assert await store.revoke_token(tx, info.id, now=NOW)
        assert not await store.revoke_token(tx, info.id, now=NOW)
        assert await store.caller(tx, token, now=NOW) is None


async def test_a_token_is_nowhere_in_the_database(db: Database) -> None:
    async with db.transaction() as tx:
        new = store.NewToken(Role.OPERATOR, "desk", NOW, NOW + 10)
        token = await store.make_token(tx, new)
        (row,) = await tx.rows("SELECT * FROM tokens")
    assert token.encode() not in b" ".join(str(value).encode() for value in row)
    assert len(token) > 40


@pytest.mark.parametrize("token", ["", "ms_", "x" * 10_000, "\ud800"])
async def test_what_is_no_token_is_nobody(db: Database, token: str) -> None:
    async with db.reading() as tx:
        assert await store.caller(tx, token, now=NOW) is None


async def test_names_are_taken_once_and_numbers_must_exist(db: Database) -> None:
    async with db.transaction() as tx:
        await store.add_member(tx, "Ada", now=NOW)
        with pytest.raises(NameTaken):
            await store.add_member(tx, "Ada", now=NOW)
        with pytest.raises(NoSuchMember):
            await store.member(tx, 7)
        with pytest.raises(NoSuchMember):
            new = store.NewToken(Role.MEMBER, "x", NOW, NOW + 1, MemberId(7))
            await store.make_token(tx, new)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE operator_acts SET actor = 'nobody'",
        "DELETE FROM operator_acts",
        "DELETE FROM tokens",
        "UPDATE tokens SET role = 'operator', member_id = NULL",
        "UPDATE tokens SET expires_at = expires_at + 1",
        "DELETE FROM members",
    ],
)
async def test_the_schema_keeps_what_was_written(db: Database, statement: str) -> None:
    async with db.transaction() as tx:
        ada = await store.add_member(tx, "Ada", now=NOW)
        new = store.NewToken(Role.MEMBER, "x", NOW, NOW + 1, ada)
        await store.make_token(tx, new)
        await store.note(tx, "cli", "token", "x", now=NOW)
    with pytest.raises(Exception, match=r"never|only"):
        async with db.transaction() as tx:
            await tx.rows(statement)
