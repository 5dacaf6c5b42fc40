"""Register readings as a table, and usage by day as a chart.

A private register shows neither readings nor usage, here as in the document. This module
must never add up slots that the request did not bring.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from fractions import Fraction
from typing import Final

from meterseal_aggregator.billing.rendering.numerals import (
    day,
    local,
    moment,
    quantity,
)
from meterseal_aggregator.billing.rendering.request import RenderRequest, UsageSeries
from meterseal_aggregator.billing.rendering.sheet import (
    Bar,
    Chart,
    Column,
    Row,
    Table,
)
from meterseal_aggregator.billing.rendering.words import Words, noted
from meterseal_proto.rating.load import WHOLE
from meterseal_proto.rating.statement import Statement, Usage
from meterseal_proto.units import (
    EXPORT,
    GAS,
    HEAT,
    IMPORT,
    WATER,
    RegisterId,
    obis_text,
)

METER_HEX: Final = 8
"""Digits of a meter's id that tell two meters of one point apart."""
TALLEST: Final = 1_000
"""The height of the highest day's bar."""
_REGISTERS: Final = {
    IMPORT: noted("Electricity from the grid"),
    EXPORT: noted("Electricity to the grid"),
    WATER: noted("Water"),
    HEAT: noted("Heat"),
    GAS: noted("Gas"),
}
_VOLUMES: Final = frozenset({7, 8, 9})
"""OBIS value group A of gas, cold and hot water (IEC 62056-6-1): litres here."""


def tables(words: Words, statement: Statement, zone: tzinfo) -> tuple[Table, ...]:
    """Return the table of registers, none where the statement names none."""
    if not statement.usage:
        return ()
    columns = (
        Column(words.say("Meter and register"), 30),
        Column(words.say("From"), 14),
        Column(words.say("To"), 14),
        Column(words.say("Reading before"), 14, number=True),
        Column(words.say("Reading after"), 14, number=True),
        Column(words.say("Used"), 16, number=True),
    )
    rows = tuple(row for usage in statement.usage for row in _rows(words, usage, zone))
    return (Table(words.say("Meter readings"), columns, rows),)


def charts(words: Words, request: RenderRequest, zone: tzinfo) -> tuple[Chart, ...]:
    """Return a chart by local day for each series that has a slot."""
    return tuple(
        _chart(words, series, zone) for series in request.series if series.deltas
    )


def register_text(words: Words, register: RegisterId) -> str:
    """Return what a register is called, its OBIS code where it has no name here."""
    if register in _REGISTERS:
        return words.say(_REGISTERS[register])
    return words.say("Register {code}", code=obis_text(register))


def is_volume(register: RegisterId) -> bool:
    """Return whether a register counts litres."""
    return register >> 40 in _VOLUMES


def day_slots(series: UsageSeries, zone: tzinfo) -> Iterator[tuple[int, int]]:
    """Yield for each local day a series touches the first slot that began in it, and the next's."""
    start, count = 0, len(series.deltas)
    while start < count:
        today = local(series.begin + start * series.step, zone)
        midnight = today.replace(hour=0, minute=0, second=0, fold=0)
        tomorrow = int((midnight + timedelta(days=1)).timestamp())
        stop = -(-(tomorrow - series.begin) // series.step)
        stop = min(count, max(stop, start + 1))
        yield start, stop
        start = stop


def daily(series: UsageSeries, zone: tzinfo) -> Iterator[tuple[datetime, int]]:
    """Yield each local day a series touches, with the sum of the slots that began in it."""
    for start, stop in day_slots(series, zone):
        at = local(series.begin + start * series.step, zone)
        yield at, sum(series.deltas[start:stop])


def _rows(words: Words, usage: Usage, zone: tzinfo) -> Iterator[Row]:
    meter = usage.meter.hex()[:METER_HEX]
    span = tuple(
        moment(words.locale, local(at, zone)) for at in (usage.begin, usage.end)
    )
    ends = (
        "-" if value is None else quantity(words.locale, Fraction(value, WHOLE))
        for value in (usage.first, usage.last)
    )
    if usage.quantity is None:
        used = words.say("private")
    else:
        used = _counted(words, usage.register, usage.quantity)
    name = f"{register_text(words, usage.register)} ({meter})"
    yield Row((name, *span, *ends, used))
    if usage.estimated:
        estimated = _counted(words, usage.register, usage.estimated)
        yield Row((words.say("of which estimated"), "", "", "", "", estimated))


def _chart(words: Words, series: UsageSeries, zone: tzinfo) -> Chart:
    days = list(daily(series, zone))
    at, most = max(days, key=lambda row: row[1])
    scale = max(most, 1)
    return Chart(
        caption=words.say(
            "Usage by day: {register}", register=register_text(words, series.register)
        ),
        note=words.say(
            "The highest day was {date} with {quantity}.",
            date=day(words.locale, at),
            quantity=_counted(words, series.register, most),
        ),
        columns=(words.say("Day"), words.say("Used")),
        bars=tuple(
            Bar(
                day(words.locale, date),
                _counted(words, series.register, used),
                used * TALLEST // scale,
            )
            for date, used in days
        ),
    )


def _counted(words: Words, register: RegisterId, value: int) -> str:
    unit = words.say("m³") if is_volume(register) else words.say("kWh")
    return f"{quantity(words.locale, Fraction(value, WHOLE))} {unit}"
