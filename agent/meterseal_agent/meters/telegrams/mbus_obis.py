"""Which OBIS register an M-Bus value is: only where a standard assigns one.

Sources: EN 13757-1 (value groups of heat, gas and water), IEC 62056-6-1 (electricity),
OMS Specification volume 2, annex A (which M-Bus record is which code). A wrong register
books a wrong quantity, so this module must never name a doubtful one: values of other
storage numbers, subunits, limits, per-pulse values, whatever a manufacturer extended in
its own way have none.
"""

from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Final

from meterseal_agent.meters.telegrams.mbus_records import Function, Record
from meterseal_agent.meters.telegrams.mbus_vife import Direction
from meterseal_proto.units import RegisterId, parse_obis


class Medium(Enum):
    """What is measured, as OBIS group A counts it."""

    ELECTRICITY = 1
    HEAT_COST = 4
    COOLING = 5
    HEAT = 6
    GAS = 7
    COLD_WATER = 8
    HOT_WATER = 9
    OTHER = 0


MAX_TARIFF: Final = 63
"""EN 13757-1: value group E counts tariffs from 1 to 63; 0 is the total."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """A quantity in its unit, as the tables of `mbus_units` spell them."""

    quantity: str
    unit: str


_ENERGY: Final = (_Kind("energy", "Wh"), _Kind("energy", "J"))
_VOLUME: Final = _Kind("volume", "m3")
_THERMAL_TOTALS: Final = {**dict.fromkeys(_ENERGY, (1, 0)), _VOLUME: (2, 0)}
_THERMAL_VALUES: Final = {
    _Kind("power", "W"): (8, 0),
    _Kind("volume flow", "m3/h"): (9, 0),
    _Kind("flow temperature", "degC"): (10, 0),
    _Kind("return temperature", "degC"): (11, 0),
    _Kind("temperature difference", "K"): (12, 0),
}

_TOTALS: Final[dict[Medium, dict[_Kind, tuple[int, int]]]] = {
    Medium.ELECTRICITY: {_ENERGY[0]: (1, 8)},
    Medium.HEAT_COST: {_Kind("heat cost units", ""): (1, 0)},
    Medium.COOLING: _THERMAL_TOTALS,
    Medium.HEAT: _THERMAL_TOTALS,
    Medium.GAS: {_VOLUME: (3, 0)},
    Medium.COLD_WATER: {_VOLUME: (1, 0)},
    Medium.HOT_WATER: {_VOLUME: (1, 0)},
}
"""Groups C and D of registers that only grow; group E is the tariff."""
_VALUES: Final[dict[Medium, dict[_Kind, tuple[int, int]]]] = {
    Medium.ELECTRICITY: {_Kind("power", "W"): (16, 7)},
    Medium.COOLING: _THERMAL_VALUES,
    Medium.HEAT: _THERMAL_VALUES,
    Medium.COLD_WATER: {_Kind("volume flow", "m3/h"): (2, 0)},
    Medium.HOT_WATER: {_Kind("volume flow", "m3/h"): (2, 0)},
}
"""Groups C and D of values of the moment, without a tariff."""
_SET_DATE: Final = frozenset(
    {
        Medium.HEAT_COST,
        Medium.COOLING,
        Medium.HEAT,
        Medium.COLD_WATER,
        Medium.HOT_WATER,
    }
)
"""Where OMS names storage number 1 the set date value: group D is then 2."""


def register_of(medium: Medium, record: Record) -> RegisterId | None:
    """Return the record's register, None where no standard assigns one.

    Totals count forward: a backward total has a register for electricity (2.8) only.
    """
    if record.function is not Function.NOW or record.subunit or record.extended.special:
        return None
    meaning = record.extended.meaning
    kind = _Kind(meaning.quantity, meaning.unit)
    groups = _TOTALS.get(medium, {}).get(kind)
    if groups is not None:
        return _total(medium, record, groups)
    groups = _VALUES.get(medium, {}).get(kind)
    if groups is None or record.storage or record.tariff:
        return None
    if record.extended.direction is not Direction.BOTH:
        return None
    return _code(medium, *groups, 0)


def _total(
    medium: Medium, record: Record, groups: tuple[int, int]
) -> RegisterId | None:
    c, d = groups
    if record.tariff > MAX_TARIFF:
        return None
    if record.extended.direction is Direction.NEGATIVE:
        if medium is not Medium.ELECTRICITY:
            return None
        c = 2
    if record.storage == 1 and medium in _SET_DATE:
        return _code(medium, c, 2, record.tariff)
    return None if record.storage else _code(medium, c, d, record.tariff)


@cache
def _code(medium: Medium, c: int, d: int, e: int) -> RegisterId:
    # Group B is the channel: 0 where it is not used, and electricity counts from 1-0.
    return parse_obis(f"{medium.value}-0:{c}.{d}.{e}")
