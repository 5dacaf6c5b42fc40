"""The data types of EN 13757-3, annex A: bytes to an exact number, a time or a text.

What a meter marks as not valid has no number: a BCD with a digit above 9, the lowest
integer, not-a-number, a time with its invalid bit. A float must never leave this module:
a REAL32 becomes the decimal it exactly is.
"""

import datetime
import math
import struct
from dataclasses import dataclass
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Final

EXACT: Final = Context(prec=250, Emax=999, Emin=-999, traps=[Inexact, InvalidOperation])
"""Holds every product of ours without rounding: 64 bytes are 155 digits, a REAL32 at
most 112, and no factor adds more than 20."""
LAST_YEAR_OF_2000S: Final = 80
"""EN 13757-3, type F: without a century, years 0 to 80 are 2000 to 2080."""
MAX_NUMBER_BYTES: Final = 8
"""A longer binary of variable length is a container of something else, not a number."""


@dataclass(frozen=True, slots=True)
class Datum:
    """A record's content: an exact number, or a text, or what makes it not valid."""

    number: Decimal | None = None
    text: str = ""
    invalid: str = ""


def bcd(raw: bytes) -> Datum:
    """Return a type A number: digits two a byte, lowest first; a leading F is a minus."""
    digits = raw[::-1].hex().upper()
    negative = digits.startswith("F")
    shown = digits[1:] if negative else digits
    if not shown.isdecimal():
        return Datum(invalid=f"not valid: the meter shows {digits}")
    number = Decimal(int(shown))
    return Datum(-number if negative else number)


def integer(raw: bytes) -> Datum:
    """Return a type B number: two's complement, its lowest value meaning not valid."""
    number = int.from_bytes(raw, "little", signed=True)
    if number == -(1 << (8 * len(raw) - 1)):
        return Datum(invalid="not valid: the meter sends the lowest integer")
    return Datum(Decimal(number))


def unsigned(raw: bytes) -> Datum:
    """Return a type C or D number: flags, or a count that has no sign."""
    return Datum(Decimal(int.from_bytes(raw, "little")))


def real(raw: bytes) -> Datum:
    """Return a type H number: an IEEE 754 single, exactly."""
    (number,) = struct.unpack("<f", raw)
    if not math.isfinite(number):
        return Datum(invalid=f"not valid: the meter sends {number}")
    return Datum(Decimal(number))


def text(raw: bytes) -> Datum:
    """Return a text: ISO 8859-1, sent last character first; control bytes show as dots."""
    shown = raw[::-1].decode("latin-1")
    return Datum(text="".join(c if c.isprintable() else "." for c in shown).strip())


def scaled(number: Decimal, power: int, factor: int) -> Decimal:
    """Return number x factor x 10^power, exactly and without an exponent where whole."""
    moved = EXACT.scaleb(EXACT.multiply(number, Decimal(factor)), power)
    whole = moved.as_tuple().exponent
    return EXACT.quantize(moved, Decimal(1)) if int(whole) > 0 else moved


def when(raw: bytes) -> Datum:
    """Return a point in time of 2 (G), 3 (J), 4 (F) or 6 (I) bytes in ISO 8601.

    Meters keep local time and do not tell their zone, so the text has none.
    """
    read = {2: _date, 3: _time, 4: _date_time, 6: _date_time_s}.get(len(raw))
    if read is None:
        return Datum(invalid=f"not valid: no time is {len(raw)} bytes long")
    try:
        return Datum(text=read(raw))
    except ValueError:
        return Datum(invalid=f"not valid: the meter sends {raw.hex(' ').upper()}")


def _day(low: int, high: int, century: int = 0) -> datetime.date:
    year = low >> 5 | (high & 0xF0) >> 1
    if century:
        year += 100 * century
    elif year <= LAST_YEAR_OF_2000S:
        year += 100
    return datetime.date(1900 + year, high & 0x0F, low & 0x1F)


def _date(raw: bytes) -> str:
    return _day(raw[0], raw[1]).isoformat()


def _time(raw: bytes) -> str:
    return datetime.time(raw[2] & 0x1F, raw[1] & 0x3F, raw[0] & 0x3F).isoformat()


def _date_time(raw: bytes) -> str:
    if raw[0] & 0x80:
        raise ValueError("the meter marks its time as invalid")
    day = _day(raw[2], raw[3], raw[1] >> 5 & 3)
    clock = datetime.time(raw[1] & 0x1F, raw[0] & 0x3F)
    return f"{day.isoformat()}T{clock.isoformat('minutes')}"


def _date_time_s(raw: bytes) -> str:
    if raw[1] & 0x80:
        raise ValueError("the meter marks its time as invalid")
    return f"{_day(raw[3], raw[4]).isoformat()}T{_time(raw[:3])}"
