"""The fixed data structure of EN 1434-3 (CI 73): two counters, as old meters send them.

    id (4, BCD) access status | medium and units (2) | counter 1 (4) | counter 2 (4)

The status byte tells whether the counters are binary or BCD, and of now or of a set date.
A counter of a set date must never pass for the present one.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.telegrams import mbus_values
from meterseal_agent.meters.telegrams.mbus_obis import Medium
from meterseal_agent.meters.telegrams.mbus_records import Function, Record
from meterseal_agent.meters.telegrams.mbus_units import Meaning
from meterseal_agent.meters.telegrams.mbus_values import Datum
from meterseal_agent.meters.telegrams.mbus_vife import Extended
from meterseal_agent.meters.telegrams.model import BadTelegram

FIXED_BYTES: Final = 16
BINARY: Final = 0x01
OF_SET_DATE: Final = 0x02
SAME_BUT_HISTORIC: Final = 0x3E
"""Unit of counter 2: that of counter 1, and its value of the set date."""

_SCALES: Final = (
    (0x02, 0x0A, Meaning("energy", "Wh", 0)),
    (0x0B, 0x13, Meaning("energy", "J", 3)),
    (0x14, 0x1C, Meaning("power", "W", 0)),
    (0x1D, 0x25, Meaning("power", "J/h", 3)),
    (0x26, 0x2E, Meaning("volume", "m3", -6)),
    (0x2F, 0x37, Meaning("volume flow", "m3/h", -6)),
    (0x38, 0x38, Meaning("temperature", "degC", -3)),
    (0x39, 0x39, Meaning("heat cost units")),
    (0x3F, 0x3F, Meaning("dimensionless")),
)
"""EN 1434-3, table of physical units: first code, last code, meaning of the first."""

_MEDIA: Final = {
    0x2: Medium.ELECTRICITY,
    0x3: Medium.GAS,
    0x4: Medium.HEAT,
    0x6: Medium.HOT_WATER,
    0x7: Medium.COLD_WATER,
    0x8: Medium.HEAT_COST,
    0xA: Medium.GAS,
    0xB: Medium.HEAT,
    0xC: Medium.HOT_WATER,
    0xD: Medium.COLD_WATER,
    0xE: Medium.HEAT_COST,
}
"""EN 1434-3, medium: the two highest bits of either unit byte; A to E are mode 2."""


@dataclass(frozen=True, slots=True)
class Fixed:
    """What a fixed structure says."""

    ident: str
    medium: Medium
    status: int
    items: tuple[Record, ...]


def parse(data: bytes, offset: int, *, msb_first: bool = False) -> Fixed:
    """Return the two counters of `data`; BadTelegram unless it is 16 bytes long."""
    if len(data) != FIXED_BYTES:
        raise BadTelegram(
            f"a fixed structure has 16 bytes, this one {len(data)}", offset + len(data)
        )
    status, kinds = data[5], (data[6], data[7])
    medium = _MEDIA.get(kinds[0] >> 6 | kinds[1] >> 6 << 2, Medium.OTHER)
    items = []
    for i, at in enumerate((8, 12)):
        raw = data[at : at + 4]
        datum = _counter(raw[::-1] if msb_first else raw, status)
        meaning, historic = _meaning(kinds, i)
        storage = int(historic or bool(status & OF_SET_DATE))
        extended = Extended(meaning, special=bool(storage))
        items.append(Record(offset + at, Function.NOW, storage, 0, 0, extended, datum))
    ident = data[:4] if msb_first else data[:4][::-1]
    return Fixed(ident.hex().upper(), medium, status, tuple(items))


def _counter(raw: bytes, status: int) -> Datum:
    return mbus_values.unsigned(raw) if status & BINARY else mbus_values.bcd(raw)


def _meaning(kinds: tuple[int, int], which: int) -> tuple[Meaning, bool]:
    code = kinds[which] & 0x3F
    historic = which == 1 and code == SAME_BUT_HISTORIC
    if historic:
        code = kinds[0] & 0x3F
    for first, last, meaning in _SCALES:
        if first <= code <= last:
            grown = meaning.power + code - first
            return Meaning(meaning.quantity, meaning.unit, grown), historic
    return Meaning("reserved", known=False), historic
