"""Laws of the auction as the duty holds it: through tables, ledger and log, book after book.

Nobody pays more than he bid or is left with less than he asked, every micro-unit held is a
trade's, every Wh promised is sold, and what the book says is what became of the orders.
Which order wins is a matter of what it says and of when it was submitted, of nothing else.

Seen to fail: with bids' holds left as they were; with unsold Wh that stay promised; with a
book in another order than that of submission; with trades at the bid's own price.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.auction import audit, store
from meterseal_aggregator.market.auction.duty import run_once
from meterseal_aggregator.market.auction.model import OrderState, SealedOrder, Side
from meterseal_aggregator.market.delivery import cost, payment
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.storage.database import Database
from meterseal_proto.clearing import ALL_BP
from meterseal_proto.clearingfile import clearing_hash, parse_book
from tests.support.auctions import MUCH_MICRO, People, before, gate, make_people
from tests.support.marketplace import DEMO, a_market, balance, set_parameter, slot
from tests.support.seed import NIGHTS

BOOKS = 200 * NIGHTS
PARTIES = 3
FEE, LOSSES_BP = 7_000, 350


@dataclass(frozen=True)
class Drawn:
    """An order to be submitted: whose, how many Wh, at what price."""

    side: Side
    who: int
    wh: int
    price: int


ORDERS = st.lists(
    st.builds(
        Drawn,
        st.sampled_from(Side),
        st.integers(0, PARTIES - 1),
        st.integers(1, 9),
        st.integers(40, 110).map(lambda n: n * 2_000),
    ),
    min_size=1,
    max_size=10,
)
SCORES = st.lists(
    st.sampled_from([0, 2_999, 3_000, 5_000, 9_999]),
    min_size=2 * PARTIES,
    max_size=2 * PARTIES,
)


@dataclass
class Held:
    """What a slot's auction left behind."""

    orders: list[SealedOrder]
    trades: list[Trade]
    promised: dict[int, int]
    balances: dict[int, int]
    book: bytes
    hash: bytes


class Market:
    """One market whose slots are taken one after the other, a book each."""

    def __init__(self, database: Database, people: People) -> None:
        self.database, self.people, self.held = database, people, 0

    async def hold(self, orders: Sequence[Drawn], scores: Sequence[int]) -> Held:
        """Submit orders, let the gate close, clear, and see."""
        start = slot(40 + self.held)
        self.held += 1
        await self._trust(scores)
        before_it = await self._balances()
        for one in orders:
            make = self.people.ask if one.side is Side.ASK else self.people.bid
            await make(one.who, start, one.wh, one.price, before(start))
        assert await run_once(self.database, DEMO, gate(start)) == len(orders)
        assert await run_once(self.database, DEMO, gate(start)) == 0
        return await self._see(start, before_it)

    async def _trust(self, scores: Sequence[int]) -> None:
        members = (*self.people.sellers, *self.people.buyers)
        async with self.database.transaction() as tx:
            await tx.many(
                "INSERT INTO trust_scores VALUES (?, ?) ON CONFLICT (member_id)"
                " DO UPDATE SET score = excluded.score",
                list(zip(members, scores, strict=True)),
            )

    async def _balances(self) -> dict[int, int]:
        async with self.database.reading() as tx:
            return {who: await balance(tx, who) for who in self.people.buyers}

    async def _see(self, start: int, before_it: dict[int, int]) -> Held:
        now = await self._balances()
        async with self.database.reading() as tx:
            rows = await tx.rows(
                "SELECT id FROM auction_orders WHERE start = ? ORDER BY id", (start,)
            )
            found = [await store.one(tx, row[0]) for row in rows]
            made = await trades.where(tx, "start = ?", (start,))
            sales = await tx.rows(
                "SELECT seller_id, promised_wh FROM slot_sales WHERE start = ?",
                (start,),
            )
            stored, clearing = (
                await store.book(tx, start),
                await store.clearing(tx, start),
            )
        assert stored is not None
        assert clearing is not None
        return Held(
            [one for one in found if one is not None],
            made,
            dict(sales),
            {who: before_it[who] - now[who] for who in now},
            stored,
            clearing.hash,
        )


def nobody_is_at_a_loss(held: Held) -> None:
    orders = {one.id: one for one in held.orders}
    for trade in held.trades:
        assert trade.ask is not None
        assert trade.bid is not None
        price = trade.terms.price
        assert price <= orders[trade.bid].wish.price
        left = (price - FEE) * (ALL_BP - LOSSES_BP) / ALL_BP
        assert left >= orders[trade.ask].wish.price
    assert len({trade.terms for trade in held.trades}) <= 1


def what_is_held_is_what_the_trades_cost(held: Held) -> None:
    costs: Counter[int] = Counter()
    for trade in held.trades:
        costs[trade.buyer] += cost(trade.wh, trade.terms.price)
        paid = payment(trade.terms, trade.wh, trade.wh)
        assert paid.held == paid.seller + paid.fee + paid.losses
    assert held.balances == {who: costs[who] for who in held.balances}


def what_is_promised_is_what_is_sold(held: Held) -> None:
    sold: Counter[int] = Counter()
    got: Counter[int] = Counter()
    for trade in held.trades:
        sold[trade.seller] += trade.wh
        got[trade.ask or 0] += trade.wh
        got[trade.bid or 0] += trade.wh
    assert held.promised == {who: sold[who] for who in held.promised}
    for one in held.orders:
        assert one.state is OrderState.CLEARED
        assert one.filled_wh == got[one.id] <= one.wish.wh


def the_book_says_what_became_of_the_orders(held: Held) -> None:
    book = parse_book(held.book)
    found = book.cleared()
    assert clearing_hash(book, found) == held.hash
    filled = {int(fill.id): fill.wh for fill in (*found.asks, *found.bids)}
    for number, one in enumerate(held.orders, 1):
        assert filled.get(number, 0) == one.filled_wh
    listed = json.loads(held.book)
    numbered = sorted(
        (int(one["id"]), one["wh"], one["price"])
        for one in (*listed["asks"], *listed["bids"])
    )
    assert numbered == [
        (number, one.wish.wh, one.wish.price)
        for number, one in enumerate(held.orders, 1)
    ]


def same_but_for_who_waits(held: Held, again: Held, places: Sequence[int]) -> None:
    """The same orders with sides interleaved otherwise are filled the same."""
    filled = [one.filled_wh for one in held.orders]
    assert [filled[place] for place in places] == [
        one.filled_wh for one in again.orders
    ]


LAWS = (
    nobody_is_at_a_loss,
    what_is_held_is_what_the_trades_cost,
    what_is_promised_is_what_is_sold,
    the_book_says_what_became_of_the_orders,
)


@pytest.mark.deep
def test_every_book_the_duty_clears_keeps_the_laws(tmp_path: Path) -> None:
    with asyncio.Runner() as runner:
        opening = a_market(tmp_path)
        database = runner.run(opening.__aenter__())
        market = Market(database, runner.run(_people(database)))

        @settings(max_examples=BOOKS)
        @given(ORDERS, SCORES)
        def hold(orders: list[Drawn], scores: list[int]) -> None:
            held = runner.run(market.hold(orders, scores))
            for law in LAWS:
                law(held)
            # Only the order within a side counts, not how the sides alternate.
            sides = [one.side is Side.BID for one in orders]
            places = sorted(range(len(orders)), key=sides.__getitem__)
            other = [orders[place] for place in places]
            again = runner.run(market.hold(other, scores))
            same_but_for_who_waits(held, again, places)

        try:
            hold()
            assert not runner.run(_wrong(database))
        finally:
            runner.run(opening.__aexit__(None, None, None))


async def _people(database: Database) -> People:
    async with database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, FEE)
        await set_parameter(tx, Name.MARKET_LOSSES_BP, LOSSES_BP)
    return await make_people(database, PARTIES, PARTIES, micro=MUCH_MICRO)


async def _wrong(database: Database) -> list[str]:
    async with database.reading() as tx:
        found = await ledger_check.findings(tx) + await audit.findings(tx)
    return [one.detail for one in found if not one.ok]
