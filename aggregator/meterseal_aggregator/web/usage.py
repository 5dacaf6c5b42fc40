"""Usage as it is believed: slots as bills read them, versions of days, values nobody sealed.

    GET /v1/meters/00..01/registers/1-0:1.8.0/usage?from=1800000000&to=1800086400
    GET /v1/meter-points/7/usage?register=1-0:1.8.0

A member sees his own while he held the meter point. This module must never tell a member who
wrote a value.
"""

from dataclasses import dataclass
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Query

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee import values
from meterseal_aggregator.vee.calendar import DAY_S
from meterseal_aggregator.vee.days import Series, cut, usage
from meterseal_aggregator.vee.history import history
from meterseal_aggregator.vee.points import joined, usage_of_points
from meterseal_aggregator.vee.values import Value
from meterseal_aggregator.web.auth import Access, Asking
from meterseal_aggregator.web.problems import (
    forbidden,
    not_found,
    wrong_argument,
)
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    AfterId,
    ById,
    Limit,
    MeterHex,
    Obis,
    Page,
    View,
    cursor,
    parse_register,
)

router = APIRouter(prefix="/v1", tags=["usage"])

MAX_SPAN_S: Final = 32 * DAY_S
"""A month of five minutes in one answer: 9,000 slots, 100 kB of JSON."""
DEFAULT_S: Final = 31 * DAY_S
MAX_DAYS: Final = 100
REGISTER: Final = "/meters/{meter}/registers/{register}"
From = Annotated[int | None, Query(alias="from", ge=0, le=MAX_SECOND)]
To = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]
ByCode = Annotated[str, Query(max_length=32, description="The register's OBIS code")]
KnownAt = Annotated[int | None, Query(ge=0, le=MAX_SECOND)]


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


@router.get(f"{REGISTER}/usage")
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


@router.get(f"{REGISTER}/usage-history")
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
    mine = access.caller.member is not None
    items = [
        VersionView(
            day=one.day, version=one.version, known_at=one.known_at, start=one.first,
            step=one.step, total=one.total, qualities=one.qualities,
        )
        for one in found
        if not mine or any(span.holds(one.first, one.end) for span in spans)
    ]  # fmt: skip
    full = len({one.day for one in found}) == limit
    return Page(items=items, next=str(found[-1].end) if full else None)


@router.get(f"{REGISTER}/values")
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
        value_view(one, mine=mine)
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


async def _spans(tx: Transaction, access: Access, wish: Asked) -> list[Span]:
    return await access.register_spans(
        tx, wish.meter, wish.register, Action.SEE_READINGS
    )


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


def value_view(one: Value, *, mine: bool) -> ValueView:
    """Return a value as it is shown; `mine`: to a member, without its author."""
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
