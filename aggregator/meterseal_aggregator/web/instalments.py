"""Plans of instalments: recorded by operators, seen by whom they are about.

    POST /v1/instalment-plans {"member": 7, "dates": [...]}          an operator's token
    GET  /v1/me/instalment-plans

A post carries an `Idempotency-Key`. This module must never show a member another's plan.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.receivables import plans
from meterseal_aggregator.billing.receivables.plans import (
    MAX_DATES,
    Instalment,
    Plan,
    Terms,
)
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.money import AssetText, BillNumber
from meterseal_aggregator.web.receivables import Micro, actor_of
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    Limit,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key

router = APIRouter(prefix="/v1", tags=["bills"])


class InstalmentShape(RequestBody):
    """An amount to be paid by the end of a second."""

    due_at: Second
    amount_micro: Micro


class PlanRequest(RequestBody):
    """What was agreed with a member: dates in order that come to what he is asked for.

    All his open bills in the asset (the network's money where none is named), or `bills`.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "member": 7,
                "dates": [
                    {"due_at": 1_790_003_600, "amount_micro": 5_000_000},
                    {"due_at": 1_792_595_600, "amount_micro": 5_000_000},
                ],
            }
        }
    )

    member: Annotated[int, Field(ge=1, le=MAX_ID)]
    asset: AssetText | None = None
    dates: Annotated[list[InstalmentShape], Field(min_length=1, max_length=MAX_DATES)]
    bills: (
        Annotated[list[BillNumber], Field(min_length=1, max_length=MAX_DATES)] | None
    ) = None


class InstalmentView(View):
    """An amount to be paid by the end of a second."""

    due_at: int
    amount_micro: int


class PlanView(View):
    """A plan; `left_micro` is what is still asked of its bills."""

    id: int
    member: int
    asset: str
    total_micro: int
    left_micro: int
    state: str
    agreed_at: int
    ended_at: int | None
    dates: list[InstalmentView]


@router.post("/instalment-plans", status_code=201)
async def agree_plan(body: PlanRequest, key: Key, access: Asking) -> PlanView:
    """Record that a member pays open bills by dates (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.now())
    dates = tuple(Instalment(one.due_at, one.amount_micro) for one in body.dates)
    async with access.site.database.transaction() as tx:
        asset = body.asset or await text_at(tx, Name.MONEY_ASSET, now)
        wish = Terms(body.member, Asset(asset), dates, key, tuple(body.bills or ()))
        return _plan(await plans.agree(tx, wish, actor_of(access), now=now))


@router.get("/instalment-plans")
async def list_plans(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[PlanView]:
    """List plans of instalments, oldest first (operator)."""
    access.allow(Action.MANAGE)
    return await _plans(access, after, limit, None)


@router.get("/me/instalment-plans")
async def list_own_plans(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[PlanView]:
    """List your plans of instalments, oldest first."""
    return await _plans(access, after, limit, access.me(Action.PAY))


async def _plans(
    access: Access, after: int, limit: int, member: int | None
) -> Page[PlanView]:
    async with access.site.database.reading() as tx:
        found = await plans.plans(tx, after=after, limit=limit, member=member)
    items = [_plan(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _plan(one: Plan) -> PlanView:
    return PlanView(
        id=one.id,
        member=one.member,
        asset=one.asset,
        total_micro=one.total,
        left_micro=one.left,
        state=one.state.value,
        agreed_at=one.agreed_at,
        ended_at=one.ended_at,
        dates=[
            InstalmentView(due_at=date.due_at, amount_micro=date.amount)
            for date in one.dates
        ],
    )
