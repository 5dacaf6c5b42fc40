"""A meter's telemetry, what of it is missing, and the wish to have that again.

It is shown to whoever may see the meter's readings, for the time that is his. Nothing
here is billed; this module must never mix it with what was sealed.
"""

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

from fastapi import APIRouter, Query
from pydantic import ConfigDict, Field

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.intake.beside import store
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import not_found, not_yet
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    Limit,
    MeterHex,
    Page,
    RequestBody,
    Second,
    View,
)
from meterseal_proto.backfill import MAX_WANTED, Backfill, Wanted
from meterseal_proto.spans import Span, common, gaps, union
from meterseal_proto.telemetry import Batch
from meterseal_proto.units import MeterId, obis_text

router = APIRouter(prefix="/v1/meters/{meter}/telemetry", tags=["telemetry"])

PAGE_BATCHES: Final = 1_000
"""Batches read for a page: it holds at most as many samples, and each has one at least."""
ASKED_FOR_S: Final = 3_600
"""How long a request for telemetry is good, in the network's seconds."""

From = Annotated[int | None, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]


class SampleView(View):
    """What a meter showed at a second: integers in mV, mA, mHz, W, Wh or litres.

    `clock` is how far that second may be trusted: 2 kept by a time service, 1 doubtful.
    """

    at: int
    clock: int
    values: dict[str, int]


class SpanView(View):
    """The time from `begin` to `end`, half open, in UTC Unix seconds."""

    begin: int
    end: int


class GapsView(View):
    """What of a time is not known, though the device may have it."""

    begin: int
    end: int
    gaps: list[SpanView]


class AskRequest(RequestBody):
    """The time of which all missing telemetry is wished for."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"begin": 1_790_000_000, "end": 1_790_003_600}}
    )

    begin: Annotated[Second, Field(description="UTC Unix seconds")]
    end: Second


class AskedView(View):
    """What was asked for, and whether the agent was there to hear it."""

    asked: list[SpanView]
    sent: bool


@router.get("")
async def list_telemetry(
    meter: MeterHex,
    access: Asking,
    begin: From = None,
    to: To = None,
    limit: Limit = 500,
) -> Page[SampleView]:
    """List a meter's samples by time, from `from` to `to`: at most the last week.

    Go on with from = `next`.
    """
    raw = bytes.fromhex(meter)
    async with access.site.database.reading() as tx:
        mine = await _mine(tx, access, raw)
        whole = _asked(access, begin, to)
        found = await store.batches(tx, raw, whole, min(limit, PAGE_BATCHES))
    samples = _samples(found, common([whole], mine))
    page = samples[:limit]
    # What one second holds twice, a clock set back brought; the next page skips neither.
    full = len(found) == min(limit, PAGE_BATCHES) or len(samples) > limit
    end = page[-1].at + 1 if page and len(samples) > limit else None
    if full and end is None:
        end = found[-1].span.end
    return Page(items=page, next=None if end is None else str(end))


@router.get("/latest")
async def latest(meter: MeterHex, access: Asking) -> SampleView:
    """Show the last sample of a meter; 404 when there is none in the last week."""
    raw = bytes.fromhex(meter)
    async with access.site.database.reading() as tx:
        mine = await _mine(tx, access, raw)
        if not mine:
            raise not_found("telemetry")
        found = await store.last_batch(tx, raw, mine[-1].end)
    samples = _samples([found] if found else [], mine)
    if not samples:
        raise not_found("telemetry")
    return samples[-1]


@router.get("/gaps")
async def list_gaps(
    meter: MeterHex, access: Asking, begin: From = None, to: To = None
) -> GapsView:
    """List the time of which samples are missing: not told, or lost on the way.

    Without `from` it begins where the meter's telemetry did.
    """
    raw = bytes.fromhex(meter)
    async with access.site.database.reading() as tx:
        mine = await _mine(tx, access, raw)
        whole, found = await _gaps(tx, access, raw, (begin, to))
    seen = common(found, mine)
    return GapsView(begin=whole.begin, end=whole.end, gaps=[_span(s) for s in seen])


@router.post("/backfill", status_code=202)
async def ask_again(meter: MeterHex, body: AskRequest, access: Asking) -> AskedView:
    """Ask the device for what is missing of a time (operator); it comes by itself."""
    access.allow(Action.MANAGE)
    site, raw = access.site, MeterId(bytes.fromhex(meter))
    async with site.database.reading() as tx:
        places = await registry.installations(tx, raw)
        if not places:
            raise not_found("meter")
        _, found = await _gaps(tx, access, raw, (body.begin, body.end))
    if site.ask_again is None:
        raise not_yet("this aggregator takes no telemetry")
    wanted = tuple(Wanted(raw, span) for span in found[:MAX_WANTED])
    sent = False
    if wanted:
        agent, until = places[-1].agent, int(site.now()) + ASKED_FOR_S
        request = Backfill(site.terms.genesis.network, agent, until, wanted)
        sent = site.ask_again(request)
        async with site.database.transaction() as tx:
            what = f"telemetry of {meter}, {len(wanted)} spans"
            now = int(site.real_now())
            await identity.note(tx, access.caller.prefix, "backfill", what, now=now)
    return AskedView(asked=[_span(one.span) for one in wanted], sent=sent)


async def _mine(tx: Transaction, access: Access, meter: bytes) -> Sequence[Span]:
    """Return the time of a meter that the caller may see; raises 403 and 404."""
    found = await access.spans(tx, meter, Action.SEE_READINGS)
    if not found:
        raise not_found("meter")
    times = [
        (one.from_at, MAX_SECOND if one.to_at is None else one.to_at) for one in found
    ]
    return union(Span(begin, end) for begin, end in times if begin < end)


def _asked(access: Access, begin: int | None, to: int | None) -> Span:
    """Return the time that is asked about, within the window; an empty one is a second."""
    now = int(access.site.now())
    first = max(now - store.KEEP_S, 0 if begin is None else begin)
    last = min(now if to is None else to, now + 1)
    return Span(first, max(first + 1, last))


async def _gaps(
    tx: Transaction, access: Access, meter: bytes, asked: tuple[int | None, int | None]
) -> tuple[Span, Sequence[Span]]:
    begin, to = asked
    if begin is None:
        begin = await store.first_told(tx, meter)
        if begin is None:
            return _asked(access, None, to), ()
    whole = _asked(access, begin, to)
    return whole, gaps(whole, await store.covered(tx, meter, whole))


def _samples(found: Iterable[Batch], seen: Sequence[Span]) -> list[SampleView]:
    """Return the samples of batches that lie in what may be seen, oldest first."""
    by_time: dict[int, SampleView] = {}
    for batch in found:
        for row in batch.rows:
            if any(span.begin <= row.at < span.end for span in seen):
                values = {
                    obis_text(register): value
                    for register, value in zip(batch.registers, row.values, strict=True)
                    if value is not None
                }
                by_time[row.at] = SampleView(
                    at=row.at, clock=batch.clock, values=values
                )
    return [by_time[at] for at in sorted(by_time)]


def _span(span: Span) -> SpanView:
    return SpanView(begin=span.begin, end=span.end)
