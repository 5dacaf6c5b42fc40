"""The lists of Nordic meters: which number is which register, in which unit.

Three makers, three ways to write the same list:

    Aidon      [obis, number, [scaler, unit]] for every line; nothing is left to know
    Kamstrup   "Kamstrup_V0001", obis, number, obis, number, ...; units are in its paper
    Kaifa      "KFM_001" and numbers only, by place; in Sweden obis, number, ... instead

Sources: NEK HAN OBIS list information of Aidon, Kamstrup (Kamstrup_V0001) and Kaifa
(KFM_001); Aidon "RJ45 HAN Interface", 1.4 A; Kamstrup "HAN-NVE interface description",
rev. 3.1. Kamstrup numbers its one channel 1 (`1-1:1.8.0`); it is given as channel 0,
which every other meter has.

A list of another name without units is refused. This module must never guess a unit.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

from meterseal_agent.meters.telegrams.dlms import (
    OBIS_BYTES,
    octets_text,
    register_of,
    scaled,
    unit_text,
)
from meterseal_agent.meters.telegrams.han_axdr import (
    DATE_TIME_BYTES,
    Item,
    Tag,
    time_text,
)
from meterseal_agent.meters.telegrams.model import BadTelegram, Value
from meterseal_proto.units import RegisterId, parse_obis

CLOCK: Final = parse_obis("0-0:1.0.0")
METER_IDS: Final = (parse_obis("0-0:96.1.0"), parse_obis("1-0:0.0.5"))
"""Where the meter's number stands: Aidon and Kaifa, and Kamstrup's GS1 number."""
LIST_VERSIONS: Final = (parse_obis("1-0:0.2.129"), parse_obis("1-1:0.2.129"))
KAMSTRUP_TYPE: Final = parse_obis("1-1:96.1.1")
KAMSTRUP_STEP_WH: Final = 10
"""Kamstrup's energies count 0.01 kWh. Some Swedish networks have set their meters to
0.001 kWh since 2024 (UtilitechAS/amsreader-firmware, issue 811), and no list says so."""

_ENERGY, _NOW = 8, 7
_PHASE_GROUPS: Final = 20
_CURRENT, _VOLTAGE, _FACTOR = 11, 12, 13
_UNITS: Final[Mapping[int, str]] = {1: "W", 2: "W", 3: "var", 4: "var"}


def _registers(names: str) -> tuple[RegisterId, ...]:
    return tuple(parse_obis(name) for name in names.split())


_HEAD: Final = (
    "1-0:0.2.129 0-0:96.1.0 0-0:96.1.7 1-0:1.7.0 1-0:2.7.0 1-0:3.7.0 1-0:4.7.0"
)
_ONE: Final = f"{_HEAD} 1-0:31.7.0 1-0:32.7.0"
_THREE: Final = (
    f"{_HEAD} 1-0:31.7.0 1-0:51.7.0 1-0:71.7.0 1-0:32.7.0 1-0:52.7.0 1-0:72.7.0"
)
_HOURLY: Final = "0-0:1.0.0 1-0:1.8.0 1-0:2.8.0 1-0:3.8.0 1-0:4.8.0"
KAIFA_LISTS: Final[Mapping[int, tuple[RegisterId, ...]]] = {
    len(registers): registers
    for registers in map(
        _registers,
        ("1-0:1.7.0", _ONE, _THREE, f"{_ONE} {_HOURLY}", f"{_THREE} {_HOURLY}"),
    )
}
"""Kaifa's order by number of items: 1, 9, 13, 14 or 18 (NEK, KFM_001)."""


@dataclass(frozen=True, slots=True)
class Scales:
    """What one step of a maker's numbers is: energies in Wh, the rest by power of ten."""

    energy_wh: int
    current: int
    voltage: int

    def value(self, register: RegisterId, number: int, at: int) -> tuple[Decimal, str]:
        """Return a number in its unit; "" where the list's paper names none."""
        _, _, quantity, kind, _, _ = register.to_bytes(OBIS_BYTES)
        # Phases repeat the quantities: 21, 41 and 61 are what 1 is for the whole.
        quantity = (quantity - 1) % _PHASE_GROUPS + 1
        if kind == _ENERGY and quantity in _UNITS:
            return Decimal(number * self.energy_wh), f"{_UNITS[quantity]}h"
        if kind == _NOW and quantity in _UNITS:
            return Decimal(number), _UNITS[quantity]
        if kind == _NOW and quantity == _CURRENT:
            return scaled(number, self.current, at), "A"
        if kind == _NOW and quantity == _VOLTAGE:
            return scaled(number, self.voltage, at), "V"
        if kind == _NOW and quantity == _FACTOR:
            return scaled(number, -2, at), ""
        return Decimal(number), ""


KAIFA: Final = Scales(energy_wh=1, current=-3, voltage=-1)


def list_values(body: Item, kamstrup_step_wh: int) -> list[Value]:
    """Return the values of a notification's body; BadTelegram for an unknown list."""
    if not body.is_list or not body.items:
        raise BadTelegram("a notification that holds no list", body.at)
    if all(item.is_list for item in body.items):
        return [_line(item) for item in body.items]
    if any(item.is_list for item in body.items):
        raise BadTelegram("a list of lines and loose values", body.at)
    if _is_fixed(body):
        return _fixed(body)
    return _pairs(body, kamstrup_step_wh)


def _line(line: Item) -> Value:
    """Read one self-describing line: obis, value, and for numbers scaler and unit."""
    if len(line.items) not in {2, 3}:
        raise BadTelegram("a line without OBIS code and value", line.at)
    register = _register(line.items[0])
    if len(line.items) == 2:
        return _plain(register, line.items[1])
    number, scaler_unit = line.items[1:]
    shape = [item.tag for item in scaler_unit.items]
    if not number.is_number or shape != [Tag.INT8, Tag.ENUM]:
        raise BadTelegram("a line whose number has no scaler and unit", line.at)
    scaler, unit = (item.integer() for item in scaler_unit.items)
    exact = scaled(number.integer(), scaler, scaler_unit.at)
    return Value(register, exact, unit_text(unit))


def _register(item: Item) -> RegisterId:
    register = register_of(item.raw)
    if register is None or item.tag is not Tag.OCTETS:
        raise BadTelegram("a value where an OBIS code should be", item.at)
    return register


def _plain(register: RegisterId, item: Item) -> Value:
    """Return a value that needs no unit: a text, a moment, a bare number."""
    if item.is_number:
        return Value(register, Decimal(item.integer()), "")
    if item.is_text and len(item.raw) == DATE_TIME_BYTES and _is_clock(register):
        return Value(register, None, "", time_text(item.raw))
    if item.is_text:
        return Value(register, None, "", octets_text(item.raw))
    raise BadTelegram("a value that is neither number nor text", item.at)


def _is_clock(register: RegisterId) -> bool:
    return register.to_bytes(OBIS_BYTES)[2:5] == CLOCK.to_bytes(OBIS_BYTES)[2:5]


def _is_fixed(body: Item) -> bool:
    """Tell whether values stand by place: no OBIS code where Swedish lists have them."""
    registers = KAIFA_LISTS.get(len(body.items))
    if registers is None:
        return False
    first = body.items[0]
    alone = len(registers) == 1 and first.tag is Tag.UINT32
    return alone or octets_text(first.raw).startswith("KFM_")


def _fixed(body: Item) -> list[Value]:
    registers = KAIFA_LISTS[len(body.items)]
    pairs = zip(registers, body.items, strict=True)
    return [_scaled(register, item, KAIFA) for register, item in pairs]


def _pairs(body: Item, kamstrup_step_wh: int) -> list[Value]:
    pairs = list(_coded(body.items))
    name = next((_text(item) for code, item in pairs if code in LIST_VERSIONS), "")
    if name.startswith("KFM_"):
        return [_scaled(register, item, KAIFA) for register, item in pairs]
    if name.startswith("Kamstrup_V"):
        scales = Scales(kamstrup_step_wh, _kamstrup_current(pairs), voltage=0)
        return [_scaled(_channel_0(code), item, scales) for code, item in pairs]
    raise BadTelegram(f"list {name!r} gives no units, and is not known here", body.at)


def _coded(items: Sequence[Item]) -> Iterator[tuple[RegisterId, Item]]:
    """Pair codes and values; a missing phase is null without code, or behind its own."""
    begin = 0
    if items[0].tag is Tag.TEXT:
        # Kamstrup gives its list's name without a code.
        yield LIST_VERSIONS[1], items[0]
        begin = 1
    code: Item | None = None
    for item in items[begin:]:
        if code is not None:
            if not item.is_null:
                yield _register(code), item
            code = None
        elif not item.is_null:
            code = item
    if code is not None:
        raise BadTelegram("an OBIS code without a value", code.at)


def _text(item: Item) -> str:
    return octets_text(item.raw) if item.is_text else ""


def _scaled(register: RegisterId, item: Item, scales: Scales) -> Value:
    if not item.is_number:
        return _plain(register, item)
    number, unit = scales.value(register, item.integer(), item.at)
    return Value(register, number, unit)


def _kamstrup_current(pairs: Sequence[tuple[RegisterId, Item]]) -> int:
    # Meters behind current transformers (685...) count mA, the others 0.01 A.
    types = [_text(item) for code, item in pairs if code == KAMSTRUP_TYPE]
    return -3 if types and types[0].startswith("685") else -2


def _channel_0(register: RegisterId) -> RegisterId:
    medium, channel, *rest = register.to_bytes(OBIS_BYTES)
    return RegisterId(int.from_bytes((medium, 0 if channel == 1 else channel, *rest)))
