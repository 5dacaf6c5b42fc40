"""What is too much for a page is refused before anything is laid out.

A document of a megabyte could fill a thousand pages, and a name could be a book. This
module must never shorten what it refuses: a bill is printed whole or not at all.
"""

from collections.abc import Iterator
from typing import Final

from meterseal_aggregator.billing.rendering.request import (
    MAX_ADDRESS_LINES,
    MAX_DAYS,
    MAX_LINES,
    MAX_SERIES,
    MAX_SLOTS,
    MAX_TEXT,
    MAX_USAGE,
    Cause,
    RenderRequest,
    Unrenderable,
)

MAX_OBIS: Final = (1 << 48) - 1
"""Six bytes (IEC 62056-6-1)."""
MAX_TIME: Final = 1 << 37
"""The year 6325: calendars of every language go on until 9999."""
MAX_AMOUNT: Final = 1 << 63
"""What a ledger's signed 64 bits hold, in minor units."""
_DAY_S: Final = 86_400


def check(request: RenderRequest) -> None:
    """Go on if a request is within the limits; else Unrenderable (TOO_LARGE)."""
    for what, count, most in _counts(request):
        if count > most:
            raise Unrenderable(
                Cause.TOO_LARGE,
                f"{count} {what}: a bill is printed with at most {most}",
            )
    _check_numbers(request)
    for text in _texts(request):
        if len(text) > MAX_TEXT:
            raise Unrenderable(
                Cause.TOO_LARGE,
                f"{text[:20]!r}... has {len(text)} characters, at most {MAX_TEXT} are printed",
            )


def _check_numbers(request: RenderRequest) -> None:
    statement, usage = request.statement, request.statement.usage
    registers = [row.register for row in usage]
    registers += [row.register for row in request.series]
    for register in registers:
        if not 0 <= register <= MAX_OBIS:
            raise Unrenderable(
                Cause.NOT_SAYABLE, f"register {register} is no OBIS code of six bytes"
            )
    times = [statement.begin, statement.end, statement.issued_at, statement.due_at]
    times += [at for row in usage for at in (row.begin, row.end)]
    times += [at for row in statement.segments for at in (row.begin, row.end)]
    if min(times) < 0 or max(times) >= MAX_TIME:
        raise Unrenderable(Cause.NOT_SAYABLE, "a time of it is no second of this age")
    if max((abs(line.amount) for line in statement.lines), default=0) >= MAX_AMOUNT:
        raise Unrenderable(Cause.NOT_SAYABLE, "an amount of it is beyond any ledger")


def _counts(request: RenderRequest) -> Iterator[tuple[str, int, int]]:
    statement = request.statement
    days = -(-(statement.end - statement.begin) // _DAY_S)
    yield "lines", len(statement.lines), MAX_LINES
    yield "segments", len(statement.segments), MAX_LINES
    yield "registers", len(statement.usage), MAX_USAGE
    yield "days", days, MAX_DAYS
    yield "lines of an address", len(request.names.address), MAX_ADDRESS_LINES
    yield "series of readings", len(request.series), MAX_SERIES
    for series in request.series:
        if series.step <= 0 or len(series.qualities) != len(series.deltas):
            raise ValueError("a series has a step, and one quality a slot")
        if series.deltas and min(series.deltas) < 0:
            raise ValueError("a series holds what a register grew by: none is negative")
        yield "slots of a series", len(series.deltas), MAX_SLOTS
        span = series.step * len(series.deltas)
        yield "days of a series", -(-span // _DAY_S), MAX_DAYS


def _texts(request: RenderRequest) -> Iterator[str]:
    statement, names = request.statement, request.names
    yield from (names.member, names.issuer, names.meter, *names.address)
    yield from (statement.number, statement.currency, statement.zone)
    yield from (statement.corrects, statement.replaces)
    for line in statement.lines:
        yield from (line.component, line.part)
