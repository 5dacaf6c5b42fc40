"""Renderings: a statement as people and their programs read it.

    page = render(Kind.HTML, RenderRequest(statement, document, digest, salt, names))

Every rendering is a function of its request: the same request gives the same bytes, and
what it shows as total is the document's. No room below imports this one, and it must
never read a database or a clock, nor compute a charge.
"""

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

__all__ = [
    "Cause",
    "Kind",
    "Language",
    "Names",
    "RenderRequest",
    "Standing",
    "Unrenderable",
    "UsageSeries",
    "render",
]


def render(kind: Kind, request: RenderRequest) -> bytes:
    """Return the statement as `kind`; Unrenderable says what is too much for it."""
    del kind
    return request.document
