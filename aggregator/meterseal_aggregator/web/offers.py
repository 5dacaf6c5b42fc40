"""Fixed-price offers: who sells how much when, for how much; the best of them; one's own.

    POST /v1/offers {"meter_point": 7, "price_micro_per_kwh": 150000,
                     "slots": [{"start": 1800000000, "wh": 500}]}
    GET  /v1/offers/best?from=1800000000&to=1800003600&wh=500&price_micro_per_kwh=200000

Prices are micro-units per kWh, energy Wh, times Unix seconds. This module must never show
anybody a seller's name, nor where he lives.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market.discovery import Found, Wanted
from meterseal_aggregator.market.offers import place, search, store
from meterseal_aggregator.market.offers.model import NewOffer, Offer
from meterseal_aggregator.market.offers.search import Seller, Sought
from meterseal_aggregator.market.sales import MAX_AHEAD_S, MAX_SLOTS
from meterseal_aggregator.parameters.model import MAX_PRICE_MICRO
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found, wrong_argument
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
from meterseal_proto.clearing import MAX_WH

MAX_SOUGHT_S: Final = 2 * 86_400
"""Hours one search may span: it reads every open slot in them."""
router = APIRouter(prefix="/v1", tags=["market"])

MAX_LISTED: Final = 100
"""Offers and orders a page: each has up to 192 slots."""
Few = Annotated[int, Query(ge=1, le=MAX_LISTED)]
A_SLOT: Final[dict[str, JsonValue]] = {"start": 1_800_000_000, "wh": 500}


Wh = Annotated[int, Field(ge=1, le=MAX_WH)]
Price = Annotated[int, Field(ge=0, le=MAX_PRICE_MICRO)]


class SlotWish(RequestBody):
    """Energy of one slot, by its first second."""

    start: Second
    wh: Wh


Slots = Annotated[list[SlotWish], Field(min_length=1, max_length=MAX_SLOTS)]


class OfferRequest(RequestBody):
    """Energy of the slots to come at one of your meter points, at one price a kWh.

    The price is a multiple of 1,000 micro-units: at least what the utility gives and the
    market's fee, at most what the utility takes. What you offer counts against what the
    point's capacity gives in a slot and against what your trust allows in a month.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "meter_point": 7,
                "price_micro_per_kwh": 150_000,
                "slots": [A_SLOT, {"start": 1_800_000_900, "wh": 400}],
            }
        }
    )

    meter_point: Annotated[int, Field(ge=1, le=MAX_ID)]
    price_micro_per_kwh: Price
    slots: Slots


class OffersAsked(BaseModel):
    """Which offers to list, and from where on; what is not said is no matter."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: Annotated[Second | None, Field(alias="from")] = None
    end: Annotated[Second | None, Field(alias="to")] = None
    max_price_micro_per_kwh: Price = MAX_PRICE_MICRO
    min_wh: Wh = 1
    seller: Annotated[int, Field(ge=1, le=MAX_ID)] | None = None
    after: Annotated[int, Field(ge=0, le=MAX_ID)] = 0
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 50


class BestAsked(BaseModel):
    """What a buyer looks for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    begin: Annotated[Second, Field(alias="from")]
    end: Annotated[Second, Field(alias="to")]
    wh: Wh
    price_micro_per_kwh: Price
    limit: Annotated[int, Field(ge=1, le=MAX_LISTED)] = 20


class OfferedSlotView(View):
    """A slot of an offer: `wh` were offered, `left_wh` may still be ordered."""

    start: int
    length: int
    wh: int
    left_wh: int


class SellerView(View):
    """Who sells, as others know him: a number, his trust, and what buyers thought.

    `score_x10000` is his trust in 1/10,000; `stars_x100` the average in 1/100 star, null
    where nobody rated.
    """

    member: int
    tier: str
    score_x10000: int
    stars_x100: int | None
    ratings: int


class OfferView(View):
    """An offer, and what is left of it; `withdrawn_at` tells that no more is sold of it."""

    id: int
    seller: SellerView
    price_micro_per_kwh: int
    made_at: int
    withdrawn_at: int | None
    slots: list[OfferedSlotView]


class FoundOfferView(OfferView):
    """An offer with its score for what you look for, 0 to 10,000.

    40 % price, 35 % the seller's trust, 25 % how much of your hours it covers.
    """

    match_score: int


class OwnOfferView(OfferView):
    """An offer of your own."""

    meter_point: int


@router.post("/offers", status_code=201)
async def place_offer(body: OfferRequest, key: Key, access: Asking) -> OwnOfferView:
    """Offer energy of the slots to come at a fixed price."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    wh = wanted_wh(body.slots)
    wish = NewOffer(member, key, body.meter_point, body.price_micro_per_kwh, wh)
    site = access.site
    async with site.database.transaction() as tx:
        made = await place.place(tx, site.market, wish, now=int(site.now()))
        return await _own(tx, access, made)


@router.post("/offers/{offer_id}/withdrawal")
async def withdraw_offer(offer_id: ById, access: Asking) -> OwnOfferView:
    """Take what nobody ordered of an offer of yours off the market; orders stay."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    site = access.site
    async with site.database.transaction() as tx:
        gone = await place.withdraw(tx, member, offer_id, now=int(site.now()))
        return await _own(tx, access, gone)


@router.get("/offers")
async def list_offers(
    access: Asking, asked: Annotated[OffersAsked, Query()]
) -> Page[OfferView]:
    """List offers with slots that begin in [from, to), by number; without hours, all."""
    access.allow(Action.TRADE, owns=True)
    access.pace(access.site.searches)
    now = int(access.site.now())
    sought = Sought(
        begin=now if asked.begin is None else asked.begin,
        end=now + MAX_AHEAD_S + 1 if asked.end is None else asked.end,
        max_price=asked.max_price_micro_per_kwh,
        least_wh=asked.min_wh,
        seller=asked.seller,
    )
    page = {"after": asked.after, "limit": asked.limit}
    async with access.site.database.reading() as tx:
        found = await search.browse(tx, sought, now=now, **page)
        known = await _sellers(tx, access, found)
    items = [offer_view(one, known[one.seller]) for one in found]
    return Page(items=items, next=cursor(items, asked.limit, lambda view: view.id))


@router.get("/offers/best")
async def find_offers(
    access: Asking, asked: Annotated[BestAsked, Query()]
) -> list[FoundOfferView]:
    """Find what suits best: at least `wh` within [from, to), at this price or less."""
    member = access.me(Action.TRADE)
    access.pace(access.site.searches)
    begin, end = asked.begin, asked.end
    if end <= begin:
        raise wrong_argument("to", "the hours end before they begin")
    if end - begin > MAX_SOUGHT_S:
        raise wrong_argument("to", "look for two days at a time, or less")
    wanted = Wanted(str(member), begin, end, asked.wh, asked.price_micro_per_kwh)
    site = access.site
    async with site.database.reading() as tx:
        found = await search.best(
            tx, site.market, wanted, now=int(site.now()), limit=asked.limit
        )
        known = await _sellers(tx, access, [offer for offer, _ in found])
    return [_found(offer, one, known[offer.seller]) for offer, one in found]


@router.get("/offers/{offer_id}")
async def show_offer(offer_id: ById, access: Asking) -> OfferView:
    """Show an offer, and what is left of it."""
    access.allow(Action.TRADE, owns=True)
    async with access.site.database.reading() as tx:
        found = await store.one(tx, offer_id)
        if found is None:
            raise not_found("offer")
        known = await _sellers(tx, access, [found])
    return offer_view(found, known[found.seller])


@router.get("/me/offers")
async def list_own_offers(
    access: Asking, after: AfterId = 0, limit: Few = 50
) -> Page[OwnOfferView]:
    """List your offers, oldest first, withdrawn ones too."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await store.of_seller(tx, member, after=after, limit=limit)
        items = [await _own(tx, access, one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def wanted_wh(slots: Sequence[SlotWish]) -> dict[int, int]:
    """Return Wh by slot; raises the answer 422 where a slot is named twice."""
    wh = {slot.start: slot.wh for slot in slots}
    if len(wh) < len(slots):
        raise wrong_argument("slots", "name each slot once")
    return wh


def seller_view(seller: Seller) -> SellerView:
    """Return a seller as others see him."""
    rating = seller.rating
    return SellerView(
        member=seller.member,
        tier=seller.tier.name.lower(),
        score_x10000=seller.score,
        stars_x100=rating.average_x100 if rating.count else None,
        ratings=rating.count,
    )


def offer_view(offer: Offer, seller: Seller) -> OfferView:
    """Return an offer as others see it."""
    return OfferView(
        id=offer.id,
        seller=seller_view(seller),
        price_micro_per_kwh=offer.price,
        made_at=offer.made_at,
        withdrawn_at=offer.withdrawn_at,
        slots=[
            OfferedSlotView(
                start=slot.start, length=slot.length, wh=slot.wh, left_wh=slot.left_wh
            )
            for slot in offer.slots.values()
        ],
    )


def _found(offer: Offer, found: Found, seller: Seller) -> FoundOfferView:
    plain = offer_view(offer, seller).model_dump()
    return FoundOfferView(**plain, match_score=found.score)


async def _own(tx: Transaction, access: Access, offer: Offer) -> OwnOfferView:
    known = await _sellers(tx, access, [offer])
    plain = offer_view(offer, known[offer.seller]).model_dump()
    return OwnOfferView(**plain, meter_point=offer.meter_point)


async def _sellers(
    tx: Transaction, access: Access, offers: Sequence[Offer]
) -> Mapping[int, Seller]:
    members = [offer.seller for offer in offers]
    return await search.sellers(tx, access.site.market, members)
