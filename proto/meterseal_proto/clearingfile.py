"""A slot's order book as a file, and what its clearing is: replayed by anybody, offline.

    {"slot", "tick", "floor", "ceiling", "fee",
     "asks": [{"id", "party", "wh", "price", "trust"}], "bids": [...],
     "losses_bp": 0, "caps": {party: wh}}

Orders stand in the order of their submission; `losses_bp` and `caps` may be left out.
slot is Unix seconds; prices and fee are micro-units per kWh, trust is 1/10,000. The answer
is {"price", "volume_wh", "fills": [{"id", "wh"}], "hash"}, asks before bids, each by
priority; its hash binds the rules' version, terms, orders and fills. Any spelling of JSON
is read. This module must never decide who trades (`clearing` does).
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_proto.boundedjson import read_json, uint
from meterseal_proto.clearing import (
    ALL_BP,
    MAX_PRICE,
    MAX_SEQ,
    MAX_TRUST,
    MAX_WH,
    RULES,
    Clearing,
    Order,
    Terms,
    clear,
)
from meterseal_proto.errors import Malformed, Reason, Rejected

MAX_ORDERS: Final = 200_000
"""Orders of a slot: a city of 100,000 households, each with one on each side."""
MAX_BOOK_BYTES: Final = 48 * 1024 * 1024
"""MAX_ORDERS of 200 bytes, and as many caps."""
MAX_NAME: Final = 128
_ORDER: Final = frozenset({"id", "party", "wh", "price", "trust"})
_TERMS: Final = frozenset({"slot", "tick", "floor", "ceiling", "fee"})
_SIDES: Final = ("asks", "bids")
_OPTIONAL: Final = frozenset({"losses_bp", "caps"})


@dataclass(frozen=True, slots=True)
class OrderBook:
    """All sealed orders of a slot and the terms under which they are cleared."""

    terms: Terms
    asks: tuple[Order, ...]
    bids: tuple[Order, ...]

    def cleared(self) -> Clearing:
        """Return the clearing; ValueError where a party is on both sides."""
        return clear(self.terms, self.asks, self.bids)


def parse_book(data: bytes) -> OrderBook:
    """Read a book; raises Rejected (TOO_LARGE or MALFORMED) naming the field."""
    if len(data) > MAX_BOOK_BYTES:
        raise Rejected(Reason.TOO_LARGE, f"a book is {MAX_BOOK_BYTES} bytes at most")
    try:
        # read_json takes NaN for a number; every number is an integer below.
        fields = read_json(data, brackets=MAX_ORDERS + 4)
        return _book(_named(fields, "book", _TERMS | set(_SIDES), _OPTIONAL))
    except ValueError as error:
        raise Malformed(str(error)) from None


def clearing_hash(book: OrderBook, clearing: Clearing) -> bytes:
    """Return SHA-256 of rules, terms, orders by submission, caps by name, price and fills."""
    terms = book.terms
    whole = (
        RULES,
        [
            terms.slot,
            terms.tick,
            terms.floor,
            terms.ceiling,
            terms.fee,
            terms.losses_bp,
        ],
        sorted(terms.caps.items()),
        sorted(book.asks, key=_submitted),
        sorted(book.bids, key=_submitted),
        clearing.price,
        clearing.volume_wh,
        clearing.asks,
        clearing.bids,
    )
    # Tuples are written as lists, in C: a hundred thousand orders take a tenth of a second.
    return hashlib.sha256(json.dumps(whole, separators=(",", ":")).encode()).digest()


def clearing_json(book: OrderBook, clearing: Clearing) -> str:
    """Return the answer as one line of JSON."""
    fills = [{"id": name, "wh": wh} for name, wh in (*clearing.asks, *clearing.bids)]
    return json.dumps(
        {
            "price": clearing.price,
            "volume_wh": clearing.volume_wh,
            "fills": fills,
            "hash": clearing_hash(book, clearing).hex(),
        }
    )


def _submitted(order: Order) -> tuple[int, str]:
    return order.seq, order.id


def _book(fields: Mapping[str, object]) -> OrderBook:
    caps = _named(fields.get("caps", {}), "caps", frozenset(), None)
    terms = Terms(
        slot=uint(fields["slot"], "slot", MAX_SEQ),
        tick=uint(fields["tick"], "tick", MAX_PRICE),
        floor=uint(fields["floor"], "floor", MAX_PRICE),
        ceiling=uint(fields["ceiling"], "ceiling", MAX_PRICE),
        fee=uint(fields["fee"], "fee", MAX_PRICE),
        losses_bp=uint(fields.get("losses_bp", 0), "losses_bp", ALL_BP - 1),
        caps={_name(k, "caps"): uint(v, f"caps.{k}", MAX_WH) for k, v in caps.items()},
    )
    asks, bids = (_orders(fields[side], side) for side in _SIDES)
    _once(asks, bids)
    return OrderBook(terms, asks, bids)


def _orders(value: object, side: str) -> tuple[Order, ...]:
    if not isinstance(value, list) or len(value) > MAX_ORDERS:
        raise ValueError(f"{side}: a list of at most {MAX_ORDERS} orders")
    return tuple(_order(one, f"{side}[{seq}]", seq) for seq, one in enumerate(value))


def _order(value: object, place: str, seq: int) -> Order:
    fields = _named(value, place, _ORDER, frozenset())
    wh = uint(fields["wh"], f"{place}.wh", MAX_WH)
    if not wh:
        raise ValueError(f"{place}.wh: an order is of 1 Wh or more")
    return Order(
        _name(fields["id"], f"{place}.id"),
        _name(fields["party"], f"{place}.party"),
        wh,
        uint(fields["price"], f"{place}.price", MAX_PRICE),
        uint(fields["trust"], f"{place}.trust", MAX_TRUST),
        seq,
    )


def _named(
    value: object, place: str, needed: frozenset[str], more: frozenset[str] | None
) -> Mapping[str, object]:
    """Return an object that has what it needs and nothing unknown (None: any name)."""
    if not isinstance(value, dict):
        raise ValueError(f"{place}: an object")  # noqa: TRY004 - a file's, not a caller's
    if missing := needed - value.keys():
        raise ValueError(f"{place}: {min(missing)} is missing")
    if more is not None and (unknown := value.keys() - needed - more):
        raise ValueError(f"{place}: {min(unknown)} is not known")
    return value


def _name(value: object, place: str) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= MAX_NAME:
        raise ValueError(f"{place}: a text of 1 to {MAX_NAME} characters")
    return value


def _once(asks: Sequence[Order], bids: Sequence[Order]) -> None:
    """Refuse a book in which two orders have one id, or a party is on both sides."""
    seen: set[str] = set()
    for order in (*asks, *bids):
        if order.id in seen:
            raise ValueError(f"id {order.id!r}: two orders have it")
        seen.add(order.id)
    both = {order.party for order in asks} & {order.party for order in bids}
    if both:
        raise ValueError(f"party {min(both)!r} both sells and buys in this slot")
