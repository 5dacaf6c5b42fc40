"""The audit of what is owed finds every kind of row that is not as it was booked."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.receivables.audit import OWED, findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.quotes import QuoteWish, make
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, REWARD_POOL, UTILITY, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import AccountCode, Transfer
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    KES,
    MSU,
    XTS,
    Household,
    a_household,
    billed,
)
from tests.support.marketplace import NOW, a_market


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        async with opened.transaction() as tx:
            await _furnish(tx)
        yield opened


async def _furnish(tx: Transaction) -> None:
    """A bill paid in time and rewarded, one by a quote, one that is late and cost a fee."""
    ada = await a_household(tx, cents=5_000)
    eve = await a_household(tx, "Eve", asset=KES, cents=500)
    await declare(tx, MSU, now=NOW)
    fill = Transfer(transfer_id("fill"), 10**6, CASH, REWARD_POOL, "payment", NOW, MSU)
    assert (await ledger.post(tx, [fill], now=NOW))[0].entered
    for home in (ada, eve, ada):
        await billed(tx, home, 1_000)
    await pay(tx, Wish(ada.member, 1_000 * CENT, "k", XTS, "B-1"), now=NOW)
    await _by_quote(tx, eve)
    for _ in range(4):
        await run_batch(tx, now=NOW + 18 * DAY)


async def _by_quote(tx: Transaction, home: Household) -> None:
    quote = await make(tx, QuoteWish(XTS, KES, 10**8, NOW + DAY, "q"), BY, now=NOW)
    wish = Wish(home.member, 10**6, "k", bill="B-2", quote=quote.id)
    await pay(tx, wish, now=NOW)


async def _entry(tx: Transaction, purpose: str, into: AccountCode) -> None:
    made = Transfer(transfer_id(purpose), 1, UTILITY, into, purpose, NOW, XTS)
    assert (await ledger.post(tx, [made], now=NOW))[0].entered


async def test_books_that_are_sound_are_found_so(db: Database) -> None:
    async with db.reading() as tx:
        (found,) = await findings(tx)
    assert (found.invariant, found.ok) == (OWED, True)
    assert "2 payments of bills, 1 late fees and 2 rewards" in found.detail


FALSIFIED = {
    "paid more than was booked": "UPDATE bill_standings SET paid = paid + 1",
    "a fee that is not asked": "UPDATE bill_standings SET late_fees = 0",
    "a part that is gone": "DELETE FROM bill_payment_parts WHERE bill_id = 1",
    "a part that is more": "UPDATE bill_payment_parts SET amount = amount + 1",
    "given otherwise": "UPDATE bill_payments SET given = given + 1 WHERE quote_id = 1",
    "a fee charged twice": "INSERT INTO late_fees VALUES (1, 'XTS', 9, 1, 0)",
    "a fee beyond its base": "UPDATE late_fees SET base = 1",
    "a reward paid twice": "INSERT INTO rewards SELECT 3, 3, member_id, asset, amount, bp,"
    " state, 0, 0, earned_at, next_at, ended_at FROM rewards WHERE bill_id = 1",
    "a reward taken back on paper": "UPDATE rewards SET taken_back = 1",
    "a draw that never was": "INSERT INTO prepaid_draws VALUES"
    " (1, 1, 0, 1, 'XTS', 5, 5, 'usage', 0)",
    "more disputed than owed": "UPDATE bill_standings SET disputed = 10000000000",
}


@pytest.mark.parametrize("what", FALSIFIED)
async def test_a_row_that_is_not_as_booked_is_found(db: Database, what: str) -> None:
    async with db.transaction() as tx:
        for (trigger,) in await tx.rows(
            "SELECT name FROM sqlite_master WHERE type = 'trigger'"
        ):
            await tx.rows(f"DROP TRIGGER {trigger}")
        await tx.rows(FALSIFIED[what])
        (found,) = await findings(tx)
    assert not found.ok, what


@pytest.mark.parametrize(
    "purpose", ["bill-payment", "bill-exchange", "late-fee", "reward", "paygo"]
)
async def test_an_entry_that_nobody_recorded_is_found(
    db: Database, purpose: str
) -> None:
    async with db.transaction() as tx:
        await _entry(tx, purpose, user(1))
        (found,) = await findings(tx)
    assert not found.ok


async def test_money_that_waits_for_no_bill_is_found(db: Database) -> None:
    async with db.transaction() as tx:
        await _entry(tx, "prepaid", AccountCode("escrow:prepaid-1"))
        (found,) = await findings(tx)
    assert (found.ok, "prepaid-1" in found.detail) == (False, True)
