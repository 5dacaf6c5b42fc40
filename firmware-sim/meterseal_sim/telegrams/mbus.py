"""Pure: the answer of a wired M-Bus water or heat meter to REQ_UD2.

    68 L L 68 | 08 address 72 | id maker version medium access status 00 00 | records

Source: EN 13757-2 (frame), EN 13757-3 (header, records). One telegram holds it all;
this module must never need a second one.
"""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum

from meterseal_sim.telegrams.shown import MAKER
from meterseal_sim.telegrams.sums import m_bus

RSP_UD = 0x08
VARIABLE_DATA = 0x72
VERSION = 1
ID_DIGITS = 8
DATE_AND_TIME = b"\x04\x6d"
"""32 bits, type F: the minute it is on the meter's clock."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a kind of meter writes its total: medium, DIF and VIF, bytes."""

    medium: int
    record: bytes
    width: int


class Kind(Enum):
    """The meters there are; each counts in whole units of its own."""

    WATER = Form(0x07, b"\x04\x13", 4)
    """Litres (VIF 13: 0.001 m3) in 32 bits."""
    HEAT = Form(0x04, b"\x06\x03", 6)
    """Wh (VIF 03) in 48 bits."""


def encode(kind: Kind, total: int, serial: int, at: int, *, address: int = 1) -> bytes:
    """Return the answer at Unix second `at`: `total` in litres or Wh.

    `serial` is shown in eight digits; `address` is the primary one, 0 to 250.
    """
    form = kind.value
    header = (
        _bcd(serial) + _maker() + bytes((VERSION, form.medium, at % 256, 0)) + bytes(2)
    )
    # Signed by the standard: a total uses one bit less than its width.
    full = 1 << 8 * form.width - 1
    records = form.record + (total % full).to_bytes(form.width, "little")
    records += DATE_AND_TIME + _minute(at)
    inside = bytes((RSP_UD, address, VARIABLE_DATA)) + header + records
    length = bytes((len(inside),))
    return b"\x68" + length * 2 + b"\x68" + inside + bytes((m_bus(inside), 0x16))


def _bcd(serial: int) -> bytes:
    return bytes.fromhex(f"{serial % 10**ID_DIGITS:0{ID_DIGITS}d}")[::-1]


def _maker() -> bytes:
    """Return the maker in 15 bits, five for each letter (EN 62056-21)."""
    number = 0
    for letter in MAKER:
        number = number << 5 | ord(letter) - 64
    return number.to_bytes(2, "little")


def _minute(at: int) -> bytes:
    """Return UTC as type F (EN 13757-3, annex A): CP32, minutes to years since 2000."""
    moment = datetime.fromtimestamp(at, UTC)
    year = moment.year % 100
    return bytes(
        (
            moment.minute,
            moment.hour,
            moment.day | (year & 0x07) << 5,
            moment.month | (year & 0x78) << 1,
        )
    )
