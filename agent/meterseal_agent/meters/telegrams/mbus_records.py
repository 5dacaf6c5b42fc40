"""The variable data structure of EN 13757-3: DIF, DIFE, VIF, VIFE and data to records.

One record is one quantity with its storage number, tariff, subunit and function. Idle
fillers between are skipped, manufacturer data end the records. Counts and lengths have
bounds, and a record that its frame cuts off refuses the whole frame: this module must
never give a part of what a meter said as if it were all.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Final

from meterseal_agent.meters.telegrams import mbus_units, mbus_values
from meterseal_agent.meters.telegrams.mbus_units import Meaning, Shape
from meterseal_agent.meters.telegrams.mbus_values import Datum
from meterseal_agent.meters.telegrams.mbus_vife import Extended, extend
from meterseal_agent.meters.telegrams.model import BadTelegram

MAX_DIFES: Final = 10
MAX_VIFES: Final = 10
"""EN 13757-3, 6.3.3 and 6.4.4: at most ten extensions each."""
MAX_RECORDS: Final = 128
"""252 bytes hold no more: a record with a value takes at least two."""

IDLE: Final = 0x2F
MANUFACTURER_DATA: Final = 0x0F
MORE_FOLLOW: Final = 0x1F
_EXTENSION: Final = 0x80


class Function(Enum):
    """The function field of a DIF."""

    NOW = "instantaneous"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    ERROR = "during error state"


_FUNCTIONS: Final = tuple(Function)


@dataclass(frozen=True, slots=True)
class Record:
    """One record: which value, what it means, and its content.

    `offset` is the DIF's place in the frame.
    """

    offset: int
    function: Function
    storage: int
    tariff: int
    subunit: int
    extended: Extended
    datum: Datum


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one frame; `rest` are the manufacturer's own bytes at its end."""

    items: tuple[Record, ...]
    rest: bytes | None
    more_follow: bool


class _Reader:
    """Takes bytes off the front; an end before its time is a BadTelegram."""

    def __init__(self, data: bytes, offset: int, *, msb_first: bool) -> None:
        self._data = data
        self._base = offset
        self._at = 0
        self._msb_first = msb_first

    @property
    def offset(self) -> int:
        return self._base + self._at

    @property
    def left(self) -> int:
        return len(self._data) - self._at

    def take(self, count: int, what: str) -> bytes:
        if count > self.left:
            raise BadTelegram(
                f"the frame ends within {what}", self._base + len(self._data)
            )
        taken = self._data[self._at : self._at + count]
        self._at += count
        return taken

    def byte(self, what: str) -> int:
        return self.take(1, what)[0]

    def lowest_first(self, count: int, what: str) -> bytes:
        taken = self.take(count, what)
        return taken[::-1] if self._msb_first else taken


def parse(data: bytes, offset: int, *, msb_first: bool = False) -> Records:
    """Return the records in `data`, which begins at byte `offset` of its frame.

    `msb_first` is mode 2 of EN 1434-3: multi-byte content highest byte first. Raises BadTelegram where a record is cut off, reserved or beyond the bounds.
    """
    reader = _Reader(data, offset, msb_first=msb_first)
    items: list[Record] = []
    while reader.left:
        at = reader.offset
        dif = reader.byte("a DIF")
        if dif == IDLE:
            continue
        if dif in {MANUFACTURER_DATA, MORE_FOLLOW}:
            rest = reader.take(reader.left, "manufacturer data")
            return Records(tuple(items), rest, dif == MORE_FOLLOW)
        if dif & 0x0F == 0x0F:
            raise BadTelegram(f"DIF {dif:02X} is reserved in an answer", at)
        if len(items) == MAX_RECORDS:
            raise BadTelegram(f"more than {MAX_RECORDS} records in one frame", at)
        items.append(_record(reader, dif, at))
    return Records(tuple(items), None, more_follow=False)


def _record(reader: _Reader, dif: int, at: int) -> Record:
    storage, tariff, subunit = dif >> 6 & 1, 0, 0
    for i, dife in enumerate(_chain(reader, dif, MAX_DIFES, "DIFE")):
        storage |= (dife & 0x0F) << (4 * i + 1)
        tariff |= (dife >> 4 & 3) << (2 * i)
        subunit |= (dife >> 6 & 1) << i
    extended = _information(reader)
    datum = _content(reader, dif & 0x0F, extended.meaning.shape)
    function = _FUNCTIONS[dif >> 4 & 3]
    return Record(at, function, storage, tariff, subunit, extended, datum)


def _chain(reader: _Reader, first: int, most: int, what: str) -> tuple[int, ...]:
    """Return the bytes that follow `first` while the extension bit says so."""
    found: list[int] = []
    last = first
    while last & _EXTENSION:
        if len(found) == most:
            raise BadTelegram(f"more than {most} {what}s in one record", reader.offset)
        last = reader.byte(f"a {what}")
        found.append(last)
    return tuple(found)


def _information(reader: _Reader) -> Extended:
    """Read VIF and VIFEs."""
    vif = reader.byte("a VIF")
    code = vif & 0x7F
    # The unit in plain text stands between the VIF and its extensions.
    unit = _plain_text(reader) if code == 0x7C else None
    codes = tuple(c & 0x7F for c in _chain(reader, vif, MAX_VIFES, "VIFE"))
    if unit is not None:
        return extend(Meaning(f"in {unit}" if unit else "in text", unit), codes)
    if code == 0x7F:
        own = " ".join(f"{c:02X}" for c in codes)
        quantity = f"{mbus_units.MANUFACTURER.quantity} {own}".rstrip()
        return Extended(Meaning(quantity, known=False), special=True)
    table = _TABLES.get(vif)
    if table is not None:
        meaning = mbus_units.look_up(table, codes[0])
        # What an unknown code is extended by may be anything.
        return extend(meaning, codes[1:] if meaning.known else ())
    return extend(mbus_units.look_up(mbus_units.PRIMARY, code), codes)


_TABLES: Final = {0xFD: mbus_units.EXTENSION_FD, 0xFB: mbus_units.EXTENSION_FB}


def _plain_text(reader: _Reader) -> str:
    length = reader.byte("the length of a unit")
    return mbus_values.text(reader.lowest_first(length, "a unit in plain text")).text


_SIZES: Final = {1: 1, 2: 2, 3: 3, 4: 4, 6: 6, 7: 8}
_BCD_SIZES: Final = {0x9: 1, 0xA: 2, 0xB: 3, 0xC: 4, 0xE: 6}
_REAL: Final = 0x5
_VARIABLE: Final = 0xD


def _content(reader: _Reader, coding: int, shape: Shape) -> Datum:
    if coding in _BCD_SIZES:
        return mbus_values.bcd(reader.lowest_first(_BCD_SIZES[coding], "a BCD number"))
    if coding == _REAL:
        return mbus_values.real(reader.lowest_first(4, "a real number"))
    if coding == _VARIABLE:
        return _variable(reader)
    if coding not in _SIZES:
        # 0 is no data and 8 a selection for readout: a record without a value.
        return Datum(invalid="no data")
    raw = reader.lowest_first(_SIZES[coding], "an integer")
    if shape is Shape.WHEN:
        return mbus_values.when(raw)
    return (
        mbus_values.unsigned(raw) if shape is Shape.BITS else mbus_values.integer(raw)
    )


def _variable(reader: _Reader) -> Datum:
    """Read data of variable length: its first byte, LVAR, tells type and length."""
    at = reader.offset
    lvar = reader.byte("the length of a variable record")
    if lvar < 0xC0:
        return mbus_values.text(reader.lowest_first(lvar, "a text"))
    if lvar < 0xE0:
        datum = mbus_values.bcd(reader.lowest_first(lvar & 0x0F, "a BCD number"))
        if lvar < 0xD0 or datum.number is None:
            return datum
        return Datum(-datum.number)
    if lvar < 0xF0:
        return _binary(reader.lowest_first(lvar & 0x0F, "a binary number"))
    if lvar > 0xF6:
        raise BadTelegram(f"the variable length {lvar:02X} is reserved", at)
    size = {0xF5: 48, 0xF6: 64}.get(lvar, 4 * (lvar - 0xEC))
    return _binary(reader.lowest_first(size, "a binary number"))


def _binary(raw: bytes) -> Datum:
    if 0 < len(raw) <= mbus_values.MAX_NUMBER_BYTES:
        return mbus_values.integer(raw)
    return Datum(text=raw.hex(" ").upper())
