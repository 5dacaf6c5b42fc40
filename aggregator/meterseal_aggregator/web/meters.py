"""Meters, and which registers they have: to a member those that were his while they were his.

It must never tell a member where a meter hangs that he no longer holds.
"""

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.registry import rekey, write
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Meter, MeterRegister
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.points import EndRequest
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    Limit,
    MeterHex,
    Page,
    View,
    cursor,
)
from meterseal_proto.seal import MODE_COMMITTED
from meterseal_proto.units import MeterId, obis_text

router = APIRouter(prefix="/v1/meters", tags=["meters"])


class RegisterView(View):
    """A register: OBIS code, interval in seconds, most plausible power in W.

    A `committed` one has no readings here: its days are commitments, of `bits` each.
    """

    obis: Annotated[str, Field(serialization_alias="register")]
    step: int
    capacity_w: int
    committed: bool
    bits: int


class MeterView(View):
    """A meter at a meter point, from and to in the network's Unix seconds."""

    meter: str
    serial: str
    profile: str
    agent: str
    meter_point: int
    from_at: int
    to_at: int | None


class MeterDetail(MeterView):
    """A meter with its registers."""

    registers: list[RegisterView]


class RevokedView(View):
    """The last sequence number that is valid, by register."""

    last_seq: dict[str, int]


@router.get("")
async def list_meters(
    access: Asking,
    after: Annotated[str, Query(pattern=r"^([0-9a-f]{32})?$")] = "",
    limit: Limit = 100,
) -> Page[MeterView]:
    """List meters by id; to a member those at meter points while he held them."""
    async with access.site.database.reading() as tx:
        member = access.caller.member
        points = None
        if member is not None:
            held = await registry.tenancies(tx, member_id=member)
            points = sorted({tenancy.meter_point_id for tenancy in held})
            own = {span.meter for span in await registry.spans(tx, member)}
        else:
            access.allow(Action.SEE_METER)
            own = None
        found = await registry.meters(
            tx, after=bytes.fromhex(after), limit=limit, meter_points=points
        )
    items = [_meter(meter) for meter in found if own is None or meter.meter in own]
    return Page(items=items, next=cursor(found, limit, _meter_hex))


@router.get("/{meter}")
async def show_meter(meter: MeterHex, access: Asking) -> MeterDetail:
    """Show a meter where it is now, or was last, and its registers."""
    raw = bytes.fromhex(meter)
    async with access.site.database.reading() as tx:
        own = await access.own_spans(tx, raw)
        access.allow(Action.SEE_METER, owns=bool(own))
        places = await registry.installations(tx, raw)
        registers = await registry.registers(tx, raw)
        if own and access.caller.member is not None:
            # Where it hangs today is not the business of who lived with it once.
            held = await registry.tenancies(tx, member_id=access.caller.member)
            points = {tenancy.meter_point_id for tenancy in held}
            places = [place for place in places if place.meter_point_id in points]
    if not places:
        raise not_found("meter")
    shown = _meter(places[-1]).model_dump()
    return MeterDetail(**shown, registers=[_register(row) for row in registers])


@router.post("/{meter}/revocation")
async def revoke(meter: MeterHex, access: Asking) -> RevokedView:
    """Revoke a meter's key after its last accepted seal (operator)."""
    access.allow(Action.MANAGE)
    now = int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        raw = MeterId(bytes.fromhex(meter))
        ended = await rekey.revoke(tx, raw, access.site.terms.chain)
        await identity.note(
            tx, access.caller.prefix, "revoke", f"meter {meter}", now=now
        )
    return RevokedView(last_seq={obis_text(r): seq for r, seq in ended.items()})


@router.post("/{meter}/removal")
async def remove(meter: MeterHex, body: EndRequest, access: Asking) -> MeterView:
    """Take a meter out of service at a second (operator); its past stays."""
    access.allow(Action.MANAGE)
    raw, now = bytes.fromhex(meter), int(access.site.real_now())
    async with access.site.database.transaction() as tx:
        await write.remove_meter(tx, raw, at=body.at)
        what = f"meter {meter} at {body.at}"
        await identity.note(tx, access.caller.prefix, "remove", what, now=now)
        places = await registry.installations(tx, raw)
    return _meter(places[-1])


def _meter(meter: Meter) -> MeterView:
    return MeterView(
        meter=meter.meter.hex(),
        serial=meter.serial,
        profile=meter.profile,
        agent=meter.agent,
        meter_point=meter.meter_point_id,
        from_at=meter.from_at,
        to_at=meter.to_at,
    )


def _register(row: MeterRegister) -> RegisterView:
    return RegisterView(
        obis=obis_text(row.register),
        step=row.step,
        capacity_w=row.capacity_w,
        committed=row.mode == MODE_COMMITTED,
        bits=row.bits,
    )


def _meter_hex(meter: Meter) -> str:
    return meter.meter.hex()
