"""Green Button files of other people, read strictly: series of intervals, or a refusal.

    for series in read_green_button(data):
        series.register, series.intervals[0].start, ...

A file has bounded bytes, depth and readings, and no DTD, so no entity can grow. A series
must say its unit (a ReadingType its MeterReading links to), that its values are deltas,
and which way they flow; intervals may have gaps, but must not overlap or be negative.
This module must never guess a unit, nor ask the network for anything a file names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from meterseal_aggregator.billing.rendering.espi import (
    COMMODITIES,
    CUBIC_METRES,
    DELTA,
    INT48,
    LITRES,
    WATT_HOURS,
)
from meterseal_aggregator.billing.rendering.greenbutton_xml import Digest, Raw, digest
from meterseal_proto.errors import Malformed
from meterseal_proto.units import RegisterId

MAX_BYTES: Final = 48 << 20
"""A year of five minutes, spaced generously: 105,408 readings of 400 bytes."""
_SCALES: Final = {
    WATT_HOURS: Fraction(1),
    LITRES: Fraction(1),
    CUBIC_METRES: Fraction(1000),
}
"""Our unit (Wh, litres) in one of theirs."""
_REGISTERS: Final = {
    (is_a.commodity, is_a.flow): register for register, is_a in COMMODITIES.items()
}


@dataclass(frozen=True, slots=True)
class Interval:
    """What was used in [start, start + length) Unix seconds, in Wh or litres.

    `quality` is ESPI's code; 0 where a file names none (REQ.21: then it is valid).
    """

    start: int
    length: int
    value: int
    quality: int


@dataclass(frozen=True, slots=True)
class GreenButtonSeries:
    """A MeterReading's intervals in order; `name` is its address in the file."""

    name: str
    register: RegisterId
    intervals: tuple[Interval, ...]


def read_green_button(data: bytes) -> tuple[GreenButtonSeries, ...]:
    """Return the series of a file, by their names; Malformed says what is wrong with it.

    Values finer than our units are floored as a running sum, then differenced, so that
    none gets lost on the way. A file without intervals is malformed too.
    """
    if len(data) > MAX_BYTES:
        raise Malformed(f"a Green Button file has at most {MAX_BYTES} bytes")
    found = digest(data)
    if not found.blocks:
        raise Malformed("a Green Button file without intervals: nothing to read")
    return tuple(_series(found, name) for name in sorted(found.blocks))


def _series(found: Digest, name: str) -> GreenButtonSeries:
    told = _type_of(found, name)
    short = name[-80:]
    if told.get("accumulationBehaviour") != DELTA:
        raise Malformed(f"{short}: its values are not deltas (accumulationBehaviour 4)")
    register = _REGISTERS.get((told.get("commodity", 0), told.get("flowDirection", 0)))
    if register is None:
        raise Malformed(f"{short}: its commodity and flowDirection name no register")
    scale = _SCALES.get(told.get("uom", -1))
    power = told.get("powerOfTenMultiplier", 0)
    if scale is None or not -12 <= power <= 12:
        raise Malformed(f"{short}: its uom {told.get('uom')} is not Wh, m3 or litres")
    energy = COMMODITIES[register].unit == WATT_HOURS
    if energy != (told.get("uom") == WATT_HOURS):
        raise Malformed(f"{short}: its uom {told.get('uom')} is none of its commodity")
    factor = scale * Fraction(10) ** power
    rows = sorted(found.blocks[name], key=lambda row: row.start)
    quality = told.get("defaultQuality", 0)
    return GreenButtonSeries(name, register, tuple(_intervals(rows, factor, quality)))


def _type_of(found: Digest, name: str) -> dict[str, int]:
    related = sorted(found.kinds.get(name, set()) & found.types.keys())
    told = [version for address in related for version in found.types[address]]
    if len(told) != 1:
        raise Malformed(
            f"{name[-80:]}: the file has {len(told)} ReadingTypes that its MeterReading"
            " links to, it must be one"
        )
    return told[0]


def _intervals(rows: list[Raw], factor: Fraction, default: int) -> Iterator[Interval]:
    end, total, told = -1, 0, 0
    for row in rows:
        if row.start < end:
            raise Malformed(f"two intervals overlap at {row.start}")
        end, total = row.start + row.length, total + row.value
        upto = int(total * factor)
        if upto >= INT48:
            raise Malformed(f"the values up to {end} are beyond 48 bits")
        quality = default if row.quality is None else row.quality
        yield Interval(row.start, row.length, upto - told, quality)
        told = upto
