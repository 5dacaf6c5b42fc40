"""`compare`: the meter's values beside a clamp's or its own display's, error in percent.

It must never take a value for compared that the meter did not give.
"""

import argparse
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from typing import Final

from meterseal_agent.commissioning.compare import (
    CLAMP_PERCENT,
    DISPLAY_PERCENT,
    Compared,
    compare,
)
from meterseal_agent.commissioning.finding import Finding, all_well, bad
from meterseal_agent.meters.registers import Sample, Unit, is_volume
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.subject import Subject, measure
from meterseal_proto.units import RegisterId, obis_text

AS_SHOWN: Final = {
    Unit.WATT_HOUR: ("kWh", 1000),
    Unit.VAR_HOUR: ("kvarh", 1000),
    Unit.VOLT_AMPERE_HOUR: ("kVAh", 1000),
    Unit.LITRE: ("m3", 1000),
    Unit.MILLIVOLT: ("V", 1000),
    Unit.MILLIAMPERE: ("A", 1000),
    Unit.MILLIHERTZ: ("Hz", 1000),
    Unit.PER_MILLE: ("", 1000),
}
"""What displays and clamps show, and how many of a sample's units that is."""

_MOMENT: Final = {11: Unit.MILLIAMPERE, 12: Unit.MILLIVOLT}

Say = Callable[[str], None]
Pairs = list[tuple[str, Fraction]]


def compare_all(options: argparse.Namespace, say: Say) -> int:
    """Print each value's error; 0 when all are within their limit, else 1."""
    pairs = [_pair(text) for text in options.pairs]
    limit = DISPLAY_PERCENT if options.by == "display" else CLAMP_PERCENT
    if options.limit is not None:
        limit = _number(options.limit, "--limit")
    findings = measure(options, partial(_findings, pairs=pairs, limit=limit))
    for finding in findings:
        say(str(finding))
    return 0 if all_well(findings) else 1


async def _findings(meter: Subject, pairs: Pairs, limit: Fraction) -> list[Finding]:
    sample = await meter.read()
    known = _known(meter, sample)
    return [_finding(sample, known, pair, limit) for pair in pairs]


def _known(meter: Subject, sample: Sample) -> dict[str, tuple[RegisterId, Unit]]:
    """Return what can be compared, by OBIS code and, where a profile names it, by name."""
    if meter.modbus is None:
        found = [*sample.values, *sample.unavailable]
        return {obis_text(r): (r, _unit_of(r)) for r in found}
    points = meter.modbus.profile.every_point
    return {point.name: (point.register, point.unit) for point in points} | {
        obis_text(point.register): (point.register, point.unit) for point in points
    }


def _unit_of(register: RegisterId) -> Unit:
    """Return a telegram value's unit: of the moment's, a volume's, else energy's.

    IEC 62056-6-1, 7.5.1: groups C 31, 51, 71 are currents, 32, 52, 72 voltages.
    """
    a, _, c, d, _, _ = register.to_bytes(6)
    if (a, d) == (1, 7):
        return _MOMENT.get(c % 20, Unit.WATT)
    return Unit.LITRE if is_volume(register) else Unit.WATT_HOUR


def _finding(
    sample: Sample,
    known: dict[str, tuple[RegisterId, Unit]],
    pair: tuple[str, Fraction],
    limit: Fraction,
) -> Finding:
    name, reference = pair
    if name not in known:
        raise Complaint(f"this meter has no {name}; it has {', '.join(known)}")
    register, kind = known[name]
    shown = sample.values.get(register)
    if shown is None:
        why = sample.unavailable.get(register, "no value")
        return bad(name, f"nothing to compare: {why}")
    unit, parts = AS_SHOWN.get(kind, (str(kind), 1))
    return compare(name, Compared(Fraction(shown, parts), reference), unit, limit)


def _pair(text: str) -> tuple[str, Fraction]:
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise Complaint(
            f"write NAME=VALUE, for instance voltage_l1=230.4, not {text!r}"
        )
    return name, _number(value, name)


def _number(text: str, what: str) -> Fraction:
    try:
        return Fraction(text.strip().replace(",", "."))
    except (ValueError, ZeroDivisionError):
        raise Complaint(f"{what}: {text!r} is no number") from None
