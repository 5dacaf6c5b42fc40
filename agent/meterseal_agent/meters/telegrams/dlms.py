"""What DLMS numbers mean: unit codes, powers of ten, register names; SML uses the same.

Source: DLMS UA Blue Book, 4.3.2 (scaler_unit) and its table of physical units; SML 1.04
refers to it (IEC 62056-62). This module must never give a unit to a code it does not
know: such a value keeps the code as its unit, and nobody adds it to an energy.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from meterseal_agent.meters.telegrams.model import BadTelegram
from meterseal_proto.units import RegisterId

OBIS_BYTES: Final = 6
MAX_SCALER: Final = 18
"""No quantity of a house needs 10^18; a larger power is damage, and would fill memory."""
NO_UNIT: Final = 255

UNITS: Final[Mapping[int, str]] = {
    1: "a", 2: "mo", 3: "wk", 4: "d", 5: "h", 6: "min", 7: "s", 8: "deg", 9: "Cel",
    10: "currency", 11: "m", 12: "m/s", 13: "m3", 14: "m3", 15: "m3/h", 16: "m3/h",
    17: "m3/d", 18: "m3/d", 19: "l", 20: "kg", 21: "N", 22: "Nm", 23: "Pa", 24: "bar",
    25: "J", 26: "J/h", 27: "W", 28: "VA", 29: "var", 30: "Wh", 31: "VAh", 32: "varh",
    33: "A", 34: "C", 35: "V", 36: "V/m", 37: "F", 38: "Ohm", 41: "T", 42: "A/m",
    43: "H", 44: "Hz", 45: "1/Wh", 46: "1/varh", 47: "1/VAh", 48: "V2h", 49: "A2h",
    50: "kg/s", 51: "S", 52: "K", 55: "1/m3", 56: "%", 57: "Ah", NO_UNIT: "",
}  # fmt: skip
"""Unit by code; volumes 13 and 14, 15 and 16, 17 and 18 differ in gas correction only."""


def unit_text(code: int) -> str:
    """Return the unit of a code 0 to 255; `unit 200` where no table names it."""
    return UNITS.get(code, f"unit {code}")


def scaled(number: int, scaler: int, at: int) -> Decimal:
    """Return number x 10^scaler exactly; BadTelegram (at `at`) past 10^18 either way."""
    if abs(scaler) > MAX_SCALER:
        raise BadTelegram(f"a power of ten of {scaler} is no meter's", at)
    if scaler >= 0:
        return Decimal(number * 10**scaler)
    return Decimal(number).scaleb(scaler)


def register_of(name: bytes) -> RegisterId | None:
    """Return the register six OBIS bytes name; None where they are not six."""
    return RegisterId(int.from_bytes(name)) if len(name) == OBIS_BYTES else None


def octets_text(octets: bytes) -> str:
    """Return octets as text where all are printable ASCII, else as lower-case hex."""
    if octets and all(0x20 <= octet < 0x7F for octet in octets):
        return octets.decode("ascii").strip()
    return octets.hex()
