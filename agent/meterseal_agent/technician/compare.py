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
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.registers import Point, Sample, Unit
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.subject import Subject, measure

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
    profile = meter.on_modbus().profile
    points = [_point(profile, name) for name, _ in pairs]
    sample = await meter.read()
    return [
        _finding(sample, point, reference, limit)
        for point, (_, reference) in zip(points, pairs, strict=True)
    ]


def _finding(
    sample: Sample, point: Point, reference: Fraction, limit: Fraction
) -> Finding:
    shown = sample.values.get(point.register)
    if shown is None:
        why = sample.unavailable.get(point.register, "no value")
        return bad(point.name, f"nothing to compare: {why}")
    unit, parts = AS_SHOWN.get(point.unit, (str(point.unit), 1))
    return compare(point.name, Compared(Fraction(shown, parts), reference), unit, limit)


def _point(profile: Profile, name: str) -> Point:
    for point in profile.every_point:
        if point.name == name:
            return point
    names = ", ".join(point.name for point in profile.every_point)
    raise Complaint(f"{profile.name} has no {name}; it has {names}")


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
