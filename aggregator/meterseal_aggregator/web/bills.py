"""Bills over the API: what was billed, where it stands, and what is asked of the biller.

    GET  /v1/me/bills                                   a member's own, oldest first
    GET  /v1/bills/2026-00000012                        lines, standing, what was done to it
    GET  /v1/bills/2026-00000012.pdf                    `bill_files`: as people read it
    POST /v1/bills {"supply": 3, "from": 1777586400}    an operator's: issue now
    POST /v1/bills/2026-00000012/correction             an operator's: rate again, now

Issuing and correcting are once by themselves: asked again, the answer is the same bill. This
module must never show a member another's bill, nor its salt to anybody but him and operators.
"""

import asyncio
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.model import BillRow, Refused
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.affected import correct_now
from meterseal_aggregator.billing.statements.correct import Why
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.billing.statements.single import issue_one, preview
from meterseal_aggregator.billing.supplies.model import NotSupplied
from meterseal_aggregator.billing.supplies.store import supply as supply_row
from meterseal_aggregator.erasure.store import erased
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.identity.store import note
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.bill_views import (
    BillDetail,
    BillView,
    PreviewView,
    WaitView,
    detail,
    segment_views,
    usage_views,
    views,
)
from meterseal_aggregator.web.problems import not_found, not_made
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    MAX_SECOND,
    AfterId,
    Limit,
    Page,
    RequestBody,
    cursor,
)
from meterseal_proto.rating.statement_json import read_statement

router = APIRouter(prefix="/v1", tags=["bills"])

MAX_NOTE: Final = 200
PREVIEWS: Final = 2
"""Previews at a time: each holds a reader while it is rated, of which there are four."""
_looking = asyncio.Semaphore(PREVIEWS)
Number = Annotated[str, Path(pattern=r"^\d{4}-\d{8}$")]
OfMember = Annotated[int | None, Query(ge=1, le=MAX_ID)]


class IssueRequest(RequestBody):
    """A supply's next bill, which begins at the second `from` (as `/v1/supplies` says)."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"supply": 3, "from": 1_777_586_400}}
    )

    supply: Annotated[int, Field(ge=1, le=MAX_ID)]
    begin: Annotated[int, Field(alias="from", ge=0, le=MAX_SECOND)]


class CorrectionRequest(RequestBody):
    """Why a bill is rated again; it stays with the bill."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"note": "the register was read on site"}}
    )

    note: Annotated[
        str,
        Field(min_length=1, max_length=MAX_NOTE, pattern=r"^[^\x00-\x1f\x7f]+$"),
    ]


@router.get("/bills")
async def list_bills(
    access: Asking, member: OfMember = None, after: AfterId = 0, limit: Limit = 100
) -> Page[BillView]:
    """List bills and credit notes of everybody or of one member, in order (operator)."""
    access.allow(Action.MANAGE)
    return await _page(access, member, after, limit)


@router.get("/me/bills")
async def list_own_bills(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[BillView]:
    """List your bills and credit notes, in order."""
    member = access.me(Action.SEE_BALANCES)
    return await _page(access, member, after, limit)


@router.get("/bill-waits")
async def list_waits(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[WaitView]:
    """List supplies that cannot be billed or corrected yet, each with its cause (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await store.waits(tx, after=after, limit=limit)
    items = [
        WaitView(
            id=one.id,
            supply=one.supply,
            begin=one.begin,
            cause=one.cause,
            detail=one.detail,
            at=one.at,
            again_at=one.again_at,
        )
        for one in found
    ]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/supplies/{supply_id}/preview")
async def preview_bill(
    supply_id: Annotated[int, Path(ge=1, le=MAX_ID)], access: Asking
) -> PreviewView:
    """Show what a supply of yours (or any, operator) would be billed, as far as is known."""
    access.allow(Action.SEE_BALANCES, owns=True)
    access.pace(access.site.searches)
    site = access.site
    async with _looking, site.database.reading() as tx:
        await _check_supply(tx, access, supply_id)
        draft = await preview(
            tx, site.terms.genesis.network, supply_id, now=int(site.now())
        )
    statement = read_statement(draft.document)
    return PreviewView(
        supply=supply_id,
        begin=draft.begin,
        end=draft.end,
        asset=draft.asset,
        amount_micro=draft.amount,
        minor=statement.minor,
        usage=usage_views(statement),
        segments=segment_views(statement),
    )


@router.get("/bills/{number}")
async def show_bill(number: Number, access: Asking) -> BillDetail:
    """Show a bill or credit note of yours (or any, operator)."""
    async with access.site.database.reading() as tx:
        bill = await bill_for(tx, access, number)
        return await detail(tx, bill)


@router.post("/bills", status_code=201)
async def issue_bill(body: IssueRequest, access: Asking) -> BillDetail:
    """Issue a supply's next bill now, instead of in its turn (operator)."""
    access.allow(Action.MANAGE)
    site = access.site
    actor = access.caller.prefix
    moment = Moment.of(site.terms.genesis.network, int(site.now()))
    async with site.database.transaction() as tx:
        bill = await issue_one(tx, moment, body.supply, body.begin, actor=actor)
        await _check_kept(tx, bill)
        what = f"bill {bill.number}"
        await note(tx, actor, "issue", what, now=int(site.real_now()))
        return await detail(tx, bill)


@router.post("/bills/{number}/correction", status_code=201)
async def correct_bill(
    number: Number, body: CorrectionRequest, access: Asking
) -> BillDetail:
    """Rate a bill again as usage is known now; answers the bill in force (operator)."""
    access.allow(Action.MANAGE)
    site = access.site
    why = Why(access.caller.prefix, body.note)
    moment = Moment.of(site.terms.genesis.network, int(site.now()))
    async with site.database.transaction() as tx:
        await _check_kept(tx, await store.bill(tx, number))
        made = await correct_now(tx, number, moment, why)
        await note(tx, why.actor, "correct", f"bill {number}", now=int(site.real_now()))
        bill = await store.bill(tx, number) if made is None else made.bill
        return await detail(tx, bill)


async def bill_for(tx: Transaction, access: Access, number: str) -> BillRow:
    """Return a bill if the asker may see it; raises the answers 403 and 404."""
    access.allow(Action.SEE_BALANCES, owns=True)
    try:
        bill = await store.bill(tx, number)
    except Refused:
        raise not_found("bill of yours") from None
    if access.caller.member not in (None, bill.member):
        raise not_found("bill of yours")
    await _check_kept(tx, bill)
    return bill


async def _check_kept(tx: Transaction, bill: BillRow) -> None:
    """Raise the answer 409 for a bill of an erased member: a look at it needs a reason."""
    if await erased(tx, bill.member):
        raise not_made("erased", "its member was erased: see /v1/restricted-bills")


async def _check_supply(tx: Transaction, access: Access, supply_id: int) -> None:
    try:
        supply = await supply_row(tx, supply_id)
    except NotSupplied:
        raise not_found("supply of yours") from None
    if access.caller.member not in (None, supply.member):
        raise not_found("supply of yours")


async def _page(
    access: Access, member: int | None, after: int, limit: int
) -> Page[BillView]:
    async with access.site.database.reading() as tx:
        found = await store.bills(tx, after_id=after, limit=limit, member=member)
        items = await views(tx, found)
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))
