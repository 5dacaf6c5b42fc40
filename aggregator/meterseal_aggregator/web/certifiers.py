"""Who certifies producers (operator), and the trail of what was decided.

This module must never let a certifier authorise anybody.
"""

from typing import Annotated

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.registry import certificates, certifiers
from meterseal_aggregator.registry.certification import Entry, Level
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    View,
    cursor,
)

router = APIRouter(prefix="/v1", tags=["certification"])


class CertifierRequest(RequestBody):
    """A member who may certify: level 1 up to 10 kW, 2 any, 3 revokes as well."""

    model_config = ConfigDict(json_schema_extra={"example": {"member": 3, "level": 1}})

    member: Annotated[int, Field(ge=1, le=MAX_ID)]
    level: Annotated[int, Field(ge=1, le=3)]


class CertifierView(View):
    """An authorisation; `to_at` null is in force; real Unix seconds."""

    id: int
    member: int
    level: int
    from_at: int
    to_at: int | None


class TrailView(View):
    """One line of the trail: who did what about an application, at a network second.

    `effective_at` is when a certificate begins or ends by it.
    """

    id: int
    application: int
    act: str
    actor: str
    level: int | None
    effective_at: int | None
    reason: str | None
    at: int


@router.post("/certifiers", status_code=201)
async def authorise(body: CertifierRequest, access: Asking) -> CertifierView:
    """Authorise a member to certify producers (operator)."""
    access.allow(Action.MANAGE)
    now, level = int(access.site.real_now()), Level(body.level)
    async with access.site.database.transaction() as tx:
        made = await certifiers.authorise(tx, body.member, level, now=now)
        what = f"member {body.member}, level {body.level}"
        await identity.note(tx, access.caller.prefix, "certifier", what, now=now)
    return CertifierView(
        id=made, member=body.member, level=body.level, from_at=now, to_at=None
    )


@router.get("/certifiers")
async def list_certifiers(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[CertifierView]:
    """List who may or might certify (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await certifiers.authorised(tx, after=after, limit=limit)
    items = [
        CertifierView(
            id=one.id,
            member=one.member,
            level=one.level.value,
            from_at=one.from_at,
            to_at=one.to_at,
        )
        for one in found
    ]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


@router.delete("/certifiers/{certifier_id}", status_code=204)
async def deauthorise(certifier_id: ById, access: Asking) -> None:
    """End an authorisation now (operator); what he decided stands."""
    access.allow(Action.MANAGE)
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        if not await certifiers.deauthorise(tx, certifier_id, now=now):
            raise not_found("authorisation in force")
        what = f"authorisation {certifier_id}"
        await identity.note(tx, access.caller.prefix, "end-certifier", what, now=now)


@router.get("/certification-acts")
async def list_trail(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[TrailView]:
    """List every act about certification, oldest first (operator, auditor)."""
    access.allow(Action.SEE_TRAIL)
    async with access.site.database.reading() as tx:
        found = await certificates.trail(tx, after=after, limit=limit)
    items = [_line(entry) for entry in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _line(entry: Entry) -> TrailView:
    return TrailView(
        id=entry.id,
        application=entry.application_id,
        act=entry.act.value,
        actor=entry.actor,
        level=entry.level,
        effective_at=entry.effective_at,
        reason=entry.reason,
        at=entry.at,
    )
