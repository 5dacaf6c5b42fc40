"""Sealed orders: before the gate only, backed by a promise or by money, and taken back free."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from sqlite3 import IntegrityError

import pytest

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.ledger.freeze import freeze_hold
from meterseal_aggregator.market import sales, standing
from meterseal_aggregator.market.auction import store
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.market.auction.model import (
    MAX_OF_MEMBER,
    OrderState,
    SealedOrder,
    Side,
    Wish,
)
from meterseal_aggregator.market.auction.place import cancel, place
from meterseal_aggregator.market.model import Cause, Declined, transfer_id
from meterseal_aggregator.market.sales import Selling
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database
from tests.support.auctions import (
    FEED_IN,
    MUCH_MICRO,
    MUCH_WH,
    RETAIL,
    People,
    before,
    gate,
    make_people,
)
from tests.support.marketplace import (
    DEMO,
    NOW,
    REAL,
    a_market,
    account,
    balance,
    certify,
    declare,
    make_home,
    make_point,
    set_parameter,
    slot,
)
from tests.support.street import BEGIN

START = slot(40)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


@pytest.fixture
async def people(database: Database) -> People:
    return await make_people(database, sellers=2, buyers=2)


async def why(people: People, wish: Wish, now: int = NOW) -> Cause:
    """Return why an order is declined; then nothing is promised, held or written."""
    before_it = await _everything(people.database)
    with pytest.raises(Declined) as declined:
        await people.place(wish, now)
    assert await _everything(people.database) == before_it
    return declined.value.cause


async def _everything(database: Database) -> list[object]:
    async with database.reading() as tx:
        return [
            await tx.rows("SELECT * FROM auction_orders"),
            await tx.rows("SELECT * FROM slot_sales"),
            await tx.rows("SELECT count(*) FROM ledger_transfers"),
        ]


async def promised(database: Database, point: int, start: int = START) -> int:
    async with database.reading() as tx:
        rows = await tx.rows(
            "SELECT promised_wh FROM slot_sales WHERE meter_point_id = ? AND start = ?",
            (point, start),
        )
    return rows[0][0] if rows else 0


async def withdraw(people: People, order: SealedOrder, now: int) -> SealedOrder:
    async with people.database.transaction() as tx:
        return await cancel(tx, order.wish.member, order.id, now=now)


async def test_an_ask_is_a_promise_and_a_bid_has_its_most_money_put_aside(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, 100_000)
    bid = await people.bid(0, START, 300, 200_000)
    assert (ask.state, bid.state) == (OrderState.SEALED, OrderState.SEALED)
    assert await promised(database, people.points[0]) == 500
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO - 300 * 200
        escrow = await account(tx, bid.escrow)
    assert escrow is not None
    assert escrow.credits_pending == 300 * 200


async def test_the_gate_closes_in_the_second_it_names(people: People) -> None:
    bid = Wish(people.buyers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid, gate(START)) is Cause.TOO_LATE
    assert await why(people, bid, gate(START) + 1) is Cause.TOO_LATE
    ask = Wish(people.sellers[0], Side.ASK, START, 1, FEED_IN, people.points[0])
    assert await why(people, ask, gate(START)) is Cause.TOO_LATE
    assert (await people.place(bid, before(START))).id
    assert (await people.place(ask, before(START))).id


async def test_an_order_is_for_a_slot_of_the_grid_to_come(people: People) -> None:
    for start in (START + 1, START + 36 * 86_400):
        bid = Wish(people.buyers[0], Side.BID, start, 1, RETAIL)
        assert await why(people, bid) is Cause.SLOT


@pytest.mark.parametrize("price", [RETAIL + 1_000, FEED_IN - 1_000, 100_500, 1])
async def test_a_bid_no_price_could_serve_is_declined(
    people: People, price: int
) -> None:
    bid = Wish(people.buyers[0], Side.BID, START, 1, price)
    assert await why(people, bid) is Cause.PRICE


async def test_an_ask_is_of_what_a_buyer_can_pay_for_after_fee_and_losses(
    database: Database, people: People
) -> None:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, 10_000)
        await set_parameter(tx, Name.MARKET_LOSSES_BP, 500)
    most = 228_000  # (250,000 - 10,000) x 95 %
    wish = Wish(people.sellers[0], Side.ASK, START, 1, most, people.points[0])
    assert await why(people, replace(wish, price=most + 1_000)) is Cause.PRICE
    assert (await people.place(wish)).wish == wish
    assert (await people.ask(1, START, 1, 0)).wish.price == 0


async def test_no_price_at_all_between_feed_in_and_retail_is_said(
    database: Database, people: People
) -> None:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, RETAIL + 1_000)
    bid = Wish(people.buyers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.PRICE


async def test_who_has_a_micro_unit_too_little_cannot_bid(
    database: Database, people: People
) -> None:
    poor = await make_people(database, sellers=0, buyers=1, micro=300 * 200 - 1)
    bid = Wish(poor.buyers[0], Side.BID, START, 300, 200_000)
    assert await why(poor, bid) is Cause.FUNDS
    assert (await poor.place(replace(bid, wh=299))).wish.wh == 299
    async with database.transaction() as tx:
        await set_parameter(tx, Name.RETAIL_PRICE_MICRO, 10**12)
    # More than any balance could be.
    beyond = Wish(people.buyers[0], Side.BID, START, (1 << 40) - 1, 10**12)
    assert await why(people, beyond) is Cause.FUNDS


async def test_nobody_has_money_the_ledger_does_not_know(
    database: Database, people: People
) -> None:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MONEY_ASSET, "KES")
    bid = Wish(people.buyers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.FUNDS


async def test_a_party_sells_or_buys_in_a_slot_and_never_both(
    database: Database, people: People
) -> None:
    seller, buyer = people.sellers[0], people.buyers[0]
    await people.ask(0, START, 500, FEED_IN)
    bid = Wish(seller, Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.BOTH_SIDES
    await people.bid(0, START, 1, RETAIL)
    async with database.transaction() as tx:
        point = await make_point(tx, buyer)
        await declare(tx, buyer, MUCH_WH)
    ask = Wish(buyer, Side.ASK, START, 1, FEED_IN, point)
    assert await why(people, ask) is Cause.BOTH_SIDES


async def test_who_offered_energy_of_a_slot_does_not_bid_for_it(
    database: Database, people: People
) -> None:
    seller = people.sellers[0]
    async with database.transaction() as tx:
        offer = Selling(seller, people.points[0], {START: 10})
        await sales.promise(tx, DEMO, offer, await terms_at(tx, NOW), now=NOW)
    bid = Wish(seller, Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.BOTH_SIDES


async def test_who_took_his_ask_back_may_bid(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, FEED_IN)
    await withdraw(people, ask, NOW)
    bid = Wish(people.sellers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.FUNDS


async def test_both_lanes_share_one_cap(database: Database, people: People) -> None:
    seller, point = people.sellers[0], people.points[0]
    async with database.transaction() as tx:
        await make_home(tx, seller, point)
        await certify(tx, point, capacity_w=4_000)
        terms = await terms_at(tx, NOW)
        await sales.promise(
            tx, REAL, Selling(seller, point, {START: 600}), terms, now=NOW
        )
    await people.ask(0, START, 400, FEED_IN)
    ask = Wish(seller, Side.ASK, START, 1, FEED_IN, point)
    assert await why(people, ask) is Cause.ABOVE_CAP


async def test_a_member_has_so_many_sealed_orders_for_a_slot(people: People) -> None:
    order = await people.bid(0, START, 1, RETAIL)
    for _ in range(MAX_OF_MEMBER - 1):
        await people.bid(0, START, 1, RETAIL)
    bid = Wish(people.buyers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.FULL
    assert (await people.bid(0, slot(41), 1, RETAIL)).id
    await withdraw(people, order, NOW)
    assert (await people.place(bid)).id
    assert (await people.bid(1, START, 1, RETAIL)).id


async def test_a_member_places_and_cancels_for_a_slot_so_often_and_no_more(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_aggregator.market.auction.place.MAX_EVER", 2)
    for _ in range(2):
        await withdraw(people, await people.bid(0, START, 1, RETAIL), NOW)
    bid = Wish(people.buyers[0], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.FULL


async def test_a_slot_takes_so_many_sealed_orders(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("meterseal_aggregator.market.auction.place.MAX_SEALED", 2)
    first = await people.bid(0, START, 1, RETAIL)
    await people.bid(0, START, 1, RETAIL)
    bid = Wish(people.buyers[1], Side.BID, START, 1, RETAIL)
    assert await why(people, bid) is Cause.FULL
    await withdraw(people, first, NOW)
    assert (await people.place(bid)).id


async def test_the_same_wish_under_a_key_is_done_once_and_another_is_told_the_field(
    database: Database, people: People
) -> None:
    wish = Wish(people.buyers[0], Side.BID, START, 300, 200_000)
    async with database.transaction() as tx:
        made = await place(tx, DEMO, wish, "mine", now=NOW)
    # Also when the gate is closed meanwhile.
    async with database.transaction() as tx:
        assert await place(tx, DEMO, wish, "mine", now=START) == made
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO - 300 * 200
    others = {
        "side": replace(wish, side=Side.ASK), "start": replace(wish, start=slot(41)),
        "wh": replace(wish, wh=1), "meter_point": replace(wish, meter_point=1),
        "price_micro_per_kwh": replace(wish, price=RETAIL),
    }  # fmt: skip
    for field, other in others.items():
        async with database.transaction() as tx:
            with pytest.raises(Declined, match=f"different {field},") as declined:
                await place(tx, DEMO, other, "mine", now=NOW)
        assert declined.value.cause is Cause.KEY_USED
    async with database.transaction() as tx:
        theirs = replace(wish, member=people.buyers[1])
        assert (await place(tx, DEMO, theirs, "mine", now=NOW)).id != made.id


async def test_taking_back_gives_energy_and_money_back_and_costs_no_trust(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, 100_000)
    bid = await people.bid(0, START, 300, 200_000)
    for order in (ask, bid):
        ended = await withdraw(people, order, before(START))
        assert (ended.state, ended.ended_at) == (OrderState.CANCELLED, before(START))
        # Twice is once.
        assert await withdraw(people, order, before(START)) == ended
    assert await promised(database, people.points[0]) == 0
    async with database.reading() as tx:
        assert await balance(tx, people.buyers[0]) == MUCH_MICRO
        for member in (people.sellers[0], people.buyers[0]):
            assert not await standing.events(tx, member, after=0, limit=9)
        told = await tx.rows("SELECT member_id, kind FROM member_events")
    assert told == [(people.sellers[0], "auction"), (people.buyers[0], "auction")]


async def test_nothing_is_taken_back_once_the_gate_is_closed(
    database: Database, people: People
) -> None:
    ask = await people.ask(0, START, 500, 100_000)
    bid = await people.bid(0, START, 500, 200_000)
    for order in (ask, bid):
        with pytest.raises(Declined) as declined:
            await withdraw(people, order, gate(START))
        assert declined.value.cause is Cause.TOO_LATE
    assert await run_once(database, DEMO, gate(START)) == 2
    async with database.transaction() as tx:
        await set_parameter(tx, Name.GATE_CLOSURE_S, 0)
    # The gate moved, the clearing did not.
    for order in (ask, bid):
        with pytest.raises(Declined, match="cleared"):
            await withdraw(people, order, gate(START))
    late = Wish(people.buyers[1], Side.BID, START, 1, RETAIL)
    assert await why(people, late, gate(START)) is Cause.TOO_LATE


async def test_an_order_of_somebody_else_is_not_there(
    database: Database, people: People
) -> None:
    bid = await people.bid(0, START, 1, RETAIL)
    for member, number in ((people.buyers[1], bid.id), (people.buyers[0], 99)):
        async with database.transaction() as tx:
            with pytest.raises(Declined) as declined:
                await cancel(tx, member, number, now=NOW)
        assert declined.value.cause is Cause.UNKNOWN


async def test_a_disputed_bid_is_not_taken_back(
    database: Database, people: People
) -> None:
    bid = await people.bid(0, START, 1, RETAIL)
    async with database.transaction() as tx:
        frost = freeze_hold(
            transfer_id("dispute", 1), bid.hold, why="dispute", reference=b"1"
        )
        (result,) = await ledger.post(tx, [frost], now=NOW)
        assert result.entered
    with pytest.raises(Declined) as declined:
        await withdraw(people, bid, NOW)
    assert declined.value.cause is Cause.FROZEN
    async with database.reading() as tx:
        found = await store.one(tx, bid.id)
    assert found == bid


@pytest.mark.parametrize(
    ("before_it", "cleared", "after_it", "taken", "free"),
    [
        (900, slot(43), 3_600, START, (slot(36), slot(44))),
        (3_600, START, 900, slot(43), (slot(39), slot(44))),
    ],
)
async def test_what_overlaps_a_cleared_slot_is_cleared(
    people: People,
    before_it: int,
    cleared: int,
    after_it: int,
    taken: int,
    free: tuple[int, ...],
) -> None:
    async with people.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_SLOT_S, before_it)
    await people.bid(0, cleared, 1, RETAIL)
    assert await run_once(people.database, DEMO, gate(cleared)) == 1
    async with people.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_SLOT_S, after_it, BEGIN)
    bid = Wish(people.buyers[1], Side.BID, taken, 1, RETAIL)
    assert await why(people, bid) is Cause.TOO_LATE
    async with people.database.transaction() as tx:
        with pytest.raises(IntegrityError, match="this slot is cleared"):
            await store.add(tx, bid, after_it, "late", now=NOW)
    for start in free:
        assert (await people.place(replace(bid, start=start))).length == after_it


def test_names_of_accounts_are_those_of_the_chart() -> None:
    order = SealedOrder(
        7, Wish(1, Side.BID, 0, 1, 1), 900, OrderState.SEALED, 0, 0, None
    )
    assert (order.escrow, user(1)) == ("escrow:bid-7", "user:1")
