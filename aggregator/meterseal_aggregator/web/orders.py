"""Orders of fixed-price offers: reserved for ten minutes, confirmed, released, cancelled.

    POST /v1/orders {"offer": 3, "slots": [{"start": 1800000000, "wh": 500}]}
    POST /v1/orders/12/confirmation       your money is held until the slots are metered
    POST /v1/orders/12/cancellation {}    within half an hour of that, before a slot begins

All of an order's slots or none. A post that wants something new carries an
`Idempotency-Key`; confirming and releasing twice changes nothing. This module must never
show an order to anybody but its two sides, nor either side the other's name.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.market.lifecycle import State
from meterseal_aggregator.market.model import Trade
from meterseal_aggregator.market.offers import order as ordering
from meterseal_aggregator.market.offers import orders
from meterseal_aggregator.market.offers.cancel import cancel
from meterseal_aggregator.market.offers.model import NewCancellation, NewOrder, Order
from meterseal_aggregator.market.sales import MAX_SLOTS
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.offers import A_SLOT, Few, Slots, wanted_wh
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key

router = APIRouter(prefix="/v1", tags=["market"])


class Side(StrEnum):
    """On which side of an order a member stands."""

    BUYER = "buyer"
    SELLER = "seller"


class OrderRequest(RequestBody):
    """What you want of an offer: all of it or nothing, reserved for ten minutes."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"offer": 3, "slots": [A_SLOT]}}
    )

    offer: Annotated[int, Field(ge=1, le=MAX_ID)]
    slots: Slots


class CancellationRequest(RequestBody):
    """What to cancel: the slots that begin at `starts`; without it, all that has not begun.

    A buyer may within the window after his confirmation, for trust in proportion. A seller
    may until a slot begins, all of it at once.
    """

    model_config = ConfigDict(
        json_schema_extra={"example": {"starts": [A_SLOT["start"]]}}
    )

    starts: (
        Annotated[list[Second], Field(min_length=1, max_length=MAX_SLOTS)] | None
    ) = None


class OrderedSlotView(View):
    """A slot of an order, and its trade once it is confirmed."""

    start: int
    wh: int
    trade: int | None
    trade_state: str | None
    delivered_wh: int | None


class OrderView(View):
    """An order as its two sides see it; `reserved_until` is the last second to confirm.

    `cost_micro` is what all of it costs. Both sides are numbers.
    """

    id: int
    offer: int
    side: Side
    buyer: int
    seller: int
    state: str
    wh: int
    price_micro_per_kwh: int
    cost_micro: int
    reserved_at: int
    reserved_until: int | None
    confirmed_at: int | None
    ended_at: int | None
    slots: list[OrderedSlotView]


@router.post("/orders", status_code=201)
async def reserve_order(body: OrderRequest, key: Key, access: Asking) -> OrderView:
    """Reserve energy of an offer for ten minutes."""
    member = _trader(access)
    wish = NewOrder(member, key, body.offer, wanted_wh(body.slots))
    site = access.site
    async with site.database.transaction() as tx:
        made = await ordering.reserve(tx, site.market, wish, now=int(site.now()))
        return await _view(tx, made, member)


@router.post("/orders/{order_id}/confirmation")
async def confirm_order(order_id: ById, access: Asking) -> OrderView:
    """Confirm a reservation of yours: its cost is held until the slots are metered."""
    member = _trader(access)
    site = access.site
    async with site.database.transaction() as tx:
        made = await ordering.confirm(tx, member, order_id, now=int(site.now()))
        return await _view(tx, made, member)


@router.post("/orders/{order_id}/release")
async def release_order(order_id: ById, access: Asking) -> OrderView:
    """Let a reservation of yours go; it costs nothing."""
    member = _trader(access)
    site = access.site
    async with site.database.transaction() as tx:
        left = await ordering.release(tx, member, order_id, now=int(site.now()))
        return await _view(tx, left, member)


@router.post("/orders/{order_id}/cancellation")
async def cancel_order(
    order_id: ById, body: CancellationRequest, key: Key, access: Asking
) -> OrderView:
    """Cancel a confirmed order or some of its slots: the money is free, trust is lost."""
    member = _trader(access)
    starts = None if body.starts is None else frozenset(body.starts)
    wish = NewCancellation(member, key, order_id, starts)
    site = access.site
    async with site.database.transaction() as tx:
        left = await cancel(tx, site.market, wish, now=int(site.now()))
        return await _view(tx, left, member)


@router.get("/orders/{order_id}")
async def show_order(order_id: ById, access: Asking) -> OrderView:
    """Show an order that you made, or that was made with you."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await orders.one(tx, order_id)
        if found is None or member not in {found.buyer, found.seller}:
            raise not_found("order of yours")
        return await _view(tx, found, member)


@router.get("/me/orders")
async def list_orders(
    access: Asking, side: Side = Side.BUYER, after: AfterId = 0, limit: Few = 50
) -> Page[OrderView]:
    """List your orders, oldest first: those you made, or as `seller` those made with you."""
    member = access.me(Action.TRADE)
    listed = orders.of_buyer if side is Side.BUYER else orders.of_seller
    async with access.site.database.reading() as tx:
        found = await listed(tx, member, after_id=after, limit=limit)
        made = await _trades(tx, found)
    items = [_shown(one, made.get(one.id, {}), member) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _trader(access: Access) -> int:
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    return member


async def _view(tx: Transaction, order: Order, member: int) -> OrderView:
    made = await _trades(tx, [order])
    return _shown(order, made.get(order.id, {}), member)


async def _trades(
    tx: Transaction, found: Iterable[Order]
) -> dict[int, dict[int, Trade]]:
    """Return the trades of orders by order and slot."""
    numbers = [order.id for order in found]
    marks = ",".join("?" for _ in numbers)
    made: dict[int, dict[int, Trade]] = {number: {} for number in numbers}
    for trade in await trades.where(tx, f"order_id IN ({marks})", numbers):
        assert trade.order is not None
        made[trade.order][trade.start] = trade
    return made


def _shown(order: Order, made: dict[int, Trade], member: int) -> OrderView:
    reserved = order.state is State.RESERVED
    return OrderView(
        id=order.id,
        offer=order.offer,
        side=Side.BUYER if member == order.buyer else Side.SELLER,
        buyer=order.buyer,
        seller=order.seller,
        state=order.state.value,
        wh=order.wh,
        price_micro_per_kwh=order.price,
        cost_micro=cost(order.wh, order.price),
        reserved_at=order.reserved_at,
        reserved_until=order.reserved_until if reserved else None,
        confirmed_at=order.confirmed_at,
        ended_at=order.ended_at,
        slots=[_slot(at, wh, made.get(at)) for at, wh in order.slots.items()],
    )


def _slot(start: int, wh: int, trade: Trade | None) -> OrderedSlotView:
    if trade is None:
        nothing = {"trade": None, "trade_state": None, "delivered_wh": None}
        return OrderedSlotView(start=start, wh=wh, **nothing)
    return OrderedSlotView(
        start=start,
        wh=wh,
        trade=trade.id,
        trade_state=trade.state.value,
        delivered_wh=trade.delivered_wh,
    )
