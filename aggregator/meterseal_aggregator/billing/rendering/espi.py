"""Words of Green Button: what ESPI calls our registers, currencies and kinds of lines.

Numbers as the schema lists them (NAESB REQ.21, espi.xsd). This module must never name a
currency by another's number: what has none here is 0, "another".
"""

from dataclasses import dataclass
from typing import Final

from meterseal_proto.rating.line import LineKind
from meterseal_proto.units import EXPORT, GAS, HEAT, IMPORT, WATER, RegisterId

ATOM: Final = "http://www.w3.org/2005/Atom"
ESPI: Final = "http://naesb.org/espi"

DELIVERED: Final = 1
"""FlowDirectionKind: to the customer."""
RECEIVED: Final = 19
"""FlowDirectionKind: from the customer."""
DELTA: Final = 4
"""AccumulationKind deltaData: what an interval added."""
WATT_HOURS: Final = 72
CUBIC_METRES: Final = 42
LITRES: Final = 134
DEFAULT_QUALITY: Final = 17
"""QualityOfReading validated: what an interval has that names none of its own."""
INT48: Final = 1 << 47
"""Bound of ESPI's Int48, exclusive."""


@dataclass(frozen=True, slots=True)
class Commodity:
    """A register in ESPI's numbers: ServiceKind, CommodityKind, flow, kind and unit."""

    service: int
    commodity: int
    flow: int
    measured: int
    unit: int


_ENERGY, _VOLUME = 12, 58
COMMODITIES: Final = {
    IMPORT: Commodity(0, 1, DELIVERED, _ENERGY, WATT_HOURS),
    EXPORT: Commodity(0, 1, RECEIVED, _ENERGY, WATT_HOURS),
    GAS: Commodity(1, 7, DELIVERED, _VOLUME, LITRES),
    WATER: Commodity(2, 9, DELIVERED, _VOLUME, LITRES),
    HEAT: Commodity(4, 12, DELIVERED, _ENERGY, WATT_HOURS),
}
_OTHER: Final = Commodity(0, 0, 0, 0, WATT_HOURS)

_ITEMS: Final = {
    LineKind.WHEELING: 2,
    LineKind.LOSSES: 2,
    LineKind.FIXED: 4,
    LineKind.DEMAND: 4,
    LineKind.MINIMUM: 4,
    LineKind.MAXIMUM: 8,
    LineKind.LEVY: 5,
    LineKind.TAX: 5,
    LineKind.EXPORT: 6,
    LineKind.ROUNDING: 10,
}
_USAGE_FEE: Final = 3

_CURRENCIES: Final = {
    "AED": 784, "ARS": 32, "AUD": 36, "BDT": 50, "BOB": 68, "BRL": 986, "CAD": 124,
    "CDF": 976, "CHF": 756, "CLP": 152, "CNY": 156, "COP": 170, "CZK": 203, "DKK": 208,
    "EGP": 818, "ETB": 230, "EUR": 978, "GBP": 826, "GHS": 936, "HUF": 348, "IDR": 360,
    "ILS": 376, "INR": 356, "JPY": 392, "KES": 404, "KRW": 410, "LKR": 144, "MAD": 504,
    "MWK": 454, "MXN": 484, "MYR": 458, "NGN": 566, "NOK": 578, "NPR": 524, "NZD": 554,
    "PEN": 604, "PHP": 608, "PKR": 586, "PLN": 985, "RON": 946, "RWF": 646, "SEK": 752,
    "SGD": 702, "THB": 764, "TND": 788, "TRY": 949, "TZS": 834, "UGX": 800, "USD": 840,
    "UYU": 858, "VND": 704, "XAF": 950, "XOF": 952, "ZAR": 710, "ZMW": 967,
}  # fmt: skip
"""ISO 4217's numeric codes."""


def commodity_of(register: RegisterId) -> Commodity:
    """Return what ESPI calls a register; numbers for "not applicable" if it has no name."""
    return COMMODITIES.get(register, _OTHER)


def currency_number(currency: str) -> int:
    """Return ISO 4217's number of a currency, 0 for one that has none here."""
    return _CURRENCIES.get(currency, 0)


def item_kind(kind: LineKind) -> int:
    """Return ESPI's ItemKind of a line."""
    return _ITEMS.get(kind, _USAGE_FEE)
