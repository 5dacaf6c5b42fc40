"""A bill and its readings as Green Button (NAESB REQ.21, ESPI): an Atom feed.

LocalTimeParameters, a UsagePoint a service, then for each series a MeterReading with its
ReadingType and a block of intervals a local day, and the UsageSummary with the costs.
Money is in hundred-thousandths of the currency, as ESPI counts it. This module must never
write an interval that the request did not bring.
"""

import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, tzinfo
from html import escape
from typing import Final

from meterseal_aggregator.billing.rendering.daylight import local_time
from meterseal_aggregator.billing.rendering.espi import (
    ATOM,
    DEFAULT_QUALITY,
    DELTA,
    ESPI,
    INT48,
    Commodity,
    commodity_of,
    currency_number,
    item_kind,
)
from meterseal_aggregator.billing.rendering.numerals import local, plain, zone_of
from meterseal_aggregator.billing.rendering.readings import day_slots
from meterseal_aggregator.billing.rendering.request import (
    Cause,
    RenderRequest,
    Unrenderable,
    UsageSeries,
)
from meterseal_proto.rating.line import Line, Unit
from meterseal_proto.rating.statement import Statement
from meterseal_proto.units import IMPORT

MONEY_DECIMALS: Final = 5
"""ESPI counts money in hundred-thousandths of the currency."""
MAX_NOTE: Final = 256
_NAMES: Final = uuid.UUID("8e6f2a55-7f0c-5d0a-9d1b-0d6a4f3c1e90")
"""The name space of the entries' identities."""

Tree = tuple[str, "str | list[Tree]"]


def green_button(request: RenderRequest) -> bytes:
    """Return a UTF-8 feed; Unrenderable for an amount beyond ESPI's 48 bits."""
    statement = request.statement
    zone = zone_of(statement.zone)
    feed = _Feed(request.hash, statement.issued_at)
    feed.add("LocalTimeParameters/1", "LocalTimeParameters", _clock(statement, zone))
    for service in _services(request):
        _usage_point(feed, request, service, zone)
    return feed.document().encode()


class _Feed:
    """Entries with their links; identities follow from the bill's fingerprint."""

    def __init__(self, fingerprint: bytes, at: int) -> None:
        self._fingerprint = fingerprint.hex()
        self._at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self._entries: list[str] = []

    def add(
        self, path: str, name: str, body: list[Tree], related: Iterable[str] = ()
    ) -> None:
        """Add a resource: `path` is its own address, without its last part its kind's."""
        links = [("self", path), ("up", path.rpartition("/")[0])]
        links += [("related", other) for other in related]
        rows = "".join(f'<link rel="{rel}" href="{escape(to)}"/>' for rel, to in links)
        self._entries.append(
            f"<entry><id>{self._identity(path)}</id>{rows}<title>{escape(name)}</title>"
            f'<content><{name} xmlns="{ESPI}">{_xml(body)}</{name}></content>'
            f"<published>{self._at}</published><updated>{self._at}</updated></entry>\n"
        )

    def document(self) -> str:
        """Return the feed."""
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>\n<feed xmlns="{ATOM}">\n'
            f"<id>{self._identity('')}</id><title>Green Button</title>"
            f"<updated>{self._at}</updated>\n{''.join(self._entries)}</feed>\n"
        )

    def _identity(self, path: str) -> str:
        return f"urn:uuid:{uuid.uuid5(_NAMES, f'{self._fingerprint} {path}')}"


def _xml(tree: Iterable[Tree]) -> str:
    return "".join(
        f"<{name}>{escape(inner) if isinstance(inner, str) else _xml(inner)}</{name}>"
        for name, inner in tree
    )


def _services(request: RenderRequest) -> list[int]:
    registers = [row.register for row in request.statement.usage]
    registers += [row.register for row in request.series]
    found = {commodity_of(register).service for register in registers}
    return sorted(found) or [commodity_of(IMPORT).service]


def _usage_point(
    feed: _Feed, request: RenderRequest, service: int, zone: tzinfo
) -> None:
    point = f"UsagePoint/{request.statement.meter_point}-{service}"
    series = [
        row for row in request.series if commodity_of(row.register).service == service
    ]
    places = [f"{point}/MeterReading/{place}" for place, _ in enumerate(series, 1)]
    # One bill has one sum: it stands with the first service only.
    first = service == _services(request)[0]
    summary = [f"{point}/UsageSummary/1"] if first else []
    category: list[Tree] = [("ServiceCategory", [("kind", str(service))])]
    related = ["LocalTimeParameters/1", *places, *summary]
    feed.add(point, "UsagePoint", category, related)
    for place, row in zip(places, series, strict=True):
        _meter_reading(feed, place, row, zone)
    for place in summary:
        feed.add(place, "UsageSummary", _summary(request.statement, service))


def _meter_reading(feed: _Feed, place: str, series: UsageSeries, zone: tzinfo) -> None:
    kind = f"ReadingType/{place.replace('/', '-')}"
    feed.add(place, "MeterReading", [], [f"{place}/IntervalBlock", kind])
    feed.add(kind, "ReadingType", _reading_type(series))
    for number, (start, stop) in enumerate(day_slots(series, zone), 1):
        block = list(_block(series, start, stop))
        feed.add(f"{place}/IntervalBlock/{number}", "IntervalBlock", block)


def _reading_type(series: UsageSeries) -> list[Tree]:
    is_a: Commodity = commodity_of(series.register)
    return [
        ("accumulationBehaviour", str(DELTA)),
        ("commodity", str(is_a.commodity)),
        ("dataQualifier", "12"),
        ("defaultQuality", str(DEFAULT_QUALITY)),
        ("flowDirection", str(is_a.flow)),
        ("intervalLength", str(series.step)),
        ("kind", str(is_a.measured)),
        ("powerOfTenMultiplier", "0"),
        ("timeAttribute", "0"),
        ("uom", str(is_a.unit)),
    ]


def _block(series: UsageSeries, start: int, stop: int) -> Iterator[Tree]:
    first = series.begin + start * series.step
    yield ("interval", _span(first, (stop - start) * series.step))
    for slot in range(start, stop):
        reading: list[Tree] = []
        quality = series.qualities[slot]
        if quality != DEFAULT_QUALITY:
            reading.append(("ReadingQuality", [("quality", str(quality))]))
        at = series.begin + slot * series.step
        reading.append(("timePeriod", _span(at, series.step)))
        reading.append(("value", _int48(series.deltas[slot])))
        yield ("IntervalReading", reading)


def _summary(statement: Statement, service: int) -> list[Tree]:
    usage = [
        row
        for row in statement.usage
        if commodity_of(row.register).service == service and row.quantity is not None
    ]
    found: list[Tree] = [
        ("billingPeriod", _span(statement.begin, statement.end - statement.begin)),
        ("billLastPeriod", _money(statement.total, statement.minor)),
    ]
    found += [
        ("costAdditionalDetailLastPeriod", _item(statement, line))
        for line in statement.lines
    ]
    found.append(("currency", str(currency_number(statement.currency))))
    taken = [row for row in usage if commodity_of(row.register).flow == 1]
    if taken:
        total = sum(row.quantity or 0 for row in taken)
        unit = commodity_of(taken[0].register).unit
        measured = _measured(total, unit)
        found.append(("overallConsumptionLastPeriod", measured))
    found.append(("statusTimeStamp", str(statement.issued_at)))
    tariffs = ",".join(
        dict.fromkeys(row.tariff.hex()[:16] for row in statement.segments)
    )
    if len(tariffs) <= MAX_NOTE:
        found.append(("tariffProfile", tariffs))
    return found


def _item(statement: Statement, line: Line) -> list[Tree]:
    """Return a line; its exact amount stands in the note, where 10^-5 may round it."""
    named = ", ".join(text for text in (line.component, line.part) if text)
    exact = f"{plain(line.amount, statement.minor)} {statement.currency}"
    note = f"{named[: MAX_NOTE - len(exact) - 2]}: {exact}"
    found: list[Tree] = [
        ("amount", _money(line.amount, statement.minor)),
        ("note", note[-MAX_NOTE:]),
    ]
    if line.quantity is not None and line.unit is Unit.KWH:
        watt_hours = line.quantity * 1000
        if watt_hours.denominator == 1:
            unit = commodity_of(IMPORT).unit
            found.append(("measurement", _measured(int(watt_hours), unit)))
    found.append(("itemKind", str(item_kind(line.kind))))
    return found


def _clock(statement: Statement, zone: tzinfo) -> list[Tree]:
    rules = local_time(zone, local(statement.begin, zone).year)
    return [
        ("dstEndRule", f"{rules.end:08X}"),
        ("dstOffset", str(rules.summer)),
        ("dstStartRule", f"{rules.start:08X}"),
        ("tzOffset", str(rules.offset)),
    ]


def _span(start: int, seconds: int) -> list[Tree]:
    return [("duration", str(seconds)), ("start", str(start))]


def _measured(value: int, unit: int) -> list[Tree]:
    return [
        ("powerOfTenMultiplier", "0"),
        ("uom", str(unit)),
        ("value", _int48(value)),
    ]


def _money(amount: int, minor: int) -> str:
    """Return an amount in hundred-thousandths, half to even where minor units are finer."""
    if minor <= MONEY_DECIMALS:
        return _int48(amount * 10 ** (MONEY_DECIMALS - minor))
    whole, rest = divmod(amount, 10)
    up = rest > 5 or (rest == 5 and whole % 2 == 1)
    return _int48(whole + up)


def _int48(value: int) -> str:
    if not -INT48 < value < INT48:
        raise Unrenderable(
            Cause.NOT_SAYABLE,
            f"{value} is beyond Green Button's 48 bits: take the JSON",
        )
    return str(value)
