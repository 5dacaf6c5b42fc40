"""Clarity values in consensus bytes (SIP-005, Clarity Value Representation).

    encode(Tuple.of(wh=UInt(412), meter=Buffer(raw)))
    decode(raw)                                       # Malformed when it is no value

A value has one encoding: tuple keys sort by their bytes, as on the chain (stacks.js sorts
upper-case ones otherwise: our contracts have none). `decode` takes what a node answers and trusts
none of it: depth, lengths and names are limited before anything is built. This module must
never guess a type: an unsigned number is `UInt`, never a Python int.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from meterseal_proto.c32 import HASH_BYTES, Address, Principal
from meterseal_proto.errors import Malformed

MAX_BYTES: Final = 1 << 20
"""Of a value (stacks-core, MAX_VALUE_SIZE)."""
MAX_DEPTH: Final = 32
"""Of types within types (stacks-core, MAX_TYPE_DEPTH)."""
MAX_KEY: Final = 128
"""Of a name in a tuple (stacks-core, MAX_STRING_LEN)."""
_UINT_BYTES: Final = 16
_NAME: Final = re.compile(rf"[a-zA-Z][a-zA-Z0-9_!?+<>=/*-]{{0,{MAX_KEY - 1}}}")


@dataclass(frozen=True, slots=True)
class Int:
    """-2^127 to 2^127 - 1."""

    value: int

    def __post_init__(self) -> None:
        if not -(1 << 127) <= self.value < 1 << 127:
            raise ValueError("a Clarity int has 128 bits, one of them its sign")


@dataclass(frozen=True, slots=True)
class UInt:
    """0 to 2^128 - 1."""

    value: int

    def __post_init__(self) -> None:
        if not 0 <= self.value < 1 << 128:
            raise ValueError("a Clarity uint is 0 to 2^128 - 1")


@dataclass(frozen=True, slots=True)
class Bool:
    """true or false."""

    value: bool


@dataclass(frozen=True, slots=True)
class Buffer:
    """Bytes."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Ascii:
    """A string of ASCII characters."""

    value: str

    def __post_init__(self) -> None:
        if not self.value.isascii():
            raise ValueError("an ASCII string has ASCII characters")


@dataclass(frozen=True, slots=True)
class Utf8:
    """A string of any characters."""

    value: str


@dataclass(frozen=True, slots=True)
class Optional:
    """(some value), or none."""

    value: "Value | None" = None


@dataclass(frozen=True, slots=True)
class Ok:
    """(ok value)."""

    value: "Value"


@dataclass(frozen=True, slots=True)
class Err:
    """(err value)."""

    value: "Value"


@dataclass(frozen=True, slots=True)
class List:
    """Values of one type."""

    items: tuple["Value", ...] = ()


@dataclass(frozen=True, slots=True)
class Tuple:
    """Named values; ValueError for a name Clarity does not know."""

    fields: Mapping[str, "Value"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in self.fields:
            if _NAME.fullmatch(name) is None:
                raise ValueError(f"{name!r} is no name in Clarity")

    @classmethod
    def of(cls, **fields: "Value") -> "Tuple":
        """Return the tuple of these fields; `_` in a Python name is `-` in its key."""
        return cls({name.replace("_", "-"): value for name, value in fields.items()})

    def __getitem__(self, name: str) -> "Value":
        return self.fields[name]


Value: TypeAlias = (
    Int | UInt | Bool | Buffer | Ascii | Utf8 | Principal | Optional | Ok | Err | List
    | Tuple
)  # fmt: skip

NONE: Final = Optional()
TRUE: Final = Bool(value=True)
FALSE: Final = Bool(value=False)

_INT, _UINT, _BUFFER, _TRUE, _FALSE, _STANDARD, _CONTRACT = range(7)
_OK, _ERR, _NONE, _SOME, _LIST, _TUPLE, _ASCII, _UTF8 = range(7, 15)


def encode(value: Value) -> bytes:
    """Return a value's consensus bytes."""
    match value:
        case Int(number):
            return bytes((_INT,)) + number.to_bytes(_UINT_BYTES, signed=True)
        case UInt(number):
            return bytes((_UINT,)) + number.to_bytes(_UINT_BYTES)
        case Bool(true):
            return bytes((_TRUE if true else _FALSE,))
        case Principal():
            return encode_principal(value)
        case Optional(None):
            return bytes((_NONE,))
        case Optional(inner) | Ok(inner) | Err(inner):
            assert inner is not None
            return bytes((_WRAPPERS[type(value)],)) + encode(inner)
        case _:
            return _encode_long(value)


def encode_principal(principal: Principal) -> bytes:
    """Return a principal's consensus bytes."""
    address = principal.address
    whole = bytes((address.version,)) + address.hash
    if principal.name is None:
        return bytes((_STANDARD,)) + whole
    return bytes((_CONTRACT,)) + whole + name_bytes(principal.name)


def name_bytes(name: str) -> bytes:
    """Return a name of a contract, function, asset or field: one length byte before it."""
    raw = name.encode("ascii")
    assert 0 < len(raw) <= MAX_KEY
    return bytes((len(raw),)) + raw


_WRAPPERS: Final[dict[type, int]] = {Optional: _SOME, Ok: _OK, Err: _ERR}


def _encode_long(value: Value) -> bytes:
    """Return what has a length before it."""
    match value:
        case Buffer(raw):
            return _long(_BUFFER, len(raw)) + raw
        case Ascii(text):
            return _long(_ASCII, len(text)) + text.encode("ascii")
        case Utf8(text):
            raw = text.encode()
            return _long(_UTF8, len(raw)) + raw
        case List(items):
            return _long(_LIST, len(items)) + b"".join(map(encode, items))
        case Tuple(fields):
            rows = [name_bytes(name) + encode(fields[name]) for name in sorted(fields)]
            return _long(_TUPLE, len(rows)) + b"".join(rows)
        case _:
            raise TypeError(f"{type(value).__name__} is no Clarity value")


def _long(kind: int, length: int) -> bytes:
    return bytes((kind,)) + length.to_bytes(4)


def decode(raw: bytes) -> Value:
    """Return the value that `raw` is, to its last byte; raises Malformed."""
    if len(raw) > MAX_BYTES:
        raise Malformed(f"a Clarity value of more than {MAX_BYTES} bytes")
    reader = _Reader(raw)
    try:
        value = reader.value(MAX_DEPTH)
    except (ValueError, UnicodeDecodeError) as error:
        raise Malformed(f"not a Clarity value: {error}") from None
    if reader.at != len(raw):
        raise Malformed("bytes after a Clarity value")
    return value


class _Reader:
    """Reads a value from where it stands; ValueError at anything that is none."""

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self.at = 0

    def value(self, depth: int) -> Value:
        if depth == 0:
            raise ValueError(f"values within more than {MAX_DEPTH} others")
        kind = self._take(1)[0]
        read = _READERS.get(kind)
        if read is None:
            raise ValueError(f"no value begins with {kind:#04x}")
        return read(self, depth - 1)

    def number(self, *, signed: bool) -> int:
        return int.from_bytes(self._take(_UINT_BYTES), signed=signed)

    def long(self) -> bytes:
        return self._take(self._length())

    def principal(self) -> Principal:
        raw = self._take(1 + HASH_BYTES)
        return Principal(Address(raw[0], raw[1:]))

    def contract(self) -> Principal:
        return Principal(self.principal().address, self.name())

    def name(self) -> str:
        return self._take(self._take(1)[0]).decode("ascii")

    def list(self, depth: int) -> List:
        return List(tuple(self.value(depth) for _ in range(self._length())))

    def tuple(self, depth: int) -> Tuple:
        fields: dict[str, Value] = {}
        last = ""
        for _ in range(self._length()):
            name = self.name()
            if name <= last:
                raise ValueError("a tuple's names are sorted, each once")
            fields[name] = self.value(depth)
            last = name
        return Tuple(fields)

    def _length(self) -> int:
        """Return a length; nothing has more parts than it has bytes."""
        length = int.from_bytes(self._take(4))
        if length > len(self._raw) - self.at:
            raise ValueError("it ends too early")
        return length

    def _take(self, count: int) -> bytes:
        end = self.at + count
        if end > len(self._raw):
            raise ValueError("it ends too early")
        taken = self._raw[self.at : end]
        self.at = end
        return taken


_READERS: Final[Mapping[int, Callable[[_Reader, int], Value]]] = {
    _INT: lambda r, _: Int(r.number(signed=True)),
    _UINT: lambda r, _: UInt(r.number(signed=False)),
    _BUFFER: lambda r, _: Buffer(r.long()),
    _TRUE: lambda _, __: TRUE,
    _FALSE: lambda _, __: FALSE,
    _STANDARD: lambda r, _: r.principal(),
    _CONTRACT: lambda r, _: r.contract(),
    _OK: lambda r, depth: Ok(r.value(depth)),
    _ERR: lambda r, depth: Err(r.value(depth)),
    _NONE: lambda _, __: NONE,
    _SOME: lambda r, depth: Optional(r.value(depth)),
    _LIST: lambda r, depth: r.list(depth),
    _TUPLE: lambda r, depth: r.tuple(depth),
    _ASCII: lambda r, _: Ascii(r.long().decode("ascii")),
    _UTF8: lambda r, _: Utf8(r.long().decode()),
}
