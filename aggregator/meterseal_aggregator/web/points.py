"""Meter points: who lives there, who is certified there, codes for agents (operator).

A member sees the meter points he holds or held; it must never tell him who came before
or after.
"""

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.credits.store import minted_until
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.registry import certificates, write
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.certification import ENDED, Certifier, Level
from meterseal_aggregator.registry.enrol import issue_code
from meterseal_aggregator.registry.model import (
    CODE_VALID_S,
    CodeGrant,
    CodeKind,
    MeterPoint,
    Tenancy,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.shapes import (
    AfterId,
    ById,
    Limit,
    Name,
    Page,
    RequestBody,
    Second,
    View,
    Watts,
    cursor,
)
from meterseal_proto.topics import MAX_NAME

router = APIRouter(prefix="/v1/meter-points", tags=["meter points"])


class PointRequest(RequestBody):
    """A new meter point."""

    model_config = ConfigDict(json_schema_extra={"example": {"name": "House 7"}})

    name: Name


class PointView(View):
    """A meter point."""

    id: int
    name: str


class TenancyOfPoint(View):
    """A member's time at this meter point."""

    member: int
    from_at: int
    to_at: int | None


class PointDetail(PointView):
    """A meter point with its tenancies: to a member only his own."""

    tenancies: list[TenancyOfPoint]


class TenancyRequest(RequestBody):
    """A member moves in."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"member": 3, "from_at": 1_790_000_000}}
    )

    member: Annotated[int, Field(ge=1, lt=1 << 63)]
    from_at: Second


class EndRequest(RequestBody):
    """Something ends at a second of the network's time."""

    model_config = ConfigDict(json_schema_extra={"example": {"at": 1_790_000_000}})

    at: Second


class CertificationRequest(RequestBody):
    """A producer of `capacity_w` is certified from a second on."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"capacity_w": 5_000, "from_at": 1_790_000_000}}
    )

    capacity_w: Watts
    from_at: Second


class CodeRequest(RequestBody):
    """A one-time code for an agent; `replacement` where its predecessor died."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"agent": "home-7", "capacity_w": 17_000}}
    )

    agent: Annotated[str, Field(pattern=rf"^[A-Za-z0-9_-]{{1,{MAX_NAME}}}$")]
    capacity_w: Watts
    kind: Literal["enrolment", "replacement"] = "enrolment"
    valid_s: Annotated[int, Field(ge=60, le=366 * 86_400)] = CODE_VALID_S


class CodeView(View):
    """A one-time code, shown this once; it expires at a real Unix second."""

    code: str
    agent: str
    expires_at: int


class Made(View):
    """The number of what was made or ended."""

    id: int


@router.post("", status_code=201)
async def add_point(body: PointRequest, access: Asking) -> PointView:
    """Add a meter point."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        now = int(access.site.now())
        point = await write.add_meter_point(tx, body.name, now=now)
        await _note(tx, access, "meter-point", f"meter point {point}")
    return PointView(id=point, name=body.name)


@router.get("")
async def list_points(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[PointView]:
    """List meter points; to a member those he holds or held."""
    async with access.site.database.reading() as tx:
        if access.caller.member is not None:
            return Page(items=await _own_points(tx, access), next=None)
        access.allow(Action.MANAGE)
        found = await registry.meter_points(tx, after=after, limit=limit)
    items = [PointView(id=point.id, name=point.name) for point in found]
    return Page(items=items, next=cursor(found, limit, _point_id))


@router.get("/{point_id}")
async def show_point(point_id: ById, access: Asking) -> PointDetail:
    """Show a meter point."""
    async with access.site.database.reading() as tx:
        member = access.caller.member
        held = await registry.tenancies(tx, member_id=member, meter_point_id=point_id)
        access.allow(Action.SEE_MEMBER, owns=member is not None and bool(held))
        point = await registry.meter_point(tx, point_id)
    tenancies = [
        TenancyOfPoint(member=t.member_id, from_at=t.from_at, to_at=t.to_at)
        for t in held
    ]
    return PointDetail(id=point.id, name=point.name, tenancies=tenancies)


@router.post("/{point_id}/tenancies", status_code=201)
async def move_in(point_id: ById, body: TenancyRequest, access: Asking) -> Made:
    """Let a member move in; refused while another holds the meter point."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        tenancy = Tenancy(body.member, point_id, body.from_at, None)
        made = await write.begin_tenancy(tx, tenancy)
        what = f"member {body.member} at meter point {point_id} from {body.from_at}"
        await _note(tx, access, "move-in", what)
    return Made(id=made)


@router.post("/{point_id}/tenancies/end")
async def move_out(point_id: ById, body: EndRequest, access: Asking) -> Made:
    """End the tenancy of a meter point; answers the member's number."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        member = await write.end_tenancy(tx, point_id, at=body.at)
        what = f"member {member} from meter point {point_id} at {body.at}"
        await _note(tx, access, "move-out", what)
    return Made(id=member)


@router.post("/{point_id}/certifications", status_code=201)
async def certify(point_id: ById, body: CertificationRequest, access: Asking) -> Made:
    """Certify whoever holds the meter point: final exports mint, up to this capacity.

    Members apply for certificates of their own at /v1/me/certifications.
    """
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        wish = certificates.Grant(point_id, body.capacity_w, body.from_at)
        now, actor = int(access.site.now()), access.caller.prefix
        made = await certificates.grant(tx, wish, actor, now=now)
        what = f"{body.capacity_w} W at meter point {point_id} from {body.from_at}"
        await _note(tx, access, "certify", what)
    return Made(id=made)


@router.post("/{point_id}/certifications/end")
async def end_certification(point_id: ById, body: EndRequest, access: Asking) -> Made:
    """End a certification, not before what was minted; answers the capacity it was for."""
    access.allow(Action.MANAGE)
    who, now = Certifier(access.caller.prefix, Level.REVOKE), int(access.site.now())
    async with access.site.database.transaction() as tx:
        found = await certificates.open_at(tx, point_id)
        when = certificates.When(body.at, await minted_until(tx, point_id), now)
        await certificates.revoke(tx, found.id, who, ENDED, when)
        what = f"meter point {point_id} at {body.at}"
        await _note(tx, access, "end-certification", what)
    return Made(id=found.capacity_w)


@router.post("/{point_id}/codes", status_code=201)
async def make_code(point_id: ById, body: CodeRequest, access: Asking) -> CodeView:
    """Make a one-time code for an agent at this meter point."""
    access.allow(Action.MANAGE)
    real = int(access.site.real_now())
    kind = CodeKind(body.kind)
    grant = CodeGrant(
        0, kind, body.agent, point_id, body.capacity_w, real + body.valid_s
    )
    async with access.site.database.transaction() as tx:
        code = await issue_code(tx, grant, created_at=real)
        await _note(tx, access, f"code-{body.kind}", grant.told)
    return CodeView(code=code, agent=body.agent, expires_at=grant.expires_at)


async def _own_points(tx: Transaction, access: Access) -> list[PointView]:
    assert access.caller.member is not None
    held = await registry.tenancies(tx, member_id=access.caller.member)
    numbers = sorted({tenancy.meter_point_id for tenancy in held})
    points = [await registry.meter_point(tx, number) for number in numbers]
    return [PointView(id=point.id, name=point.name) for point in points]


async def _note(tx: Transaction, access: Access, act: str, what: str) -> None:
    now = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, act, what, now=now)


def _point_id(point: MeterPoint) -> int:
    return point.id
