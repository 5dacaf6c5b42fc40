"""Dataclasses to the fields of a JSON document and back, by their annotations.

Fields at their default are left out; an object that may be one of several dataclasses
says which by "type". Every refusal names the place ("components[2].tiers[0].to") and what
is missing or wrong there. This module must never know what a field means.
"""

from collections.abc import Mapping
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Union, get_args, get_origin, get_type_hints

from meterseal_proto.rating.components import Count, Milli, Minor, Price, SignedPrice

MOST: Final = 10**30
"""Above any price: 10^12 of a currency with 18 digits."""
_TYPE: Final = "type"
_BOUNDS: Final = {
    Price: (0, MOST),
    SignedPrice: (-MOST, MOST),
    Milli: (1, 10**15),
    Minor: (0, 10**15),
    Count: (0, 10**6),
    int: (0, (1 << 63) - 1),
}
"""Least and most of each kind of number."""


def tag_of(kind: type) -> str:
    """Return what a dataclass is called in a document: TieredTimeOfUse tiered-time-of-use."""
    name = "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__)
    return name.removeprefix("-")


def written(value: object, *, tagged: bool = False) -> object:
    """Return the JSON of a value: objects, lists, texts, integers."""
    match value:
        case StrEnum():
            return value.value
        case tuple():
            return [written(one, tagged=tagged) for one in value]
        case None | bool() | int() | str():
            return value
    assert is_dataclass(value)
    assert not isinstance(value, type)
    kind = type(value)
    found = {_TYPE: tag_of(kind)} if tagged else {}
    hints = hints_of(kind)
    return found | {
        field.name: written(
            getattr(value, field.name), tagged=is_tagged(hints[field.name])
        )
        for field in fields(value)
        if getattr(value, field.name) != field.default
    }


# Any: a type as annotations spell it, and JSON that is checked against it; so below.
def read(kind: Any, value: Any, place: str) -> Any:
    """Return the value of an annotated kind that JSON spells; ValueError names the place."""
    origin = get_origin(kind)
    # `A | None` is a Union where A is a NewType, a UnionType where it is a class.
    if origin in (UnionType, Union):
        return _read_union(get_args(kind), value, place)
    if origin is tuple:
        item = get_args(kind)[0]
        rows = _exactly(list, value, place)
        return tuple(read(item, row, f"{place}[{n}]") for n, row in enumerate(rows))
    if kind in _BOUNDS:
        return _number(value, place, *_BOUNDS[kind])
    if is_dataclass(kind):
        return read_fields(kind, value, place)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return _choice(kind, value, place)
    return _exactly(kind, value, place)


def read_fields(kind: Any, value: Any, place: str) -> Any:
    """Return the dataclass an object spells; ValueError names what is missing or wrong."""
    rows = dict(_exactly(dict, value, place))
    hints = hints_of(kind)
    given = {}
    for field in fields(kind):
        at = f"{place}.{field.name}" if place else field.name
        if field.name in rows:
            given[field.name] = read(hints[field.name], rows.pop(field.name), at)
        elif field.default is MISSING:
            raise ValueError(f"{at} is missing{_choices(hints[field.name])}")
    if rows:
        raise ValueError(f"{place or 'it'} has no field {min(rows)!r}")
    return kind(**given)


@cache
def hints_of(kind: type) -> dict[str, Any]:
    """Return the annotations of a dataclass, resolved; kept, for they are slow to resolve."""
    return get_type_hints(kind)


def is_tagged(kind: Any) -> bool:
    """Tell whether a kind is one of several dataclasses, or a row of them."""
    kinds = get_args(kind)
    if get_origin(kind) is tuple:
        return is_tagged(kinds[0])
    return sum(is_dataclass(one) for one in kinds) > 1


def _read_union(kinds: tuple[Any, ...], value: Any, place: str) -> Any:
    if NoneType in kinds:
        (kind,) = (one for one in kinds if one is not NoneType)
        return read(kind, value, place)
    rows: Mapping[str, Any] = _exactly(dict, value, place)
    known = {tag_of(one): one for one in kinds}
    if rows.get(_TYPE) not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"{place}.type: {rows.get(_TYPE)!r} is none of {names}")
    rest = {name: row for name, row in rows.items() if name != _TYPE}
    name = rest.get("name")
    where = f'{place} ("{name}")' if isinstance(name, str) else place
    return read_fields(known[rows[_TYPE]], rest, where)


def _number(value: Any, place: str, least: int, most: int) -> int:
    # type(), not isinstance: true is an int to Python.
    if type(value) is not int:
        raise ValueError(f"{place}: {str(value)[:40]!r} is no whole number")
    if not least <= value <= most:
        raise ValueError(f"{place}: a number of {least} to {most}")
    return value


def _choice(kind: type[StrEnum], value: Any, place: str) -> StrEnum:
    if type(value) is not str or value not in set(kind):
        raise ValueError(f"{place}: {str(value)[:40]!r} is not known{_choices(kind)}")
    return kind(value)


def _choices(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return f"; it is one of {', '.join(kind)}"
    return ""


def _exactly(kind: type, value: Any, place: str) -> Any:
    if type(value) is not kind:
        wanted = {dict: "an object", list: "a list", str: "a text", bool: "a bool"}
        raise ValueError(f"{place or 'it'} must be {wanted.get(kind, kind.__name__)}")
    return value
