"""Extensions of a VIF (EN 13757-3): what changes the meaning of a record's number.

A combinable VIFE may turn a volume into a volume per pulse, a limit, a duration or a
date; taking the number for the plain quantity would book it. So everything but the few
codes that leave a total a total makes the record `special`: it never gets a register.
"""

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final

from meterseal_agent.meters.telegrams.mbus_units import SECONDS_OF, Meaning, Shape


class Direction(Enum):
    """Which contributions a total counts (VIFE 3B and 3C); both where none is told."""

    BOTH = ""
    POSITIVE = "forward"
    NEGATIVE = "backward"


@dataclass(frozen=True, slots=True)
class Extended:
    """A meaning with its extensions applied.

    `notes` say them in words; `error` is the meter's own report that the record has no
    value; `special` says that the number is not the plain quantity.
    """

    meaning: Meaning
    direction: Direction = Direction.BOTH
    notes: tuple[str, ...] = ()
    error: str = ""
    special: bool = False


ERRORS: Final = {
    0x01: "too many DIFEs",
    0x02: "storage number not implemented",
    0x03: "unit number not implemented",
    0x04: "tariff number not implemented",
    0x05: "function not implemented",
    0x06: "data class not implemented",
    0x07: "data size not implemented",
    0x0B: "too many VIFEs",
    0x0C: "illegal VIF group",
    0x0D: "illegal VIF exponent",
    0x0E: "VIF and DIF do not match",
    0x0F: "action not implemented",
    0x15: "no data available",
    0x16: "data overflow",
    0x17: "data underflow",
    0x18: "data error",
    0x1C: "premature end of record",
}
"""EN 13757-3, codes for record errors: what a slave says instead of a value."""

_PER: Final = {
    0x20: "s",
    0x21: "min",
    0x22: "h",
    0x23: "d",
    0x24: "week",
    0x25: "month",
    0x26: "year",
    0x27: "revolution",
    0x28: "pulse on input 0",
    0x29: "pulse on input 1",
    0x2A: "pulse on output 0",
    0x2B: "pulse on output 1",
    0x2C: "l",
    0x2D: "m3",
    0x2E: "kg",
    0x2F: "K",
    0x30: "kWh",
    0x31: "GJ",
    0x32: "kW",
    0x33: "(K l)",
    0x34: "V",
    0x35: "A",
}
_TIMES: Final = {0x36: "s", 0x37: "s/V", 0x38: "s/A"}
_SAID: Final = {
    0x12: "average",
    0x13: "inverse compact profile",
    0x14: "relative deviation",
    0x1E: "compact profile with register numbers",
    0x1F: "compact profile",
    0x3A: "uncorrected",
    0x3D: "in a non-metric unit",
    0x3E: "at base conditions",
    0x3F: "OBIS declaration",
    0x40: "lower limit",
    0x48: "upper limit",
    0x68: "during lower limit exceed",
    0x69: "leakage",
    0x6C: "during upper limit exceed",
    0x6D: "overflow",
    0x7C: "further extended",
    0x7E: "future value",
}
_NOTHING: Final = frozenset({0x00, 0x1D})
"""No error, and standard conform data content: both leave the value as it is."""
FORWARD: Final = 0x3B
BACKWARD: Final = 0x3C
START_OF: Final = 0x39
THOUSANDFOLD: Final = 0x7D
MANUFACTURER_NEXT: Final = 0x7F


def extend(meaning: Meaning, codes: tuple[int, ...]) -> Extended:
    """Return `meaning` with the VIFE `codes` (0 to 127, in their order) applied.

    What follows code 7F is the manufacturer's own.
    """
    result = Extended(meaning)
    for i, code in enumerate(codes):
        if code == MANUFACTURER_NEXT:
            rest = " ".join(f"{own:02X}" for own in codes[i + 1 :])
            said = f"manufacturer's extension {rest}".rstrip()
            return _special(result, said)
        result = _apply(result, code)
    return result


def _apply(to: Extended, code: int) -> Extended:
    if code in _NOTHING:
        return to
    if code in ERRORS:
        return replace(to, error=ERRORS[code], special=True)
    if code == FORWARD:
        return replace(to, direction=Direction.POSITIVE)
    if code == BACKWARD:
        return replace(to, direction=Direction.NEGATIVE)
    if 0x70 <= code <= 0x77 or code == THOUSANDFOLD:
        power = 3 if code == THOUSANDFOLD else (code & 7) - 6
        meaning = replace(to.meaning, power=to.meaning.power + power)
        return replace(to, meaning=meaning)
    return _transform(to, code)


def _transform(to: Extended, code: int) -> Extended:
    if code in _PER:
        return _in_unit(to, f"{to.meaning.unit}/{_PER[code]}")
    if code in _TIMES:
        return _in_unit(to, f"{to.meaning.unit} {_TIMES[code]}")
    if 0x50 <= code <= 0x67:
        return _duration(to, code)
    if _is_date(code):
        date = Meaning(to.meaning.quantity, shape=Shape.WHEN)
        start = "start" if code == START_OF or not code & 1 else "end"
        return _special(replace(to, meaning=date), f"{start} of")
    if code in {0x41, 0x49}:
        count = Meaning(to.meaning.quantity)
        limit = "upper" if code & 8 else "lower"
        return _special(replace(to, meaning=count), f"times beyond {limit} limit")
    if 0x78 <= code <= 0x7B:
        return _special(to, f"to be corrected by 10^{(code & 3) - 3}")
    return _special(to, _SAID.get(code, f"reserved extension {code:02X}"))


def _is_date(code: int) -> bool:
    """Tell whether the code is a date: E100 uf1b, E110 1f1b or 39."""
    return code == START_OF or code & 0x72 == 0x42 or code & 0x7A == 0x6A


def _duration(to: Extended, code: int) -> Extended:
    seconds = SECONDS_OF[["s", "min", "h", "d"][code & 3]]
    span = Meaning(to.meaning.quantity, "s", factor=seconds)
    limit = "upper" if code & 8 else "lower"
    said = "duration of" if code >= 0x60 else f"duration beyond {limit} limit of"
    return _special(replace(to, meaning=span), said)


def _in_unit(to: Extended, unit: str) -> Extended:
    return replace(to, meaning=replace(to.meaning, unit=unit), special=True)


def _special(to: Extended, note: str) -> Extended:
    return replace(to, notes=(*to.notes, note), special=True)
