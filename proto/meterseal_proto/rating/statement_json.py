"""A statement's one spelling: canonical JSON, written and read.

Keys sorted, no spaces, integers only; bytes in hex, fractions as "n/d" in lowest terms (or
"n"). Fields that stand at their default are left out. This module must never accept a
document it would write otherwise.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from operator import attrgetter
from types import NoneType, UnionType
from typing import Any, Final, get_args, get_origin

from meterseal_proto.boundedjson import read_json
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.spelling import hints_of
from meterseal_proto.rating.statement import MAX_MINOR, Statement

FORMAT: Final = "statement/1"
MAX_DOCUMENT_BYTES: Final = 1 << 20
"""A year's bill with hundreds of lines has 200 kB."""
MAX_BRACKETS: Final = 20_000
_MAX_DIGITS: Final = 60
"""Of a numerator or denominator: exact amounts of real tariffs have fewer than 40."""


def write_statement(statement: Statement) -> bytes:
    """Return the one spelling of a statement."""
    found = {"meterseal": FORMAT, "total": statement.total, **_fields_of(statement)}
    return _ENCODER.encode(found).encode()


def read_statement(document: bytes) -> Statement:
    """Return the statement a document spells; Malformed says what is wrong with it."""
    if len(document) > MAX_DOCUMENT_BYTES:
        raise Malformed(f"a statement has at most {MAX_DOCUMENT_BYTES} bytes")
    try:
        statement = _statement(read_json(document, brackets=MAX_BRACKETS))
    except (
        TypeError,
        ValueError,
        KeyError,
        ZeroDivisionError,
        RecursionError,
    ) as error:
        raise Malformed(f"not a statement: {error}") from None
    if not 0 <= statement.minor <= MAX_MINOR or not statement.segments:
        raise Malformed("not a statement: its minor units or its segments are missing")
    if write_statement(statement) != document:
        raise Malformed("a statement in another than its one spelling")
    return statement


# Any: JSON, checked here and below.
def _statement(found: Any) -> Statement:
    if not isinstance(found, dict) or found.pop("meterseal", None) != FORMAT:
        raise ValueError(f"meterseal must be {FORMAT!r}")
    found.pop("total", None)
    statement = _read(Statement, found)
    assert isinstance(statement, Statement)
    return statement


def _written(value: object) -> object:
    """Return what JSON has no spelling of as something that it has."""
    match value:
        case Fraction():
            return str(value)
        case bytes():
            return value.hex()
    return _fields_of(value)


_ENCODER: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=_written, check_circular=False
)
"""Spells as `canonical` does; text, numbers and tuples it knows by itself.
Circles are not looked for: what is frozen cannot hold itself."""


def _fields_of(value: object) -> dict[str, object]:
    """Return a shape's fields by name, without those that stand at their default."""
    shape = _shape(type(value))  # type: ignore[arg-type]
    found = dict(zip(shape.needed, shape.read(value), strict=True))
    for name, default in shape.optional:
        told = getattr(value, name)
        if told is not default and told != default:
            found[name] = told
    return found


@dataclass(frozen=True, slots=True)
class _Shape:
    """A dataclass's fields: those without a default, how they are read, and the others."""

    needed: tuple[str, ...]
    read: Callable[[object], tuple[object, ...]]
    optional: tuple[tuple[str, object], ...]


# mypy does not know that the class of an object can be hashed.
@cache
def _shape(kind: type) -> _Shape:
    """Return a dataclass's shape: asked once, used by millions."""
    assert is_dataclass(kind)
    needed = tuple(one.name for one in fields(kind) if one.default is MISSING)
    optional = tuple(
        (one.name, one.default) for one in fields(kind) if one.default is not MISSING
    )
    # One name alone would be read as its value, not as a row of it.
    assert len(needed) != 1
    read = attrgetter(*needed) if needed else _nothing
    return _Shape(needed, read, optional)


def _nothing(_value: object) -> tuple[object, ...]:
    return ()


# Any: a type as annotations spell it, and JSON that is checked against it.
def _read(kind: Any, value: Any) -> object:
    origin = get_origin(kind)
    if origin is UnionType:
        if value is None:
            return None
        (kind,) = (one for one in get_args(kind) if one is not NoneType)
        return _read(kind, value)
    if origin is tuple:
        return _read_tuple(get_args(kind), value)
    kind = getattr(kind, "__supertype__", kind)
    if is_dataclass(kind):
        return _read_fields(kind, value)
    if kind is bytes:
        return bytes.fromhex(_exactly(str, value))
    if kind is Fraction:
        return _fraction(_exactly(str, value))
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return kind(_exactly(str, value))
    return _exactly(kind, value)


def _read_tuple(kinds: tuple[Any, ...], value: Any) -> tuple[object, ...]:
    rows = _exactly(list, value)
    if kinds[-1] is Ellipsis:
        return tuple(_read(kinds[0], row) for row in rows)
    return tuple(_read(kind, row) for kind, row in zip(kinds, rows, strict=True))


def _read_fields(kind: Any, value: Mapping[str, Any]) -> object:
    rows = dict(_exactly(dict, value))
    hints = hints_of(kind)
    given = {}
    for field in fields(kind):
        if field.name in rows:
            given[field.name] = _read(hints[field.name], rows.pop(field.name))
        elif field.default is MISSING:
            raise ValueError(f"{field.name} is missing")
    if rows:
        raise ValueError(f"{min(rows)} is no field of it")
    return kind(**given)


def _exactly(kind: type, value: Any) -> Any:
    # type(), not isinstance: true is an int to Python.
    if type(value) is not kind:
        raise ValueError(f"{value!r} is no {kind.__name__}")
    return value


def _fraction(text: str) -> Fraction:
    if len(text) > 2 * _MAX_DIGITS or set(text) - set("-/0123456789"):
        raise ValueError(f"{text[:20]!r} is no fraction n/d")
    return Fraction(text)
