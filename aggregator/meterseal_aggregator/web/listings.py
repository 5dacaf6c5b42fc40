"""Minted Wh for sale at the community's price: put up, take back, buy, give back.

    GET  /v1/listings                           who has how many for sale, and the price
    POST /v1/listings/purchases {"seller": 3, "wh": 5000, "most_micro": 800000}
    POST /v1/listings/refunds {"wh": 5000, "least_micro": 600000}

Each post carries an `Idempotency-Key`: the same wish under the same key is done once. A
seller is shown by his number, never by name. This module must never show a member what
another bought.
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market.listings import store
from meterseal_aggregator.market.listings.deal import do
from meterseal_aggregator.market.listings.model import (
    HOUSE,
    Deed,
    Kind,
    Wish,
)
from meterseal_aggregator.market.offers import search
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.offers import SellerView, seller_view
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key
from meterseal_proto.clearing import MAX_WH

router = APIRouter(prefix="/v1", tags=["listings"])

Wh = Annotated[int, Field(ge=1, le=MAX_WH)]
Micro = Annotated[int, Field(ge=0, le=MAX_ID)]
Seller = Annotated[int, Field(ge=1, le=MAX_ID)] | Literal["house"]


class ListingRequest(RequestBody):
    """Wh of yours, minted already, to put up for sale or take back."""

    model_config = ConfigDict(json_schema_extra={"example": {"wh": 5_000}})

    wh: Wh


class PurchaseRequest(RequestBody):
    """Wh to buy of a seller, for at most `most_micro` with the commission."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"seller": 3, "wh": 5_000, "most_micro": 800_000}}
    )

    seller: Seller
    wh: Wh
    most_micro: Micro


class RefundRequest(RequestBody):
    """Wh bought here and still held, to give back for at least `least_micro`."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"wh": 5_000, "least_micro": 600_000}}
    )

    wh: Wh
    least_micro: Micro


class ListingView(View):
    """What a member has for sale."""

    seller: SellerView
    wh: int


class ListingsView(Page[ListingView]):
    """Who has Wh for sale, by number, and at what price; `house_wh` the house's own.

    `refunds_micro` is what refunds can be paid from now.
    """

    price_micro_per_kwh: int
    commission_bp: int
    refund_bp: int
    reserve_wh: int
    user_reserve_wh: int
    total_wh: int
    house_wh: int
    refunds_micro: int
    asset: str


class OwnListingView(View):
    """What you put up or took back; `left_wh` is for sale right after it."""

    id: int
    kind: str
    wh: int
    left_wh: int
    done_at: int


class PurchaseView(View):
    """Wh you bought, or gave back: `total_micro` is what you paid, or were paid.

    `commission_micro` of it is the house's. `refundable_wh` is what you could still give
    back right after it, as long as you hold them.
    """

    id: int
    kind: str
    seller: Seller
    wh: int
    price_micro_per_kwh: int
    commission_micro: int
    total_micro: int
    asset: str
    refundable_wh: int
    done_at: int


@router.get("/listings")
async def list_listings(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> ListingsView:
    """List who has minted Wh for sale, and at what price."""
    access.allow(Action.TRADE, owns=True)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        terms = await store.terms_at(tx, now)
        total, house = await store.reserves(tx)
        fund = await store.fund(tx, terms.asset)
        items = await _sellers(tx, access, after, limit)
    return ListingsView(
        items=items,
        next=cursor(items, limit, lambda view: view.seller.member),
        price_micro_per_kwh=terms.price,
        commission_bp=terms.commission_bp,
        refund_bp=terms.refund_bp,
        reserve_wh=terms.reserve_wh,
        user_reserve_wh=terms.user_reserve_wh,
        total_wh=total,
        house_wh=house,
        refunds_micro=fund,
        asset=terms.asset,
    )


@router.post("/me/listing", status_code=201)
async def put_up(body: ListingRequest, key: Key, access: Asking) -> OwnListingView:
    """Put minted Wh of yours up for sale; a certificate must be in force."""
    member = access.me(Action.TRADE)
    wish = Wish(Kind.ADD, member, member, body.wh, 0, key)
    return _listing(await _done(access, wish))


@router.post("/me/listing/removal", status_code=201)
async def take_back(body: ListingRequest, key: Key, access: Asking) -> OwnListingView:
    """Take Wh of yours from sale."""
    member = access.me(Action.TRADE)
    wish = Wish(Kind.REMOVE, member, member, body.wh, 0, key)
    return _listing(await _done(access, wish))


@router.post("/listings/purchases", status_code=201)
async def buy(body: PurchaseRequest, key: Key, access: Asking) -> PurchaseView:
    """Buy minted Wh at the community's price; the commission is added."""
    member = access.me(Action.TRADE)
    seller = HOUSE if isinstance(body.seller, str) else body.seller
    wish = Wish(Kind.BUY, member, seller, body.wh, body.most_micro, key)
    return _purchase(await _done(access, wish))


@router.post("/listings/refunds", status_code=201)
async def give_back(body: RefundRequest, key: Key, access: Asking) -> PurchaseView:
    """Give back Wh bought here, for the refund rate's share of today's price."""
    member = access.me(Action.TRADE)
    wish = Wish(Kind.REFUND, member, HOUSE, body.wh, body.least_micro, key)
    return _purchase(await _done(access, wish))


@router.get("/me/purchases")
async def list_purchases(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[PurchaseView]:
    """List what you bought and gave back, oldest first."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await store.purchases(tx, member, after=after, limit=limit)
    items = [_purchase(deed) for deed in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


async def _done(access: Access, wish: Wish) -> Deed:
    access.pace(access.site.trades)
    async with access.site.database.transaction() as tx:
        return await do(tx, wish, now=int(access.site.now()))


async def _sellers(
    tx: Transaction, access: Access, after: int, limit: int
) -> list[ListingView]:
    found = await store.for_sale(tx, after=after, limit=limit)
    members = [seller for seller, _ in found]
    known = await search.sellers(tx, access.site.market, members)
    return [
        ListingView(seller=seller_view(known[seller]), wh=wh) for seller, wh in found
    ]


def _listing(deed: Deed) -> OwnListingView:
    return OwnListingView(
        id=deed.id,
        kind=deed.wish.kind.value,
        wh=deed.wish.wh,
        left_wh=deed.left_wh,
        done_at=deed.done_at,
    )


def _purchase(deed: Deed) -> PurchaseView:
    seller = deed.wish.seller
    return PurchaseView(
        id=deed.id,
        kind=deed.wish.kind.value,
        seller=seller if seller != HOUSE else "house",
        wh=deed.wish.wh,
        price_micro_per_kwh=deed.price,
        commission_micro=deed.commission,
        total_micro=deed.amount + deed.commission,
        asset=deed.asset,
        refundable_wh=deed.bought_wh,
        done_at=deed.done_at,
    )
