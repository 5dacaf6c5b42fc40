"""What the VIF and VIFE codes of EN 13757-3 mean: quantity, unit, power of ten.

Every quantity comes in one base unit, so that no reader has to know a second one:

    energy Wh or J (as the meter counts), volume m3, mass kg, power W or J/h,
    volume flow m3/h, mass flow kg/h, temperature degC, difference K, pressure bar,
    time spans s, voltage V, current A, reactive energy varh, apparent energy VAh

Tables only. A code that is not in them has no unit: this module must never guess one.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache
from typing import Final

CODES: Final = 3 * 128
"""Three tables of seven bits: what is looked up once is kept."""


class Shape(Enum):
    """How the data bytes of a record are to be read."""

    NUMBER = "number"
    WHEN = "when"
    """A point in time: EN 13757-3 types F, G, I or J, told apart by their length."""
    BITS = "bits"
    """Flags: an unsigned number (type D)."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a record's number is: number x `factor` x 10^`power` in `unit`.

    `known` is False where the standard reserves the code or a manufacturer defined it.
    """

    quantity: str
    unit: str = ""
    power: int = 0
    factor: int = 1
    shape: Shape = Shape.NUMBER
    known: bool = True


@dataclass(frozen=True, slots=True)
class _Row:
    """Codes `first` to `last`: the power of ten grows by one with each code."""

    first: int
    last: int
    meaning: Meaning


def _row(
    first: int,
    last: int,
    quantity: str,
    unit: str = "",
    power: int = 0,
    factor: int = 1,
) -> _Row:
    return _Row(first, last, Meaning(quantity, unit, power, factor))


def _spans(first: int, quantity: str, units: str = "s min h d") -> tuple[_Row, ...]:
    """Return one row per code: the same span in growing units."""
    rows = []
    for i, unit in enumerate(units.split()):
        seconds = SECONDS_OF.get(unit)
        base, factor = ("s", seconds) if seconds else (unit, 1)
        rows.append(_row(first + i, first + i, quantity, base, factor=factor))
    return tuple(rows)


SECONDS_OF: Final = {"s": 1, "min": 60, "h": 3600, "d": 86_400}

PRIMARY: Final = (
    _row(0x00, 0x07, "energy", "Wh", -3),
    _row(0x08, 0x0F, "energy", "J", 0),
    _row(0x10, 0x17, "volume", "m3", -6),
    _row(0x18, 0x1F, "mass", "kg", -3),
    *_spans(0x20, "on time"),
    *_spans(0x24, "operating time"),
    _row(0x28, 0x2F, "power", "W", -3),
    _row(0x30, 0x37, "power", "J/h", 0),
    _row(0x38, 0x3F, "volume flow", "m3/h", -6),
    _row(0x40, 0x47, "volume flow", "m3/h", -7, 60),
    _row(0x48, 0x4F, "volume flow", "m3/h", -9, 3600),
    _row(0x50, 0x57, "mass flow", "kg/h", -3),
    _row(0x58, 0x5B, "flow temperature", "degC", -3),
    _row(0x5C, 0x5F, "return temperature", "degC", -3),
    _row(0x60, 0x63, "temperature difference", "K", -3),
    _row(0x64, 0x67, "external temperature", "degC", -3),
    _row(0x68, 0x6B, "pressure", "bar", -3),
    _Row(0x6C, 0x6C, Meaning("date", shape=Shape.WHEN)),
    _Row(0x6D, 0x6D, Meaning("date and time", shape=Shape.WHEN)),
    _row(0x6E, 0x6E, "heat cost units"),
    *_spans(0x70, "averaging duration"),
    *_spans(0x74, "actuality duration"),
    _row(0x78, 0x78, "fabrication number"),
    _row(0x79, 0x79, "identification"),
    _row(0x7A, 0x7A, "bus address"),
)
"""EN 13757-3:2018, table 10: the primary VIF codes, extension bit cleared."""

_NAMED_FD: Final = {
    0x08: "access number",
    0x09: "medium",
    0x0A: "manufacturer",
    0x0B: "parameter set",
    0x0C: "model or version",
    0x0D: "hardware version",
    0x0E: "firmware version",
    0x0F: "software version",
    0x10: "customer location",
    0x11: "customer",
    0x12: "access code of the user",
    0x13: "access code of the operator",
    0x14: "access code of the system operator",
    0x15: "access code of the developer",
    0x16: "password",
    0x1C: "baud rate",
    0x1D: "response delay in bit times",
    0x1E: "retries",
    0x20: "first storage number",
    0x21: "last storage number",
    0x22: "size of storage block",
    0x3A: "dimensionless",
    0x60: "reset counter",
    0x61: "cumulation counter",
    0x62: "control signal",
    0x63: "day of week",
    0x64: "week number",
    0x67: "supplier information",
    0x75: "times the meter was stopped",
}
_FLAGS_FD: Final = {
    0x17: "error flags",
    0x18: "error mask",
    0x1A: "digital output",
    0x1B: "digital input",
    0x1F: "remote control",
}

EXTENSION_FD: Final = (
    _row(0x00, 0x03, "credit", "currency", -3),
    _row(0x04, 0x07, "debit", "currency", -3),
    *(_row(code, code, name) for code, name in _NAMED_FD.items()),
    *(
        _Row(code, code, Meaning(name, shape=Shape.BITS))
        for code, name in _FLAGS_FD.items()
    ),
    *_spans(0x24, "storage interval", "s min h d month year"),
    *_spans(0x2C, "duration since last readout"),
    _Row(0x30, 0x30, Meaning("start of tariff", shape=Shape.WHEN)),
    *_spans(0x31, "duration of tariff", "min h d"),
    *_spans(0x34, "period of tariff", "s min h d month year"),
    _row(0x40, 0x4F, "voltage", "V", -9),
    _row(0x50, 0x5F, "current", "A", -12),
    *_spans(0x68, "duration since last cumulation", "h d month year"),
    *_spans(0x6C, "operating time of the battery", "h d month year"),
    _Row(0x70, 0x70, Meaning("battery changed", shape=Shape.WHEN)),
    _row(0x71, 0x71, "radio level", "dBm"),
    *_spans(0x74, "remaining battery life", "d"),
)
"""EN 13757-3:2018, table 14: codes after VIF FD."""

EXTENSION_FB: Final = (
    _row(0x00, 0x01, "energy", "Wh", 5),
    _row(0x02, 0x03, "reactive energy", "varh", 3),
    _row(0x04, 0x05, "apparent energy", "VAh", 3),
    _row(0x08, 0x09, "energy", "J", 8),
    _row(0x0C, 0x0F, "energy", "cal", 5),
    _row(0x10, 0x11, "volume", "m3", 2),
    _row(0x14, 0x17, "reactive power", "var", 0),
    _row(0x18, 0x19, "mass", "kg", 5),
    _row(0x1A, 0x1B, "relative humidity", "%", -1),
    _row(0x28, 0x29, "power", "W", 5),
    _row(0x2A, 0x2A, "phase voltage to voltage", "deg", -1),
    _row(0x2B, 0x2B, "phase voltage to current", "deg", -1),
    _row(0x2C, 0x2F, "frequency", "Hz", -3),
    _row(0x30, 0x31, "power", "J/h", 8),
    _row(0x34, 0x37, "apparent power", "VA", 0),
    _row(0x74, 0x77, "temperature limit", "degC", -3),
    _row(0x78, 0x7F, "cumulated maximum of power", "W", -3),
)
"""EN 13757-3:2018, table 12: codes after VIF FB."""

RESERVED: Final = Meaning("reserved", known=False)
MANUFACTURER: Final = Meaning("manufacturer specific", known=False)


@lru_cache(CODES)
def look_up(table: tuple[_Row, ...], code: int) -> Meaning:
    """Return what `code` (0 to 127) means in one of the three tables."""
    for row in table:
        if row.first <= code <= row.last:
            meaning = row.meaning
            return replace(meaning, power=meaning.power + code - row.first)
    return RESERVED
