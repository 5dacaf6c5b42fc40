"""A bill as one SMS: what a phone without a network of data shows of it.

This module must never name a member, his address or his usage.
"""

from typing import Final

from meterseal_aggregator.billing.rendering.notices import (
    Wording,
    short_day_text,
    short_text,
)
from meterseal_aggregator.billing.rendering.numerals import plain
from meterseal_aggregator.billing.rendering.request import RenderRequest

CHECK_HEX: Final = 16
"""Digits of the fingerprint: 64 bits, enough to find the bill and to notice another."""


def bill_issued(request: RenderRequest) -> str:
    """Return the receipt of a bill or credit note that was issued, at most one SMS."""
    statement = request.statement
    values = {
        "number": statement.number,
        "amount": f"{plain(statement.total, statement.minor)} {statement.currency}",
        "begin": short_day_text(statement.begin, statement.zone),
        "end": short_day_text(statement.end - 1, statement.zone),
        "due": short_day_text(statement.due_at, statement.zone),
        "hash": request.hash.hex()[:CHECK_HEX],
    }
    return short_text(Wording.BILL_ISSUED, request.language, values)
