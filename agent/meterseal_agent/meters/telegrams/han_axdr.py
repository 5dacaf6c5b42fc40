"""A-XDR: the data of a DLMS notification as a tree of items.

Each element is a tag and its content; texts, arrays and structures have a length
before it. Source: IEC 62056-5-3 (Green Book, 9.5 COSEM data types), IEC 61334-6.
Floats, bit strings and compact arrays are refused: no HAN list has them, and a float
must never become a reading. This module must never read past its bytes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram

MAX_DEPTH: Final = 8
"""A scaler in a line in a list lies three deep."""
MAX_LENGTH_BYTES: Final = 2
"""64 KiB: more than an HDLC frame holds."""
DATE_TIME_BYTES: Final = 12


class Tag(IntEnum):
    """Type tags (Green Book, 9.5); those a HAN list may use."""

    NULL = 0
    ARRAY = 1
    STRUCTURE = 2
    BOOLEAN = 3
    INT32 = 5
    UINT32 = 6
    OCTETS = 9
    TEXT = 10
    UTF8 = 12
    INT8 = 15
    INT16 = 16
    UINT8 = 17
    UINT16 = 18
    INT64 = 20
    UINT64 = 21
    ENUM = 22


_WIDTHS: Final[Mapping[Tag, int]] = {
    Tag.NULL: 0,
    Tag.BOOLEAN: 1,
    Tag.INT8: 1,
    Tag.UINT8: 1,
    Tag.ENUM: 1,
    Tag.INT16: 2,
    Tag.UINT16: 2,
    Tag.INT32: 4,
    Tag.UINT32: 4,
    Tag.INT64: 8,
    Tag.UINT64: 8,
}
_SIGNED: Final = frozenset({Tag.INT8, Tag.INT16, Tag.INT32, Tag.INT64})
_TEXTS: Final = frozenset({Tag.OCTETS, Tag.TEXT, Tag.UTF8})
_NUMBERS: Final = frozenset(_WIDTHS) - {Tag.NULL, Tag.BOOLEAN, Tag.ENUM}


@dataclass(frozen=True, slots=True)
class Item:
    """One element: its bytes in `raw`, or its `items`; `at` is its byte in the frame."""

    tag: Tag
    at: int
    raw: bytes = b""
    items: tuple["Item", ...] = ()

    @property
    def is_list(self) -> bool:
        """Whether it is an array or a structure."""
        return self.tag in {Tag.ARRAY, Tag.STRUCTURE}

    @property
    def is_text(self) -> bool:
        """Whether it holds octets or characters."""
        return self.tag in _TEXTS

    @property
    def is_number(self) -> bool:
        """Whether it is an integer; enumerations and booleans are none."""
        return self.tag in _NUMBERS

    @property
    def is_null(self) -> bool:
        """Whether it stands for nothing."""
        return self.tag is Tag.NULL

    def integer(self) -> int:
        """Return the integer its bytes are, signed as its tag says."""
        return int.from_bytes(self.raw, signed=self.tag in _SIGNED)


@dataclass(frozen=True, slots=True)
class Bytes:
    """Bytes of a frame that begin at its byte `offset`."""

    raw: bytes
    offset: int

    def take(self, at: int, count: int, what: str) -> bytes:
        """Return `count` bytes; BadTelegram where `what` does not end in the frame."""
        if at + count > len(self.raw):
            place = self.offset + min(at, len(self.raw))
            raise BadTelegram(f"ends inside {what}", place)
        return self.raw[at : at + count]


def read(data: Bytes, at: int, depth: int = 0) -> tuple[Item, int]:
    """Return the item at `data.raw[at]` and where the next one begins."""
    place = data.offset + at
    if depth > MAX_DEPTH:
        raise BadTelegram(f"lists nested deeper than {MAX_DEPTH}", place)
    tag = _tag(data.take(at, 1, "an element")[0], place)
    if tag in _WIDTHS:
        end = at + 1 + _WIDTHS[tag]
        return Item(tag, place, data.take(at + 1, _WIDTHS[tag], "a number")), end
    length, after = _length(data, at + 1)
    if tag in _TEXTS:
        return Item(tag, place, data.take(after, length, "a text")), after + length
    # Every item takes a byte at least: a longer list cannot be whole.
    data.take(after, length, "a list")
    items: list[Item] = []
    for _ in range(length):
        item, after = read(data, after, depth + 1)
        items.append(item)
    return Item(tag, place, items=tuple(items)), after


def _tag(byte: int, place: int) -> Tag:
    try:
        return Tag(byte)
    except ValueError:
        raise BadTelegram(f"data of type {byte} is not for a HAN list", place) from None


def _length(data: Bytes, at: int) -> tuple[int, int]:
    first = data.take(at, 1, "a length")[0]
    if first < 0x80:
        return first, at + 1
    width = first & 0x7F
    if not 1 <= width <= MAX_LENGTH_BYTES:
        raise BadTelegram("a length longer than any frame", data.offset + at)
    return int.from_bytes(data.take(at + 1, width, "a length")), at + 1 + width


def time_text(raw: bytes) -> str:
    """Return a DLMS date-time (12 octets, Blue Book 4.1.6.1) as ISO 8601 text.

    Its deviation is minutes from local time to UTC, so +01:00 comes as -60; without
    one the text has no zone. Octets that are no moment come back as hex.
    """
    year, month, day = int.from_bytes(raw[:2]), raw[2], raw[3]
    hour, minute, second = raw[5:8]
    if month > 12 or day > 31 or hour > 23 or max(minute, second) > 59:
        return raw.hex()
    moment = f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"
    east = -int.from_bytes(raw[9:11], signed=True)
    if abs(east) > 24 * 60:
        return moment
    sign = "+" if east >= 0 else "-"
    return f"{moment}{sign}{abs(east) // 60:02d}:{abs(east) % 60:02d}"
