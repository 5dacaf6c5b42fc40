"""The auction of a slot: orders nobody else sees before the gate, and what the clearing did.

    POST /v1/auction-orders {"side": "bid", "start": 1800000000, "wh": 500, ...}
    POST /v1/auction-orders/12/cancellation       until the gate closes
    GET  /v1/auctions/1800000000                  price, hash, salt, the log's entry
    GET  /v1/auctions/1800000000/book             BOOK.json: meterseal-verify clearing

Placing carries an `Idempotency-Key`: the same wish under the same key is done once. This
module must never show an order to anybody but its owner before the clearing, nor after it
whose order is which.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.market.auction import store
from meterseal_aggregator.market.auction.model import (
    Cleared,
    SealedOrder,
    Side,
    Wish,
)
from meterseal_aggregator.market.auction.place import cancel, place
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as translog
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found, wrong_argument
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    MAX_SECOND,
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key
from meterseal_proto.clearing import MAX_PRICE, MAX_WH

router = APIRouter(prefix="/v1", tags=["auctions"])

Start = ById
From = Annotated[int, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int, Query(ge=0, le=MAX_SECOND)]


class AuctionOrderRequest(RequestBody):
    """Up to `wh` of the slot at `start` for this price or a better one.

    A seller's price is what he is left with of each kWh, fee and losses paid; he names the
    meter point. A buyer has wh x price put aside until the clearing, and pays its price.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "side": "ask",
                "start": 1_800_000_000,
                "wh": 500,
                "price_micro_per_kwh": 120_000,
                "meter_point": 7,
            }
        }
    )

    side: Literal["ask", "bid"]
    start: Second
    wh: Annotated[int, Field(ge=1, le=MAX_WH)]
    price_micro_per_kwh: Annotated[int, Field(ge=0, le=MAX_PRICE)]
    meter_point: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None


class AuctionOrderView(View):
    """A sealed order of yours; `filled_wh` of it were traded once it is `cleared`."""

    id: int
    side: str
    start: int
    length: int
    wh: int
    price_micro_per_kwh: int
    meter_point: int | None
    state: str
    filled_wh: int
    submitted_at: int
    ended_at: int | None


class FillView(View):
    """What an order of yours got."""

    order: int
    side: str
    wh: int
    filled_wh: int


class BookFillView(FillView):
    """What an order of yours got, and the id it has in the slot's book."""

    book_id: str


class ClearingView(View):
    """A slot's clearing: its one price (null where nothing traded) and your fills."""

    start: int
    length: int
    price_micro_per_kwh: int | None
    volume_wh: int
    hash: str
    cleared_at: int
    own: list[FillView]


class ClearingDetail(View):
    """A slot's clearing, and what the public log has of it: SHA-256(salt || hash).

    `entry` is that entry's index in the log, null for the minute until it has one; ask for
    its proof by GET /v1/log/inclusion?index=.
    """

    start: int
    length: int
    price_micro_per_kwh: int | None
    volume_wh: int
    hash: str
    cleared_at: int
    salt: str
    entry: int | None
    own: list[BookFillView]


@router.post("/auction-orders", status_code=201)
async def place_order(
    wish: AuctionOrderRequest, key: Key, access: Asking
) -> AuctionOrderView:
    """Seal an order for a slot whose gate is open; nobody else sees it before."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    if (wish.side == "ask") != (wish.meter_point is not None):
        raise wrong_argument(
            "body.meter_point", "an ask names the meter point it sells from, a bid none"
        )
    wanted = Wish(
        member, Side(wish.side), wish.start, wish.wh, wish.price_micro_per_kwh,
        wish.meter_point,
    )  # fmt: skip
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        order = await place(tx, access.site.market, wanted, key, now=now)
    return _order(order)


@router.post("/auction-orders/{order_id}/cancellation")
async def cancel_order(order_id: ById, access: Asking) -> AuctionOrderView:
    """Take back a sealed order of yours before the gate closes; no trust is lost."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        order = await cancel(tx, member, order_id, now=now)
    return _order(order)


@router.get("/me/auction-orders")
async def list_orders(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[AuctionOrderView]:
    """List your sealed orders and what became of them, oldest first."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await store.of_member(tx, member, after=after, limit=limit)
    items = [_order(order) for order in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/auctions")
async def list_clearings(
    access: Asking, begin: From = 0, to: To = MAX_SECOND, limit: Limit = 100
) -> Page[ClearingView]:
    """List clearings of slots that begin from `from` until before `to`.

    Go on with from = `next`.
    """
    member = _reader(access)
    async with access.site.database.reading() as tx:
        found = await store.clearings(tx, begin, to, limit)
        own = await _own(tx, member, [one.start for one in found])
    items = [_clearing(one, own.get(one.start, ())) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.start + 1))


@router.get("/auctions/{start}")
async def show_clearing(start: Start, access: Asking) -> ClearingDetail:
    """Show a slot's clearing, how to find it in the log, and your lines of its book."""
    member = _reader(access)
    async with access.site.database.reading() as tx:
        found = await store.clearing(tx, start)
        if found is None:
            raise not_found("clearing")
        own = (await _own(tx, member, [start])).get(start, [])
        numbers = await store.numbers(tx, start) if own else {}
        index = (await translog.indices(tx, [found.entry])).get(found.entry)
    lines = [
        BookFillView(book_id=str(numbers[order.id]), **_fill(order).model_dump())
        for order in own
    ]
    plain = _clearing(found, ()).model_dump(exclude={"own"})
    return ClearingDetail(**plain, salt=found.salt.hex(), entry=index, own=lines)


@router.get("/auctions/{start}/book")
async def show_book(start: Start, access: Asking) -> Response:
    """Give a slot's book as it was cleared, for `meterseal-verify clearing`."""
    _reader(access)
    async with access.site.database.reading() as tx:
        found = await store.book(tx, start)
    if found is None:
        raise not_found("clearing")
    return Response(found, media_type="application/json")


def _reader(access: Access) -> MemberId | None:
    """Return the member who asks, None for an operator or auditor; raises the answer 403."""
    member = access.caller.member
    access.allow(Action.SEE_TRAIL if member is None else Action.TRADE, owns=True)
    return member


async def _own(
    tx: Transaction, member: MemberId | None, starts: Sequence[int]
) -> Mapping[int, list[SealedOrder]]:
    """Return a member's cleared orders by slot; nobody else has any."""
    by_start: dict[int, list[SealedOrder]] = defaultdict(list)
    if member is not None:
        for order in await store.in_slots(tx, member, starts):
            by_start[order.wish.start].append(order)
    return by_start


def _order(order: SealedOrder) -> AuctionOrderView:
    wish = order.wish
    return AuctionOrderView(
        id=order.id,
        side=wish.side.value,
        start=wish.start,
        length=order.length,
        wh=wish.wh,
        price_micro_per_kwh=wish.price,
        meter_point=wish.meter_point,
        state=order.state.value,
        filled_wh=order.filled_wh,
        submitted_at=order.submitted_at,
        ended_at=order.ended_at,
    )


def _fill(order: SealedOrder) -> FillView:
    wish = order.wish
    return FillView(
        order=order.id, side=wish.side.value, wh=wish.wh, filled_wh=order.filled_wh
    )


def _clearing(one: Cleared, own: Sequence[SealedOrder]) -> ClearingView:
    return ClearingView(
        start=one.start,
        length=one.length,
        price_micro_per_kwh=one.price,
        volume_wh=one.volume_wh,
        hash=one.hash.hex(),
        cleared_at=one.cleared_at,
        own=[_fill(order) for order in own],
    )
