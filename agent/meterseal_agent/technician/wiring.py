"""`wiring`: one reading of a meter, and what is wrong at its terminals.

It reads once and writes nothing. It must never be the last word on a live conductor: the
findings say where to look, with a tester in hand.
"""

import argparse
from collections.abc import Callable
from fractions import Fraction
from functools import partial

from meterseal_agent.commissioning.finding import Finding, all_well
from meterseal_agent.commissioning.phases import NAMES, phases
from meterseal_agent.commissioning.wiring import Site, check
from meterseal_agent.technician.complaint import Complaint
from meterseal_agent.technician.subject import Subject, measure

Say = Callable[[str], None]


def wiring(options: argparse.Namespace, say: Say) -> int:
    """Print every finding; 0 when nothing has to be mended, else 1."""
    site = site_of(options)
    findings = measure(options, partial(findings_of, site=site, say=say))
    for finding in findings:
        say(str(finding))
    return 0 if all_well(findings) else 1


async def findings_of(meter: Subject, site: Site, say: Say) -> list[Finding]:
    """Read the meter once and judge it."""
    sample = await meter.read()
    say(f"wiring of {meter.name}")
    return check(phases(sample.values), site, sample.power_w)


def site_of(options: argparse.Namespace) -> Site:
    """Return what the technician said of the place; Complaint for what cannot be."""
    nominal = _milli(str(options.nominal), "--nominal")
    clamps = tuple(_clamp(text) for text in options.clamp)
    ct = _milli(str(options.ct), "--ct") if options.ct else None
    return Site(nominal, options.feeding_in, clamps, ct)


def _clamp(text: str) -> tuple[str, int]:
    name, equals, value = text.upper().partition("=")
    if name not in NAMES or not equals:
        raise Complaint(f"--clamp is L1=AMPERES, L2=... or L3=..., not {text!r}")
    return name, _milli(value, "--clamp")


def _milli(text: str, what: str) -> int:
    try:
        value = round(1000 * Fraction(text.replace(",", ".")))
    except (ValueError, ZeroDivisionError):
        raise Complaint(f"{what}: {text!r} is no number") from None
    if not 0 <= value <= 10**9:
        raise Complaint(f"{what}: {text} cannot be")
    return value
