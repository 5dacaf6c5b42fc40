"""How a printed tuple becomes a record: every field there, of its type, and no other.

    @told("energy-oracle", "anchor")
    @dataclass(frozen=True, slots=True)
    class Anchor(Told): ...

A field `counts_from` is the key `counts-from`; `start` is `from`, and beside it `end` is
`to`, which Python cannot spell. Numbers are below 2^128, as the chain has them: who keeps
one in fewer bits checks first. A node tells what it likes; this module must never fill in
what is missing nor pass over what is too much.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Annotated, Final, TypeAlias, TypeVar, get_type_hints

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
from meterseal_proto.errors import Malformed

Hash: TypeAlias = Annotated[bytes, "32 bytes"]
Meter: TypeAlias = Annotated[bytes, "16 bytes"]
Key: TypeAlias = Annotated[bytes, "33 bytes"]
Short: TypeAlias = Annotated[bytes, "up to 32 bytes, by whoever called"]
Keys: TypeAlias = Annotated[tuple[bytes, ...], "three keys"]
TRUSTEES: Final = 3


@dataclass(frozen=True, slots=True)
class Told:
    """What one of our contracts printed."""


@dataclass(frozen=True, slots=True)
class Form:
    """A record's class and how each key of the tuple is read."""

    kind: type[Told]
    readers: Mapping[str, tuple[str, Callable[[Value], object]]]

    def read(self, value: Tuple) -> Told:
        """Return the record; raises Malformed where a key lacks, is too much or wrong."""
        given = value.fields.keys() - {"topic"}
        if given != self.readers.keys():
            odd = ", ".join(sorted(given ^ self.readers.keys()))
            raise Malformed(f"{self.kind.__name__} with other fields: {odd}")
        read = {
            name: reader(value[key]) for key, (name, reader) in self.readers.items()
        }
        return self.kind(**read)


FORMS: Final[dict[tuple[str, str], Form]] = {}
"""By contract and topic; filled as the modules of this room are imported."""
_Kind = TypeVar("_Kind", bound=type[Told])


def told(contract: str, topic: str) -> Callable[[_Kind], _Kind]:
    """Say that a record is what `contract` prints under `topic`."""

    def keep(kind: _Kind) -> _Kind:
        assert (contract, topic) not in FORMS
        hints = get_type_hints(kind, include_extras=True)
        names = [field.name for field in fields(kind)]
        FORMS[contract, topic] = Form(
            kind, {_key(name, names): (name, _READERS[hints[name]]) for name in names}
        )
        return kind

    return keep


def _key(name: str, beside: list[str]) -> str:
    if name == "start":
        return "from"
    if name == "end" and "start" in beside:
        return "to"
    return name.replace("_", "-")


def _number(value: Value) -> int:
    if not isinstance(value, UInt):
        raise Malformed("a number was to be told")
    return value.value


def _truth(value: Value) -> bool:
    if not isinstance(value, Bool):
        raise Malformed("yes or no was to be told")
    return value.value


def _text(value: Value) -> str:
    if not isinstance(value, Ascii | Utf8):
        raise Malformed("a text was to be told")
    return value.value


def _principal(value: Value) -> Principal:
    if not isinstance(value, Principal):
        raise Malformed("a principal was to be told")
    return value


def _maybe(value: Value) -> Principal | None:
    if not isinstance(value, Optional):
        raise Malformed("a principal or none was to be told")
    return None if value.value is None else _principal(value.value)


def _bytes(least: int, most: int) -> Callable[[Value], bytes]:
    def read(value: Value) -> bytes:
        if not isinstance(value, Buffer) or not least <= len(value.value) <= most:
            raise Malformed(f"{least} to {most} bytes were to be told")
        return value.value

    return read


def _keys(value: Value) -> tuple[bytes, ...]:
    if not isinstance(value, List) or len(value.items) != TRUSTEES:
        raise Malformed(f"{TRUSTEES} keys were to be told")
    return tuple(map(_bytes(33, 33), value.items))


_READERS: Final[Mapping[object, Callable[[Value], object]]] = {
    int: _number,
    bool: _truth,
    str: _text,
    Principal: _principal,
    Principal | None: _maybe,
    Hash: _bytes(32, 32),
    Meter: _bytes(16, 16),
    Key: _bytes(33, 33),
    Short: _bytes(0, 32),
    Keys: _keys,
}
