"""Prices of nothing and beyond counting: a slot is cleared and settled all the same."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market import standing
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.market.auction.model import OrderState
from meterseal_aggregator.market.auction.store import one
from meterseal_aggregator.market.settlement import duty
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database
from tests.support.auctions import gate, make_people
from tests.support.marketplace import DEMO, a_market, fund, set_parameter, slot
from tests.support.stall import Stall, furnish

START = slot(40)
MUCH_WH = 10**12
DEAR = ((1 << 40) - 1) // 1_000 * 1_000


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


async def test_energy_for_nothing_is_cleared(database: Database) -> None:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, 0)
    people = await make_people(database, sellers=1, buyers=1)
    ask = await people.ask(0, START, 500, 0)
    await people.bid(0, START, 500, 0)
    assert await run_once(database, DEMO, gate(START)) == 2
    async with database.reading() as tx:
        found = await one(tx, ask.id)
    assert found is not None
    assert (found.state, found.filled_wh) == (OrderState.CLEARED, 500)


async def test_a_tick_that_changes_while_orders_wait_loses_nobody_a_price(
    database: Database,
) -> None:
    people = await make_people(database, sellers=1, buyers=1)
    ask = await people.ask(0, START, 500, 101_000)
    bid = await people.bid(0, START, 500, 109_000)
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_TICK_MICRO, 7_000, gate(START))
    assert await run_once(database, DEMO, gate(START)) == 2
    async with database.reading() as tx:
        ((price,),) = await tx.rows("SELECT price FROM trades")
    assert ask.wish.price <= price <= bid.wish.price
    assert price % 7_000 == 0


async def test_a_shortfall_that_nobody_can_count_stops_no_settlement(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.RETAIL_PRICE_MICRO, DEAR)
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, 0)
        await set_parameter(tx, Name.FINALITY_DELAY_S, 0)
    stall = Stall(database)
    await furnish(stall, 1)
    stall.rules = MarketRules(mock=Mock(success_bp=0))
    async with database.transaction() as tx:
        await standing.declare(tx, stall.seller, 1 << 50, now=stall.now)
        await fund(tx, stall.buyers[0], MUCH_WH, now=stall.now)
    offer = await stall.offer({3: MUCH_WH}, price=1_000)
    order = await stall.bought(stall.buyers[0], offer.id, {3: MUCH_WH})
    stall.now = slot(10)
    while await duty.run_once(database, stall.rules, stall.now):
        pass
    assert (await stall.seen(order.id)).state.value in ("failed", "partial")
