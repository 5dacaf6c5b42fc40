"""A member's word: his trust and what moved it, his limit, what he declares and chooses.

    GET /v1/me/trust                      score, tier, this month's limit
    PUT /v1/me/production {"monthly_wh": 500000}
    PUT /v1/me/surplus {"choice": "feed-in"}

This module must never move a score.
"""

from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market import ratings, standing, surplus
from meterseal_aggregator.market.slots import month_of
from meterseal_aggregator.market.standing import TrustEvent
from meterseal_aggregator.market.surplus import Choice
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.market.trust import SCORE_DIGITS, monthly_wh, tier_of
from meterseal_aggregator.parameters.model import MAX_MONTHLY_WH
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import (
    AfterId,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1/me", tags=["trust"])

_WHOLE: Final = 10**SCORE_DIGITS


class MonthView(View):
    """What you may promise in the slots of this month, from `from_at` to before `to_at`, Wh."""

    from_at: int
    to_at: int
    limit_wh: int
    used_wh: int
    left_wh: int


class StarsView(View):
    """What others think of you: the average in 1/100 star, null without; never part of trust."""

    stars_x100: int | None
    ratings: int


class TrustView(View):
    """Your score as a decimal and in 1/10,000, its tier, and what it lets you promise.

    `declared_wh` is what you said you make a month, `certified_wh` what your certificates
    allow, null without: the lower one counts. A stake may lift the limit, never the score.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "score": "0.3000",
                "score_x10000": 3_000,
                "tier": "starter",
                "declared_wh": 500_000,
                "certified_wh": None,
                "staked_micro": 0,
                "month": {
                    "from_at": 1_788_220_800,
                    "to_at": 1_790_812_800,
                    "limit_wh": 50_000,
                    "used_wh": 12_000,
                    "left_wh": 38_000,
                },
                "rating": {"stars_x100": 450, "ratings": 4},
            }
        }
    )

    score: str
    score_x10000: int
    tier: str
    declared_wh: int | None
    certified_wh: int | None
    staked_micro: int
    month: MonthView
    rating: StarsView


class TrustEventView(View):
    """What moved your score, once: `change` and the score after it in 1/10,000."""

    id: int
    subject: str
    event: str
    change_x10000: int
    score: str
    score_x10000: int
    at: int


class ProductionRequest(RequestBody):
    """What you make in a month, Wh; a certificate may allow less."""

    model_config = ConfigDict(json_schema_extra={"example": {"monthly_wh": 500_000}})

    monthly_wh: Annotated[int, Field(ge=1, le=MAX_MONTHLY_WH)]


class ProductionView(View):
    """What you last said you make in a month, Wh."""

    monthly_wh: int


class SurplusRequest(RequestBody):
    """What becomes of export you do not sell: `keep` its credits, or `feed-in`."""

    model_config = ConfigDict(json_schema_extra={"example": {"choice": "feed-in"}})

    choice: Annotated[str, Field(pattern="^(keep|feed-in)$")]


class SurplusView(View):
    """Your choice, and the network second from which slots go by it; null: it always did."""

    choice: str
    from_at: int | None


@router.get("/trust")
async def show_trust(access: Asking) -> TrustView:
    """Show your trust, your tier, and what you may still promise this month."""
    member = access.me(Action.TRADE)
    rules, now = access.site.market.trust, int(access.site.now())
    async with access.site.database.reading() as tx:
        terms = await terms_at(tx, now)
        found = await standing.standing(tx, rules, member, terms.asset, at=now)
        used = await standing.used_in_month(tx, member, terms, now)
        left = await standing.left_this_month(tx, rules, member, terms, now)
        rated = (await ratings.shown(tx, [member]))[member]
    first, following = month_of(now, terms.zone)
    return TrustView(
        score=_decimal(found.score),
        score_x10000=found.score,
        tier=tier_of(found.score).name.lower(),
        declared_wh=found.declared_wh,
        certified_wh=found.certified_wh,
        staked_micro=found.staked_micro,
        month=MonthView(
            from_at=first,
            to_at=following,
            limit_wh=monthly_wh(rules, found),
            used_wh=used,
            left_wh=left,
        ),
        rating=StarsView(
            stars_x100=rated.average_x100 if rated.count else None, ratings=rated.count
        ),
    )


@router.get("/trust/events")
async def list_trust_events(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[TrustEventView]:
    """List what moved your score, oldest first."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await standing.events(tx, member, after=after, limit=limit)
    items = [_event(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.put("/production")
async def declare_production(body: ProductionRequest, access: Asking) -> ProductionView:
    """Declare what you make in a month; saying the same again changes nothing."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        if await standing.declared_wh(tx, member) != body.monthly_wh:
            await standing.declare(tx, member, body.monthly_wh, now=now)
    return ProductionView(monthly_wh=body.monthly_wh)


@router.get("/surplus")
async def show_surplus(access: Asking) -> SurplusView:
    """Show what becomes of export you do not sell."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        last = await surplus.last_choice(tx, member)
    if last is None:
        return SurplusView(choice=surplus.UNSAID.value, from_at=None)
    return SurplusView(choice=last[0].value, from_at=last[1])


@router.put("/surplus")
async def choose_surplus(body: SurplusRequest, access: Asking) -> SurplusView:
    """Choose what becomes of export you do not sell, from now on."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    choice, now = Choice(body.choice), int(access.site.now())
    async with access.site.database.transaction() as tx:
        since = await surplus.choose(tx, member, choice, now)
    return SurplusView(choice=choice.value, from_at=since)


def _decimal(score: int) -> str:
    return f"{score // _WHOLE}.{score % _WHOLE:0{SCORE_DIGITS}d}"


def _event(one: TrustEvent) -> TrustEventView:
    return TrustEventView(
        id=one.id,
        subject=one.what.subject,
        event=one.what.event,
        change_x10000=one.what.change,
        score=_decimal(one.score),
        score_x10000=one.score,
        at=one.at,
    )
