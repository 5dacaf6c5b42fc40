"""The auction on cases of others: three known bugs of other systems, and their plain cases."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from meterseal_proto.clearing import (
    MAX_PRICE,
    Clearing,
    Fill,
    Order,
    Pair,
    Terms,
    clear,
    pairs,
    tier,
)
from meterseal_proto.clearingfile import (
    MAX_BOOK_BYTES,
    clearing_hash,
    clearing_json,
    parse_book,
)
from meterseal_proto.errors import Malformed, Rejected
from tests.support.data import shared_data

FREE = Terms(slot=0, tick=1_000, floor=0, ceiling=100_000_000, fee=0)
MILLION = 1_000_000
Rows = Sequence[Sequence[Any]]


def orders(side: str, rows: Rows) -> list[Order]:
    """Return orders from rows [id, price, energy]: units and kWh, exact in ours."""
    return [
        Order(row[0], f"{side}{row[0]}", int(row[2] * 1_000), int(row[1] * MILLION), 0, n)
        for n, row in enumerate(rows)
    ]  # fmt: skip


def cleared(asks: Rows, bids: Rows, terms: Terms = FREE) -> Clearing:
    return clear(terms, orders("s", asks), orders("b", bids))


def test_a_market_that_once_undertraded_trades_all_it_can() -> None:
    """gsy-framework 1.3.0 traded 5 where 14 can be."""
    cases = json.loads(shared_data("matching", "known_bugs_as_cases.json").read_text())
    case = next(one for one in cases if "bids" in one)
    found = cleared(case["asks"], case["bids"])
    assert found.volume_wh == case["competitive"]["volume"] * 1_000 == 14_000
    assert found.price == case["competitive"]["price"] * MILLION == 5 * MILLION
    price = {row[0]: row[1] for row in (*case["asks"], *case["bids"])}
    paid = sum(
        price[one.bid] * one.wh - price[one.ask] * one.wh for one in pairs(found)
    )
    assert paid == case["competitive"]["welfare"] * 1_000


def test_two_sellers_at_one_price_sell_at_that_price() -> None:
    """gridlab-d issue 485: it cleared at the next buyer's price."""
    asks = [["a", 3, 5], ["b", 3, 5]]
    found = cleared(asks, [["c", 9, 4], ["d", 2, 4]])
    assert (found.price, found.volume_wh) == (3 * MILLION, 4_000)


def test_a_seller_who_fits_the_first_of_equal_buyers_sells_at_their_price() -> None:
    """gridlab-d issue 468: it cleared at the buyers' price and a little more."""
    found = cleared([["a", 1, 4]], [["b", 7, 4], ["c", 7, 4]])
    assert found.price == 7 * MILLION
    assert found.bids == (Fill("b", 4_000),)


def test_the_plain_cases_of_another_market_agree() -> None:
    cases = json.loads(shared_data("matching", "simply_cases.json").read_text())[
        "cases"
    ]
    uniform = [case for case in cases if case["mech"] == "uniform"]
    assert len(uniform) >= 4
    for case in uniform:
        found = cleared(case["asks"], case["bids"])
        assert found.volume_wh == round(case["volume"] * 1_000), case["name"]
        if "price" in case and "price_note" not in case:
            assert found.price == case["price"] * MILLION, case["name"]
        if "fills_in_order" in case:
            filled = sorted(one.wh for one in found.bids)
            assert filled == [round(wh * 1_000) for wh in case["fills_in_order"]]


def test_a_fee_is_on_the_ask_before_anything_is_compared() -> None:
    terms = Terms(0, 1_000, 0, 100 * MILLION, fee=2 * MILLION)
    assert cleared([["a", 3, 1]], [["b", 4, 1]], terms).price is None
    found = cleared([["a", 3, 1]], [["b", 5, 1]], terms)
    assert found.price == 5 * MILLION
    assert terms.left_of(5 * MILLION) == 3 * MILLION


def test_losses_are_on_the_ask_and_rounded_for_the_seller() -> None:
    terms = Terms(0, 1_000, 0, 100 * MILLION, fee=0, losses_bp=700)
    assert terms.paid_for(MILLION) == 1_076_000
    assert terms.left_of(1_076_000) == 1_000_680
    assert cleared([["a", 1, 1]], [["b", 1.07, 1]], terms).price is None
    assert cleared([["a", 1, 1]], [["b", 1.08, 1]], terms).price == 1_078_000


def test_floor_and_ceiling_hold_and_nobody_trades_beyond_his_own_price() -> None:
    terms = Terms(0, 1_000, 4 * MILLION, 6 * MILLION, 0)
    assert cleared([["a", 1, 1]], [["b", 5, 1]], terms).price == 4 * MILLION
    assert cleared([["a", 1, 1]], [["b", 3, 1]], terms).price is None
    assert cleared([["a", 5, 1]], [["b", 9, 1]], terms).price == 6 * MILLION
    assert cleared([["a", 7, 1]], [["b", 9, 1]], terms).price is None


def test_between_equal_prices_trust_comes_first_then_time() -> None:
    ask = [Order("a", "S", 3, 1_000, 0, 0)]
    bids = [
        Order("early", "B1", 2, 5_000, 2_999, 0),
        Order("late", "B2", 2, 5_000, 3_000, 1),
        Order("later", "B3", 2, 5_000, 4_999, 2),
    ]
    found = clear(FREE, ask, bids)
    assert found.bids == (Fill("late", 2), Fill("later", 1))


def test_a_tier_begins_at_its_bound() -> None:
    bounds = (0, 2_999, 3_000, 4_999, 5_000, 6_999, 7_000, 8_500, 9_499, 9_500, 10_000)
    assert [tier(one) for one in bounds] == [0, 0, 1, 1, 2, 2, 3, 4, 4, 5, 5]


def test_a_cap_is_used_up_by_the_best_orders_of_a_party() -> None:
    terms = Terms(0, 1_000, 0, MAX_PRICE, 0, caps={"S": 5})
    asks = [Order("dear", "S", 4, 2_000, 0, 0), Order("cheap", "S", 4, 1_000, 0, 1)]
    found = clear(terms, asks, [Order("b", "B", 9, 3_000, 0, 0)])
    assert found.asks == (Fill("cheap", 4), Fill("dear", 1))


def test_trades_name_who_sells_to_whom() -> None:
    found = cleared([["a", 1, 3], ["b", 2, 3]], [["c", 9, 2], ["d", 8, 2]])
    assert list(pairs(found)) == [
        Pair("a", "c", 2_000),
        Pair("a", "d", 1_000),
        Pair("b", "d", 1_000),
    ]


def test_who_is_on_both_sides_is_not_cleared() -> None:
    own = [Order("x", "P", 1, 1_000, 0, 0)]
    with pytest.raises(ValueError, match="'P' both sells and buys"):
        clear(FREE, own, [Order("y", "P", 1, 9_000, 0, 0)])


def a_book() -> dict[str, Any]:
    """Return a good book of one trade."""
    return {
        "slot": 1_700_000_100, "tick": 1_000, "floor": 0, "ceiling": 900_000, "fee": 0,
        "asks": [{"id": "a", "party": "P", "wh": 9, "price": 100_000, "trust": 3_000}],
        "bids": [{"id": "b", "party": "Q", "wh": 7, "price": 300_000, "trust": 3_000}],
    }  # fmt: skip


def read(book: object) -> bytes:
    return json.dumps(book).encode()


def test_a_book_is_replayed_to_the_same_answer() -> None:
    book = parse_book(read(a_book()))
    answer = json.loads(clearing_json(book, book.cleared()))
    fills = [{"id": "a", "wh": 7}, {"id": "b", "wh": 7}]
    assert answer.pop("hash") == clearing_hash(book, book.cleared()).hex()
    assert answer == {"price": 100_000, "volume_wh": 7, "fills": fills}


@pytest.mark.parametrize(
    ("where", "value"),
    [("slot", 0), ("fee", 1), ("caps", {"P": 7}), ("losses_bp", 1), ("ceiling", 800_000)],
)  # fmt: skip
def test_the_hash_binds_every_term(where: str, value: object) -> None:
    book, other = (
        parse_book(read(a_book())),
        parse_book(read(a_book() | {where: value})),
    )
    assert clearing_hash(book, book.cleared()) != clearing_hash(other, book.cleared())


SPOILT: list[tuple[str, str, object]] = [
    ("wh", "wh: an order is of 1 Wh or more", 0),
    ("wh", "wh: an integer", -1),
    ("wh", "wh: an integer", 1.5),
    ("wh", "wh: an integer", True),
    ("price", "price: an integer", float("nan")),
    ("price", "price: an integer", -1),
    ("price", "price: an integer", MAX_PRICE + 1),
    ("price", "price: an integer", "5"),
    ("trust", "trust: an integer", 10_001),
    ("party", "party: a text", ""),
    ("party", "'Q' both sells and buys", "Q"),
    ("id", "'b': two orders", "b"),
    ("id", "id: a text", "x" * 129),
    ("note", "note is not known", 1),
]


@pytest.mark.parametrize(("name", "message", "value"), SPOILT)
def test_a_wrong_order_is_refused_by_its_name(
    name: str, message: str, value: object
) -> None:
    book = a_book()
    book["asks"][0][name] = value
    with pytest.raises(Malformed, match=message):
        parse_book(read(book))


@pytest.mark.parametrize(
    ("spoilt", "message"),
    [
        ({"tick": 0}, "tick: a multiple of 1000"),
        ({"tick": 1_500}, "tick: a multiple of 1000"),
        ({"floor": 900_001}, "floor <= ceiling"),
        ({"floor": 100, "ceiling": 900}, "no price on a tick"),
        ({"losses_bp": 10_000}, "losses_bp"),
        ({"caps": [1]}, "caps: an object"),
        ({"caps": {"P": -1}}, "caps.P: an integer"),
        ({"asks": {}}, "asks: a list"),
        ({"rules": 2}, "rules is not known"),
    ],
)
def test_wrong_terms_are_refused_by_their_name(
    spoilt: dict[str, object], message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        parse_book(read(a_book() | spoilt))


def test_what_is_no_book_is_refused() -> None:
    for data in (b"", b"[]", b"{}", b"\xff", b"[" * 300_000, b'{"slot":'):
        with pytest.raises(Malformed):
            parse_book(data)
    with pytest.raises(Rejected, match="bytes at most"):
        parse_book(b" " * (MAX_BOOK_BYTES + 1))
