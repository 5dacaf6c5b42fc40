"""Stars for the other side of a settled trade: given once, shown, and nothing else.

This module must never tell who gave them.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market import ratings
from meterseal_aggregator.market.ratings import STARS, Wish
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import ById, RequestBody, View

router = APIRouter(prefix="/v1", tags=["trades"])


class RatingRequest(RequestBody):
    """How it was to trade with the other side."""

    model_config = ConfigDict(json_schema_extra={"example": {"stars": 5}})

    stars: Annotated[int, Field(ge=1, le=STARS)]


class RatingView(View):
    """Your rating of the member you traded with, and how all his trades rate him.

    `stars_x100` is the average in 1/100 star.
    """

    trade: int
    rated: int
    stars: int
    stars_x100: int
    ratings: int


@router.post("/trades/{trade_id}/rating", status_code=201)
async def rate_trade(trade_id: ById, body: RatingRequest, access: Asking) -> RatingView:
    """Rate the other side of a settled trade of yours, once; it moves nobody's trust."""
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    wish = Wish(trade_id, member, body.stars)
    async with access.site.database.transaction() as tx:
        rated = await ratings.rate(tx, wish, now=int(access.site.now()))
        found = (await ratings.shown(tx, [rated]))[rated]
    return RatingView(
        trade=trade_id,
        rated=rated,
        stars=body.stars,
        stars_x100=found.average_x100,
        ratings=found.count,
    )
