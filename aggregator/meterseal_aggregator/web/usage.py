"""Usage as it is believed, and what operators do to it: edits, estimates, imported files.

    GET  /v1/meters/00..01/registers/1-0:1.8.0/usage?from=1800000000&to=1800086400
    POST /v1/meters/00..01/registers/1-0:1.8.0/edits       {"from": .., "to": .., "wh": 420, ..}
    POST /v1/meters/00..01/registers/1-0:1.8.0/estimates   {"from": .., "to": .., "reason": ..}
    POST /v1/nem12-imports?utc_offset_minutes=600          Content-Type: text/csv

A member sees his own while he held the meter point. This module must never tell a member who
wrote a value, nor repeat a word of a file in an answer.
"""

import asyncio
from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query, Request
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import edit as editing
from meterseal_aggregator.vee import importing, nem12, values
from meterseal_aggregator.vee.calendar import DAY_S
from meterseal_aggregator.vee.days import Series, usage
from meterseal_aggregator.vee.filling import MAX_DIGITS, Gap, estimate_gap
from meterseal_aggregator.vee.history import history
from meterseal_aggregator.vee.points import cut, joined, usage_of_points
from meterseal_aggregator.vee.values import MAX_REASON, Place, Value
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.limits import read_file
from meterseal_aggregator.web.problems import (
    forbidden,
    not_found,
    wrong_argument,
    wrong_media_type,
)
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    AfterId,
    ById,
    Limit,
    MeterHex,
    Obis,
    Page,
    RequestBody,
    Second,
    View,
    cursor,
    parse_register,
)
from meterseal_aggregator.web.withdrawals import Key
from meterseal_proto.rating.usage import MAX_SLOT

router = APIRouter(prefix="/v1", tags=["usage"])

PATH: Final = "/v1/nem12-imports"
CSV: Final = "text/csv"
MAX_SPAN_S: Final = 32 * DAY_S
"""A month of five minutes in one answer: 9,000 slots, 100 kB of JSON."""
DEFAULT_S: Final = 31 * DAY_S
MAX_DAYS: Final = 100
AEMO_MINUTES: Final = 600
"""NEM12 days are of the market's time, UTC+10 all year, unless somebody says otherwise."""
_REGISTER: Final = "/meters/{meter}/registers/{register}"
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {CSV: {"schema": {"type": "string", "format": "binary"}}},
    }
}

From = Annotated[int | None, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]
ByCode = Annotated[str, Query(max_length=32, description="The register's OBIS code")]
KnownAt = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]
Reason = Annotated[
    str, Field(min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Quantity = Annotated[int, Field(ge=0, le=MAX_SLOT * 1_000)]


class SlotsView(View):
    """Slots of `step` seconds from `start` to `end`: `values` in Wh or litres.

    `qualities` are ESPI's codes, one a slot; 16 is a slot nobody knows, whose value is 0, and
    `missing` has their spans. `digest` is the one by which a bill names these slots.
    """

    start: int
    end: int
    step: int
    values: list[int]
    qualities: list[int]
    missing: list[tuple[int, int]]
    total: int
    estimated: int
    digest: str


class UsageView(View):
    """What a register moved, as believed at `known_at`: the spans of it you may see."""

    known_at: int
    items: list[SlotsView]


class PointUsageView(View):
    """What was metered at a meter point by one register after another, as one row."""

    known_at: int
    meters: list[str]
    slots: SlotsView


class VersionView(View):
    """A version of a local day: `slots` of it by quality code, and since when it is believed.

    `day` is in days since 1970-01-01.
    """

    day: int
    version: int
    known_at: int
    start: int
    step: int
    total: int
    qualities: dict[int, int]


class ValueView(View):
    """A value no device sealed: `delta` over [`start`, `end`), by `source` and `method`.

    `author` is told to operators. An edit's log entry is a salted hash.
    """

    id: int
    start: int
    end: int
    delta: int
    quality: int
    source: str
    method: str
    reason: str
    author: str | None
    known_at: int


class EditRequest(RequestBody):
    """A span of whole slots moved `delta` Wh or litres, whatever was told of it, and why."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "from": 1_800_000_000,
                "to": 1_800_003_600,
                "delta": 420,
                "reason": "read on site, the relay was stuck",
            }
        }
    )

    begin: Annotated[Second, Field(alias="from")]
    to: Second
    delta: Quantity
    reason: Reason


class EstimateRequest(RequestBody):
    """A span whose gaps are to be estimated, and why.

    `difference` is what the register moved over the one gap there, where that is known;
    `digits` those of a register that began again at zero in it.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "from": 1_800_000_000,
                "to": 1_800_086_400,
                "reason": "the agent was stolen",
            }
        }
    )

    begin: Annotated[Second, Field(alias="from")]
    to: Second
    reason: Reason
    difference: Quantity | None = None
    digits: Annotated[int, Field(ge=1, le=MAX_DIGITS)] | None = None


class ImportView(View):
    """What came of a file; `values` were written now, 0 where all was known."""

    sha256: str
    channels: int
    days: int
    values: int


@dataclass(frozen=True, slots=True)
class Asked:
    """A register and a span of time, the last month where none is said."""

    meter: MeterHex
    register: Obis
    begin: From = None
    to: To = None


@dataclass(frozen=True, slots=True)
class PointAsked:
    """A register's code at a meter point and a span of time, the last month where none is said."""

    register: ByCode = "1-0:1.8.0"
    begin: From = None
    to: To = None


Wish = Annotated[Asked, Depends()]


@router.get(f"{_REGISTER}/usage")
async def show_usage(wish: Wish, access: Asking, known_at: KnownAt = None) -> UsageView:
    """Show a register's slots over at most 32 days, as believed now or at a second."""
    at = int(access.site.now()) if known_at is None else known_at
    async with access.site.database.reading() as tx:
        spans = await _spans(tx, access, wish)
        begin, end = _bounded(wish.begin, wish.to, access)
        number = spans[0].register_id
        series = (await usage(tx, [number], begin, end, known_at=at))[number]
    found = [_held(series, span) for span in spans]
    items = [_slots(one) for one in found if one.begin < one.end]
    return UsageView(known_at=at, items=items)


@router.get(f"{_REGISTER}/usage-history")
async def list_versions(
    wish: Wish, access: Asking, limit: Annotated[int, Query(ge=1, le=MAX_DAYS)] = 31
) -> Page[VersionView]:
    """List a register's days and all their versions: the history of their quality.

    Go on with from = `next`. Members see the days they held the meter point all through.
    """
    async with access.site.database.reading() as tx:
        spans = await _spans(tx, access, wish)
        asked = _span(wish.begin, wish.to, access)
        found = await history(tx, spans[0].register_id, asked, days=limit)
    items = [
        VersionView(
            day=one.day, version=one.version, known_at=one.known_at, start=one.first,
            step=one.step, total=one.total, qualities=one.qualities,
        )
        for one in found
        if any(span.holds(one.first, one.end) for span in spans)
    ]  # fmt: skip
    full = len({one.day for one in found}) == limit
    return Page(items=items, next=str(found[-1].end) if full else None)


@router.get(f"{_REGISTER}/values")
async def list_values(
    wish: Wish, access: Asking, after: AfterId = 0, limit: Limit = 500
) -> Page[ValueView]:
    """List what was estimated, imported and edited of a register, oldest first."""
    async with access.site.database.reading() as tx:
        spans = await _spans(tx, access, wish)
        asked = _span(wish.begin, wish.to, access)
        found = await values.of_register(
            tx, spans[0].register_id, asked, after=after, limit=limit
        )
    mine = access.caller.member is not None
    seen = [
        _value(one, mine=mine)
        for one in found
        if any(span.holds(one.start, one.end) for span in spans)
    ]
    return Page(items=seen, next=cursor(found, limit, lambda one: one.id))


@router.get("/meter-points/{point_id}/usage")
async def show_point_usage(
    point_id: ById, wish: Annotated[PointAsked, Depends()], access: Asking
) -> PointUsageView:
    """Show what a meter point moved, of meters that followed each other, over at most 32 days.

    A member sees the part of it in which he held the point.
    """
    at, code = int(access.site.now()), parse_register(wish.register)
    async with access.site.database.reading() as tx:
        held = await _tenancy(tx, access, point_id, wish)
        found = await usage_of_points(tx, [point_id], code, held, known_at=at)
    parts = found.get(point_id, ())
    if not parts:
        raise not_found("register at that meter point")
    whole = joined([series for _, series in parts])
    return PointUsageView(
        known_at=at,
        meters=[piece.meter.hex() for piece, _ in parts],
        slots=_slots(cut(whole, held[0], held[1] - whole.step + 1)),
    )


@router.post(f"{_REGISTER}/edits", status_code=201)
async def edit_usage(
    meter: MeterHex, register: Obis, body: EditRequest, key: Key, access: Asking
) -> ValueView:
    """Say what a register moved, whatever was told: it bills, and never mints (operator)."""
    access.allow(Action.MANAGE)
    site, by = access.site, access.caller.prefix
    async with site.database.transaction() as tx:
        place = await _place(tx, meter, register)
        wish = editing.EditWish(
            place, body.begin, body.to, body.delta, body.reason, by, key
        )
        made, is_new = await editing.edit(
            tx, site.terms.genesis.network, wish, int(site.now())
        )
        if is_new:
            await _note(tx, access, "edit-usage", f"value {made.id} of meter {meter}")
    return _value(made, mine=False)


@router.post(f"{_REGISTER}/estimates", status_code=201)
async def estimate_usage(
    meter: MeterHex, register: Obis, body: EstimateRequest, access: Asking
) -> list[ValueView]:
    """Estimate the gaps of a span; asked again, there is nothing left to do (operator)."""
    access.allow(Action.MANAGE)
    site, by = access.site, access.caller.prefix
    async with site.database.transaction() as tx:
        place = await _place(tx, meter, register)
        gap = Gap(
            place, body.begin, body.to, body.reason, by, body.difference, body.digits
        )
        made = await estimate_gap(tx, gap, int(site.now()))
        if made:
            what = f"values {made[0].id} to {made[-1].id} of meter {meter}"
            await _note(tx, access, "estimate-usage", what)
    return [_value(one, mine=False) for one in made]


@router.post("/nem12-imports", status_code=201, openapi_extra=_BODY)
async def import_file(
    request: Request,
    access: Asking,
    utc_offset_minutes: Annotated[int, Query(ge=-720, le=840)] = AEMO_MINUTES,
) -> ImportView:
    """Import a NEM12 file of meters that are enrolled here, whole or not at all (operator).

    `utc_offset_minutes`: the standard time of its days.
    """
    access.allow(Action.MANAGE)
    if request.headers.get("content-type", "").partition(";")[0].strip() != CSV:
        raise wrong_media_type(CSV)
    raw = await read_file(request.receive, nem12.MAX_BYTES)
    file = await asyncio.to_thread(importing.read, raw)
    site = access.site
    upload = importing.Upload(file, access.caller.prefix, 60 * utc_offset_minutes)
    async with site.database.transaction() as tx:
        done = await importing.import_nem12(tx, upload, int(site.now()))
        what = f"NEM12 file {done.sha256.hex()[:16]}: {done.values} values"
        await _note(tx, access, "import-usage", what)
    return ImportView(
        sha256=done.sha256.hex(),
        channels=done.channels,
        days=done.days,
        values=done.values,
    )


async def _spans(tx: Transaction, access: Access, wish: Asked) -> list[Span]:
    return await access.register_spans(
        tx, wish.meter, wish.register, Action.SEE_READINGS
    )


async def _place(tx: Transaction, meter: str, register: str) -> Place:
    return await values.place_of(tx, bytes.fromhex(meter), parse_register(register))


async def _note(tx: Transaction, access: Access, act: str, what: str) -> None:
    real_now = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, act, what, now=real_now)


async def _tenancy(
    tx: Transaction, access: Access, point: int, wish: PointAsked
) -> tuple[int, int]:
    """Return the last part of the asked span that the caller may see; raises the answer 403."""
    member = access.caller.member
    if member is None:
        access.allow(Action.SEE_READINGS)
        return _bounded(wish.begin, wish.to, access)
    held = await registry.tenancies(tx, member_id=member, meter_point_id=point)
    access.allow(Action.SEE_READINGS, owns=bool(held))
    begin, end = _bounded(wish.begin, wish.to, access)
    for one in reversed(held):
        first = max(begin, one.from_at)
        last = end if one.to_at is None else min(end, one.to_at)
        if first < last:
            return first, last
    raise forbidden()


def _span(begin: int | None, to: int | None, access: Access) -> tuple[int, int]:
    end = int(access.site.now()) if to is None else to
    return max(0, end - DEFAULT_S) if begin is None else begin, end


def _bounded(begin: int | None, to: int | None, access: Access) -> tuple[int, int]:
    """Return the span asked for; raises the answer 422 for a long one."""
    first, last = _span(begin, to, access)
    if not first < last <= first + MAX_SPAN_S:
        days = MAX_SPAN_S // DAY_S
        raise wrong_argument("query.to", f"it lies after from, by at most {days} days")
    return first, last


def _held(series: Series, span: Span) -> Series:
    """Return the slots that lie in a register's span as a whole."""
    last = series.end if span.to_at is None else span.to_at - series.step + 1
    return cut(series, span.from_at, last)


def _slots(one: Series) -> SlotsView:
    return SlotsView(
        start=one.begin,
        end=one.end,
        step=one.step,
        values=list(one.deltas),
        qualities=list(one.qualities),
        missing=list(one.missing),
        total=one.total,
        estimated=one.estimated,
        digest=one.digest.hex(),
    )


def _value(one: Value, *, mine: bool) -> ValueView:
    return ValueView(
        id=one.id,
        start=one.start,
        end=one.end,
        delta=one.delta,
        quality=one.quality,
        source=one.source.value,
        method=one.method,
        reason=one.reason,
        author=None if mine else one.author,
        known_at=one.known_at,
    )
