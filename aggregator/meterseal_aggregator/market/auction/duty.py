"""The clearing: a slot's sealed orders are opened, matched at one price and made trades.

    while await run_once(database, rules, now): ...

One slot a run, in one transaction: holds of bids are ended, the book is stored and cleared
as anybody may clear it again, the log is told a salted hash, trades hold their buyers'
money, and what no ask sold is given back. An order that cannot be cleared is cancelled and
blocks nobody; a bid that a dispute holds waits for its end, outside of the book. This
module must never clear a slot twice, nor one whose gate is open.
"""

import secrets
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.ledger.store import MAX_BATCH
from meterseal_aggregator.market import sales, trades
from meterseal_aggregator.market.auction import money, store
from meterseal_aggregator.market.auction.book import book_bytes, terms_of
from meterseal_aggregator.market.auction.model import (
    Cleared,
    OrderState,
    SealedOrder,
    Side,
)
from meterseal_aggregator.market.auction.money import Fate
from meterseal_aggregator.market.delivery import Lane, Terms
from meterseal_aggregator.market.standing import scores
from meterseal_aggregator.market.terms import MarketRules, MarketTerms, terms_at
from meterseal_aggregator.market.trades import NewTrade
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import store as translog
from meterseal_proto.clearing import Clearing, pairs
from meterseal_proto.clearingfile import clearing_hash, parse_book
from meterseal_proto.entry import trade_event_entry

SALT_BYTES: Final = 16
NAME_BYTES: Final = 8
"""Of a party's name in a book: two of 20,000 alike happen once in 10^11 slots, and then the
run fails and the next one draws others."""
MAX_LOOKED_UP: Final = 10_000
"""Members whose scores one statement asks for."""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that is being cleared: by what, and in which second."""

    start: int
    terms: MarketTerms
    now: int


@dataclass(frozen=True, slots=True)
class Opened:
    """A slot's orders: those for the book and those that end without; what else waits."""

    fit: list[SealedOrder]
    out: list[SealedOrder]


async def run_once(database: Database, rules: MarketRules, now: int) -> int:
    """Clear the earliest slot whose gate closed by `now`; returns how many orders ended.

    0 when there is none. A run that fails, or is killed, leaves the slot as it was.
    """
    async with database.reading() as tx:
        terms = await terms_at(tx, now)
        if not await store.due(tx, now + terms.gate_s):
            return 0
    async with database.transaction() as tx:
        terms = await terms_at(tx, now)
        for start in await store.due(tx, now + terms.gate_s):
            ended = await _clear(tx, rules, Slot(start, terms, now))
            if ended:
                return ended
    return 0


async def _clear(tx: Transaction, rules: MarketRules, slot: Slot) -> int:
    opened = await _open(tx, rules, slot)
    filled: dict[int, int] = {}
    price = None
    if opened.fit:
        filled, price = await _hold_auction(tx, rules, slot, opened.fit)
    await _release(tx, slot, [*opened.fit, *opened.out], filled)
    cleared = [(order, filled.get(order.id, 0)) for order in opened.fit]
    await store.end(tx, cleared, OrderState.CLEARED, slot.now)
    ended = [(order, 0) for order in opened.out]
    await store.end(tx, ended, OrderState.CANCELLED, slot.now)
    told = [
        *(_told(order, OrderState.CLEARED, wh, price) for order, wh in cleared),
        *(_told(order, OrderState.CANCELLED, 0, None) for order in opened.out),
    ]
    await tell(tx, told, now=slot.now)
    return len(told)


async def _open(tx: Transaction, rules: MarketRules, slot: Slot) -> Opened:
    """End every bid's hold, and tell which orders can be cleared; frozen bids are neither."""
    orders = await store.sealed(tx, slot.start)
    bids = [order for order in orders if order.wish.side is Side.BID]
    fates = await money.give_back(tx, bids, slot.terms.asset, now=slot.now)
    asks = {
        order.id: (order.wish.meter_point, slot.start)
        for order in orders
        if order.wish.meter_point is not None
    }
    backed = await sales.backed(tx, rules, set(asks.values()))
    able = {ask for ask, place in asks.items() if place in backed}
    # Both sides are refused before; a party on both would be nobody's to trade with.
    sellers = {order.wish.member for order in orders if order.wish.side is Side.ASK}
    able |= {
        bid.id
        for bid in bids
        if fates[bid.id] is Fate.FREE and bid.wish.member not in sellers
    }
    if terms_of(slot.terms, slot.start) is None or await store.clearing(tx, slot.start):
        able = set()
    return Opened(
        fit=[order for order in orders if order.id in able],
        out=[
            order
            for order in orders
            if order.id not in able and fates.get(order.id) is not Fate.FROZEN
        ],
    )


async def _hold_auction(
    tx: Transaction, rules: MarketRules, slot: Slot, orders: Sequence[SealedOrder]
) -> tuple[dict[int, int], int | None]:
    """Clear the book and make its trades; returns the Wh of each order's and the price."""
    terms = terms_of(slot.terms, slot.start)
    assert terms is not None
    members = sorted({order.wish.member for order in orders})
    names = {member: secrets.token_hex(NAME_BYTES) for member in members}
    stored = book_bytes(terms, orders, names, await _scores(tx, rules, members))
    # Cleared is what is stored, so that whoever reads it comes to the same.
    book = parse_book(stored)
    clearing = book.cleared()
    digest, salt = clearing_hash(book, clearing), secrets.token_bytes(SALT_BYTES)
    (entry,) = await translog.append(
        tx, [trade_event_entry(sha256(salt + digest).digest())]
    )
    cleared = Cleared(
        slot.start, orders[0].length, clearing.price, clearing.volume_wh, digest, salt,
        entry, slot.now,
    )  # fmt: skip
    await store.add_cleared(tx, cleared, stored)
    by_number = {str(number): order for number, order in enumerate(orders, 1)}
    wishes = list(_trades(slot, clearing, by_number))
    for at in range(0, len(wishes), MAX_BATCH):
        await trades.make(tx, wishes[at : at + MAX_BATCH], now=slot.now)
    fills = (*clearing.asks, *clearing.bids)
    return {by_number[fill.id].id: fill.wh for fill in fills}, clearing.price


async def _scores(
    tx: Transaction, rules: MarketRules, members: Sequence[int]
) -> dict[int, int]:
    found: dict[int, int] = {}
    for at in range(0, len(members), MAX_LOOKED_UP):
        some = members[at : at + MAX_LOOKED_UP]
        found |= await scores(tx, rules.trust, some)
    return found


def _trades(
    slot: Slot, clearing: Clearing, orders: Mapping[str, SealedOrder]
) -> Iterator[NewTrade]:
    terms = slot.terms
    if clearing.price is None:
        return
    paid = Terms(clearing.price, terms.fee, terms.losses_bp, terms.retail)
    for pair in pairs(clearing):
        ask, bid = orders[pair.ask], orders[pair.bid]
        assert ask.wish.meter_point is not None
        yield NewTrade(
            lane=Lane.AUCTION,
            meter_point=ask.wish.meter_point,
            start=slot.start,
            length=ask.length,
            seller=ask.wish.member,
            buyer=bid.wish.member,
            wh=pair.wh,
            terms=paid,
            asset=terms.asset,
            ask=ask.id,
            bid=bid.id,
        )


async def _release(
    tx: Transaction,
    slot: Slot,
    orders: Sequence[SealedOrder],
    filled: Mapping[int, int],
) -> None:
    """Take what no ask sold back from what is promised, settled meanwhile or not."""
    unsold: Counter[tuple[int, int]] = Counter()
    for order in orders:
        if order.wish.meter_point is not None:
            left = order.wish.wh - filled.get(order.id, 0)
            unsold[order.wish.meter_point, slot.start] += left
    await sales.release(tx, unsold)


def _told(
    order: SealedOrder, state: OrderState, filled: int, price: int | None
) -> Told:
    body: dict[str, object] = {
        "order": order.id,
        "start": order.wish.start,
        "state": state.value,
        "filled_wh": filled,
        "price_micro_per_kwh": price,
    }
    return Told(order.wish.member, "auction", body)
