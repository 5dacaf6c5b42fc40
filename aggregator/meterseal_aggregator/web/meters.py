"""Meters, their registers and readings: to a member what was his while it was his.

A member never sees a reading from before he moved in or after he left (SETTLED 4).
"""

from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.store import Reading, readings, seal_hashes
from meterseal_aggregator.registry import rekey, write
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Meter, MeterRegister, Span
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.points import EndRequest
from meterseal_aggregator.web.problems import not_found
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    Limit,
    MeterHex,
    Obis,
    Page,
    View,
    cursor,
    parse_register,
)
from meterseal_proto.intervals import Interval
from meterseal_proto.units import MeterId, obis_text

router = APIRouter(prefix="/v1/meters", tags=["meters"])

OLDEST_S = 400 * 86_400
"""Without a from, a list begins at most this long ago: as far as corrections reach."""

From = Annotated[int | None, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]


class RegisterView(View):
    """A register: OBIS code, interval in seconds, most plausible power in W."""

    obis: Annotated[str, Field(serialization_alias="register")]
    step: int
    capacity_w: int


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


class ReadingView(View):
    """One accepted interval: `delta` Wh (or litres) from `start` for `length` seconds.

    `value` is the register at its end, `quality` the device's code (ESPI), `seal` the
    number by which its seal's bundle is asked for, `seal_hash` its header hash.
    """

    start: int
    length: int
    revision: int
    delta: int
    value: int
    quality: int
    seal: int
    seal_hash: str


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


@router.get("/{meter}/registers/{register}/readings")
async def list_readings(
    meter: MeterHex,
    register: Obis,
    access: Asking,
    begin: From = None,
    to: To = None,
    limit: Limit = 500,
) -> Page[ReadingView]:
    """List a register's readings by start, from `from` to `to`.

    Go on with from = `next`; a page may hold fewer readings than its time has slots.
    """
    code = parse_register(register)
    now = int(access.site.now())
    async with access.site.database.reading() as tx:
        spans = await access.spans(tx, bytes.fromhex(meter), Action.SEE_READINGS)
        mine = [span for span in spans if span.register == code]
        steps = await registry.registers(tx, bytes.fromhex(meter))
        step = next((r.step for r in steps if r.register == code), None)
        if not mine or step is None:
            raise not_found("register")
        first = max(begin or 0, mine[0].from_at, now - OLDEST_S if begin is None else 0)
        page = Interval(first - first % step, limit * step)
        end = _end(mine, to, now)
        found = await readings(tx, mine[0].register_id, page, step)
        seen = [row for row in found if first <= row.start and _within(row, mine, end)]
        hashes = await seal_hashes(tx, sorted({row.seal_id for row in seen}))
    items = [_reading(row, hashes[row.seal_id]) for row in seen]
    return Page(items=items, next=str(page.end) if page.end < end else None)


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


def _end(spans: Sequence[Span], to: int | None, now: int) -> int:
    """Return where a list ends: at `to`, at the caller's last second, at the present."""
    last = max(now if span.to_at is None else span.to_at for span in spans)
    return min(last, now if to is None else to)


def _within(row: Reading, spans: Sequence[Span], end: int) -> bool:
    """Whether all of an interval lies in a time that is the caller's."""
    until = row.start + row.length
    return row.start < end and any(
        span.from_at <= row.start and (span.to_at is None or until <= span.to_at)
        for span in spans
    )


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
        obis=obis_text(row.register), step=row.step, capacity_w=row.capacity_w
    )


def _reading(row: Reading, digest: bytes) -> ReadingView:
    return ReadingView(
        start=row.start,
        length=row.length,
        revision=row.revision,
        delta=row.delta,
        value=row.value,
        quality=row.quality,
        seal=row.seal_id,
        seal_hash=digest.hex(),
    )


def _meter_hex(meter: Meter) -> str:
    return meter.meter.hex()
