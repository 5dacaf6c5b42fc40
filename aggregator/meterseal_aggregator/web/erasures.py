"""Erasing a member, by operators in two steps; and bills that are kept by law alone.

    POST /v1/members/7/erasure {"why": "asked"}            409 says what to do first
    POST /v1/members/7/erasure/confirmation {"code": "..."}
    GET  /v1/restricted-bills/2026-00000012?reason=tax+audit+2027

A bill of an erased member is on no other route: each look at it is a line of the trail, with
its reason (files of private bills and nettings: `web.restricted`). This module must never erase without a code that was given for this member.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Path
from pydantic import ConfigDict, Field
from starlette.responses import Response

from meterseal_aggregator.billing.model import MAX_NUMBER
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.erasure import store
from meterseal_aggregator.erasure.erase import By, ask, confirm
from meterseal_aggregator.erasure.model import Erasure, Why
from meterseal_aggregator.erasure.obstacles import obstacles
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.restricted import Reason
from meterseal_aggregator.web.shapes import ById, RequestBody, View

router = APIRouter(prefix="/v1", tags=["erasure"])

MAX_CODE: Final = 64
BillNumber = Annotated[str, Path(pattern=rf"^[0-9A-Za-z-]{{1,{MAX_NUMBER}}}$")]


class ErasureRequest(RequestBody):
    """Why a member is erased: asked, moved-out, deceased or ordered."""

    model_config = ConfigDict(json_schema_extra={"example": {"why": "asked"}})

    why: Annotated[str, Field(pattern="^(asked|moved-out|deceased|ordered)$")]


class ConfirmationRequest(RequestBody):
    """The code that asking gave; it is good for a quarter of an hour."""

    model_config = ConfigDict(json_schema_extra={"example": {"code": "k3mZ0qYc9_aB"}})

    code: Annotated[str, Field(min_length=1, max_length=MAX_CODE)]


class ErasureView(View):
    """An erasure as it stands. `gone_at`: nothing of it is in the database's file any more."""

    member: int
    why: str
    asked_at: int
    expires_at: int
    done_at: int | None
    gone_at: int | None


class AskedView(ErasureView):
    """An erasure that waits to be confirmed by this code, which is shown once."""

    code: str


class FreeView(View):
    """Whether a member may be erased: everything that stands against it, or what was asked."""

    obstacles: list[str]
    erasure: ErasureView | None


@router.get("/members/{member_id}/erasure")
async def show_erasure(member_id: ById, access: Asking) -> FreeView:
    """Show what stands against erasing a member, and what was asked for (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        await identity.member(tx, member_id)
        known = await store.erasure(tx, member_id)
        against = (
            [] if known and known.done_at else await obstacles(tx, member_id, now=now)
        )
    return FreeView(obstacles=against, erasure=_view(known) if known else None)


@router.post("/members/{member_id}/erasure", status_code=201)
async def ask_erasure(
    member_id: ById, wanted: ErasureRequest, access: Asking
) -> AskedView:
    """Ask to erase a member; nothing is erased before it is confirmed (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        asked, code = await ask(tx, member_id, Why(wanted.why), _by(access))
    return AskedView(code=code, **_view(asked).model_dump())


@router.post("/members/{member_id}/erasure/confirmation")
async def confirm_erasure(
    member_id: ById, wanted: ConfirmationRequest, access: Asking
) -> ErasureView:
    """Erase a member: this cannot be undone (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        done = await confirm(tx, member_id, wanted.code, _by(access))
    return _view(done)


@router.get("/restricted-bills/{number}", response_class=Response)
async def show_restricted_bill(
    number: BillNumber, access: Asking, reason: Reason
) -> Response:
    """Give the document of an erased member's bill, for a reason that is kept (operator)."""
    access.allow(Action.MANAGE)
    real = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        bill = await bills.bill(tx, number)
        if not await store.erased(tx, bill.member):
            raise not_found("restricted bill")
        what = f"bill {number}: {reason}"
        await identity.note(tx, access.caller.prefix, "restricted-bill", what, now=real)
    return Response(bill.document, 200, media_type="application/json")


def _by(access: Access) -> By:
    site = access.site
    return By(
        f"token:{access.caller.prefix}",
        site.terms.genesis.network,
        int(site.now()),
        int(site.real_now()),
    )


def _view(one: Erasure) -> ErasureView:
    return ErasureView(
        member=one.member,
        why=one.why.value,
        asked_at=one.asked_at,
        expires_at=one.expires_at,
        done_at=one.done_at,
        gone_at=one.scrubbed_at,
    )
