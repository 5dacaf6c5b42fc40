"""One SML list entry to values: number x 10^scaler in its unit, a text, a status word.

    objName  status?  valTime?  unit?  scaler?  value  signature?

Source: SML 1.04, section 5.1.14 (SML_ListEntry). An entry without a value gives none.
The status word's bits are the manufacturer's (FNN and EDL meters differ), so it is
passed on as a number of register 1-0:96.5.0 and never read here.

One quirk is known by its maker: DZG's DVS74 below firmware 1.2 write a power of
327.68 W to 655.35 W as signed two bytes without the leading zero, so it shows as
negative. DZG told volkszaehler/libsml (issue 59, pull request 136) that only these are
concerned and which serial numbers they have. In those the short integers of 1-0:16.7.0
are unsigned. Nothing else is bent: a newer DZG's negative power stays negative.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterseal_agent.meters.telegrams.dlms import (
    octets_text,
    register_of,
    scaled,
    unit_text,
)
from meterseal_agent.meters.telegrams.model import BadTelegram, Value
from meterseal_agent.meters.telegrams.sml_tree import Item, Kind
from meterseal_proto.units import RegisterId, obis_text, parse_obis

ENTRY_ITEMS: Final = 7
STATUS: Final = parse_obis("1-0:96.5.0")
POWER: Final = parse_obis("1-0:16.7.0")
DEVICE_IDS: Final = frozenset({parse_obis("1-0:96.1.0"), parse_obis("1-0:0.0.9")})
"""Where newer (FNN) and older (EDL21) meters repeat their server id."""

DIN_ID_BYTES: Final = 10
_DIN_ID_MARK: Final = 0x0A
_DIN_ID_MOST: Final = 99_999_999
DZG: Final = b"\x01DZG\x00"
DZG_UNSIGNED_POWER: Final = (
    range(42_000_000, 49_000_000),
    range(55_000_000, 59_000_000),
)
"""Serial numbers of DVS74 meters sold before the repair."""
DZG_SHORT_BYTES: Final = 2


@dataclass(frozen=True, slots=True)
class ServerId:
    """Who speaks: the server id of an SML list, as its octets."""

    octets: bytes

    def text(self) -> str:
        """Return the id as meters have it printed, `1DZG0042082910`.

        Ten octets 0A, medium, three letters, block, 32-bit number are an id of
        DIN 43863-5. Older ids are printed octet by octet: `06-45-4D-48-01-02`.
        """
        number = self._number()
        if number is None:
            text = octets_text(self.octets)
            plain = text == self.octets.hex()
            return self.octets.hex("-").upper() if plain else text
        medium, letters, block = self.octets[1], self.octets[2:5], self.octets[5]
        return f"{medium:X}{letters.decode('ascii')}{block:02X}{number:08d}"

    def bends_power(self) -> bool:
        """Tell whether this is a DZG meter that writes short powers unsigned."""
        number = self._number()
        return self.octets[1:6] == DZG and any(
            number in serials for serials in DZG_UNSIGNED_POWER
        )

    def _number(self) -> int | None:
        octets = self.octets
        if len(octets) != DIN_ID_BYTES or octets[0] != _DIN_ID_MARK or octets[1] > 15:
            return None
        if not all(0x41 <= letter <= 0x5A for letter in octets[2:5]):
            return None
        number = int.from_bytes(octets[6:])
        return number if number <= _DIN_ID_MOST else None


def entry_values(entry: Item, server: ServerId) -> list[Value]:
    """Return the values of one list entry: none, its value, or value and status word."""
    items = entry.list_of(ENTRY_ITEMS, "a list entry")
    name, status, _, unit, scaler, content, _ = items
    octets = name.octets("an OBIS code")
    register = register_of(octets)
    note = octets.hex() if register is None else ""
    found: list[Value] = []
    if content.kind in {Kind.SIGNED, Kind.UNSIGNED}:
        bent = register == POWER and server.bends_power()
        number = _number(content, scaler, bent=bent)
        found.append(Value(register, number, _unit(unit), note=note))
    elif content.kind is Kind.BOOLEAN:
        truth = "true" if any(content.raw) else "false"
        found.append(Value(register, None, "", truth, note))
    elif content.kind is Kind.OCTETS and content.raw:
        text = octets_text(content.raw)
        if register in DEVICE_IDS:
            text = ServerId(content.raw).text()
        found.append(Value(register, None, "", text, note))
    return found + _status(register, status)


def _number(content: Item, scaler: Item, *, bent: bool) -> Decimal:
    number = content.integer("a value")
    if bent and len(content.raw) <= DZG_SHORT_BYTES:
        number = int.from_bytes(content.raw)
    power_of_ten = 0 if scaler.absent else scaler.integer("a scaler")
    return scaled(number, power_of_ten, scaler.at)


def _unit(unit: Item) -> str:
    if unit.absent:
        return ""
    code = unit.integer("a unit")
    if not 0 <= code <= 255:
        raise BadTelegram(f"unit {code} is no unit", unit.at)
    return unit_text(code)


def _status(register: RegisterId | None, status: Item) -> list[Value]:
    if status.absent or register is None:
        return []
    word = Decimal(status.integer("a status word"))
    return [Value(STATUS, word, "", note=obis_text(register))]
