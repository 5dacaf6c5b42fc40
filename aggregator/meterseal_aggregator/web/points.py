"""Meter points: who lives there, who is certified there, codes for agents (operator).

A member sees the meter points he holds or held; it must never tell him who came before
or after.
"""

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import ConfigDict, Field

from meterseal_aggregator.billing.supplies import moves
from meterseal_aggregator.billing.supplies.model import Terms
from meterseal_aggregator.credits.store import minted_until
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action, MemberId
from meterseal_aggregator.registry import certificates, write
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.certification import ENDED, Certifier, Level
from meterseal_aggregator.registry.enrol import issue_code
from meterseal_aggregator.registry.model import (
    CODE_VALID_S,
    CodeGrant,
    CodeKind,
    MeterPoint,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import wrong_argument
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
from meterseal_proto.rating.statement import Rail
from meterseal_proto.topics import MAX_NAME

router = APIRouter(prefix="/v1/meter-points", tags=["meter points"])

MAX_SUPPLIES: Final = 16
"""Meter points of one home that are billed: electricity, water, a heat pump of its own."""
TariffCode = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]


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


class TermsRequest(RequestBody):
    """How somebody is billed: his tariff's code, his rail, and whether he pays before."""

    tariff_code: TariffCode
    rail: Literal["ledger", "stacks"] = "ledger"
    prepaid: bool = False

    def terms(self) -> Terms:
        """Return them as billing knows them."""
        return Terms(self.tariff_code, Rail(self.rail), self.prepaid)


class PointTerms(TermsRequest):
    """How a meter point is billed: this one, or another one of the same home."""

    meter_point: Annotated[int, Field(ge=1, lt=1 << 63)] | None = None


class TenancyRequest(RequestBody):
    """A member moves in, and what of the home is supplied to him from then on."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "member": 3,
                "from_at": 1_790_000_000,
                "supplies": [{"tariff_code": "residential"}],
            }
        }
    )

    member: Annotated[int, Field(ge=1, lt=1 << 63)]
    from_at: Second
    supplies: Annotated[
        list[PointTerms], Field(max_length=MAX_SUPPLIES, default_factory=list)
    ]


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
    """Let a member move in, with what is supplied to him; refused while another is there."""
    access.allow(Action.MANAGE)
    supplies = {one.meter_point or point_id: one.terms() for one in body.supplies}
    if len(supplies) < len(body.supplies):
        raise wrong_argument("supplies", "name each meter point once")
    member = MemberId(body.member)
    arrival = moves.Arrival(member, point_id, body.from_at, supplies)
    async with access.site.database.transaction() as tx:
        made = await moves.move_in(tx, arrival)
        what = f"member {body.member} at meter point {point_id} from {body.from_at}"
        await _note(tx, access, "move-in", what)
    return Made(id=made.tenancy)


@router.post("/{point_id}/tenancies/end")
async def move_out(point_id: ById, body: EndRequest, access: Asking) -> Made:
    """End the tenancy of a home and what is supplied in it; answers the member's number.

    His final bill is made once the usage to that second is complete.
    """
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        left = await moves.move_out(tx, point_id, at=body.at)
        what = f"member {left.member} from meter point {point_id} at {body.at}"
        await _note(tx, access, "move-out", what)
    return Made(id=left.member)


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
