"""A telegram to a Sample: whole watt-hours and litres of the registers that are wanted.

Every number is exact until it is rounded once, half to even; a growing register stays
growing. What is absent, ambiguous or in a unit that measures something else is in
`unavailable` with its reason. This module must never guess a unit the meter left out.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import Final

from meterseal_agent.meters.registers import MAX_VALUE, Absence, Sample, Unit
from meterseal_agent.meters.telegrams.model import Telegram, Value
from meterseal_proto.units import RegisterId, obis_text, parse_obis

MAX_SAID: Final = 80
"""Characters of what stands in a number's place: a line of a page, or of a screen."""
_JOULE: Final = Fraction(1, 3600)

UNITS: Final = {
    "Wh": (Unit.WATT_HOUR, Fraction(1)),
    "kWh": (Unit.WATT_HOUR, Fraction(10**3)),
    "MWh": (Unit.WATT_HOUR, Fraction(10**6)),
    "GWh": (Unit.WATT_HOUR, Fraction(10**9)),
    "J": (Unit.WATT_HOUR, _JOULE),
    "kJ": (Unit.WATT_HOUR, _JOULE * 10**3),
    "MJ": (Unit.WATT_HOUR, _JOULE * 10**6),
    "GJ": (Unit.WATT_HOUR, _JOULE * 10**9),
    "L": (Unit.LITRE, Fraction(1)),
    "l": (Unit.LITRE, Fraction(1)),
    "dm3": (Unit.LITRE, Fraction(1)),
    "m3": (Unit.LITRE, Fraction(10**3)),
    "m³": (Unit.LITRE, Fraction(10**3)),
    "W": (Unit.WATT, Fraction(1)),
    "kW": (Unit.WATT, Fraction(10**3)),
    "MW": (Unit.WATT, Fraction(10**6)),
    "J/h": (Unit.WATT, _JOULE),
    "mV": (Unit.MILLIVOLT, Fraction(1)),
    "V": (Unit.MILLIVOLT, Fraction(10**3)),
    "mA": (Unit.MILLIAMPERE, Fraction(1)),
    "A": (Unit.MILLIAMPERE, Fraction(10**3)),
    "Hz": (Unit.MILLIHERTZ, Fraction(10**3)),
}
"""What a written unit measures, and how many of the sample's integer units it is."""

_POWER: Final = parse_obis("1-0:16.7.0")
_POWER_IN: Final = parse_obis("1-0:1.7.0")
_POWER_OUT: Final = parse_obis("1-0:2.7.0")
_COMMODITIES: Final = {
    parse_obis("6-0:1.0.0"): frozenset({4, 12, 13}),
    parse_obis("7-0:3.0.0"): frozenset({3}),
    parse_obis("8-0:1.0.0"): frozenset({7, 22}),
    parse_obis("9-0:1.0.0"): frozenset({6, 21}),
}
"""The M-Bus device types whose P1 channel tells a register: EN 13757-7, device types: heat
(outlet, inlet, heat and cold), gas, water (any, cold), warm and hot water."""
_CHANNELS: Final = range(1, 5)
"""DSMR P1 5.0.2, 6.12: up to four M-Bus meters, 0-1 to 0-4."""
_TOTALS_KEPT: Final = 16
"""Import and export, active and reactive, of a few media: what a meter is asked for."""
_EXPORTS: Final = (parse_obis("1-0:2.8.0"), parse_obis("1-0:2.8.1"))
_READINGS: Final = (1, 3)
"""0-n:24.2.1, the reading; 0-n:24.2.3, Fluvius' gas volume without temperature
correction, which stands where its meter has no other."""


class _Absent(Exception):
    """There is no value, for the reason given."""


def to_sample(at: int, telegram: Telegram, wanted: Sequence[RegisterId]) -> Sample:
    """Return the Sample of the `wanted` registers that `telegram` tells, at second `at`.

    A total that is not told (1-0:1.8.0) is the sum of all its tariffs (1.8.1, 1.8.2, ...)
    if none of them is missing between the first and the last. Gas, water and heat of a P1
    telegram are those of the one M-Bus channel with such a meter. `power_w` is 16.7.0, else
    1.7.0 - 2.7.0, None where that is not told.
    """
    values: dict[RegisterId, int] = {}
    unavailable: dict[RegisterId, str] = {}
    told = _Told(telegram.values)
    for register in wanted:
        try:
            values[register] = _whole(told, register)
        except _Absent as absence:
            unavailable[register] = str(absence)
    return Sample(at, values, _power(told), unavailable)


def with_unit(telegram: Telegram, unit: str) -> Telegram:
    """Return the telegram with `unit` at electrical energies that came without one.

    Some D0 meters leave it out (Hager eHZ: kWh); the plate of the meter says it, and who
    installs it writes it down. ValueError for a unit that is none of energy.
    """
    if unit not in UNITS or UNITS[unit][0] is not Unit.WATT_HOUR:
        raise ValueError(f"{unit!r} is no unit of energy; write Wh, kWh or MWh")
    values = tuple(
        replace(value, unit=unit) if _lacks_unit(value) else value
        for value in telegram.values
    )
    return replace(telegram, values=values)


def _lacks_unit(value: Value) -> bool:
    if value.register is None or value.number is None or value.unit:
        return False
    return _needed(value.register) is Unit.WATT_HOUR


class _Told:
    """The values of a telegram by register."""

    def __init__(self, values: Iterable[Value]) -> None:
        self._values: dict[RegisterId, list[Value]] = {}
        for value in values:
            if value.register is not None:
                self._values.setdefault(value.register, []).append(value)

    def __contains__(self, register: RegisterId) -> bool:
        return register in self._values

    def number(self, register: RegisterId) -> Decimal | None:
        """Return the number of a register that needs no unit, None where it has none."""
        found = self._values.get(register, [])
        return found[0].number if len(found) == 1 else None

    def exact(self, register: RegisterId) -> tuple[Fraction, Unit]:
        """Return what a register tells, in the sample's unit; _Absent where it cannot."""
        found = {_measured(v) for v in self._values.get(register, [])}
        if not found:
            raise _Absent("the telegram does not tell it")
        if len(found) > 1:
            raise _Absent("the telegram tells it twice, with different values")
        return found.pop()


def _measured(value: Value) -> tuple[Fraction, Unit]:
    if value.number is None:
        if said := value.text[:MAX_SAID]:
            raise _Absent(f"there is no number: {said}")
        raise _Absent(Absence.NOT_AVAILABLE.value)
    if value.unit not in UNITS:
        told = f"in {value.unit}" if value.unit else "without a unit"
        raise _Absent(f"it is told {told}, which is not Wh, L or W")
    unit, scale = UNITS[value.unit]
    return Fraction(value.number) * scale, unit


def _whole(told: _Told, register: RegisterId) -> int:
    exact, unit = _total(told, register)
    needed = _needed(register)
    if needed is not None and unit is not needed:
        raise _Absent(f"it is told in {unit}, and {obis_text(register)} is in {needed}")
    if exact < 0 and unit.cumulative:
        raise _Absent(Absence.NEGATIVE.value)
    value = round(exact)
    if abs(value) > MAX_VALUE:
        raise _Absent(Absence.OUT_OF_RANGE.value)
    return value


def _needed(register: RegisterId) -> Unit | None:
    """Return the unit a register of energy or volume must come in; None for others."""
    a, _, c, d, _, _ = register.to_bytes(6)
    if a == 1 and d == 8:
        return Unit.WATT_HOUR
    if a == 1 and c in (1, 2, 16) and d == 7:
        return Unit.WATT
    if a in (5, 6) and d == 0:
        return {1: Unit.WATT_HOUR, 2: Unit.LITRE}.get(c)
    return Unit.LITRE if a in (7, 8, 9) and d == 0 and c in (1, 3) else None


def _total(told: _Told, register: RegisterId) -> tuple[Fraction, Unit]:
    if register not in told:
        tariffs = _tariffs(told, register)
        if tariffs:
            parts = [told.exact(tariff) for tariff in tariffs]
            if len({unit for _, unit in parts}) == 1:
                return sum((exact for exact, _ in parts), Fraction(0)), parts[0][1]
        if register in _COMMODITIES:
            return told.exact(_channel(told, register))
    return told.exact(register)


def _tariffs(told: _Told, register: RegisterId) -> list[RegisterId]:
    """Return the tariffs of a total of electricity; _Absent when one is missing."""
    every = _every_tariff(register)
    found = [tariff for tariff in every if tariff in told]
    if found != list(every[: len(found)]):
        raise _Absent("the total is not told, and a tariff of it is missing")
    return found


@lru_cache(_TOTALS_KEPT)
def _every_tariff(register: RegisterId) -> tuple[RegisterId, ...]:
    """Return the tariffs 1 to 63 of a total of electricity, none of anything else."""
    a, b, c, d, e, f = register.to_bytes(6)
    if (a, d, e, f) != (1, 8, 0, 255):
        return ()
    return tuple(
        RegisterId(int.from_bytes((a, b, c, d, tariff, f))) for tariff in range(1, 64)
    )


def _channel(told: _Told, register: RegisterId) -> RegisterId:
    """Return the reading of the one M-Bus channel that is of `register`'s kind."""
    found = []
    for n in _CHANNELS:
        kind = told.number(parse_obis(f"0-{n}:24.1.0"))
        readings = (parse_obis(f"0-{n}:24.2.{e}") for e in _READINGS)
        told_here = [r for r in readings if told.number(r) is not None]
        if kind in _COMMODITIES[register] and told_here:
            found.append(told_here[0])
    if len(found) > 1:
        channels = " and ".join(obis_text(reading) for reading in found)
        raise _Absent(f"{channels} both tell it: ask for one of them by its own code")
    return found[0] if found else register


def _power(told: _Told) -> int | None:
    """Return the power into the house in W; None where the telegram leaves it open.

    Without 2.7.0 a 1.7.0 of zero says nothing when the house can export.
    """
    try:
        if _POWER in told:
            return _whole(told, _POWER)
        taken = _whole(told, _POWER_IN)
        if _POWER_OUT in told:
            return taken - _whole(told, _POWER_OUT)
    except _Absent:
        return None
    exports = any(register in told for register in _EXPORTS)
    return taken if taken or not exports else None
