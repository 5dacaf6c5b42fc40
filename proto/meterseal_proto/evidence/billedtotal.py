"""A statement's sum, read beside its own reader, and how a reader sees an amount.

This module must never price anything.
"""

from typing import Any

from meterseal_proto.boundedjson import read_json
from meterseal_proto.claims import Wrong
from meterseal_proto.rating.statement import Statement
from meterseal_proto.rating.statement_json import MAX_BRACKETS


def check_total(document: bytes) -> int:
    """Return how many lines add up to the total that a document says; Wrong if they do not."""
    try:
        told, amounts = _told_total(read_json(document, brackets=MAX_BRACKETS))
        added = sum(amounts)
    except (AttributeError, KeyError, TypeError, ValueError):
        raise Wrong("the statement has no lines and total to add up") from None
    if told != added:
        raise Wrong(f"the lines add up to {added}, it says {told}")
    return len(amounts)


def money_text(statement: Statement) -> str:
    """Return what a statement asks, as "-12.34 EUR"."""
    sign = "-" if statement.total < 0 else ""
    digits = str(abs(statement.total)).rjust(statement.minor + 1, "0")
    if not statement.minor:
        return f"{sign}{digits} {statement.currency}"
    whole, rest = digits[: -statement.minor], digits[-statement.minor :]
    return f"{sign}{whole}.{rest} {statement.currency}"


def _told_total(found: Any) -> tuple[int, list[int]]:  # Any: JSON, checked by its use
    lines = [line for segment in found["segments"] for line in segment["lines"]]
    return found["total"], [line["amount"] for line in lines]
