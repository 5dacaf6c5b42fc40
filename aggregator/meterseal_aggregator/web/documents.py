"""Meter documents: a member sends the PDF that backs what he says he makes in a month.

    POST /v1/me/meter-documents?meter=00..ff                      Content-Type: application/pdf
    POST /v1/me/meter-documents?meter=00..ff&monthly_kwh=512.5    the figure he reads in it
    GET  /v1/me/meter-documents

The file is the body. This module must never read one of an unknown caller, nor repeat a
word of it in an answer.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query, Request

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.market.documents import store
from meterseal_aggregator.market.documents.desk import Sent
from meterseal_aggregator.market.documents.figures import read_kwh
from meterseal_aggregator.market.documents.model import MAX_PDF_BYTES, Document
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.limits import read_file
from meterseal_aggregator.web.problems import wrong_argument, wrong_media_type
from meterseal_aggregator.web.shapes import AfterId, Limit, Page, View, cursor

router = APIRouter(prefix="/v1/me", tags=["market"])

PATH: Final = "/v1/me/meter-documents"
PDF: Final = "application/pdf"
_BODY: Final = {
    "requestBody": {
        "required": True,
        "content": {PDF: {"schema": {"type": "string", "format": "binary"}}},
    }
}
OfMeter = Annotated[str, Query(pattern=r"^[0-9a-f]{32}$")]
MonthlyKwh = Annotated[
    str | None,
    Query(
        pattern=r"^[0-9]{1,9}(\.[0-9]{1,3})?$",
        description="The figure of one month that stands in the document",
        examples=["512.5"],
    ),
]


class DocumentView(View):
    """A document: its SHA-256, its figure and declaration in Wh a month, and its worth.

    `verdict` is good (at most 10 % off), fair (20 %) or far; `source` says who picked the
    figure: member, rule or model. `change_x10000` is what it added to your trust.
    """

    id: int
    meter: str
    sha256: str
    sent_at: int
    verdict: str
    source: str | None
    monthly_wh: int | None
    declared_wh: int | None
    change_x10000: int


class DocumentAnswer(DocumentView):
    """A document and your score after it, in 1/10,000."""

    score_x10000: int


@router.post("/meter-documents", status_code=201, openapi_extra=_BODY)
async def send_document(
    request: Request, access: Asking, meter: OfMeter, monthly_kwh: MonthlyKwh = None
) -> DocumentAnswer:
    """Have a PDF of your meter compared with the production you declared.

    A figure near to it adds to your trust, once a meter. The file and its text are not
    kept. Name `monthly_kwh` where the document holds several figures; it must stand in it.
    If you name none, the figure is not plain and the operator has configured a language
    model, the beginning of the text is sent there.
    """
    member = access.me(Action.TRADE)
    access.pace(access.site.trades)
    if _media_type(request) != PDF:
        raise wrong_media_type(PDF)
    named = None if monthly_kwh is None else read_kwh(monthly_kwh)
    if monthly_kwh is not None and named is None:
        raise wrong_argument("query.monthly_kwh", "write kWh above 0, such as 512.5")
    raw = await read_file(request.receive, MAX_PDF_BYTES)
    site = access.site
    sent = Sent(member, bytes.fromhex(meter), raw, named)
    document, score = await site.documents.analyse(
        site.database, site.market, sent, now=int(site.now())
    )
    return DocumentAnswer(**_view(document).model_dump(), score_x10000=score)


@router.get("/meter-documents")
async def list_documents(
    access: Asking, after: AfterId = 0, limit: Limit = 100
) -> Page[DocumentView]:
    """List the documents you sent and what came of each, oldest first."""
    member = access.me(Action.TRADE)
    async with access.site.database.reading() as tx:
        found = await store.of_member(tx, member, after=after, limit=limit)
    items = [_view(one) for one in found]
    return Page(items=items, next=cursor(items, limit, lambda view: view.id))


def _media_type(request: Request) -> str:
    given = request.headers.get("content-type", "")
    return given.partition(";")[0].strip().lower()


def _view(one: Document) -> DocumentView:
    return DocumentView(
        id=one.id,
        meter=one.meter.hex(),
        sha256=one.sha256.hex(),
        sent_at=one.sent_at,
        verdict=one.verdict.value,
        source=None if one.source is None else one.source.value,
        monthly_wh=one.monthly_wh,
        declared_wh=one.declared_wh,
        change_x10000=one.change,
    )
