"""JSON as the typed values our calls take: what a Python signature says is what is read.

    read("0x12", bytes, "meter")        # Wrong: meter: 16 bytes as lower-case hex
    spelled(bytes | None, "memo")       # "up to 34 bytes as lower-case hex, or null"

Numbers are JSON integers, bytes hex, principals addresses, records objects of just their
fields. A value of another type, an unknown field and one that is missing are refused by the
place where they stand. Pure. This module must never guess, nor say in an answer what was
sent.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from enum import IntEnum
from types import NoneType
from typing import Final, TypeGuard, get_args, get_origin, get_type_hints

from meterseal_aggregator.stacks.transaction import MAX_MEMO, Asset
from meterseal_proto.c32 import Principal
from meterseal_proto.seal import CONSENSUS_BYTES, Header, parse_header

MAX_NUMBER: Final = (1 << 64) - 1
"""What moves, times, sequence numbers: all of ours are below 2^64."""
MAX_ITEMS: Final = 32
"""Siblings of a path; of readings a contract takes eight, and says so itself."""
MAX_TEXT: Final = 64
LENGTHS: Final[Mapping[str, int]] = {
    "meter": 16, "salt": 16, "key": 33, "signature": 65, "signatures": 65,
    "header": CONSENSUS_BYTES,
}  # fmt: skip
"""Bytes of an argument by its name; every other has the length of a hash."""
DIGEST: Final = 32
UP_TO: Final[Mapping[str, int]] = {"memo": MAX_MEMO, "z": 33, "a": 33}
"""Bytes that may be fewer: a memo, and the two that open a commitment."""
TEXTS: Final[Mapping[str, int]] = {"source": 32, "name": 32}
"""Characters of a text by its name, where a contract takes fewer than most."""
_HEX: Final = re.compile(r"(?:[0-9a-f]{2})*")
_PLAIN: Final = re.compile(r"[\x20-\x7e]+")

Type = object
"""What an annotation evaluates to: a class, `X | None`, or a list or tuple of classes."""


class Wrong(Exception):
    """What stands at `where` is not what is wanted there; `detail` says what is."""

    def __init__(self, where: str, detail: str) -> None:
        super().__init__(f"{where}: {detail}")
        self.where = where
        self.detail = detail


def read(given: object, of: Type, where: str) -> object:
    """Return `given` as a value of the type `of`; raises Wrong."""
    inner = _inner(of)
    if inner is not None:
        return None if given is None else read(given, inner, where)
    if _is_list(of):
        return _list(given, of, where)
    if of in _READERS:
        return _READERS[of](given, where)
    if _is_choice(of):
        return _choice(given, of, where)
    return _record(given, of, where)


def spelled(of: Type, where: str) -> str:
    """Return in words what is to be written for the type `of` at `where`."""
    inner = _inner(of)
    if inner is not None:
        return f"{spelled(inner, where)}, or null"
    if _is_list(of):
        item, count = _items(of)
        return f"a list of {count or f'up to {MAX_ITEMS}'}: {spelled(item, where)}"
    if of in _WORDS:
        return _WORDS[of](_name(where))
    if _is_choice(of):
        return " or ".join(f'"{one.name.lower()}"' for one in of)
    rows = [f"{name}: {spelled(kind, name)}" for name, kind in _fields(of).items()]
    return f"{{{'; '.join(rows)}}}"


def object_of(
    given: object, wanted: Mapping[str, Type], where: str
) -> dict[str, object]:
    """Return an object's values, each as its type; raises Wrong for other names."""
    if not isinstance(given, dict):
        raise Wrong(where or "arguments", "an object")
    for name in given:
        if name not in wanted:
            # An unknown name is the sender's text, so only the known ones are said.
            known = ", ".join(wanted) or "none"
            raise Wrong(where or "arguments", f"an unknown name; there are {known}")
    prefix = f"{where}." if where else ""
    for name, kind in wanted.items():
        if name not in given:
            raise Wrong(f"{prefix}{name}", f"missing: {spelled(kind, name)}")
    return {n: read(given[n], kind, f"{prefix}{n}") for n, kind in wanted.items()}


def _number(given: object, where: str) -> int:
    if type(given) is not int or not 0 <= given <= MAX_NUMBER:
        raise Wrong(where, spelled(int, where))
    return given


def _bool(given: object, where: str) -> bool:
    if not isinstance(given, bool):
        raise Wrong(where, spelled(bool, where))
    return given


def _text(given: object, where: str) -> str:
    most = TEXTS.get(_name(where), MAX_TEXT)
    if isinstance(given, str) and len(given) <= most and _PLAIN.fullmatch(given):
        return given
    raise Wrong(where, spelled(str, where))


def _bytes(given: object, where: str) -> bytes:
    name = _name(where)
    most = UP_TO.get(name, LENGTHS.get(name, DIGEST))
    least = 0 if name in UP_TO else most
    if isinstance(given, str) and _HEX.fullmatch(given[: 2 * most + 1]):
        raw = bytes.fromhex(given)
        if least <= len(raw) <= most:
            return raw
    raise Wrong(where, spelled(bytes, where))


def _principal(given: object, where: str) -> Principal:
    try:
        if isinstance(given, str):
            return Principal.parse(given)
    except ValueError as error:
        raise Wrong(where, str(error)) from None
    raise Wrong(where, spelled(Principal, where))


def _asset(given: object, where: str) -> Asset:
    wanted: dict[str, Type] = {"contract": Principal, "name": str}
    values = object_of(given, wanted, where)
    contract, name = values["contract"], values["name"]
    assert isinstance(contract, Principal)
    assert isinstance(name, str)
    if contract.name is None:
        raise Wrong(f"{where}.contract", "a token is of a contract: ADDRESS.CONTRACT")
    return Asset(contract, name)


def _header(given: object, where: str) -> Header:
    try:
        return parse_header(_bytes(given, where))
    except ValueError as error:
        raise Wrong(where, str(error)) from None


def _choice(given: object, of: type[IntEnum], where: str) -> IntEnum:
    for one in of:
        if given == one.name.lower():
            return one
    raise Wrong(where, spelled(of, where))


def _list(given: object, of: Type, where: str) -> tuple[object, ...]:
    item, count = _items(of)
    if not isinstance(given, list) or len(given) > MAX_ITEMS:
        raise Wrong(where, spelled(of, where))
    if count and len(given) != count:
        raise Wrong(where, spelled(of, where))
    return tuple(read(one, item, f"{where}[{n}]") for n, one in enumerate(given))


def _record(given: object, of: Type, where: str) -> object:
    values = object_of(given, _fields(of), where)
    assert isinstance(of, type)
    try:
        return of(**values)
    except ValueError as error:
        raise Wrong(where, str(error)) from None


def _fields(of: Type) -> dict[str, Type]:
    if not (isinstance(of, type) and is_dataclass(of)):
        raise TypeError(f"no JSON is known for {of}")
    hints = get_type_hints(of)
    return {one.name: hints[one.name] for one in fields(of)}


def _inner(of: Type) -> Type | None:
    """Return X of `X | None`; None for every other type."""
    rest = [one for one in get_args(of) if one is not NoneType]
    return rest[0] if len(rest) == 1 and NoneType in get_args(of) else None


def _is_list(of: Type) -> bool:
    return get_origin(of) in (tuple, Sequence)


def _is_choice(of: Type) -> TypeGuard[type[IntEnum]]:
    return isinstance(of, type) and issubclass(of, IntEnum)


def _items(of: Type) -> tuple[Type, int]:
    """Return a list's item and how many it has; 0 for any number up to MAX_ITEMS."""
    item, *more = get_args(of)
    return item, 0 if more in ([], [...]) else 1 + len(more)


def _name(where: str) -> str:
    """Return the argument's own name of a place such as `place.siblings[3]`."""
    return where.rpartition(".")[2].partition("[")[0]


def _hex_words(name: str) -> str:
    most = UP_TO.get(name, LENGTHS.get(name, DIGEST))
    return f"{'up to ' if name in UP_TO else ''}{most} bytes as lower-case hex"


_READERS: Final[Mapping[Type, Callable[[object, str], object]]] = {
    int: _number, bool: _bool, str: _text, bytes: _bytes, Principal: _principal,
    Header: _header, Asset: _asset,
}  # fmt: skip
_WORDS: Final[Mapping[Type, Callable[[str], str]]] = {
    int: lambda _: "a whole number below 2^64",
    bool: lambda _: "true or false",
    str: lambda name: f"1 to {TEXTS.get(name, MAX_TEXT)} ASCII characters",
    bytes: _hex_words,
    Principal: lambda _: "an address, or ADDRESS.CONTRACT",
    Header: _hex_words,
    Asset: lambda _: "{contract: ADDRESS.CONTRACT; name: the token's name there}",
}
