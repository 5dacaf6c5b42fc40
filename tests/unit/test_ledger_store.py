"""The ledger on a real SQLite file: what is posted stays, balances and checks itself."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    WH,
    AccountCode,
    Asset,
    Phase,
    Refusal,
    Transfer,
    TransferId,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

MEASURED = AccountCode("meter:00ff:measured")
PRODUCER = AccountCode("producer:7")
ESCROW = AccountCode("escrow:1")
NOW = 1_800_000_000


def _id(number: int) -> TransferId:
    return TransferId(number.to_bytes(32))


def _mint(number: int, amount: int = 10, to: AccountCode = PRODUCER) -> Transfer:
    return Transfer(
        id=_id(number),
        amount=amount,
        debit=MEASURED,
        credit=to,
        purpose="mint",
        reference=b"slot",
        effective_at=NOW - 900,
    )


def _hold(number: int, amount: int, timeout_s: int = 0) -> Transfer:
    return Transfer(
        id=_id(number),
        amount=amount,
        debit=PRODUCER,
        credit=ESCROW,
        purpose="trade",
        phase=Phase.HOLD,
        timeout_s=timeout_s,
    )


def _end(number: int, hold: int, phase: Phase, amount: int) -> Transfer:
    return Transfer(id=_id(number), amount=amount, phase=phase, pending_id=_id(hold))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "aggregator.sqlite"


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(path)
    yield opened
    await opened.close()


async def _totals(database: Database, code: AccountCode) -> tuple[int, int, int, int]:
    async with database.reading() as tx:
        account = (await store.balances(tx, WH, [code]))[code]
    return (
        account.debits_pending,
        account.debits_posted,
        account.credits_pending,
        account.credits_posted,
    )


async def _all_well(database: Database) -> bool:
    async with database.reading() as tx:
        return all(finding.ok for finding in await check.findings(tx))


async def test_a_hold_posts_less_and_releases_the_rest(database: Database) -> None:
    async with database.transaction() as tx:
        results = await store.post(tx, [_mint(1, 100), _hold(2, 60)], now=NOW)
        assert [result.amount for result in results] == [100, 60]
    assert await _totals(database, PRODUCER) == (60, 0, 0, 100)
    async with database.transaction() as tx:
        (result,) = await store.post(tx, [_end(3, 2, Phase.POST, 45)], now=NOW + 1)
        assert result.entered
    assert await _totals(database, PRODUCER) == (0, 45, 0, 100)
    assert await _totals(database, ESCROW) == (0, 0, 0, 45)
    assert await _all_well(database)


async def test_a_retry_after_a_restart_is_the_same_answer_and_posts_nothing(
    database: Database, path: Path
) -> None:
    batch = [_mint(1, 100), _hold(2, 60), _end(3, 2, Phase.POST, MAX_AMOUNT)]
    async with database.transaction() as tx:
        first = await store.post(tx, batch, now=NOW)
    await database.close()
    again = await Database.open(f"sqlite:///{path}")
    async with again.transaction() as tx:
        second = await store.post(tx, batch, now=NOW + 5)
        head = await store.head(tx)
    assert [result.amount for result in first] == [result.amount for result in second]
    assert all(result.duplicate for result in second)
    assert head[0] == 3
    await again.close()


async def test_the_same_id_with_other_content_is_refused_with_its_field(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await store.post(tx, [_mint(1)], now=NOW)
    other = replace(_mint(1), reference=b"another slot")
    async with database.transaction() as tx:
        (result,) = await store.post(tx, [other], now=NOW)
    assert (result.refusal, result.field) == (Refusal.ID_TAKEN, "reference")


async def test_a_failed_chain_leaves_no_row(database: Database) -> None:
    chain = [replace(_mint(1, 5), linked=True), _hold(2, 6)]
    async with database.transaction() as tx:
        results = await store.post(tx, chain, now=NOW)
        assert await store.head(tx) == (0, bytes(32))
    assert [result.refusal for result in results] == [
        Refusal.LINKED_FAILED,
        Refusal.EXCEEDS_CREDITS,
    ]


async def test_a_hold_past_its_time_expires_once_and_gives_back(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await store.post(tx, [_mint(1, 10), _hold(2, 10, timeout_s=600)], now=NOW)
        assert await store.expire(tx, now=NOW + 599) == []
    async with database.transaction() as tx:
        late = [_end(3, 2, Phase.POST, 10)]
        (refused,) = await store.post(tx, late, now=NOW + 600)
        assert refused.refusal is Refusal.ALREADY_EXPIRED
        assert len(await store.expire(tx, now=NOW + 600)) == 1
        assert await store.expire(tx, now=NOW + 600) == []
    assert await _totals(database, PRODUCER) == (0, 0, 0, 10)
    assert await _all_well(database)


async def test_an_account_outside_the_chart_is_never_opened(database: Database) -> None:
    wrong = (
        replace(_mint(1), credit=AccountCode("producer:")),
        replace(_mint(2), credit=AccountCode("producer:a:b")),
        replace(_mint(3), debit=AccountCode("meter:x:guessed")),
        replace(_mint(4), asset=Asset("gold")),
    )
    async with database.transaction() as tx:
        results = await store.post(tx, wrong, now=NOW)
        assert await store.accounts(tx) == []
    assert {result.refusal for result in results} == {Refusal.ACCOUNT_UNKNOWN}


async def _statements(database: Database, batch: list[Transfer]) -> int:
    async with database.transaction() as tx:
        results = await store.post(tx, batch, now=NOW)
        assert all(result.entered for result in results)
        return tx.statements


async def test_a_thousand_transfers_cost_as_many_statements_as_ten(
    database: Database,
) -> None:
    def batch(first: int, count: int) -> list[Transfer]:
        wishes: list[Transfer] = []
        for n in range(first, first + 4 * count, 4):
            member = AccountCode(f"producer:{n}")
            hold = replace(_hold(n + 1, 4), debit=member)
            wishes += [_mint(n, 10, member), hold, _end(n + 2, n + 1, Phase.POST, 3)]
        return wishes

    before = database.waits
    few = await _statements(database, batch(10, 10))
    assert database.waits - before == 2, "the batch, and its commit"
    many = await _statements(database, batch(10_000, 1_000))
    assert (few, many) == (5, 5)
    assert await _all_well(database)


async def test_a_transfer_posted_alone_is_committed_in_one_wait(
    database: Database, path: Path
) -> None:
    before = database.waits
    (result,) = await store.post_alone(database, [_mint(1)], now=NOW)
    assert result.entered
    assert database.waits - before == 1
    await database.close()
    again = await Database.open(f"sqlite:///{path}")
    (result,) = await store.post_alone(again, [_mint(1)], now=NOW)
    assert result.duplicate
    assert await _all_well(again)
    await again.close()


async def test_a_batch_that_is_too_long_is_refused_and_an_empty_one_costs_nothing(
    database: Database,
) -> None:
    before = database.waits
    wishes = [_mint(1)] * (store.MAX_BATCH + 1)
    with pytest.raises(ValueError, match="at most"):
        await store.post_alone(database, wishes, now=NOW)
    assert await store.post_alone(database, [], now=NOW) == []
    assert database.waits == before


async def test_the_database_itself_refuses_what_the_rule_would(
    database: Database, path: Path
) -> None:
    async with database.transaction() as tx:
        await store.post(tx, [_mint(1, 10), _hold(2, 10), _mint(4)], now=NOW)
        await store.post(tx, [_end(3, 2, Phase.VOID, 0)], now=NOW)
    raw = sqlite3.connect(path)
    for forbidden in (
        "UPDATE ledger_transfers SET amount = 11 WHERE seq = 1",
        "DELETE FROM ledger_transfers WHERE seq = 1",
        "UPDATE ledger_accounts SET debits_posted = 99 WHERE code = 'producer:7'",
        "UPDATE ledger_accounts SET credits_posted = 0 WHERE code = 'producer:7'",
        "UPDATE ledger_accounts SET floor = 0 WHERE code = 'producer:7'",
        "UPDATE ledger_accounts SET debits_pending = -1 WHERE code = 'producer:7'",
        "DELETE FROM ledger_accounts",
        "UPDATE ledger_holds SET state = 0",
        "DELETE FROM ledger_holds",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(forbidden)
    raw.close()


async def test_the_audit_names_what_was_tampered_with(
    database: Database, path: Path
) -> None:
    async with database.transaction() as tx:
        await store.post(tx, [_mint(1, 10), _mint(2, 20), _hold(3, 5)], now=NOW)
    tampering = (
        (
            "ledger_accounts_posted_totals_only_grow",
            "UPDATE ledger_accounts SET credits_posted = 31 WHERE code = 'producer:7'",
            "account producer:7 (wh) does not balance",
        ),
        (
            "ledger_holds_end_once",
            "UPDATE ledger_holds SET state = 2",
            "the states of holds",
        ),
        (
            "ledger_transfers_are_never_changed",
            "UPDATE ledger_transfers SET amount = 21 WHERE seq = 2",
            "the hash of entry 2",
        ),
        (
            "ledger_transfers_are_never_deleted",
            "DELETE FROM ledger_transfers WHERE seq = 1",
            "entry 1 is missing",
        ),
    )
    for trigger, statement, complaint in tampering:
        raw = sqlite3.connect(path)
        raw.execute(f"DROP TRIGGER {trigger}")
        raw.execute(statement)
        raw.commit()
        raw.close()
        async with database.reading() as tx:
            found = await check.findings(tx)
        assert any(complaint in f.detail and not f.ok for f in found), complaint
