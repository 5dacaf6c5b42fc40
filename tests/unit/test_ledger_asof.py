"""What an account held then: by effective time, by recorded time, after so many entries."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import store
from meterseal_aggregator.ledger.asof import (
    MAX_PAGE,
    Page,
    Sides,
    balance_as_of,
    history,
)
from meterseal_aggregator.ledger.model import (
    WH,
    Account,
    AccountCode,
    Phase,
    Transfer,
    TransferId,
)
from meterseal_aggregator.storage.database import Database
from tests.support.explained import Explained
from tests.support.migrated import open_migrated

MEASURED = AccountCode("meter:00ff:measured")
PRODUCER = AccountCode("producer:7")
BUYER = AccountCode("buyer:8")


def _id(number: int) -> TransferId:
    return TransferId(number.to_bytes(32))


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Minted for second 100 but known at 500; held at 510 for 400, posted at 520."""
    opened = await open_migrated(tmp_path / "aggregator.sqlite")
    mint = Transfer(_id(1), 100, MEASURED, PRODUCER, "mint", 100)
    hold = Transfer(_id(2), 60, PRODUCER, BUYER, "trade", 400, phase=Phase.HOLD)
    post = Transfer(_id(3), 45, phase=Phase.POST, pending_id=_id(2), effective_at=300)
    async with opened.transaction() as tx:
        for wish, now in ((mint, 500), (hold, 510), (post, 520)):
            assert (await store.post(tx, [wish], now=now))[0].entered
    yield opened
    await opened.close()


def _totals(account: Account) -> tuple[int, int, int, int]:
    return (
        account.debits_pending,
        account.debits_posted,
        account.credits_pending,
        account.credits_posted,
    )


async def test_recorded_time_tells_what_was_known_then(database: Database) -> None:
    known = {
        499: {},
        500: {PRODUCER: (0, 0, 0, 100)},
        510: {PRODUCER: (60, 0, 0, 100), BUYER: (0, 0, 60, 0)},
        520: {PRODUCER: (0, 45, 0, 100), BUYER: (0, 0, 0, 45)},
    }
    async with database.reading() as tx:
        for at, totals in known.items():
            found = await balance_as_of(tx, WH, [PRODUCER, BUYER], recorded_at=at)
            assert {code: _totals(a) for code, a in found.items()} == totals
        now = await store.balances(tx, WH, [PRODUCER, BUYER])
        assert await balance_as_of(tx, WH, now, seq=3) == now


async def test_effective_time_tells_what_counted_then_as_known_now(
    database: Database,
) -> None:
    async with database.reading() as tx:
        for at, totals in (
            (100, (0, 0, 0, 100)),
            (300, (0, 45, 0, 100)),
            (400, (0, 45, 0, 100)),
        ):
            found = await balance_as_of(tx, WH, [PRODUCER], effective_at=at)
            assert _totals(found[PRODUCER]) == totals
        assert await balance_as_of(tx, WH, [PRODUCER], effective_at=99) == {}


async def test_a_moment_is_said_in_exactly_one_way(database: Database) -> None:
    async with database.reading() as tx:
        with pytest.raises(ValueError, match="either"):
            await balance_as_of(tx, WH, [PRODUCER])
        with pytest.raises(ValueError, match="either"):
            await balance_as_of(tx, WH, [PRODUCER], effective_at=1, recorded_at=1)


async def test_history_comes_by_pages_from_either_end(database: Database) -> None:
    wishes = [Transfer(_id(n), 1, MEASURED, PRODUCER, "mint", n) for n in range(4, 11)]
    async with database.transaction() as tx:
        await store.post(tx, wishes, now=600)
    async with database.reading() as tx:
        forth: list[int] = []
        page = Page(limit=4)
        while found := await history(tx, WH, PRODUCER, page):
            forth += [seq for seq, _ in found]
            page = replace(page, after=found[-1][0])
        assert forth == list(range(1, 11))
        back = Page(limit=4, newest_first=True)
        assert [s for s, _ in await history(tx, WH, PRODUCER, back)] == [10, 9, 8, 7]
        back = replace(back, before=7)
        assert [s for s, _ in await history(tx, WH, PRODUCER, back)] == [6, 5, 4, 3]
        debits = await history(tx, WH, PRODUCER, Page(sides=Sides.DEBITS))
        assert [entry.transfer.id for _, entry in debits] == [_id(2), _id(3)]
        into = await history(tx, WH, PRODUCER, Page(sides=Sides.CREDITS))
        assert [seq for seq, _ in into] == [1, *range(4, 11)]
        assert await history(tx, WH, AccountCode("producer:none")) == []
        with pytest.raises(ValueError, match="limit"):
            await history(tx, WH, PRODUCER, Page(limit=MAX_PAGE + 1))


async def test_only_the_accounts_own_entries_are_read_and_by_index(
    database: Database,
) -> None:
    async with database.reading() as tx:
        await tx.rows("SELECT 1")
        explained = Explained(tx)
        for seconds in ({"recorded_at": 510}, {"effective_at": 510}, {"seq": 2}):
            await balance_as_of(explained, WH, [PRODUCER, BUYER], **seconds)
        await history(explained, WH, PRODUCER)
        await history(explained, WH, PRODUCER, Page(newest_first=True, limit=2))
    plan = "\n".join(explained.plan)
    assert "SCAN t\n" not in plan
    assert "SCAN ledger_transfers" not in plan
    assert "SCAN h" not in plan
    for index in ("ledger_transfers_by_debit", "ledger_transfers_by_credit"):
        assert plan.count(f"INDEX {index}") == 5


async def test_many_accounts_are_answered_in_one_statement(database: Database) -> None:
    codes = [AccountCode(f"producer:{n}") for n in range(2_000)]
    async with database.reading() as tx:
        found = await balance_as_of(tx, WH, codes, recorded_at=520)
        assert (list(found), tx.statements) == ([PRODUCER], 1)
