"""Committed registers: their days, bills over them, and the files that prove both.

A bill's amount is personal: it goes to whose it is, and to the operator. A day's
commitments and proof tell nobody anything, so an auditor may have them. What a device
posts is signed, and needs no token. This module must never answer differently for an
amount that was guessed right.
"""

from collections.abc import Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from pydantic import ConfigDict, Field
from starlette.responses import Response

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.privacy import bills, store, tariffs
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking, TheSite
from meterseal_aggregator.web.private_files import bill_file, proof_file
from meterseal_aggregator.web.problems import bad_json, not_found, not_yet
from meterseal_aggregator.web.restricted import (
    MaybeReason,
    check_look,
    keep_reason,
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
)
from meterseal_proto.bill import ProvedBill
from meterseal_proto.errors import Malformed
from meterseal_proto.privatefile import MAX_DAYS, read_statement, statement_json
from meterseal_proto.tariff import MAX_DOCUMENT_BYTES
from meterseal_proto.units import obis_text

router = APIRouter(prefix="/v1", tags=["private"])

MEDIA_TYPE: Final = "application/json"
Hex32 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{128}$")]

_FLAT: Final = (
    '{"bands":[{"price":250000}],"currency":"KES"'
    ',"id":"flat-1","meterseal":"tariff/1","valid_from":1790000000,"zone":"Africa/Nairobi"}'
)
"""A tariff of one price, in its one spelling."""


class TariffRequest(RequestBody):
    """A tariff in its one spelling (canonical JSON, as text)."""

    model_config = ConfigDict(json_schema_extra={"example": {"document": _FLAT}})

    document: Annotated[str, Field(min_length=2, max_length=MAX_DOCUMENT_BYTES)]


class TariffView(View):
    """A published tariff: the hash that bills name, and its document."""

    entry: int
    hash: str
    document: str


class TariffEvidenceView(View):
    """What a device needs to believe a tariff: proof steps in hex, the cosigned note."""

    document: str
    index: int
    proof: list[str]
    note: str


class BillRequest(RequestBody):
    """A private bill as its device signed it; `register` as an integer, as in headers."""

    amount: Annotated[str, Field(pattern=r"^(0|[1-9][0-9]{0,25})$")]
    begin: Second
    end: Second
    consent: Hex64
    headers: Annotated[list[Hex32], Field(min_length=1, max_length=MAX_DAYS)]
    meter: Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
    network: Hex32
    previous: Hex32
    register_code: Annotated[int, Field(alias="register", ge=0, lt=1 << 48)]
    revision: Annotated[int, Field(ge=0, le=0xFFFF)]
    signature: Annotated[str, Field(pattern=r"^([0-9a-f]{128})?$")]
    tariff: Hex32

    def bill(self) -> ProvedBill:
        """Return the bill as the protocol knows it."""
        return read_statement(self.model_dump(by_alias=True))


class BillView(View):
    """A bill that was checked: `amount` in micro-units x Wh / kWh, as decimal text."""

    id: int
    meter: str
    obis: Annotated[str, Field(serialization_alias="register")]
    begin: int
    end: int
    tariff: str
    amount: str
    revision: int
    headers: list[str]
    previous: str
    digest: str
    signature: str
    consent: str


class DayView(View):
    """A committed day: its place, its header hash, and how its range proof stands."""

    seq: int
    first: int
    step: int
    count: int
    seal_hash: str
    revision: int
    proof: str


@router.post("/tariffs", status_code=201)
async def publish_tariff(body: TariffRequest, access: Asking) -> TariffView:
    """Publish a tariff: an entry of the public log; the same again is the same."""
    access.allow(Action.MANAGE)
    document = body.document.encode()
    async with access.site.database.transaction() as tx:
        now = int(access.site.now())
        entry, tariff = await tariffs.publish(tx, document, now=now)
        at, what = int(access.site.real_now()), f"tariff {tariff.hash().hex()}"
        await identity.note(tx, access.caller.prefix, "publish-tariff", what, now=at)
    return TariffView(entry=entry, hash=tariff.hash().hex(), document=body.document)


@router.get("/network/tariffs")
async def list_tariffs(
    site: TheSite, after: AfterId = 0, limit: Limit = 100
) -> Page[TariffView]:
    """List published tariffs in the order of the log."""
    async with site.database.reading() as tx:
        found = await tariffs.published(tx, after=after, limit=limit)
    items = [
        TariffView(entry=entry, hash=one.hash().hex(), document=one.document().decode())
        for entry, one in found
    ]
    return Page(items=items, next=cursor(items, limit, lambda view: view.entry))


@router.get("/network/tariffs/{digest}/evidence")
async def prove_tariff(
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    site: TheSite,
) -> TariffEvidenceView:
    """Prove that a tariff, named by its hash, is in the log under a cosigned checkpoint."""
    raw = bytes.fromhex(digest)
    async with site.database.reading() as tx:
        if await tariffs.tariff_named(tx, raw) is None:
            raise not_found("tariff")
        found = await tariffs.evidence(tx, raw)
    if found is None:
        raise not_yet(
            "no witness has cosigned a checkpoint over it yet; ask again later"
        )
    return TariffEvidenceView(
        document=found.document.decode(),
        index=found.index,
        proof=[step.hex() for step in found.proof],
        note=found.note,
    )


@router.post("/private-bills", status_code=201)
async def take_bill(body: BillRequest, site: TheSite) -> BillView:
    """Check a private bill, log that it was opened, and keep it; again is the same."""
    try:
        bill = body.bill()
    except Malformed as error:
        raise bad_json(error.detail) from None
    genesis, now = site.terms.genesis, int(site.now())
    return _view(await bills.take(site.database, bill, genesis, now))


@router.get("/meters/{meter}/registers/{register}/private-bills")
async def list_bills(
    meter: MeterHex,
    register: Obis,
    access: Asking,
    after: AfterId = 0,
    limit: Limit = 100,
) -> Page[BillView]:
    """List a register's private bills that are all the caller's own, in their order."""
    async with access.site.database.reading() as tx:
        spans = await access.register_spans(tx, meter, register, Action.SEE_READINGS)
        genesis = access.site.terms.genesis
        row = spans[0].register_id
        found = await bills.after(tx, row, after, limit, genesis)
    mine = [_view(one) for one in found if _owns(spans, one)]
    return Page(items=mine, next=cursor(found, limit, lambda kept: kept.id))


@router.get("/private-bills/{bill_id}/file", response_class=Response)
async def give_bill_file(
    bill_id: ById, access: Asking, reason: MaybeReason = None
) -> Response:
    """Give a bill with all that meterseal-verify needs to check it offline.

    Where its member was erased, an operator says why he looks: `reason` is kept.
    """
    async with access.site.database.reading() as tx:
        genesis = access.site.terms.genesis
        found = await bills.every_bill(tx, genesis, after=bill_id - 1, limit=1)
        if not found or found[0].id != bill_id:
            access.allow(Action.TAKE_BUNDLE)
            raise not_found("private bill")
        kept = found[0]
        spans = await access.own_spans(tx, kept.bill.statement.meter)
        access.allow(Action.TAKE_BUNDLE, owns=_owns(spans, kept))
        statement = kept.bill.statement
        place = (kept.register_id, statement.begin, statement.end)
        restricted = await check_look(tx, access, place, reason)
        data = await bill_file(tx, kept, genesis)
    if restricted:
        await keep_reason(access, f"private bill {bill_id}", reason)
    return _file(data, f"{bill_id}.bill.json")


@router.get("/meters/{meter}/registers/{register}/days")
async def list_days(
    meter: MeterHex,
    register: Obis,
    access: Asking,
    begin: Annotated[int, Query(alias="from", ge=0, le=MAX_SECOND)] = 0,
    limit: Limit = 100,
) -> Page[DayView]:
    """List a committed register's days by start; go on with from = `next`."""
    async with access.site.database.reading() as tx:
        spans = await access.register_spans(tx, meter, register, Action.SEE_METER)
        found = await store.days_from(
            tx, spans[0].register_id, begin, limit, access.site.terms.genesis
        )
    items = [_day(day) for day in found if _covers(spans, day)]
    more = str(found[-1].header.first + 1) if len(found) == limit else None
    return Page(items=items, next=more)


@router.get(
    "/meters/{meter}/registers/{register}/days/{seq}/proof", response_class=Response
)
async def give_proof_file(
    meter: MeterHex, register: Obis, seq: ById, access: Asking
) -> Response:
    """Give a day's commitments and range proof, for meterseal-verify."""
    async with access.site.database.reading() as tx:
        day = await _one(tx, access, (meter, register, seq), Action.SEE_METER)
        data = await proof_file(tx, day, access.site.terms.genesis)
    return _file(data, f"{day.digest.hex()[:16]}.proof.json")


@router.get(
    "/meters/{meter}/registers/{register}/days/{seq}/backup", response_class=Response
)
async def give_backup(
    meter: MeterHex, register: Obis, seq: ById, access: Asking
) -> Response:
    """Give a day's backup, which its device alone can open: a dead Pi comes back by it."""
    async with access.site.database.reading() as tx:
        day = await _one(tx, access, (meter, register, seq), Action.TAKE_BUNDLE)
        data = await store.backup_of(tx, day.id)
    if data is None:
        raise not_found("backup: it was erased")
    return Response(data, 200, media_type="application/octet-stream")


async def _one(
    tx: Transaction, access: Access, place: tuple[str, str, int], action: Action
) -> KeptDay:
    meter, register, seq = place
    spans = await access.register_spans(tx, meter, register, action)
    genesis = access.site.terms.genesis
    day = await store.day_at(tx, spans[0].register_id, seq, genesis)
    if day is None or not _covers(spans, day):
        raise not_found("day")
    return day


def _covers(spans: Sequence[Span], day: KeptDay) -> bool:
    return _within(spans, day.header.first, day.header.end)


def _owns(spans: Sequence[Span], kept: KeptBill) -> bool:
    statement = kept.bill.statement
    mine = [span for span in spans if span.register_id == kept.register_id]
    return _within(mine, statement.begin, statement.end)


def _within(spans: Sequence[Span], begin: int, end: int) -> bool:
    return any(span.holds(begin, end) for span in spans)


def _view(kept: KeptBill) -> BillView:
    statement = kept.bill.statement
    fields = statement_json(kept.bill)
    del fields["network"], fields["register"]
    told = {"obis": obis_text(statement.register), "digest": statement.digest().hex()}
    return BillView.model_validate({**fields, **told, "id": kept.id})


def _day(day: KeptDay) -> DayView:
    h = day.header
    return DayView(
        seq=h.seq,
        first=h.first,
        step=h.step,
        count=h.count,
        seal_hash=day.digest.hex(),
        revision=day.revision,
        proof=day.state.value,
    )


def _file(data: bytes, name: str) -> Response:
    disposition = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, 200, disposition, media_type=MEDIA_TYPE)
