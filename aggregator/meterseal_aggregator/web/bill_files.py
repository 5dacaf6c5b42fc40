"""A bill as a file, for people and for their programs: rendered anew each time, the same bytes.

    GET /v1/bills/2026-00000012.pdf        also .html .csv .json .xml (Green Button) .txt (SMS)
    GET /v1/bills/2026-00000012.beancount  the bill and what was paid on it
    GET /v1/bills/2026-00000012.pdf?language=sw

The statement's own bytes are `.json`: with the salt their hash is the one in the log. Names
are put beside it here. Rendering is done in a thread, a few at a time. This module must
never put a name into a statement.
"""

import asyncio
from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter, Path, Query
from starlette.responses import Response

from meterseal_aggregator.billing.model import Act, BillRow, BillState, Standing
from meterseal_aggregator.billing.rendering import (
    Kind,
    Language,
    Names,
    RenderRequest,
    Unrenderable,
    UsageSeries,
    render,
)
from meterseal_aggregator.billing.rendering import Standing as Printed
from meterseal_aggregator.billing.rendering.beancount import (
    Book,
    BookEntry,
    EntryKind,
    beancount,
)
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.identity.model import NoSuchMember
from meterseal_aggregator.identity.store import member as member_row
from meterseal_aggregator.notices import preferences
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.registry.model import Refused as NoSuchPoint
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.days import usage
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.bills import Number, bill_for
from meterseal_aggregator.web.problems import not_made
from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import read_statement

router = APIRouter(prefix="/v1", tags=["bills"])

AT_ONCE: Final = 2
"""Renderings at a time: a PDF takes a tenth of a second of a core."""
BEANCOUNT_TYPE: Final = "text/x-beancount; charset=utf-8"


class Suffix(StrEnum):
    """How a bill's file may end."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    JSON = "json"
    XML = "xml"
    TXT = "txt"
    BEANCOUNT = "beancount"


_KINDS: Final = {
    Suffix.PDF: Kind.PDF,
    Suffix.HTML: Kind.HTML,
    Suffix.CSV: Kind.CSV,
    Suffix.JSON: Kind.JSON,
    Suffix.XML: Kind.GREEN_BUTTON,
    Suffix.TXT: Kind.SMS,
}
_ACTS: Final = {Act.PAID: EntryKind.PAYMENT, Act.LATE_FEE: EntryKind.LATE_FEE}
_rendering = asyncio.Semaphore(AT_ONCE)


@router.get("/bills/{number}.{suffix}", response_class=Response)
async def take_bill(
    number: Number,
    suffix: Annotated[Suffix, Path()],
    access: Asking,
    language: Annotated[Language | None, Query()] = None,
) -> Response:
    """Give a bill or credit note of yours (or any, operator) as a file.

    In the language of your notices where none is named.
    """
    access.pace(access.site.searches)
    async with access.site.database.reading() as tx:
        bill = await bill_for(tx, access, number)
        make, media_type = await _maker(tx, bill, suffix, language)
    try:
        async with _rendering:
            body = await asyncio.to_thread(make)
    except Unrenderable as error:
        raise not_made(error.cause.value, error.detail) from None
    headers = {"content-disposition": f'inline; filename="{number}.{suffix}"'}
    return Response(body, media_type=media_type, headers=headers)


async def _maker(
    tx: Transaction, bill: BillRow, suffix: Suffix, language: Language | None
) -> tuple[Callable[[], bytes], str]:
    """Return what makes the file, from all that is read of the bill, and its media type."""
    if suffix is Suffix.BEANCOUNT:
        return partial(beancount, await _book(tx, bill)), BEANCOUNT_TYPE
    kind = _KINDS[suffix]
    request = await _request(tx, bill, language)
    return partial(render, kind, request), kind.media_type


async def _request(
    tx: Transaction, bill: BillRow, language: Language | None
) -> RenderRequest:
    statement = read_statement(bill.document)
    if language is None:
        wishes = await preferences.wishes(tx, [bill.member])
        language = wishes[bill.member].language
    standing = (await store.standings(tx, [bill.id])).get(bill.id)
    return RenderRequest(
        statement=statement,
        document=bill.document,
        hash=bill.hash,
        salt=bill.salt,
        names=await _names(tx, bill, statement),
        language=language,
        standing=None if standing is None else await _printed(tx, bill, standing),
        series=await _series(tx, bill),
    )


async def _names(tx: Transaction, bill: BillRow, statement: Statement) -> Names:
    """Return what stands beside the statement; empty where it was erased."""
    try:
        member = (await member_row(tx, bill.member)).name
    except NoSuchMember:
        member = ""
    try:
        meter = (await registry.meter_point(tx, statement.meter_point)).name
    except NoSuchPoint:
        meter = ""
    return Names(member, meter=meter)


async def _printed(tx: Transaction, bill: BillRow, standing: Standing) -> Printed:
    open_bills = await store.open_of(tx, bill.member)
    known = await store.bills_by_id(tx, (one.bill for one in open_bills))
    others = sum(
        one.outstanding
        for one in open_bills
        if one.bill != bill.id and known[one.bill].asset == bill.asset
    )
    taken_back = standing.state is BillState.CORRECTED
    return Printed(
        paid=0 if taken_back else standing.paid,
        late_fees=0 if taken_back else standing.late_fees,
        outstanding=max(0, standing.outstanding),
        disputed=standing.disputed,
        arrears=others,
    )


async def _series(tx: Transaction, bill: BillRow) -> tuple[UsageSeries, ...]:
    """Return the slots the bill stands on, as known when it was made."""
    if bill.private_bill is not None:
        return ()
    found = []
    for row, register, begin, end in await store.usage_of(tx, bill.id):
        series = (await usage(tx, [row], begin, end, known_at=bill.known_at))[row]
        found.append(
            UsageSeries(
                register, series.begin, series.step, series.deltas, series.qualities
            )
        )
    return tuple(found)


async def _book(tx: Transaction, bill: BillRow) -> Book:
    statement = read_statement(bill.document)
    entries = tuple(
        BookEntry(one.at, _ACTS[one.act], one.amount, bill.asset, bill.number)
        for one in await store.acts_of(tx, bill.id)
        if one.act in _ACTS
    )
    return Book(bill.member, (statement,), entries, statement.zone)
