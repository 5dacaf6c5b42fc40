"""Tariffs in full: what bills are made by, published by an operator, read by everybody.

    POST /v1/full-tariffs                                   the document is the body
    POST /v1/full-tariff-templates?valid_from=1790000000    one whose figures follow parameters
    POST /v1/urdb-imports?code=r-1&valid_from=1790000000    a rate of OpenEI's, made one
    POST /v1/full-tariffs/residential/end {"at": 1800000000}
    GET  /v1/network/full-tariffs?code=residential

A document is published as it is written, byte for byte: its hash is what bills name. With
`dry_run` nothing is kept. This module must never write a tariff otherwise than it came.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field

from meterseal_aggregator.billing.tariffs import governed, store
from meterseal_aggregator.billing.tariffs.metering import (
    Metering,
    Settled,
    with_metering,
)
from meterseal_aggregator.billing.tariffs.model import Version
from meterseal_aggregator.billing.tariffs.template import MAX_TEMPLATE_BYTES
from meterseal_aggregator.billing.tariffs.urdb import Stated, import_urdb
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.rehearsal import rehearsal
from meterseal_aggregator.web.auth import Access, Asking, TheSite
from meterseal_aggregator.web.limits import read_file, turn_of
from meterseal_aggregator.web.points import EndRequest
from meterseal_aggregator.web.problems import not_found, wrong_argument
from meterseal_aggregator.web.shapes import (
    MAX_SECOND,
    AfterId,
    Page,
    Second,
    Site,
    View,
    cursor,
)
from meterseal_proto.rating.components import Allocation, TierCounter
from meterseal_proto.rating.tariff import MAX_DOCUMENT_BYTES, FullTariff, check

router = APIRouter(prefix="/v1", tags=["tariffs"])

PATH: Final = "/v1/full-tariffs"
MAX_PAGE_BYTES: Final = 2 << 20
"""Of documents in one answer: eight of the longest, thousands as they are."""
TEMPLATES: Final = "/v1/full-tariff-templates"
IMPORTS: Final = "/v1/urdb-imports"
FILES: Final = (PATH, TEMPLATES, IMPORTS)
"""Routes whose body is a document, read as it is."""
MAX_PAGE: Final = 100
"""Documents a page: whoever asks needs no token."""
MAX_URDB_BYTES: Final = 1 << 20
"""A rate with 8,760 hourly prices has 200 kB."""
_BARE: Final[dict[str, object]] = {
    "commodity": "electricity",
    "currency": "KES",
    "id": "residential",
    "meterseal": "full-tariff/1",
    "rounding": "half-even",
    "split": "proportion",
    "zone": "Africa/Nairobi",
}
_FLAT: Final = {"name": "energy", "price": 250_000, "type": "flat"}
_FOLLOWING: Final = {**_FLAT, "price": {"parameter": "retail_price_micro"}}
_HOURS: Final = [[0] * 24] * 12


def _body(example: dict[str, object]) -> dict[str, object]:
    """Say that a route takes a document, such as this one."""
    content = {"application/json": {"schema": {"type": "object"}, "example": example}}
    return {"requestBody": {"required": True, "content": content}}


_TARIFF: Final = _body({**_BARE, "components": [_FLAT], "valid_from": 1_790_000_000})
_TEMPLATE: Final = _body({**_BARE, "components": [_FOLLOWING]})
_URDB: Final = _body(
    {
        "label": "539fba68ec4f024bc1dc2db3",
        "name": "Residential",
        "utility": "An Electric Co",
        "energyratestructure": [[{"rate": 0.25}]],
        "energyweekdayschedule": _HOURS,
        "energyweekendschedule": _HOURS,
    }
)
Code = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
Few = Annotated[int, Query(ge=1, le=MAX_PAGE)]
CodeText = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$")]
From = Annotated[int, Query(ge=0, le=MAX_SECOND)]
Dry = Annotated[bool, Query(description="Say what it would come to, and keep nothing")]


class FullTariffView(View):
    """A version of a tariff: it holds from `valid_from` to `valid_to`, null: still.

    `hash` is what bills name, `template` that of the template it was made from.
    """

    entry: int
    code: str
    hash: str
    currency: str
    valid_from: int
    valid_to: int | None
    template: str | None
    document: str


class ImportWish(BaseModel):
    """What of a rate URDB leaves open or does not know, as query parameters."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    code: CodeText
    valid_from: Second
    currency: Annotated[str, Field(pattern=r"^[A-Z0-9]{2,12}$")] = "USD"
    zone: Annotated[str, Field(max_length=64)] = "UTC"
    tier_counter: TierCounter | None = None
    allocation: Allocation | None = None
    window_s: Annotated[int, Field(ge=1, le=86_400)] | None = None
    actual_days: bool = False
    metering: Metering | None = None
    dry_run: bool = False

    def stated(self) -> Stated:
        """Return it as the import takes it."""
        return Stated(
            tier_counter=self.tier_counter,
            allocation=self.allocation,
            window_s=self.window_s,
            actual_days=self.actual_days,
            zone=self.zone,
            currency=self.currency,
        )


@router.post("/full-tariffs", status_code=201, openapi_extra=_TARIFF)
async def publish_full_tariff(
    request: Request, access: Asking, *, dry_run: Dry = False
) -> FullTariffView:
    """Publish a tariff in full as the next version of its code; again is the same."""
    access.allow(Action.MANAGE)
    document = await read_file(request.receive, MAX_DOCUMENT_BYTES)
    return await _publish(access, document, dry=dry_run)


@router.post("/full-tariff-templates", status_code=201, openapi_extra=_TEMPLATE)
async def publish_template(
    request: Request, access: Asking, valid_from: From, *, dry_run: Dry = False
) -> list[FullTariffView]:
    """Publish what a template comes to now, and again whenever a parameter it names changes."""
    access.allow(Action.MANAGE)
    document = await read_file(request.receive, MAX_TEMPLATE_BYTES)
    now = int(access.site.now())
    async with rehearsal(access.site.database, dry=dry_run) as tx:
        made = await governed.publish_template(
            tx, document, valid_from=valid_from, now=now
        )
        for one in made:
            await _note(tx, access, f"tariff {one.digest.hex()}")
    return [_view(one) for one in made]


@router.post("/urdb-imports", status_code=201, openapi_extra=_URDB)
async def import_rate(
    request: Request, access: Asking, wish: Annotated[ImportWish, Query()]
) -> FullTariffView:
    """Publish a rate of OpenEI's URDB as a tariff; what it leaves open must be said."""
    access.allow(Action.MANAGE)
    raw = await read_file(request.receive, MAX_URDB_BYTES)
    try:
        tariff = _imported(raw, wish)
    except ValueError as error:
        raise wrong_argument("body", str(error)) from None
    return await _publish(access, tariff.document(), dry=wish.dry_run)


@router.post("/full-tariffs/{code}/end")
async def end_tariff(code: Code, body: EndRequest, access: Asking) -> FullTariffView:
    """End a tariff's code: its last version holds until then, and no supply goes on by it."""
    access.allow(Action.MANAGE)
    async with access.site.database.transaction() as tx:
        ended = await store.end(tx, code, body.at, now=int(access.site.now()))
        await _note(tx, access, f"tariff code {code} to {body.at}")
    return _view(ended)


@router.get("/network/full-tariffs")
async def list_full_tariffs(
    request: Request,
    site: TheSite,
    code: Annotated[str | None, Query(max_length=64)] = None,
    after: AfterId = 0,
    limit: Few = MAX_PAGE,
) -> Page[FullTariffView]:
    """List tariffs in full in the order of the log, of one code or of all."""
    _pace(request, site)
    async with site.database.reading() as tx:
        found = await store.published(tx, after=after, limit=limit, code=code)
    items = [_view(one) for one in found]
    fit = _fitting(items)
    most = limit if fit == len(items) else fit
    return Page(items=items[:fit], next=cursor(items[:fit], most, lambda v: v.entry))


@router.get("/network/full-tariffs/{digest}")
async def show_full_tariff(
    digest: Annotated[str, Path(pattern=r"^[0-9a-f]{64}$")],
    request: Request,
    site: TheSite,
) -> FullTariffView:
    """Show the tariff in full that a bill names by its hash."""
    _pace(request, site)
    async with site.database.reading() as tx:
        found = await store.version_named(tx, bytes.fromhex(digest))
    if found is None:
        raise not_found("tariff")
    return _view(found)


def _pace(request: Request, site: Site) -> None:
    turn_of(site.totals, request.client.host if request.client else "unknown")


def _imported(raw: bytes, wish: ImportWish) -> FullTariff:
    """Return a rate as the tariff of a code; ValueError says what it leaves open."""
    found = import_urdb(raw, wish.stated())
    made = replace(found.tariff, id=wish.code, valid_from=wish.valid_from)
    if wish.metering is not None:
        settled = Settled(wish.metering, sells=found.sells)
        return with_metering(made, settled, credits_minimum=True)
    if found.sells:
        raise ValueError(
            "the rate pays for export: say how it is settled by `metering`"
        )
    check(made)
    return made


async def _publish(access: Access, document: bytes, *, dry: bool) -> FullTariffView:
    async with rehearsal(access.site.database, dry=dry) as tx:
        made = await store.publish(tx, document, now=int(access.site.now()))
        await _note(tx, access, f"tariff {made.digest.hex()}")
    return _view(made)


async def _note(tx: Transaction, access: Access, what: str) -> None:
    at = int(access.site.real_now())
    await identity.note(tx, access.caller.prefix, "publish-tariff", what, now=at)


def _fitting(items: Sequence[FullTariffView]) -> int:
    """Return how many of some tariffs fit into one answer, at least one."""
    ends = accumulate(len(one.document) for one in items)
    return max(1, sum(end <= MAX_PAGE_BYTES for end in ends))


def _view(one: Version) -> FullTariffView:
    return FullTariffView(
        entry=one.entry,
        code=one.tariff.id,
        hash=one.digest.hex(),
        currency=one.tariff.currency,
        valid_from=one.begin,
        valid_to=one.end,
        template=None if one.template is None else one.template.hex(),
        document=one.tariff.document().decode(),
    )
