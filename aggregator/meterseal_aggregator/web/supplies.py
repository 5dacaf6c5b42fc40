"""Supplies: who is billed for which meter point, by which tariff, from when to when.

    POST /v1/supplies               {"member": 3, "meter_point": 7, "tariff_code": "residential", ..}
    POST /v1/supplies/12/end        {"at": 1800000000}
    POST /v1/supplies/12/change     {"tariff_code": "night", "at": 1800000000}
    POST /v1/supply-imports?dry_run=true                             Content-Type: text/csv
    GET  /v1/supplies?member=3

An operator says them; a member sees his own. Moving in and out, which begins and ends them
with the tenancy, is at /v1/meter-points. This module must never show a tenant what was
supplied to the one before him.
"""

from http import HTTPStatus
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.supplies import store
from meterseal_aggregator.billing.supplies.load import Order, load
from meterseal_aggregator.billing.supplies.model import NewSupply, Supply
from meterseal_aggregator.billing.supplies.sheet import MAX_SHEET_BYTES, SheetRefused
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.limits import read_file
from meterseal_aggregator.web.points import EndRequest, TermsRequest
from meterseal_aggregator.web.problems import MAX_FAULTS, Problem, wrong_media_type
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Limit,
    Page,
    Second,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["supplies"])

IMPORTS: Final = "/v1/supply-imports"
CSV: Final = "text/csv"
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {CSV: {"schema": {"type": "string", "format": "binary"}}},
    }
}
Number = Annotated[int, Field(ge=1, le=MAX_ID)]
OfMember = Annotated[int | None, Query(ge=1, le=MAX_ID)]


class SupplyRequest(TermsRequest):
    """A supply to begin, within the member's tenancy; `to_at` unsaid: until further notice."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "tariff_code": "residential", "member": 3, "meter_point": 7, "from_at": 1_790_000_000,
            }
        }
    )  # fmt: skip

    member: Number
    meter_point: Number
    from_at: Second
    to_at: Second | None = None


class ChangeRequest(TermsRequest):
    """Other terms from a second on: the supply ends there, and another one begins."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"tariff_code": "night", "at": 1_790_000_000}}
    )

    at: Second


class SupplyView(View):
    """A supply; `billed_to` is the end of what has been billed, `from_at` where nothing was."""

    id: int
    member: int
    meter_point: int
    tariff_code: str
    rail: Literal["ledger", "stacks"]
    prepaid: bool
    from_at: int
    to_at: int | None
    billed_to: int


class LoadedView(View):
    """What a file added; `unchanged` of its rows added nothing."""

    members: int
    meter_points: int
    tenancies: int
    supplies: int
    unchanged: int
    dry_run: bool


@router.post("/supplies", status_code=201)
async def begin_supply(body: SupplyRequest, access: Asking) -> SupplyView:
    """Bill a member for a meter point by a tariff, from a second on (operator)."""
    access.allow(Action.MANAGE)
    new = NewSupply(
        MemberId(body.member), body.meter_point, body.terms(), body.from_at, body.to_at
    )
    async with access.site.database.transaction() as tx:
        made = await store.begin(tx, new)
        what = f"member {made.member} at meter point {made.meter_point}"
        await _note(tx, access, "supply", f"supply {made.id}: {what}")
    return _view(made)


@router.get("/supplies")
async def list_supplies(
    access: Asking,
    member: OfMember = None,
    meter_point: OfMember = None,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[SupplyView]:
    """List supplies; to a member his own, whoever else had the meter point."""
    whose = access.caller.member
    if whose is None:
        access.allow(Action.MANAGE)
    elif member is not None:
        access.allow_member(Action.SEE_MEMBER, member)
    async with access.site.database.reading() as tx:
        found = await store.supplies(
            tx,
            after=after,
            limit=limit,
            member=member if whose is None else whose,
            meter_point=meter_point,
        )
    items = [_view(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.get("/supplies/{supply_id}")
async def show_supply(supply_id: ById, access: Asking) -> SupplyView:
    """Show one supply, to an operator or to whose it is."""
    async with access.site.database.reading() as tx:
        if access.caller.member is None:
            access.allow(Action.MANAGE)
            return _view(await store.supply(tx, supply_id))
        # To a member one that is not there and one of somebody else's are the same.
        found = await store.supplies(
            tx, after=supply_id - 1, limit=1, member=access.caller.member
        )
    owns = bool(found) and found[0].id == supply_id
    access.allow(Action.SEE_MEMBER, owns=owns)
    return _view(found[0])


@router.post("/supplies/{supply_id}/end")
async def end_supply(supply_id: ById, body: EndRequest, access: Asking) -> SupplyView:
    """End a supply; what is left to bill gets a final bill once its usage is complete."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        ended = await store.end(tx, supply_id, at=body.at)
        await _note(tx, access, "end-supply", f"supply {supply_id} at {body.at}")
    return _view(ended)


@router.post("/supplies/{supply_id}/change", status_code=201)
async def change_supply(
    supply_id: ById, body: ChangeRequest, access: Asking
) -> SupplyView:
    """Supply a member by another tariff from a second on: answers the supply that follows."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        made = await store.change(tx, supply_id, body.terms(), at=body.at)
        what = f"supply {supply_id} by supply {made.id} at {body.at}"
        await _note(tx, access, "change-supply", what)
    return _view(made)


@router.post("/supply-imports", openapi_extra=_BODY)
async def import_supplies(
    request: Request, access: Asking, *, dry_run: bool = False
) -> LoadedView:
    """Take members, meter points and supplies over from a CSV file, all of it or nothing."""
    access.allow(Action.MANAGE)
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != CSV:
        raise wrong_media_type(CSV)
    raw = await read_file(request.receive, MAX_SHEET_BYTES)
    site = access.site
    order = Order(access.caller.prefix, int(site.now()), int(site.real_now()))
    try:
        done = await load(site.database, raw, order, dry=dry_run)
    except SheetRefused as error:
        faults = [
            {"where": f"line {one.line}", "what": one.what}
            for one in error.faults[:MAX_FAULTS]
        ]
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        first = f"{faults[0]['where']}: {faults[0]['what']}"
        raise Problem(status, "import", first, faults=faults) from None
    return LoadedView(
        members=done.members,
        meter_points=done.meter_points,
        tenancies=done.tenancies,
        supplies=done.supplies,
        unchanged=done.unchanged,
        dry_run=dry_run,
    )


async def _note(tx: Transaction, access: Access, act: str, what: str) -> None:
    now = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, act, what, now=now)


def _view(one: Supply) -> SupplyView:
    return SupplyView(
        id=one.id,
        member=one.member,
        meter_point=one.meter_point,
        tariff_code=one.terms.tariff_code,
        rail=one.terms.rail.value,
        prepaid=one.terms.prepaid,
        from_at=one.from_at,
        to_at=one.to_at,
        billed_to=one.billed_to,
    )
