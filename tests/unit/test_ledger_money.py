"""Money in the ledger: its assets are named first, its accounts stand in the chart."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import check, store
from meterseal_aggregator.ledger.accounts import CASH
from meterseal_aggregator.ledger.assets import declare, declared
from meterseal_aggregator.ledger.chart import ENERGY, MONEY, opened
from meterseal_aggregator.ledger.model import (
    WH,
    Account,
    AccountCode,
    Asset,
    Floor,
    Phase,
    Refusal,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

XTS, KES = Asset("XTS"), Asset("KES")
USER, ESCROW = AccountCode("user:7"), AccountCode("escrow:1")
ARREARS, UTILITY = AccountCode("arrears:7"), AccountCode("utility")
CHAIN = AccountCode("chain:7")
NOW = 1_800_000_000


def _id(number: int) -> TransferId:
    return TransferId(number.to_bytes(32))


def _move(n: int, micro: int, debit: AccountCode, credit: AccountCode) -> Transfer:
    return Transfer(_id(n), micro, debit, credit, "test", NOW, asset=XTS)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    async with opened.transaction() as tx:
        await declare(tx, XTS, now=NOW)
    yield opened
    await opened.close()


async def _post(database: Database, *batch: Transfer) -> list[Result]:
    async with database.transaction() as tx:
        return await store.post(tx, batch, now=NOW)


async def _well(database: Database) -> bool:
    async with database.reading() as tx:
        return all(finding.ok for finding in await check.findings(tx))


def test_every_account_of_the_chart_opens_with_its_floor_and_no_other() -> None:
    for asset, lines in ((WH, ENERGY), (XTS, MONEY)):
        for line in lines:
            code = AccountCode(line.pattern.replace("*", "x-1"))
            assert opened(asset, code) == Account(asset, code, line.floor)
            assert opened(Asset("xts"), code) is None
            for wrong in (f"{code} ", f"{code}:y", f"a{code}", code.upper()):
                assert opened(asset, AccountCode(wrong)) is None
    assert opened(WH, CASH) is None
    assert opened(XTS, AccountCode("producer:7")) is None
    assert opened(XTS, AccountCode("tax")) is None


def test_whoever_owns_money_cannot_spend_what_is_not_there() -> None:
    floors = {line.pattern: line.floor for line in MONEY}
    owned = ("user:*", "escrow:*", "stake:*", "mutual-fund", "reward-pool")
    assert {floors[one] for one in owned} == {Floor.CREDITS_COVER}
    assert {floors["cash"], floors["arrears:*"]} == {Floor.DEBITS_COVER}


async def test_an_asset_nobody_named_opens_no_account(
    database: Database, tmp_path: Path
) -> None:
    wish = replace(_move(1, 5, CASH, USER), asset=KES)
    (found,) = await _post(database, wish)
    assert found.refusal is Refusal.ACCOUNT_UNKNOWN
    raw = sqlite3.connect(tmp_path / "aggregator.sqlite")
    with pytest.raises(sqlite3.IntegrityError, match="has not named"):
        raw.execute(
            "INSERT INTO ledger_accounts VALUES (9, 'KES', 'cash', 2, 0, 0, 0, 0)"
        )
    for forbidden in (
        "DELETE FROM ledger_assets",
        "UPDATE ledger_assets SET asset='X1'",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            raw.execute(forbidden)
    raw.close()
    async with database.transaction() as tx:
        for _ in range(2):
            await declare(tx, KES, now=NOW)
        for wrong in ("wh", "x", "EURO CENT", "", "X" * 13):
            with pytest.raises(ValueError, match="capitals"):
                await declare(tx, Asset(wrong), now=NOW)
        assert await declared(tx) == {XTS, KES}
    assert (await _post(database, wish))[0].entered


async def test_money_comes_in_and_goes_out_through_cash_and_never_more_than_came(
    database: Database,
) -> None:
    found = await _post(
        database,
        _move(1, 100, CASH, USER),
        _move(2, 101, USER, CASH),
        _move(3, 40, USER, CASH),
        _move(4, 10, UTILITY, USER),
        _move(5, 70, USER, CASH),
        _move(6, 60, USER, CASH),
    )
    assert [one.refusal for one in found] == [
        None,
        Refusal.EXCEEDS_CREDITS,
        None,
        None,
        Refusal.EXCEEDS_DEBITS,
        None,
    ]
    assert await _well(database)


async def test_a_bill_is_owed_paid_in_parts_and_never_overpaid(
    database: Database,
) -> None:
    found = await _post(
        database,
        _move(1, 100, CASH, USER),
        _move(2, 80, ARREARS, UTILITY),
        _move(3, 50, USER, ARREARS),
        _move(4, 31, USER, ARREARS),
        _move(5, 30, USER, ARREARS),
    )
    assert [one.refusal for one in found] == [
        None,
        None,
        None,
        Refusal.EXCEEDS_DEBITS,
        None,
    ]


async def test_a_credit_note_after_the_payout_leaves_the_payee_owing(
    database: Database,
) -> None:
    tax = AccountCode("tax:vat")
    found = await _post(
        database,
        _move(1, 20, CASH, USER),
        _move(2, 20, USER, tax),
        _move(3, 20, tax, CASH),
        _move(4, 5, tax, USER),
    )
    assert all(one.entered for one in found)
    assert await _well(database)


async def test_what_happened_on_the_chain_is_never_refused(database: Database) -> None:
    found = await _post(
        database,
        _move(1, 30, CHAIN, USER),
        _move(2, 10, USER, CHAIN),
        _move(3, 21, USER, CHAIN),
    )
    assert [one.refusal for one in found] == [None, None, Refusal.EXCEEDS_CREDITS]


async def test_no_asset_mixes_with_another_though_accounts_have_one_name(
    database: Database,
) -> None:
    measured, maker = AccountCode("meter:aa:measured"), AccountCode("producer:7")
    hold = replace(_move(4, 6, USER, ESCROW), phase=Phase.HOLD)
    found = await _post(
        database,
        _move(1, 6, CASH, USER),
        Transfer(_id(2), 9, measured, maker, "mint", NOW),
        Transfer(_id(3), 9, maker, ESCROW, "trade", NOW),
        hold,
        replace(_move(5, 1, maker, ESCROW)),
        Transfer(_id(6), 6, phase=Phase.POST, pending_id=hold.id),
        Transfer(_id(7), 5, phase=Phase.POST, pending_id=hold.id, asset=Asset("")),
    )
    assert [(one.refusal, one.field) for one in found[4:]] == [
        (Refusal.ACCOUNT_UNKNOWN, "debit"),
        (Refusal.PENDING_DIFFERS, "asset"),
        (None, ""),
    ]
    async with database.reading() as tx:
        wh = (await store.balances(tx, WH, [ESCROW]))[ESCROW]
        money = (await store.balances(tx, XTS, [ESCROW]))[ESCROW]
    assert (wh.held, money.held) == (9, 5)
    assert await _well(database)
