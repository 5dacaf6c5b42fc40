"""SML's binary encoding: type-length fields to a tree of items.

A type-length field is one byte, more where bit 7 is set: bits 6-4 the type, bits 3-0
the length. An element's length counts the field itself, a list's counts its items
(SML 1.04, section 6.2 "SML Binary Encoding"). This module must never read past the
bytes it was given, nor go deeper than `MAX_DEPTH`.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram
from meterseal_agent.meters.telegrams.sml_transport import Payload

END_OF_MESSAGE: Final = 0x00
MAX_DEPTH: Final = 12
"""A value's time in a list in a message lies seven deep; twice that is an attack."""
MAX_FIELD_BYTES: Final = 4
"""Sixteen bits of length: more than a frame holds."""
MAX_INTEGER_BYTES: Final = 8


class Kind(Enum):
    """The types of SML's encoding; the rest are reserved."""

    OCTETS = 0
    BOOLEAN = 4
    SIGNED = 5
    UNSIGNED = 6
    LIST = 7


@dataclass(frozen=True, slots=True)
class Item:
    """One element: its own bytes in `raw`, or a list's `items`; `at` is its frame byte."""

    kind: Kind
    at: int
    raw: bytes = b""
    items: tuple["Item", ...] = ()

    @property
    def absent(self) -> bool:
        """Whether an optional element was left out, which SML writes as an empty text."""
        return self.kind is Kind.OCTETS and not self.raw

    def integer(self, what: str) -> int:
        """Return the integer; BadTelegram names `what` it should have been."""
        if self.kind not in {Kind.SIGNED, Kind.UNSIGNED}:
            raise BadTelegram(f"{what} is no integer", self.at)
        return int.from_bytes(self.raw, signed=self.kind is Kind.SIGNED)

    def octets(self, what: str) -> bytes:
        """Return the octets; BadTelegram names `what` they should have been."""
        if self.kind is not Kind.OCTETS:
            raise BadTelegram(f"{what} is no octet string", self.at)
        return self.raw

    def list_of(self, count: int, what: str) -> tuple["Item", ...]:
        """Return a list's items; BadTelegram where it is none or has another count."""
        if self.kind is not Kind.LIST or len(self.items) != count:
            raise BadTelegram(f"{what} is no list of {count}", self.at)
        return self.items


def read(payload: Payload, at: int, depth: int = 0) -> tuple[Item, int]:
    """Return the item at `payload.raw[at]` and where the next one begins."""
    place = payload.place(at)
    if depth > MAX_DEPTH:
        raise BadTelegram(f"lists nested deeper than {MAX_DEPTH}", place)
    kind, length, after = _field(payload, at)
    if kind is Kind.LIST:
        return _list(payload, place, (length, after), depth)
    end = at + length
    if length < after - at or end > len(payload.raw):
        raise BadTelegram(f"an element of {length} bytes does not fit", place)
    _check_width(kind, end - after, place)
    return Item(kind, place, payload.raw[after:end]), end


def _list(
    payload: Payload, place: int, head: tuple[int, int], depth: int
) -> tuple[Item, int]:
    count, at = head
    # Every item takes a byte at least: a longer list cannot be whole.
    if count > len(payload.raw) - at:
        raise BadTelegram(f"a list of {count} items does not fit", place)
    items: list[Item] = []
    for _ in range(count):
        item, at = read(payload, at, depth + 1)
        items.append(item)
    return Item(Kind.LIST, place, items=tuple(items)), at


def _field(payload: Payload, at: int) -> tuple[Kind, int, int]:
    length, kind_bits = 0, 0
    for index in range(MAX_FIELD_BYTES):
        if at + index >= len(payload.raw):
            raise BadTelegram("ends inside a type-length field", payload.place(at))
        byte = payload.raw[at + index]
        bits = byte >> 4 & 7
        if index == 0:
            kind_bits = bits
        elif bits:
            raise BadTelegram("a reserved length field", payload.place(at + index))
        length = length << 4 | byte & 0x0F
        if not byte & 0x80:
            return _kind(kind_bits, payload.place(at)), length, at + index + 1
    raise BadTelegram("a length field longer than any frame", payload.place(at))


def _kind(bits: int, place: int) -> Kind:
    try:
        return Kind(bits)
    except ValueError:
        raise BadTelegram(f"reserved type {bits}", place) from None


def _check_width(kind: Kind, width: int, place: int) -> None:
    most = {Kind.BOOLEAN: 1, Kind.SIGNED: MAX_INTEGER_BYTES}
    most[Kind.UNSIGNED] = MAX_INTEGER_BYTES
    if kind in most and not 1 <= width <= most[kind]:
        raise BadTelegram(f"a number of {width} bytes", place)
