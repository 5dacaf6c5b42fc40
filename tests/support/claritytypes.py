"""Clarity types as a node's interface tells them in JSON, and which values they take."""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import (
    Ascii,
    Bool,
    Buffer,
    List,
    Optional,
    Tuple,
    UInt,
    Utf8,
    Value,
)

Type: TypeAlias = Any
"""JSON of an interface."""


def admits(kind: Type, value: Value) -> bool:
    """Tell whether a type takes a value; KeyError for a type our contracts never had."""
    if isinstance(kind, str):
        return _PLAIN[kind](value)
    ((name, inner),) = kind.items()
    return _MADE[name](inner, value)


def _optional(inner: Type, value: Value) -> bool:
    return isinstance(value, Optional) and (
        value.value is None or admits(inner, value.value)
    )


def _list(inner: Type, value: Value) -> bool:
    return (
        isinstance(value, List)
        and len(value.items) <= inner["length"]
        and all(admits(inner["type"], one) for one in value.items)
    )


def _tuple(rows: Type, value: Value) -> bool:
    kinds = {row["name"]: row["type"] for row in rows}
    return (
        isinstance(value, Tuple)
        and kinds.keys() == value.fields.keys()
        and all(admits(kinds[name], one) for name, one in value.fields.items())
    )


def _long(of: type[Buffer | Ascii | Utf8]) -> Callable[[Type, Value], bool]:
    return lambda inner, value: (
        isinstance(value, of) and len(value.value) <= inner["length"]
    )


_PLAIN: Final[Mapping[str, Callable[[Value], bool]]] = {
    "uint128": lambda value: isinstance(value, UInt),
    "bool": lambda value: isinstance(value, Bool),
    "principal": lambda value: isinstance(value, Principal),
    "trait_reference": lambda value: isinstance(value, Principal) and bool(value.name),
}
_MADE: Final[Mapping[str, Callable[[Type, Value], bool]]] = {
    "buffer": _long(Buffer),
    "string-ascii": _long(Ascii),
    "string-utf8": _long(Utf8),
    "optional": _optional,
    "list": _list,
    "tuple": _tuple,
}
