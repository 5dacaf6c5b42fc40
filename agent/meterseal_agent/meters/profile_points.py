"""The points of a meter profile: its tables of points, details, scales and patterns.

A scale register is named once and used by any number of points, so that a hidden or
switchable scale is written down in one place. This module must never guess a value the
file leaves out.
"""

from collections.abc import Mapping
from fractions import Fraction
from typing import Final

from meterseal_agent.meters.registers import (
    Coding,
    Form,
    Kind,
    Point,
    Scale,
    Unit,
    WordOrder,
)
from meterseal_agent.meters.table import BadTable, Table, as_table
from meterseal_proto.units import parse_obis

MAX_ADDRESS: Final = 0xFFFF
MAX_POINTS: Final = 200
"""More than any shipped map; a longer one would not be read within a poll."""
MAX_SCALES: Final = 20
"""SunSpec's widest model has ten scale registers."""


def points_of(table: Table) -> tuple[tuple[Point, ...], tuple[Point, ...]]:
    """Return the points and the details of a profile; ValueError names what is wrong."""
    scales = _scales(table)
    points = _points(table, "points", scales)
    details = _points(table, "details", scales) if table.has("details") else ()
    used = {scale.name for point in points + details for scale in point.scaled_by}
    for name in scales:
        if name not in used:
            raise ValueError(f"{table.where}: no point is scaled by {name}")
    return points, details


def _points(table: Table, key: str, scales: Mapping[str, Scale]) -> tuple[Point, ...]:
    return tuple(_point(item, scales) for item in _tables(table, key, MAX_POINTS))


def _tables(table: Table, key: str, most: int) -> list[Table]:
    items = table.items(key)
    if not 1 <= len(items) <= most:
        raise ValueError(f"{table.where}: {key} must have 1 to {most} entries")
    return [
        as_table(item, f"{table.where}: {key} {i}") for i, item in enumerate(items, 1)
    ]


def _scales(table: Table) -> dict[str, Scale]:
    if not table.has("scales"):
        return {}
    found = [_scale_register(item) for item in _tables(table, "scales", MAX_SCALES)]
    scales = {scale.name: scale for scale in found}
    if len(scales) < len(found):
        raise ValueError(f"{table.where}: two scales share a name")
    return scales


def _scale_register(table: Table) -> Scale:
    name = table.text("name")
    try:
        scale = Scale(
            name=name,
            address=table.integer("address", low=0, high=MAX_ADDRESS),
            kind=Kind(table.text("type")),
            form=Form(table.text("form")),
            scale=_fraction(table) if table.has("scale") else Fraction(1),
        )
    except ValueError as error:
        raise ValueError(f"{table.where} ({name}): {error}") from error
    table.done()
    return scale


def _point(table: Table, scales: Mapping[str, Scale]) -> Point:
    name = table.text("name")
    try:
        point = Point(
            name=name,
            register=parse_obis(table.text("obis")),
            address=table.integer("address", low=0, high=MAX_ADDRESS),
            kind=Kind(table.text("type")),
            scale=_fraction(table),
            unit=Unit(table.text("unit")),
            rollover=table.integer("rollover", low=1, high=10**15)
            if table.has("rollover")
            else None,
            scaled_by=_scaled_by(table, scales),
            absent=_patterns(table) if table.has("not_available") else frozenset(),
            folded=table.flag("folded") if table.has("folded") else False,
        )
    except ValueError as error:
        raise ValueError(f"{table.where} ({name}): {error}") from error
    table.done()
    return point


def _scaled_by(table: Table, scales: Mapping[str, Scale]) -> tuple[Scale, ...]:
    if not table.has("scaled_by"):
        return ()
    named = [str(item) for item in table.items("scaled_by")]
    for name in named:
        if name not in scales:
            raise ValueError(
                f"scaled_by names {name!r}, which is no scale of this file"
            )
    return tuple(scales[name] for name in named)


def _fraction(table: Table) -> Fraction:
    # A decimal text is exact; a TOML float 0.001 would not be.
    text = table.text("scale")
    try:
        scale = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise ValueError(f"scale {text!r} is no decimal number") from None
    if scale == 0:
        raise ValueError("scale must not be 0")
    return scale


def coding_of(table: Table) -> Coding:
    """Return word order and not-available patterns; ValueError names what is wrong.

    A pattern is hex (`FFC00000`), or hex of one type only (`u16:FFFF`).
    """
    plain: set[bytes] = set()
    typed: set[tuple[Kind, bytes]] = set()
    for item in table.items("not_available"):
        kind, colon, digits = str(item).rpartition(":")
        raw = hex_words(digits if colon else item, f"{table.where}: not_available")
        if colon:
            typed.add((_kind(kind, len(raw), table.where), raw))
        else:
            plain.add(raw)
    try:
        order = WordOrder(table.text("word_order"))
    except ValueError:
        raise ValueError(f"{table.where}: word_order must be big or little") from None
    return Coding(order, frozenset(plain), frozenset(typed))


def _kind(text: str, size: int, where: str) -> Kind:
    for kind in Kind:
        if kind.value == text and 2 * kind.words == size:
            return kind
    raise ValueError(f"{where}: not_available: {text!r} is no type of {size} bytes")


def _patterns(table: Table) -> frozenset[bytes]:
    where = f"{table.where}: not_available"
    return frozenset(hex_words(item, where) for item in table.items("not_available"))


def hex_words(item: object, where: str) -> bytes:
    """Return whole registers from a hex text; ValueError says what it is instead."""
    if not isinstance(item, str):
        raise BadTable(f"{where} must be hex texts")
    try:
        raw = bytes.fromhex(item)
    except ValueError:
        raise ValueError(f"{where}: {item!r} is not hex") from None
    if len(raw) % 2 or not raw:
        raise ValueError(f"{where}: {item!r} is not a whole number of 16-bit registers")
    return raw
