"""Renderings: a statement as people and their programs read it.

    page = render(Kind.HTML, RenderRequest(statement, document, digest, salt, names))

Every rendering is a function of its request: the same request gives the same bytes, and
what it shows as total is the document's. No room below imports this one, and it must
never read a database or a clock, nor compute a charge.
"""

from meterseal_aggregator.billing.rendering.accepted import accepted
from meterseal_aggregator.billing.rendering.compose import compose
from meterseal_aggregator.billing.rendering.csv_table import csv_table
from meterseal_aggregator.billing.rendering.fonts import Fonts
from meterseal_aggregator.billing.rendering.greenbutton import green_button
from meterseal_aggregator.billing.rendering.html import html
from meterseal_aggregator.billing.rendering.pdf import pdf
from meterseal_aggregator.billing.rendering.request import (
    Cause,
    Kind,
    Language,
    Names,
    RenderRequest,
    Standing,
    Unrenderable,
    UsageSeries,
)
from meterseal_aggregator.billing.rendering.sms import bill_issued

__all__ = [
    "Cause",
    "Fonts",
    "Kind",
    "Language",
    "Names",
    "RenderRequest",
    "Standing",
    "Unrenderable",
    "UsageSeries",
    "render",
]


def render(kind: Kind, request: RenderRequest, fonts: Fonts | None = None) -> bytes:
    """Return the statement as `kind`; Unrenderable says what is too much for it.

    `fonts` are for PDF; without them, those that the system's packages brought.
    """
    if kind is Kind.JSON:
        return request.document
    ready = accepted(request)
    if kind is Kind.HTML:
        return html(compose(ready))
    if kind is Kind.PDF:
        return pdf(compose(ready), request.statement.issued_at, fonts)
    if kind is Kind.CSV:
        return csv_table(ready)
    if kind is Kind.GREEN_BUTTON:
        return green_button(ready)
    return bill_issued(ready).encode()
