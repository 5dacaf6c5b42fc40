"""A bill's lines as CSV (RFC 4180), for spreadsheets and programs.

Names of columns and kinds are the document's, in no language; numbers have a decimal
point. A text that a spreadsheet could take for a formula gets an apostrophe before it
(OWASP, CSV injection). This module must never write an amount that is not a line's.
"""

import csv
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from fractions import Fraction
from io import StringIO
from typing import Final

from meterseal_aggregator.billing.rendering.numerals import plain
from meterseal_aggregator.billing.rendering.request import RenderRequest
from meterseal_proto.rating.line import Line

COLUMNS: Final = (
    "number",
    "document",
    "segment_begin",
    "segment_end",
    "tariff",
    "kind",
    "component",
    "part",
    "quantity",
    "unit",
    "price",
    "exact",
    "amount",
    "currency",
)
_STARTS_A_FORMULA: Final = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""The signs, and their full-width twins, which some spreadsheets take as well."""
_NUMBER: Final = re.compile(r"-?\d+(\.\d+)?")


def csv_table(request: RenderRequest) -> bytes:
    """Return one row a line of the bill, and last a row of kind "total", in UTF-8."""
    table = StringIO()
    writer = csv.writer(table, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in _rows(request):
        writer.writerow([harmless(cell) for cell in row])
    return table.getvalue().encode()


def harmless(text: str) -> str:
    """Return a cell that no spreadsheet computes: numbers as they are, texts as text."""
    if _NUMBER.fullmatch(text):
        return text
    if text.lstrip().startswith(_STARTS_A_FORMULA) or text.startswith(
        _STARTS_A_FORMULA
    ):
        return f"'{text}"
    return text


def _rows(request: RenderRequest) -> Iterator[tuple[str, ...]]:
    statement = request.statement
    head = (statement.number, statement.kind.value)
    currency = statement.currency
    for segment in statement.segments:
        span = (
            _instant(segment.begin),
            _instant(segment.end),
            segment.tariff.hex(),
        )
        for line in segment.lines:
            amount = plain(line.amount, statement.minor)
            yield (*head, *span, *_line(line), amount, currency)
    span = (_instant(statement.begin), _instant(statement.end), "")
    blanks = ("", "", "", "", "", "")
    total = plain(statement.total, statement.minor)
    yield (*head, *span, "total", *blanks, total, currency)


def _line(line: Line) -> tuple[str, ...]:
    return (
        line.kind.value,
        line.component,
        line.part,
        _exact(line.quantity),
        line.unit.value,
        _exact(line.price),
        _exact(line.exact),
    )


def _exact(value: Fraction | None) -> str:
    """Return a fraction as decimals where it has an end, as "n/d" where it has none."""
    if value is None:
        return ""
    rest, places = value.denominator, 0
    for prime in (2, 5):
        count = 0
        while rest % prime == 0:
            rest, count = rest // prime, count + 1
        places = max(places, count)
    return plain(int(value * 10**places), places) if rest == 1 else str(value)


def _instant(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
