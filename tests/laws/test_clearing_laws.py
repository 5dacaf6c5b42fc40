"""The auction's laws: nobody at a loss, nothing made of nothing, as much as one price allows.

Books are small, so that trying every price is an honest judge of the volume.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meterseal_proto.clearing import (
    ALL_BP,
    Clearing,
    Order,
    Terms,
    clear,
    pairs,
    tier,
)
from meterseal_proto.clearingfile import OrderBook, clearing_hash
from tests.support.seed import WHOLE

TICK: Final = 1_000
STEP: Final = 500
BOOKS: Final = 20_000 if WHOLE else 2_000
"""Books for each law, by night and in the suite."""
MOST: Final = 4
"""Orders a side: eight in a book, as many as a brute search tries in no time."""


def orders(side: str) -> st.SearchStrategy[tuple[Order, ...]]:
    """Draw orders of few prices and few parties, so that ties and caps happen."""
    one = st.tuples(
        st.integers(0, 3).map(lambda n: f"{side}{n}"), st.integers(1, 9),
        st.integers(0, 24).map(lambda n: n * STEP), st.integers(0, 10_000),
    )  # fmt: skip
    return st.lists(one, max_size=MOST).map(
        lambda rows: tuple(Order(f"{side}-{n}", *row, n) for n, row in enumerate(rows))
    )


TERMS: Final = st.builds(
    Terms,
    slot=st.just(0),
    tick=st.sampled_from([TICK, 2 * TICK]),
    floor=st.integers(0, 8).map(lambda n: n * STEP),
    ceiling=st.integers(12, 24).map(lambda n: n * STEP),
    fee=st.integers(0, 4).map(lambda n: n * STEP),
    losses_bp=st.sampled_from([0, 0, 350, 2_500]),
    caps=st.dictionaries(
        st.sampled_from(["s0", "s1", "b0", "b1"]), st.integers(0, 12), max_size=3
    ),
)
BOOK: Final = st.builds(OrderBook, terms=TERMS, asks=orders("s"), bids=orders("b"))


LAWS: Final[list[Callable[[OrderBook], None]]] = []


def law(check: Callable[[OrderBook], None]) -> Callable[[OrderBook], None]:
    """Have a law held against every book that is drawn; drawing costs more than holding."""
    LAWS.append(check)
    return check


def by_id(book: OrderBook) -> dict[str, Order]:
    return {order.id: order for order in (*book.asks, *book.bids)}


def capped(terms: Terms, side: Iterable[Order]) -> int:
    """Return the Wh of orders, no party beyond its cap."""
    wh: Counter[str] = Counter()
    for order in side:
        wh[order.party] += order.wh
    return sum(min(one, terms.caps.get(party, one)) for party, one in wh.items())


def brute_volume(book: OrderBook) -> int:
    """Return the most Wh that any one price on a tick allows, by trying every price."""
    terms = book.terms
    least, most = -(-terms.floor // terms.tick), terms.ceiling // terms.tick
    best = 0
    for price in (n * terms.tick for n in range(least, most + 1)):
        left = kept(terms, price)
        sold = capped(terms, (one for one in book.asks if one.price <= left))
        bought = capped(terms, (one for one in book.bids if one.price >= price))
        best = max(best, min(sold, bought))
    return best


def kept(terms: Terms, price: int) -> float:
    """Return what a seller keeps of a price, by the words and not by our integers."""
    return (price - terms.fee) * (ALL_BP - terms.losses_bp) / ALL_BP


@law
def the_volume_is_the_largest_that_one_price_allows(book: OrderBook) -> None:
    assert book.cleared().volume_wh == brute_volume(book)


@law
def nobody_trades_at_a_loss_or_beyond_his_order_or_cap(book: OrderBook) -> None:
    found, known, used = book.cleared(), by_id(book), Counter[str]()
    for fill in (*found.asks, *found.bids):
        order = known[fill.id]
        assert 0 < fill.wh <= order.wh
        used[order.party] += fill.wh
    assert all(used[party] <= cap for party, cap in book.terms.caps.items())
    assert found.price is not None or not found.volume_wh
    for fill in found.bids:
        assert found.price is not None
        assert known[fill.id].price >= found.price
    for fill in found.asks:
        assert found.price is not None
        assert kept(book.terms, found.price) >= known[fill.id].price
        assert book.terms.left_of(found.price) >= known[fill.id].price


@law
def what_is_sold_is_bought_and_each_trade_has_two_parties(book: OrderBook) -> None:
    found, known = book.cleared(), by_id(book)
    sides: Counter[str] = Counter()
    for ask, bid, wh in pairs(found):
        assert wh > 0
        assert known[ask].party != known[bid].party
        sides[ask] += wh
        sides[bid] += wh
    assert sides == Counter(dict(found.asks)) + Counter(dict(found.bids))
    assert sum(dict(found.asks).values()) == found.volume_wh
    assert sum(dict(found.bids).values()) == found.volume_wh


@law
def the_price_is_on_the_tick_and_within_its_bounds(book: OrderBook) -> None:
    price, terms = book.cleared().price, book.terms
    if price is not None:
        assert price % terms.tick == 0
        assert terms.floor <= price <= terms.ceiling


@law
def nobody_left_over_envies_the_price(book: OrderBook) -> None:
    """Without caps: who is not wholly served would not gain by trading at the price."""
    book = replace(book, terms=replace(book.terms, caps={}))
    found, terms = book.cleared(), book.terms
    if found.price is None:
        return
    wh = dict((*found.asks, *found.bids))
    for bid in book.bids:
        if wh.get(bid.id, 0) < bid.wh and bid.price >= found.price + terms.tick:
            assert on_the_bound(book, found)
    for ask in book.asks:
        least = terms.paid_for(ask.price)
        if wh.get(ask.id, 0) < ask.wh and least <= found.price - terms.tick:
            assert on_the_bound(book, found)


def on_the_bound(book: OrderBook, found: Clearing) -> bool:
    """Tell whether floor or ceiling keeps the price from meeting who is left over."""
    assert found.price is not None
    terms, tick = book.terms, book.terms.tick
    return found.price - terms.floor < tick or terms.ceiling - found.price < tick


@law
def a_better_place_is_never_served_after_a_worse_one(book: OrderBook) -> None:
    """Within a side and without caps: by price, then tier, then submission."""
    book = replace(book, terms=replace(book.terms, caps={}))
    found, tick = book.cleared(), book.terms.tick
    wh = dict((*found.asks, *found.bids))
    asks = sorted(book.asks, key=lambda o: (book.terms.paid_for(o.price), *place(o)))
    bids = sorted(book.bids, key=lambda o: (-(o.price // tick), *place(o)))
    for better, worse in (*pairwise(asks), *pairwise(bids)):
        assert not wh.get(worse.id) or wh.get(better.id) == better.wh


def place(order: Order) -> tuple[int, int]:
    """Return what decides between equal prices."""
    return -tier(order.trust), order.seq


@law
def a_new_seller_never_raises_the_price(book: OrderBook) -> None:
    late = Order("late", "late", 5, 6 * STEP, 0, MOST)
    before = book.cleared().price
    after = clear(book.terms, (*book.asks, late), book.bids).price
    assert before is None or (after is not None and after <= before)


@pytest.mark.deep
@settings(max_examples=BOOKS, deadline=None)
@given(book=BOOK)
def test_every_law_of_the_auction_holds_for_every_book(book: OrderBook) -> None:
    for holds in LAWS:
        holds(book)


@pytest.mark.deep
@settings(max_examples=BOOKS, deadline=None)
@given(book=BOOK, chance=st.randoms(use_true_random=False))
def test_the_order_of_listing_changes_nothing(book: OrderBook, chance: Random) -> None:
    asks, bids = list(book.asks), list(book.bids)
    for side in (asks, bids):
        chance.shuffle(side)
    other = OrderBook(book.terms, tuple(asks), tuple(bids))
    assert clear(book.terms, asks, bids) == book.cleared()
    assert clearing_hash(other, other.cleared()) == clearing_hash(book, book.cleared())
