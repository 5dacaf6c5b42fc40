"""What every telegram comes to: values by OBIS code, exact, in the unit the meter wrote.

A decoder has three parts, the same in each module of this package:

    telegram = decode(frame)             # one whole frame; BadTelegram says where and why
    splitter = Splitter()
    frames = splitter.feed(chunk)        # whole frames out of a stream, in order

Numbers are Decimal and keep every digit that came; a float must never appear here, and a
value that a meter marks as not valid must never be given as a number.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from meterseal_proto.units import RegisterId


class BadTelegram(ValueError):
    """A telegram cannot be taken: `offset` is the byte in it where that shows."""

    def __init__(self, detail: str, offset: int) -> None:
        super().__init__(f"{detail} (at byte {offset})")
        self.detail = detail
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a telegram.

    `register` is its OBIS code, None where the format gives none and no standard assigns
    one. `number` is exact in `unit` ("" where it has none), None where the meter sent a
    text, which is then in `text`. `note` tells values of one register apart: storage
    number, tariff, maximum, the date it was kept at.
    """

    register: RegisterId | None
    number: Decimal | None
    unit: str
    text: str = ""
    note: str = ""


@dataclass(frozen=True, slots=True)
class Telegram:
    """One telegram: who says it (`meter`, "" where the format does not tell) and what.

    `checked` tells whether a checksum of the format covered it and was right. What is not
    checked is believed only when two agree.
    """

    protocol: str
    meter: str
    values: tuple[Value, ...]
    checked: bool


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame cut out of a stream, and where it began there."""

    offset: int
    raw: bytes


class Splitter(Protocol):
    """Cuts a stream into frames; each format has one.

    It keeps at most its format's longest frame, drops what belongs to none, and never
    gives half a frame.
    """

    def feed(self, chunk: bytes) -> list[Frame]:
        """Return the frames that `chunk` completed."""
        ...
