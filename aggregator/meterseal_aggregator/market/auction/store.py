"""The tables of the auction: sealed orders and clearings; as many statements for many as for few.

Whoever opened the transaction commits it. This module must never decide who trades.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.market.auction.model import (
    Cleared,
    OrderState,
    SealedOrder,
    Side,
    Wish,
)
from meterseal_aggregator.market.slots import LONGEST_S
from meterseal_aggregator.storage.database import Transaction

_ORDER: Final = """
SELECT id, member_id, side, start, wh, price, meter_point_id, length, state, filled_wh,
  submitted_at, ended_at
FROM auction_orders
"""
_ADD: Final = """
INSERT INTO auction_orders (side, member_id, meter_point_id, start, length, wh, price, rail,
  state, request_key, submitted_at)
VALUES (?, ?, ?, ?, ?, ?, ?, 'ledger', 'sealed', ?, ?) RETURNING id
"""
_END: Final = """
UPDATE auction_orders SET state = ?, filled_wh = ?, ended_at = ?
WHERE id = ? AND state = 'sealed'
"""
_CLEARED: Final = """
SELECT start, length, price, volume_wh, hash, salt, entry_id, cleared_at FROM clearings
"""
_ADD_CLEARED: Final = """
INSERT INTO clearings (start, length, price, volume_wh, hash, salt, entry_id, cleared_at, book)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM auction_orders WHERE start = ? AND state = 'sealed'),
  coalesce(sum(state = 'sealed'), 0), count(*)
FROM auction_orders WHERE start = ? AND member_id = ?
"""


async def of_key(tx: Transaction, member: int, key: str) -> SealedOrder | None:
    """Return what a member wished under an idempotency key."""
    found = await _orders(tx, "member_id = ? AND request_key = ?", (member, key))
    return found[0] if found else None


async def one(tx: Transaction, number: int) -> SealedOrder | None:
    """Return an order, whosever it is."""
    found = await _orders(tx, "id = ?", (number,))
    return found[0] if found else None


async def add(
    tx: Transaction, wish: Wish, length: int, key: str, *, now: int
) -> SealedOrder:
    """Write a sealed order, and return it."""
    row = (
        wish.side.value, wish.member, wish.meter_point, wish.start, length, wish.wh,
        wish.price, key, now,
    )  # fmt: skip
    ((number,),) = await tx.rows(_ADD, row)
    return SealedOrder(number, wish, length, OrderState.SEALED, 0, now, None)


async def end(
    tx: Transaction,
    orders: Sequence[tuple[SealedOrder, int]],
    state: OrderState,
    now: int,
) -> None:
    """End sealed orders, each with the Wh it was filled with."""
    rows = [(state.value, filled, now, order.id) for order, filled in orders]
    await tx.many(_END, rows)


async def counts(tx: Transaction, start: int, member: int) -> tuple[int, int, int]:
    """Return how many sealed orders a slot has, a member has there, and he ever made."""
    ((sealed, own, ever),) = await tx.rows(_COUNTS, (start, start, member))
    return sealed, own, ever


async def is_cleared(tx: Transaction, start: int, length: int) -> bool:
    """Tell whether some of this time is cleared."""
    found = await tx.rows(
        "SELECT 1 FROM clearings WHERE start > ? AND start < ? AND start + length > ?",
        (start - LONGEST_S, start + length, start),
    )
    return bool(found)


async def due(tx: Transaction, latest: int) -> list[int]:
    """Return the slots with sealed orders that begin at `latest` or before, in order."""
    rows = await tx.rows(
        "SELECT DISTINCT start FROM auction_orders"
        " WHERE state = 'sealed' AND start <= ? ORDER BY start",
        (latest,),
    )
    return [row[0] for row in rows]


async def sealed(tx: Transaction, start: int) -> list[SealedOrder]:
    """Return the sealed orders of a slot by submission."""
    return await _orders(tx, "start = ? AND state = 'sealed'", (start,))


async def of_member(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[SealedOrder]:
    """Return a page of a member's orders by id."""
    return await _orders(tx, "member_id = ? AND id > ?", (member, after), limit)


async def in_slots(
    tx: Transaction, member: int, starts: Sequence[int]
) -> list[SealedOrder]:
    """Return a member's orders that were cleared in a page of slots, in order."""
    if not starts:
        return []
    marks = ",".join("?" for _ in starts)
    # Ordered so, it is the member's slots that are looked up, not all he ever ordered.
    where = f"member_id = ? AND start IN ({marks}) AND state = 'cleared'"
    rows = await tx.rows(
        f"{_ORDER} WHERE {where} ORDER BY start, id", (member, *starts)
    )
    return [_order(row) for row in rows]


async def numbers(tx: Transaction, start: int) -> dict[int, int]:
    """Return for each cleared order of a slot its number in the slot's book."""
    rows = await tx.rows(
        "SELECT id FROM auction_orders WHERE start = ? AND state = 'cleared' ORDER BY id",
        (start,),
    )
    return {row[0]: number for number, row in enumerate(rows, 1)}


async def add_cleared(tx: Transaction, cleared: Cleared, book: bytes) -> None:
    """Write a slot's clearing with its book."""
    row = (
        cleared.start, cleared.length, cleared.price, cleared.volume_wh, cleared.hash,
        cleared.salt, cleared.entry, cleared.cleared_at, book,
    )  # fmt: skip
    await tx.many(_ADD_CLEARED, [row])


async def clearings(tx: Transaction, first: int, end: int, limit: int) -> list[Cleared]:
    """Return the clearings of slots that begin in [first, end), in order."""
    where = f"{_CLEARED} WHERE start >= ? AND start < ? ORDER BY start LIMIT ?"
    return [Cleared(*row) for row in await tx.rows(where, (first, end, limit))]


async def clearing(tx: Transaction, start: int) -> Cleared | None:
    """Return a slot's clearing, None before it was held."""
    rows = await tx.rows(f"{_CLEARED} WHERE start = ?", (start,))
    return Cleared(*rows[0]) if rows else None


async def book(tx: Transaction, start: int) -> bytes | None:
    """Return a slot's book as it was cleared: BOOK.json of `meterseal-verify clearing`."""
    rows = await tx.rows("SELECT book FROM clearings WHERE start = ?", (start,))
    return rows[0][0] if rows else None


async def _orders(
    tx: Transaction, condition: str, params: Sequence[object], limit: int = -1
) -> list[SealedOrder]:
    """Return orders under a constant condition, by id; a limit below 0 is none."""
    rows = await tx.rows(
        f"{_ORDER} WHERE {condition} ORDER BY id LIMIT ?", (*params, limit)
    )
    return [_order(row) for row in rows]


def _order(row: Sequence[Any]) -> SealedOrder:  # rows are typed Any by the driver
    number, member, side, start, wh, price, point, *rest = row
    length, state, filled, submitted, ended = rest
    wish = Wish(member, Side(side), start, wh, price, point)
    return SealedOrder(
        number, wish, length, OrderState(state), filled, submitted, ended
    )
