"""The tables of orders: reserved, moved from state to state, listed for both sides.

    await move(tx, order, Event.CONFIRM, now=now)      # False: somebody was faster

Every function takes the transaction first; whoever opened it commits it. A move names the
state it leaves, so of two that race one wins. This module must never move an order against
its life's table.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.market.lifecycle import RESERVATION_S, Event, State, after
from meterseal_aggregator.market.offers.model import NewCancellation, NewOrder, Order
from meterseal_aggregator.storage.database import Transaction

KIND: Final = "order"
"""Of the events both sides are told."""

_ORDER: Final = """
SELECT r.id, r.offer_id, o.meter_point_id, o.price, r.buyer_id, r.seller_id, r.state, r.wh,
  r.reserved_at, r.confirmed_at, r.ended_at
FROM orders r JOIN offers o ON o.id = r.offer_id
"""
_LET_GO: Final = """
SELECT count(*) FROM orders o WHERE o.offer_id = ? AND o.buyer_id = ?
  AND o.reserved_at >= ? AND (o.state IN ('released', 'expired')
    OR (o.state = 'reserved' AND o.reserved_at < ?)
    OR EXISTS (SELECT 1 FROM order_cancellations c
      WHERE c.order_id = o.id AND c.member_id = o.buyer_id))
"""
_MOVE: Final = """
UPDATE orders SET state = ?, confirmed_at = CASE ? WHEN 'confirm' THEN ? ELSE confirmed_at
  END, ended_at = ?
WHERE id = ? AND state = ? RETURNING id
"""


async def add(tx: Transaction, wish: NewOrder, seller: int, *, now: int) -> int:
    """Write a reservation down; returns the order's number."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM orders")
    number = int(last) + 1
    row = (number, wish.offer, wish.buyer, seller, sum(wish.wh.values()), wish.key, now)
    await tx.many(
        "INSERT INTO orders (id, offer_id, buyer_id, seller_id, rail, state, wh,"
        " request_key, reserved_at) VALUES (?, ?, ?, ?, 'ledger', 'reserved', ?, ?, ?)",
        [row],
    )
    await tx.many(
        "INSERT INTO order_slots (order_id, start, wh) VALUES (?, ?, ?)",
        [(number, start, wh) for start, wh in wish.wh.items()],
    )
    return number


async def one(tx: Transaction, order: int) -> Order | None:
    """Return an order with its slots."""
    found = await _read(tx, "r.id = ?", (order,), 1)
    return found[0] if found else None


async def of_key(tx: Transaction, buyer: int, key: str) -> Order | None:
    """Return what a buyer ordered under this key."""
    found = await _read(tx, "r.buyer_id = ? AND r.request_key = ?", (buyer, key), 1)
    return found[0] if found else None


async def of_buyer(
    tx: Transaction, buyer: int, *, after_id: int, limit: int
) -> list[Order]:
    """Return a page of what a member ordered, oldest first."""
    return await _read(tx, "r.buyer_id = ? AND r.id > ?", (buyer, after_id), limit)


async def of_seller(
    tx: Transaction, seller: int, *, after_id: int, limit: int
) -> list[Order]:
    """Return a page of what was ordered of a member, oldest first."""
    return await _read(tx, "r.seller_id = ? AND r.id > ?", (seller, after_id), limit)


async def reserved_by(tx: Transaction, buyer: int, *, now: int) -> int:
    """Return how many reservations a buyer has that may still be confirmed."""
    ((count,),) = await tx.rows(
        "SELECT count(*) FROM orders WHERE state = 'reserved' AND reserved_at >= ?"
        " AND buyer_id = ?",
        (now - RESERVATION_S, buyer),
    )
    return int(count)


async def let_go(
    tx: Transaction, buyer: int, offer: int, since: int, *, now: int
) -> int:
    """Return how many orders of an offer a buyer let go since a second, in part or whole.

    That is reservations he did not confirm, and orders he cancelled himself.
    """
    ((count,),) = await tx.rows(_LET_GO, (offer, buyer, since, now - RESERVATION_S))
    return int(count)


async def over(tx: Transaction, *, now: int, limit: int) -> list[Order]:
    """Return reservations whose time is over, the oldest first."""
    rows = await tx.rows(
        "SELECT id FROM orders WHERE state = 'reserved' AND reserved_at < ?"
        " ORDER BY reserved_at LIMIT ?",
        (now - RESERVATION_S, limit),
    )
    numbers = [row[0] for row in rows]
    marks = ",".join("?" for _ in numbers)
    return await _read(tx, f"r.id IN ({marks})", numbers, limit) if numbers else []


async def move(tx: Transaction, order: Order, event: Event, *, now: int) -> bool:
    """Move an order and tell both sides; False where it left its state meanwhile.

    Raises lifecycle.Illegal where its state cannot have the event.
    """
    state = after(order.state, event)
    ended = None if event is Event.CONFIRM else now
    row = (state.value, event.value, now, ended, order.id, order.state.value)
    if not await tx.rows(_MOVE, row):
        return False
    await tell_both(tx, order, state, now=now)
    return True


async def tell_both(
    tx: Transaction, order: Order, state: State, *, now: int, cancelled_wh: int = 0
) -> None:
    """Tell buyer and seller where an order stands; neither is told the other's name."""
    body: dict[str, object] = {"id": order.id, "state": state.value}
    body |= {"offer": order.offer, "wh": order.wh}
    if cancelled_wh:
        body["cancelled_wh"] = cancelled_wh
    sides = {"buyer": order.buyer, "seller": order.seller}
    events = [Told(who, KIND, body | {"side": side}) for side, who in sides.items()]
    await tell(tx, events, now=now)


async def cancelled_before(tx: Transaction, order: int, member: int) -> int:
    """Return how many Wh of an order a member cancelled so far."""
    ((wh,),) = await tx.rows(
        "SELECT coalesce(sum(wh), 0) FROM order_cancellations"
        " WHERE order_id = ? AND member_id = ?",
        (order, member),
    )
    return int(wh)


async def cancellations(tx: Transaction, order: int) -> int:
    """Return how often an order was cancelled in part or whole."""
    ((count,),) = await tx.rows(
        "SELECT count(*) FROM order_cancellations WHERE order_id = ?", (order,)
    )
    return int(count)


async def cancellation_of_key(
    tx: Transaction, member: int, key: str
) -> tuple[int, str] | None:
    """Return the order and the slots, as they were named, that a key cancelled."""
    rows = await tx.rows(
        "SELECT order_id, slots FROM order_cancellations"
        " WHERE member_id = ? AND request_key = ?",
        (member, key),
    )
    return (rows[0][0], rows[0][1]) if rows else None


async def add_cancellation(
    tx: Transaction, wish: NewCancellation, wh: int, *, now: int
) -> None:
    """Write down what a member cancelled, numbered among the order's from 1."""
    number = await cancellations(tx, wish.order) + 1
    row = (wish.order, number, wish.member, wish.key, named(wish), wh, now)
    await tx.many(
        "INSERT INTO order_cancellations (order_id, number, member_id, request_key,"
        " slots, wh, cancelled_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
        [row],
    )


def named(wish: NewCancellation) -> str:
    """Return the slots of a cancellation as its row has them; empty for all."""
    return ",".join(str(start) for start in sorted(wish.starts or ()))


async def _read(
    tx: Transaction, condition: str, params: Sequence[object], limit: int
) -> list[Order]:
    """Return orders under a condition of this module, by number, with their slots."""
    rows = await tx.rows(
        f"{_ORDER} WHERE {condition} ORDER BY r.id LIMIT ?", (*params, limit)
    )
    slots: dict[int, dict[int, int]] = {row[0]: {} for row in rows}
    marks = ",".join("?" for _ in rows)
    wanted = f"WHERE order_id IN ({marks}) ORDER BY order_id, start"
    for order, start, wh in await tx.rows(
        f"SELECT order_id, start, wh FROM order_slots {wanted}",  # noqa: S608
        list(slots),
    ):
        slots[order][start] = wh
    return [_order(row, slots[row[0]]) for row in rows]


def _order(row: Sequence[Any], slots: dict[int, int]) -> Order:  # the driver's types
    number, offer, point, price, buyer, seller, state, wh, *times = row
    reserved_at, confirmed_at, ended_at = times
    return Order(
        id=number, offer=offer, meter_point=point, price=price, buyer=buyer,
        seller=seller, state=State(state), wh=wh, slots=slots, reserved_at=reserved_at,
        confirmed_at=confirmed_at, ended_at=ended_at,
    )  # fmt: skip
