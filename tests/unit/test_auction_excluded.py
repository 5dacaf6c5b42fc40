"""What cannot be cleared is cancelled, or waits for its dispute, and blocks nobody else."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.freeze import freeze_account, freeze_hold, thaw
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.auction import store
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.market.auction.model import (
    OrderState,
    SealedOrder,
    Side,
    Wish,
)
from meterseal_aggregator.market.auction.place import place
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry import write
from meterseal_aggregator.storage.database import Database
from tests.support.auctions import (
    FEED_IN,
    MUCH_MICRO,
    RETAIL,
    People,
    gate,
    make_people,
)
from tests.support.marketplace import (
    DEMO,
    NOW,
    REAL,
    XTS,
    a_market,
    balance,
    certify,
    make_home,
    set_parameter,
    slot,
)

START = slot(40)
FROST = transfer_id("dispute", 1)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


@pytest.fixture
async def people(database: Database) -> People:
    """Two sellers with a certified meter each, and two buyers."""
    found = await make_people(database, sellers=2, buyers=2)
    async with database.transaction() as tx:
        for seller, point in zip(found.sellers, found.points, strict=True):
            await make_home(tx, seller, point)
            await certify(tx, point)
    return found


async def clear(database: Database, now: int = gate(START)) -> int:
    return await run_once(database, REAL, now)


async def fate(database: Database, placed: SealedOrder) -> tuple[str, int]:
    async with database.reading() as tx:
        found = await store.one(tx, placed.id)
    assert found is not None
    return found.state.value, found.filled_wh


async def promises(database: Database) -> list[int]:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT promised_wh FROM slot_sales ORDER BY meter_point_id"
        )
    return [row[0] for row in rows]


async def post(database: Database, transfer: Transfer, now: int) -> None:
    async with database.transaction() as tx:
        (result,) = await ledger.post(tx, [transfer], now=now)
        assert result.entered, result


@pytest.mark.parametrize("what", ["certificate", "tenancy", "meter"])
async def test_who_may_no_longer_sell_is_out_and_the_others_trade(
    database: Database, people: People, what: str
) -> None:
    gone = await people.ask(0, START, 100, FEED_IN)
    stays = await people.ask(1, START, 100, 100_000)
    bid = await people.bid(0, START, 150, 200_000)
    async with database.transaction() as tx:
        if what == "certificate":
            ended = "UPDATE certifications SET to_at = ? WHERE meter_point_id = ?"
            await tx.rows(ended, (START + 899, people.points[0]))
        elif what == "tenancy":
            await write.end_tenancy(tx, people.points[0], at=START + 899)
        else:
            await write.remove_meter(tx, (1).to_bytes(16), at=START)
    assert await clear(database) == 3
    assert await fate(database, gone) == ("cancelled", 0)
    assert await fate(database, stays) == ("cleared", 100)
    assert await fate(database, bid) == ("cleared", 100)
    assert await promises(database) == [0, 100]
    async with database.reading() as tx:
        book = await store.book(tx, START)
        told = await tx.rows(
            "SELECT body FROM member_events WHERE member_id = ?", (people.sellers[0],)
        )
    assert book is not None
    assert book.count(b'"party"') == 2
    assert '"state":"cancelled"' in told[0][0]


async def test_a_certificate_to_the_slots_end_is_enough(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 100, FEED_IN)
    async with database.transaction() as tx:
        ended = "UPDATE certifications SET to_at = ? WHERE meter_point_id = ?"
        await tx.rows(ended, (START + 900, people.points[0]))
    await clear(database)
    assert await fate(database, ask) == ("cleared", 0)


async def test_a_point_without_a_meter_sells_in_a_demo_only(
    database: Database, people: People
) -> None:
    others = await make_people(database, sellers=1, buyers=0)
    for start, rules, wanted in (
        (START, REAL, "cancelled"),
        (slot(41), DEMO, "cleared"),
    ):
        ask = await others.ask(0, start, 100, FEED_IN)
        assert await run_once(database, rules, gate(start)) == 1
        assert await fate(database, ask) == (wanted, 0)


async def test_an_ask_whose_slot_is_settled_is_out_and_promises_nothing_more(
    database: Database, people: People
) -> None:
    late = await people.ask(0, START, 100, FEED_IN)
    bid = await people.bid(0, START, 150, 200_000)
    async with database.transaction() as tx:
        await tx.rows("UPDATE slot_sales SET settled_at = 1, promised_wh = 140")
    assert await clear(database, START + 86_400) == 2
    assert await fate(database, late) == ("cancelled", 0)
    assert await fate(database, bid) == ("cleared", 0)
    assert await promises(database) == [40]


@pytest.mark.parametrize("whole", [False, True])
async def test_a_disputed_bid_waits_for_its_end_and_the_others_trade(
    database: Database, people: People, *, whole: bool
) -> None:
    ask = await people.ask(0, START, 100, 100_000)
    disputed = await people.bid(0, START, 100, RETAIL)
    bid = await people.bid(1, START, 60, 200_000)
    frost = (
        freeze_account(FROST, XTS, disputed.escrow, why="dispute", reference=b"1")
        if whole
        else freeze_hold(FROST, disputed.hold, why="dispute", reference=b"1")
    )
    await post(database, frost, NOW)
    assert await clear(database) == 2
    assert await fate(database, disputed) == ("sealed", 0)
    assert await fate(database, ask) == await fate(database, bid) == ("cleared", 60)
    # It stands in nobody's way.
    other = await people.bid(1, slot(41), 1, RETAIL)
    assert await clear(database, gate(slot(41))) == 1
    assert await fate(database, other) == ("cleared", 0)
    assert await clear(database, START) == 0
    await post(database, thaw(transfer_id("dispute", 1, "end"), FROST), START)
    assert await clear(database, START) == 1
    assert await fate(database, disputed) == ("cancelled", 0)
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO
        assert len(await tx.rows("SELECT * FROM clearings")) == 2


async def test_a_bid_in_money_of_before_is_out_and_given_back(
    database: Database, people: People
) -> None:
    await people.ask(0, START, 100, 100_000)
    old = await people.bid(0, START, 60, 200_000)
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MONEY_ASSET, "KES", gate(START))
    assert await clear(database) == 2
    assert await fate(database, old) == ("cancelled", 0)
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO


async def test_where_no_price_is_allowed_everybody_has_his_own_back(
    database: Database, people: People
) -> None:
    orders = [
        await people.ask(0, START, 100, 100_000), await people.bid(0, START, 60, 200_000)
    ]  # fmt: skip
    async with database.transaction() as tx:
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, RETAIL + 1_000, gate(START))
    assert await clear(database) == 2
    for order in orders:
        assert await fate(database, order) == ("cancelled", 0)
    assert await promises(database) == [0]
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO
        assert await store.clearing(tx, START) is None


async def test_a_bid_of_who_sells_there_too_is_out(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 100, 100_000)
    bid = await people.bid(0, START, 60, 200_000)
    # As if the check before had missed it.
    async with database.transaction() as tx:
        await tx.rows("DROP TRIGGER auction_orders_end_once")
        both = "UPDATE auction_orders SET member_id = ? WHERE id = ?"
        await tx.rows(both, (people.sellers[0], bid.id))
    assert await clear(database) == 2
    assert await fate(database, ask) == ("cleared", 0)
    assert await fate(database, bid) == ("cancelled", 0)


async def test_an_order_cannot_come_after_the_clearing(
    database: Database, people: People
) -> None:
    await people.bid(0, START, 1, RETAIL)
    await clear(database)
    async with database.reading() as tx:
        assert await trades.where(tx, "start = ?", (START,)) == []
    wish = Wish(people.buyers[1], Side.BID, START, 1, RETAIL)
    with pytest.raises(Exception, match="this slot is cleared"):
        async with database.transaction() as tx:
            await store.add(tx, wish, 900, "late", now=NOW)
    with pytest.raises(Exception, match="is cleared"):
        async with database.transaction() as tx:
            await place(tx, DEMO, wish, "late", now=NOW)
    async with database.reading() as tx:
        assert {one.state for one in await store.of_member(
            tx, people.buyers[0], after=0, limit=9
        )} == {OrderState.CLEARED}  # fmt: skip
