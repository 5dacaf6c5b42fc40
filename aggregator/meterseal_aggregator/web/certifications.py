"""Certified producers: a member applies, a certifier decides, everything leaves a trail.

    POST /v1/me/certifications {"meter_point": 7, "capacity_w": 5000, ...}
    POST /v1/certifications/3/approve {}          a certifier's or operator's token
    POST /v1/certifications/3/revoke {"reason": "the inverter was replaced"}

A certifier is a member whom the operator authorised at /v1/certifiers. This module must
never let a member see another's application unless he certifies.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from meterseal_aggregator.credits.store import minted_until
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.parameters.model import Name as Parameter
from meterseal_aggregator.parameters.store import number_at
from meterseal_aggregator.registry import certificates, certifiers
from meterseal_aggregator.registry.certificates import Application, When
from meterseal_aggregator.registry.certification import (
    MAX_REASON,
    Certifier,
    Level,
    Limits,
    Source,
    State,
    Wish,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import forbidden, not_found
from meterseal_aggregator.web.shapes import (
    MAX_ID,
    AfterId,
    ById,
    Limit,
    Page,
    RequestBody,
    Second,
    View,
    Watts,
    cursor,
)
from meterseal_aggregator.web.withdrawals import Key

router = APIRouter(prefix="/v1", tags=["certification"])

_SOURCES: Final = "|".join(source.value for source in Source)
_STATES: Final = "|".join(state.value for state in State)
Reason = Annotated[
    str, Field(min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00-\x1f\x7f]+$")
]
InState = Annotated[str | None, Query(pattern=f"^({_STATES})$")]


class ApplicationRequest(RequestBody):
    """A producer at one of your meter points: W, what he makes of it a month, and of what."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "meter_point": 7,
                "capacity_w": 5_000,
                "monthly_production_wh": 600_000,
                "source": "solar",
            }
        }
    )

    meter_point: Annotated[int, Field(ge=1, le=MAX_ID)]
    capacity_w: Watts
    monthly_production_wh: Annotated[int, Field(ge=1, le=MAX_ID)]
    source: Annotated[str, Field(pattern=f"^({_SOURCES})$")]


class ApprovalRequest(RequestBody):
    """From when the certificate counts; as soon as it may where nothing is said."""

    model_config = ConfigDict(json_schema_extra={"example": {}})

    from_at: Second | None = None


class RefusalRequest(RequestBody):
    """Why the application is turned down; the applicant reads it."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "the meter counts no export"}}
    )

    reason: Reason


class RevocationRequest(RequestBody):
    """Why, and from when: never before the end of what was minted; at once if unsaid."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"reason": "the panels were taken down"}}
    )

    reason: Reason
    at: Second | None = None


class ApplicationView(View):
    """An application; `from_at` and `to_at` are its certificate's, network seconds.

    `member`, `monthly_production_wh` and `source` are null where an operator certified
    whoever holds the meter point. `fee_micro` is written down, no money moves.
    """

    id: int
    state: str
    member: int | None
    meter_point: int
    capacity_w: int
    monthly_production_wh: int | None
    source: str | None
    fee_micro: int
    applied_at: int
    from_at: int | None
    to_at: int | None
    reason: str | None


@router.post("/me/certifications", status_code=201)
async def ask_certification(
    body: ApplicationRequest, key: Key, access: Asking
) -> ApplicationView:
    """Apply to be certified; the same wish under the same `Idempotency-Key` is one."""
    member, now = access.me(Action.APPLY), int(access.site.now())
    wish = Wish(
        member, body.meter_point, body.capacity_w, body.monthly_production_wh,
        Source(body.source),
    )  # fmt: skip
    async with access.site.database.transaction() as tx:
        limits = Limits(
            await number_at(tx, Parameter.CERTIFICATION_MINIMUM_WH, now),
            await number_at(tx, Parameter.CERTIFICATION_MAXIMUM_WH, now),
            await number_at(tx, Parameter.CERTIFICATION_FEE_MICRO, now),
        )
        return _view(await certificates.ask(tx, wish, key, limits, now=now))


@router.get("/me/certifications")
async def list_own(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[ApplicationView]:
    """List your applications, oldest first."""
    member = access.me(Action.APPLY)
    async with access.site.database.reading() as tx:
        found = await certificates.applications(
            tx, after=after, limit=limit, member=member
        )
    return _page(found, limit)


@router.get("/me/certifications/{application_id}")
async def show_own(application_id: ById, access: Asking) -> ApplicationView:
    """Show an application of yours."""
    member = access.me(Action.APPLY)
    async with access.site.database.reading() as tx:
        found = await certificates.application(tx, application_id)
    if found.member != member:
        raise not_found("application")
    return _view(found)


@router.get("/certifications")
async def list_applications(
    access: Asking, state: InState = None, after: AfterId = 0, limit: Limit = 100
) -> Page[ApplicationView]:
    """List applications, all or those in one state (certifier)."""
    wanted = None if state is None else State(state)
    async with access.site.database.reading() as tx:
        await _certifier(tx, access)
        found = await certificates.applications(
            tx, after=after, limit=limit, state=wanted
        )
    return _page(found, limit)


@router.get("/certifications/{application_id}")
async def show_application(application_id: ById, access: Asking) -> ApplicationView:
    """Show an application (certifier)."""
    async with access.site.database.reading() as tx:
        await _certifier(tx, access)
        return _view(await certificates.application(tx, application_id))


@router.post("/certifications/{application_id}/approve")
async def approve(
    application_id: ById, body: ApprovalRequest, access: Asking
) -> ApplicationView:
    """Certify the applicant (certifier: level 1 up to 10 kW, above that level 2)."""
    async with access.site.database.transaction() as tx:
        who = await _certifier(tx, access)
        when = await _when(tx, access, application_id, body.from_at)
        return _view(await certificates.approve(tx, application_id, who, when))


@router.post("/certifications/{application_id}/refuse")
async def refuse(
    application_id: ById, body: RefusalRequest, access: Asking
) -> ApplicationView:
    """Turn an application down (certifier: level 1 up to 10 kW, above that level 2)."""
    now = int(access.site.now())
    async with access.site.database.transaction() as tx:
        who = await _certifier(tx, access)
        return _view(
            await certificates.refuse(tx, application_id, who, body.reason, now=now)
        )


@router.post("/certifications/{application_id}/revoke")
async def revoke(
    application_id: ById, body: RevocationRequest, access: Asking
) -> ApplicationView:
    """End a certificate (certifier of level 3): what was minted stays, nothing more mints."""
    async with access.site.database.transaction() as tx:
        who = await _certifier(tx, access)
        when = await _when(tx, access, application_id, body.at)
        return _view(
            await certificates.revoke(tx, application_id, who, body.reason, when)
        )


async def _certifier(tx: Transaction, access: Access) -> Certifier:
    """Return the caller as one who decides; raises the answer 403."""
    member = access.caller.member
    if member is None:
        access.allow(Action.CERTIFY)
        return Certifier(access.caller.prefix, Level.REVOKE)
    level = await certifiers.level_of(tx, member)
    if level is None:
        raise forbidden()
    return Certifier(f"member {member}", level, member)


async def _when(
    tx: Transaction, access: Access, application_id: int, wanted: int | None
) -> When:
    found = await certificates.application(tx, application_id)
    until = await minted_until(tx, found.meter_point_id)
    return When(wanted, until, int(access.site.now()))


def _page(found: list[Application], limit: int) -> Page[ApplicationView]:
    items = [_view(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _view(one: Application) -> ApplicationView:
    return ApplicationView(
        id=one.id,
        state=one.state.value,
        member=one.member,
        meter_point=one.meter_point_id,
        capacity_w=one.capacity_w,
        monthly_production_wh=one.monthly_production_wh,
        source=None if one.source is None else one.source.value,
        fee_micro=one.fee_micro,
        applied_at=one.applied_at,
        from_at=one.from_at,
        to_at=one.to_at,
        reason=one.reason,
    )
