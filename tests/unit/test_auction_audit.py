"""The auction's audit: silent over a market as it is, and it names what somebody changed."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market.auction import audit, money, store
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from tests.support.auctions import RETAIL, gate, make_people
from tests.support.marketplace import DEMO, XTS, a_market, slot

START = slot(40)
GUARDS = (
    "auction_orders_end_once", "clearings_are_never_changed", "trades_keep_their_terms",
    "log_entries_are_never_changed",
)  # fmt: skip

LESS_TRUSTED = (
    "UPDATE clearings"
    " SET book = CAST(replace(CAST(book AS TEXT), ':3000}', ':0}') AS BLOB)"
)
CANCELLED = "UPDATE auction_orders SET state = 'cancelled', ended_at = 1"


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """A market with a slot that is cleared, one that is not, and no guards any more."""
    async with a_market(tmp_path) as opened:
        people = await make_people(opened, sellers=2, buyers=2)
        for who in (0, 1):
            await people.ask(who, START, 50 + who, 100_000)
            await people.bid(who, START, 40 + 20 * who, 200_000)
        await run_once(opened, DEMO, gate(START))
        await people.bid(0, slot(41), 30, RETAIL)
        async with opened.transaction() as tx:
            for guard in GUARDS:
                await tx.rows(f"DROP TRIGGER IF EXISTS {guard}")
        yield opened


async def found(database: Database) -> list[Finding]:
    async with database.reading() as tx:
        return await audit.findings(tx)


async def test_nothing_is_wrong_with_what_the_duty_leaves(database: Database) -> None:
    told = await found(database)
    assert [one.ok for one in told] == [True, True, True]
    assert told[0].detail == "auctions that replay to the hash in the log: 1"
    assert (
        told[2].detail
        == f"{30 * RETAIL // 1_000} micro-units are put aside for sealed bids"
    )


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (LESS_TRUSTED, "another hash"),
        ("UPDATE clearings SET book = x'7b7d'", "cannot be read"),
        ("UPDATE clearings SET volume_wh = volume_wh + 1", "Wh replayed"),
        ("UPDATE clearings SET price = price + 1000", "Wh replayed"),
        ("UPDATE clearings SET salt = zeroblob(16)", "the log has another hash"),
        ("UPDATE log_entries SET body = x'0301'", "the log has another hash"),
        ("UPDATE auction_orders SET filled_wh = 1 WHERE id = 1", "order 1 got 1 Wh"),
        ("UPDATE trades SET wh = wh + 1 WHERE id = 1", "are traded"),
        ("UPDATE trades SET price = price + 1000 WHERE id = 1", "trade 1 is not what"),
        (f"{CANCELLED}, filled_wh = 0 WHERE id = 1", "other number than in its book"),
        ("UPDATE auction_orders SET wh = 31 WHERE state = 'sealed'", "are put aside"),
        (f"{CANCELLED} WHERE state = 'sealed'", "escrow:bid-5: 7500"),
    ],
)
async def test_what_somebody_changed_is_named(
    database: Database, change: str, said: str
) -> None:
    async with database.transaction() as tx:
        await tx.rows(change)
    wrong = [one.detail for one in await found(database) if not one.ok]
    assert wrong
    assert any(said in detail for detail in wrong), wrong


async def test_a_sealed_bid_without_its_money_is_named(database: Database) -> None:
    async with database.transaction() as tx:
        bids = await store.sealed(tx, slot(41))
        await money.give_back(tx, bids, XTS, now=gate(START))
    wrong = [one.detail for one in await found(database) if not one.ok]
    assert wrong == ["escrow:bid-5: 0 micro-units are put aside"]


async def test_a_sealed_bid_for_which_nobody_put_anything_aside_is_named(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        (bid,) = await store.sealed(tx, slot(41))
        await store.add(tx, bid.wish, 900, "never paid", now=gate(START))
    wrong = [one.detail for one in await found(database) if not one.ok]
    assert wrong == ["escrow:bid-6: nothing is put aside for a sealed bid"]
