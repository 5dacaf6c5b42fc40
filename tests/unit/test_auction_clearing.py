"""The clearing of a slot: one price for all, trades with their holds, and a book to replay."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from subprocess import run

import pytest

from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.auction import store
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.market.auction.model import (
    Cleared,
    OrderState,
    SealedOrder,
)
from meterseal_aggregator.market.auction.place import cancel
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.model import Cause, Declined, Trade
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database
from meterseal_proto.entry import trade_event_entry
from tests.support.auctions import (
    FEED_IN,
    MUCH_MICRO,
    RETAIL,
    People,
    before,
    gate,
    make_people,
)
from tests.support.frontdesk import Counting
from tests.support.marketplace import (
    DEMO,
    XTS,
    a_market,
    account,
    balance,
    set_parameter,
    slot,
)

START = slot(40)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened
        async with opened.reading() as tx:
            wrong = [one for one in await ledger_check.findings(tx) if not one.ok]
        assert not wrong


@pytest.fixture
async def people(database: Database) -> People:
    return await make_people(database, sellers=3, buyers=3)


async def clear(database: Database, now: int = gate(START)) -> int:
    return await run_once(database, DEMO, now)


async def order(database: Database, placed: SealedOrder) -> SealedOrder:
    async with database.reading() as tx:
        found = await store.one(tx, placed.id)
    assert found is not None
    return found


async def clearing(database: Database, start: int = START) -> Cleared:
    async with database.reading() as tx:
        found = await store.clearing(tx, start)
    assert found is not None
    return found


async def made(database: Database) -> list[Trade]:
    async with database.reading() as tx:
        return await trades.where(tx, "start = ?", (START,))


async def test_one_price_between_ask_and_bid_and_a_trade_with_its_hold(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, 100_000)
    bid = await people.bid(0, START, 300, 200_000)
    assert await clear(database) == 2
    (trade,) = await made(database)
    # Marginal ask 100,000, marginal bid 200,000, nobody left over but the ask's rest.
    assert trade.terms == Terms(100_000, 0, 0, RETAIL)
    assert (trade.seller, trade.buyer) == (people.sellers[0], people.buyers[0])
    assert (trade.lane, trade.wh, trade.asset) == (Lane.AUCTION, 300, XTS)
    assert (trade.ask, trade.bid, trade.length) == (ask.id, bid.id, 900)
    ended = [await order(database, one) for one in (ask, bid)]
    assert [(one.state, one.filled_wh) for one in ended] == [
        (OrderState.CLEARED, 300), (OrderState.CLEARED, 300),
    ]  # fmt: skip
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO - 300 * 100
        kept, waiting = await account(tx, bid.escrow), await account(tx, trade.escrow)
    assert kept is not None
    assert waiting is not None
    assert (kept.credits_pending, waiting.credits_pending) == (0, 300 * 100)


async def test_what_an_ask_did_not_sell_is_no_promise_any_more(
    database: Database, people: People
) -> None:
    await people.ask(0, START, 500, 100_000)
    await people.ask(0, START, 70, 240_000)
    await people.bid(0, START, 300, 200_000)
    await clear(database)
    async with database.reading() as tx:
        rows = await tx.rows("SELECT promised_wh FROM slot_sales")
    assert rows == [(300,)]


async def test_a_bid_that_buys_nothing_has_its_money_back(
    database: Database, people: People
) -> None:
    bid = await people.bid(0, START, 300, 200_000)
    assert await clear(database) == 1
    found = await order(database, bid)
    assert (found.state, found.filled_wh) == (OrderState.CLEARED, 0)
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO
    found_clearing = await clearing(database)
    assert (found_clearing.price, found_clearing.volume_wh) == (None, 0)


async def test_trust_goes_before_time_and_price_before_trust(
    database: Database, people: People
) -> None:
    early = await people.ask(0, START, 100, 100_000)
    trusted = await people.ask(1, START, 100, 100_000)
    cheap = await people.ask(2, START, 100, 90_000)
    async with database.transaction() as tx:
        rows = [(people.sellers[0], 4_999), (people.sellers[1], 5_000)]
        await tx.many("INSERT INTO trust_scores VALUES (?, ?)", rows)
    await people.bid(0, START, 150, 200_000)
    await clear(database)
    filled = [(await order(database, one)).filled_wh for one in (early, trusted, cheap)]
    assert filled == [0, 50, 100]


async def test_trust_counts_as_it_is_at_the_clearing(
    database: Database, people: People
) -> None:
    early, late = [await people.ask(n, START, 100, 100_000) for n in (0, 1)]
    await people.bid(0, START, 100, 200_000)
    async with database.transaction() as tx:
        await tx.many(
            "INSERT INTO trust_scores VALUES (?, 9999)", [(people.sellers[1],)]
        )
    await clear(database)
    filled = [(await order(database, one)).filled_wh for one in (early, late)]
    assert filled == [0, 100]


async def test_fee_losses_and_prices_are_those_of_the_clearing(
    database: Database, people: People
) -> None:
    await people.ask(0, START, 100, 95_000)
    await people.bid(0, START, 100, 120_000)
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, 10_000, gate(START))
        await set_parameter(tx, Name.MARKET_LOSSES_BP, 500, gate(START))
        await set_parameter(tx, Name.RETAIL_PRICE_MICRO, 300_000, gate(START))
    await clear(database)
    (trade,) = await made(database)
    # 95,000 / 95 % + 10,000 = 110,000 at least; halfway to 120,000.
    assert trade.terms == Terms(115_000, 10_000, 500, 300_000)


async def test_a_slot_is_cleared_when_its_gate_closes_and_not_before(
    database: Database, people: People
) -> None:
    await people.bid(0, START, 1, RETAIL)
    assert await clear(database, before(START)) == 0
    assert await clear(database, gate(START)) == 1


async def test_the_earliest_slot_is_cleared_first_and_each_once(
    database: Database, people: People
) -> None:
    for number in (42, 40, 41):
        await people.bid(0, slot(number), 1, RETAIL)
    assert await clear(database, gate(slot(41))) == 1
    assert (await clearing(database, slot(40))).cleared_at == gate(slot(41))
    assert await clear(database, gate(slot(41))) == 1
    assert await clear(database, gate(slot(41))) == 0
    async with database.reading() as tx:
        starts = await tx.rows("SELECT start FROM clearings ORDER BY start")
    assert starts == [(slot(40),), (slot(41),)]


async def test_without_orders_there_is_no_clearing(
    database: Database, people: People
) -> None:
    assert await clear(database, START) == 0
    async with database.reading() as tx:
        assert await tx.rows("SELECT * FROM clearings") == []
        assert await tx.rows("SELECT * FROM log_entries") == []


async def test_the_book_names_nobody_and_tells_no_score(
    database: Database, people: People
) -> None:
    for start in (START, slot(41)):
        await people.ask(0, start, 500, 100_000)
        await people.ask(0, start, 20, 110_000)
        await people.bid(0, start, 300, 200_000)
    async with database.transaction() as tx:
        await tx.many(
            "INSERT INTO trust_scores VALUES (?, 6789)", [(people.sellers[0],)]
        )
    for start in (START, slot(41)):
        await clear(database, gate(start))
    books = []
    for start in (START, slot(41)):
        async with database.reading() as tx:
            stored = await store.book(tx, start)
        assert stored is not None
        books.append(json.loads(stored))
    first, second = ({one["party"] for one in b["asks"]} for b in books)
    assert len(first) == len(second) == 1
    assert not first & second
    for book in books:
        assert [one["id"] for one in book["asks"]] == ["1", "2"]
        assert [one["id"] for one in book["bids"]] == ["3"]
        assert {one["trust"] for one in book["asks"]} == {5_000}
        assert {one["trust"] for one in book["bids"]} == {3_000}
        assert (book["floor"], book["ceiling"]) == (FEED_IN, RETAIL)


async def test_a_stranger_who_replays_the_book_comes_to_the_same(
    database: Database, people: People, tmp_path: Path
) -> None:
    orders = [
        await people.ask(n, START, 100 * n + 7, 90_000 + 7_000 * n) for n in (0, 1, 2)
    ]
    orders += [
        await people.bid(n, START, 90 * n + 5, 150_000 - 9_000 * n) for n in (0, 1, 2)
    ]
    await clear(database)
    found = await clearing(database)
    async with database.reading() as tx:
        stored = await store.book(tx, START)
        numbers = await store.numbers(tx, START)
        ((entry,),) = await tx.rows(
            "SELECT body FROM log_entries WHERE id = ?", (found.entry,)
        )
    assert stored is not None
    (tmp_path / "BOOK.json").write_bytes(stored)
    program = str(Path(sys.executable).with_name("meterseal-verify"))
    told = run(
        [program, "clearing", str(tmp_path / "BOOK.json")],
        check=True, capture_output=True,
    )  # fmt: skip
    answer = json.loads(told.stdout)
    assert answer["price"] == found.price
    assert answer["volume_wh"] == found.volume_wh > 0
    assert answer["hash"] == found.hash.hex()
    filled = {one["id"]: one["wh"] for one in answer["fills"]}
    for one in orders:
        wh = (await order(database, one)).filled_wh
        assert filled.get(str(numbers[one.id]), 0) == wh
    # Type 3, version 1, SHA-256(salt || hash): the log tells nobody more.
    assert entry == b"\x03\x01" + sha256(found.salt + found.hash).digest()


async def test_everybody_is_told_what_became_of_his_order(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, 100_000)
    bid = await people.bid(0, START, 300, 200_000)
    await clear(database)
    async with database.reading() as tx:
        rows = await tx.rows("SELECT member_id, kind, body, at FROM member_events")
    told = {row[0]: (row[1], json.loads(row[2]), row[3]) for row in rows}
    for member, one in ((people.sellers[0], ask), (people.buyers[0], bid)):
        body = {
            "order": one.id, "start": START, "state": "cleared", "filled_wh": 300,
            "price_micro_per_kwh": 100_000,
        }  # fmt: skip
        assert told[member] == ("auction", body, gate(START))
    assert len(rows) == 2


async def test_a_bid_of_many_trades_is_more_than_one_batch_of_the_ledger(
    database: Database, people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ledger, "MAX_BATCH", 3)
    monkeypatch.setattr("meterseal_aggregator.market.auction.duty.MAX_BATCH", 3)
    for _ in range(4):
        for seller in (0, 1):
            await people.ask(seller, START, 10, 100_000)
    for buyer in (0, 1, 2, 0, 1):
        await people.bid(buyer, START, 75 if not buyer else 1, 200_000)
    assert await clear(database) == 13
    assert sum(trade.wh for trade in await made(database)) == 80
    held = sum(trade.wh * trade.terms.price // 1_000 for trade in await made(database))
    async with database.reading() as tx:
        left = sum([await balance(tx, member) for member in people.buyers])
    assert left == 3 * MUCH_MICRO - held


async def test_a_clearing_costs_as_many_statements_for_many_orders_as_for_few(
    database: Database, people: People, tmp_path: Path
) -> None:
    counted = []
    for start, orders in ((slot(40), 3), (slot(41), 18)):
        for n in range(orders):
            for who in (0, 1, 2):
                await people.ask(who, start, 10 + n, 100_000 + 1_000 * n)
                await people.bid(who, start, 10 + n, 200_000 - 1_000 * n)
        counting = await Counting.open(f"sqlite:///{tmp_path}/market.sqlite")
        assert await run_once(counting, DEMO, gate(start)) == 6 * orders
        await counting.close()
        counted.append(counting.statements)
    assert counted[0] == counted[1] < 50


async def test_two_runs_at_once_are_one_clearing(
    database: Database, people: People
) -> None:
    await people.ask(0, START, 500, 100_000)
    await people.bid(0, START, 300, 200_000)
    done = await asyncio.gather(*(clear(database) for _ in range(5)))
    assert sorted(done) == [0, 0, 0, 0, 2]
    assert len(await made(database)) == 1


async def test_of_taking_back_and_clearing_exactly_one_wins(
    database: Database, people: People
) -> None:
    """Two processes whose clocks differ by a second."""
    won = set()
    for n in range(20):
        start = slot(40 + n)
        bid = await people.bid(0, start, 300, 200_000)
        # The clearing looks first whether there is anything to do, then it writes.
        back = _taken_back(database, bid, after_s=n * 0.001)
        hold = run_once(database, DEMO, gate(start))
        told = await asyncio.gather(back, hold) if n else [await hold, await back]
        ended = await order(database, bid)
        assert sorted(told) == [0, 1]
        won.add(ended.state)
        async with database.reading() as tx:
            assert await balance(tx, people.buyers[0]) == MUCH_MICRO
    assert won == {OrderState.CANCELLED, OrderState.CLEARED}


async def _taken_back(database: Database, bid: SealedOrder, after_s: float) -> int:
    """Take a bid back in the last second; returns whether that was done."""
    await asyncio.sleep(after_s)
    try:
        async with database.transaction() as tx:
            await cancel(tx, bid.wish.member, bid.id, now=before(bid.wish.start))
    except Declined as declined:
        assert declined.cause is Cause.TOO_LATE
        return 0
    return 1


@pytest.mark.parametrize("length", [0, 31, 33])
def test_the_log_takes_a_hash_of_a_clearing_and_nothing_else(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        trade_event_entry(bytes(length))
