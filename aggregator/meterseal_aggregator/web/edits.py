"""What operators do to usage: edits, estimates of gaps, imported files.

    POST /v1/meters/00..01/registers/1-0:1.8.0/edits       {"from": .., "to": .., "delta": 420, ..}
    POST /v1/meters/00..01/registers/1-0:1.8.0/estimates   {"from": .., "to": .., "reason": ..}
    POST /v1/nem12-imports?utc_offset_minutes=600          Content-Type: text/csv
    GET  /v1/day-checks                                    what is odd about whole days

Each post leaves a line in the operators' trail. This module must never repeat a word of a file in
an answer.
"""

import asyncio
from dataclasses import asdict
from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import edit as editing
from meterseal_aggregator.vee import importing, look, nem12, values
from meterseal_aggregator.vee.daycheck import ALL_BP, Kind
from meterseal_aggregator.vee.filling import MAX_DIGITS, Gap, estimate_gap
from meterseal_aggregator.vee.values import MAX_REASON, Place
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.limits import read_file
from meterseal_aggregator.web.problems import wrong_argument, wrong_media_type
from meterseal_aggregator.web.shapes import (
    AfterId,
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
from meterseal_aggregator.web.usage import REGISTER, ValueView, value_view
from meterseal_aggregator.web.withdrawals import Key
from meterseal_proto.rating.usage import MAX_SLOT

router = APIRouter(prefix="/v1", tags=["usage"])

PATH: Final = "/v1/nem12-imports"
CSV: Final = "text/csv"
AEMO_MINUTES: Final = 600
"""NEM12 days are of the market's time, UTC+10 all year, unless somebody says otherwise."""
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {CSV: {"schema": {"type": "string", "format": "binary"}}},
    }
}


Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Reason = Annotated[
    str, Field(min_length=1, max_length=MAX_REASON, pattern=r"^[^\x00-\x1f\x7f]+$")
]
Quantity = Annotated[int, Field(ge=0, le=MAX_SLOT * 1_000)]


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


class RelationRequest(RequestBody):
    """Register `other` measures the same ("check") as `register`, or a part of it ("sub").

    They may differ by `tolerance_bp` basis points of the larger a day.
    """

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "meter": "00" * 16,
                "register": "1-0:1.8.0",
                "other_meter": "11" * 16,
                "other_register": "1-0:1.8.0",
                "kind": "check",
                "tolerance_bp": 200,
            }
        }
    )

    meter: Hex
    register_code: Annotated[str, Field(alias="register", max_length=32)]
    other_meter: Hex
    other_register: Annotated[str, Field(max_length=32)]
    kind: Literal["check", "sub"]
    tolerance_bp: Annotated[int, Field(ge=0, le=ALL_BP)] = 200


class RelationView(View):
    """Two registers whose days are compared."""

    register_id: int
    other_id: int
    kind: str
    tolerance_bp: int


class DayCheckView(View):
    """What is odd about a version of a day, in days since 1970-01-01; it bills all the same."""

    id: int
    register_id: int
    day: int
    version: int
    failed: str
    detail: str
    found_at: int


class ImportView(View):
    """What came of a file; `values` were written now, 0 where all was known."""

    sha256: str
    channels: int
    days: int
    values: int


@router.post(f"{REGISTER}/edits", status_code=201)
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
    return value_view(made, mine=False)


@router.post(f"{REGISTER}/estimates", status_code=201)
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
    return [value_view(one, mine=False) for one in made]


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
    site, now = access.site, int(access.site.now())
    # Neither holds the writer nor the loop: a year's file takes a second.
    file = await asyncio.to_thread(importing.read, raw)
    upload = importing.Upload(file, access.caller.prefix, 60 * utc_offset_minutes)
    async with site.database.reading() as tx:
        places = await importing.places_of(tx, file)
    told = await asyncio.to_thread(importing.prepare, upload, places, now)
    async with site.database.transaction() as tx:
        done = await importing.keep(tx, upload, told, now)
        what = f"NEM12 file {done.sha256.hex()[:16]}: {done.values} values"
        await _note(tx, access, "import-usage", what)
    return ImportView(
        sha256=done.sha256.hex(),
        channels=done.channels,
        days=done.days,
        values=done.values,
    )


@router.post("/sibling-registers", status_code=201)
async def relate_registers(body: RelationRequest, access: Asking) -> RelationView:
    """Say that one register measures the same as another, or a part of it (operator)."""
    access.allow(Action.MANAGE)
    by = access.caller.prefix
    async with access.site.database.transaction() as tx:
        one = await _place(tx, body.meter, body.register_code)
        other = await _place(tx, body.other_meter, body.other_register)
        if one.register_id == other.register_id:
            raise wrong_argument("other_register", "name another register")
        relation = look.Relation(
            one.register_id, other.register_id, Kind(body.kind), body.tolerance_bp, by
        )
        await look.relate(tx, relation, int(access.site.now()))
        what = f"registers {relation.register_id} and {relation.other_id}"
        await _note(tx, access, "relate-registers", what)
    return RelationView(
        register_id=relation.register_id,
        other_id=relation.other_id,
        kind=body.kind,
        tolerance_bp=body.tolerance_bp,
    )


@router.get("/day-checks")
async def list_day_checks(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[DayCheckView]:
    """List what was found odd about days, oldest first (operator)."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await look.found_since(tx, after=after, limit=limit)
    items = [DayCheckView(**asdict(one)) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


async def _place(tx: Transaction, meter: str, register: str) -> Place:
    return await values.place_of(tx, bytes.fromhex(meter), parse_register(register))


async def _note(tx: Transaction, access: Access, act: str, what: str) -> None:
    real_now = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, act, what, now=real_now)
