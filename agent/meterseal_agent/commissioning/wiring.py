"""The wiring check: what a meter shows of its phases to what is wrong at its terminals.

Pure. Voltages are held against EN 50160, the order of phases against their angles, and
each current transformer (CT) against its own phase: turned round its power is negative,
on another phase its power factor is under 0.55. It must never judge a CT without load.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_agent.commissioning.cts import FACTOR, Seat, seats
from meterseal_agent.commissioning.finding import Finding, Grade, bad, good, note
from meterseal_agent.commissioning.phases import Phase

NOMINAL_MV: Final = 230_000
BAND: Final = 10
"""EN 50160, 4.2.2: within 10 percent of the nominal voltage, ten minutes' mean."""
MISSING: Final = 20
"""Percent of the nominal voltage under which a phase is not there; stray voltage is less."""
LOAD_VA: Final = 1000
"""Under this the signs say little: idle electronics take reactive current only."""
PHASE_VA: Final = 100
"""A phase with less is not judged, even where the others carry load."""
HINT_VA: Final = 20
"""Under this not even a suspicion is worth a word."""
DEGREES: Final = 20
"""How far an angle may be from the one it is taken for."""
CT_PERCENT: Final = 10
"""What a clamp and a meter may differ by; wrong CT ratios are off by a fifth and more."""
CLAMP_FLOOR_MA: Final = 500
"""Under half an ampere a clamp shows noise."""
SUM_PERCENT: Final = 5
SUM_FLOOR_W: Final = 50


@dataclass(frozen=True, slots=True)
class Site:
    """What the technician knows: nominal voltage (mV), whether the house feeds in now,
    the clamp's currents (mA) by phase name, and the rated current of the CTs (mA)."""

    nominal_mv: int = NOMINAL_MV
    feeding_in: bool = False
    clamp_ma: tuple[tuple[str, int], ...] = ()
    ct_primary_ma: int | None = None


def check(
    found: Sequence[Phase], site: Site, total_w: int | None = None
) -> list[Finding]:
    """Return every finding on a meter's phases; `total_w` is its power of all of them."""
    if not found:
        return [note("phases", "this meter tells neither voltage, current nor power")]
    return [
        *(_voltage(phase, site) for phase in found),
        *_rotation(found),
        *_currents(found, site),
        *_sum(found, total_w),
        *_ratios(found, site),
    ]


def _voltage(phase: Phase, site: Site) -> Finding:
    shown = phase.voltage_mv
    if shown is None:
        return note(phase.name, "its voltage is not told by this meter")
    low = site.nominal_mv * (100 - BAND) // 100
    high = site.nominal_mv * (100 + BAND) // 100
    if shown * 100 < site.nominal_mv * MISSING:
        return bad(
            phase.name, f"no voltage ({_volts(shown)}): fuse, switch or terminal"
        )
    if low <= shown <= high:
        return good(phase.name, _volts(shown))
    band = f"{_volts(shown)} is outside {_volts(low)} to {_volts(high)}"
    # Within 8 percent of the voltage between two phases.
    if abs(shown * 1000 - site.nominal_mv * 1732) < site.nominal_mv * 139:
        return bad(phase.name, f"{band}: a phase stands where the neutral belongs")
    return bad(phase.name, f"{band}: measure it; is the neutral connected?")


def _rotation(found: Sequence[Phase]) -> list[Finding]:
    if len(found) < 3:
        return []
    two, three = found[1].voltage_deg, found[2].voltage_deg
    if two is None or three is None:
        return [
            note("rotation", "not told by this meter; use a phase rotation indicator")
        ]
    if _near(two, 120) and _near(three, 240):
        return [good("rotation", "L1, L2, L3 follow each other clockwise")]
    if _near(two, 240) and _near(three, 120):
        return [bad("rotation", "anticlockwise: exchange two of the phase conductors")]
    return [
        bad("rotation", f"angles of {two} and {three} degrees: is a phase taken twice?")
    ]


def _near(angle: int, target: int) -> bool:
    return abs((angle - target + 180) % 360 - 180) <= DEGREES


def _currents(found: Sequence[Phase], site: Site) -> list[Finding]:
    """Judge signs and CTs, once there is load to judge them by."""
    load = sum(phase.apparent_va or abs(phase.power_w or 0) for phase in found)
    if load < LOAD_VA:
        return [_too_little(load), *_perhaps(found, site)]
    loaded = [p for p in found if (p.apparent_va or abs(p.power_w or 0)) >= PHASE_VA]
    idle = [
        note(
            p.name,
            "no load on it, so its CT was not judged; load it, or look at the CT",
        )
        for p in found
        if p not in loaded
    ]
    told = [phase for phase in loaded if phase.factor is not None]
    blind = [_direction(phase, site) for phase in loaded if phase not in told]
    return [*_cts(told, site), *blind, *idle]


def _too_little(load: int) -> Finding:
    return note(
        "load",
        f"need more load: {load} VA flow, 1 kW is the least to tell directions by;"
        " switch on a kettle or an oven and check again",
    )


def _perhaps(found: Sequence[Phase], site: Site) -> list[Finding]:
    """Return what little load makes one suspect, as notes."""
    weak = [
        p for p in found if (p.apparent_va or 0) >= HINT_VA and p.factor is not None
    ]
    return [
        note(finding.where, f"perhaps, with so little load: {finding.text}")
        for finding in _cts(weak, site)
        if finding.grade is Grade.BAD
    ]


def _cts(told: Sequence[Phase], site: Site) -> list[Finding]:
    """Judge the CTs of loaded phases by their power factors."""
    found = seats(told)
    if found is None:
        return [_direction(p, site) if _straight(p) else _odd(p) for p in told]
    upside_down = len(told) > 1 and all(
        seat.turned and seat.ct == seat.phase for seat in found.values()
    )
    return [_seat(phase, found, site, everywhere=upside_down) for phase in told]


def _seat(
    phase: Phase, found: Mapping[str, Seat], site: Site, *, everywhere: bool
) -> Finding:
    seat = found[phase.name]
    if seat.ct == seat.phase:
        return _direction(phase, site, everywhere=everywhere)
    turn = ", and turn it round" if seat.turned else ""
    other = found.get(seat.phase)
    if other is not None and other.phase == seat.ct:
        pair = " and ".join(sorted((seat.ct, seat.phase)))
        cause = f"the CTs of {pair} are swapped: exchange them"
    elif len({s.phase for s in found.values()} & set(found)) == 3:
        cause = "every CT sits one phase further: move all three by one"
    else:
        cause = (
            "its CT sits on the conductor of another phase, unless the load is very"
            " inductive: switch on a heater and check again"
        )
    return bad(phase.name, f"{_flow(phase)}: {cause}{turn}")


def _odd(phase: Phase) -> Finding:
    return bad(
        phase.name,
        f"{_flow(phase)}: its CT sits on another phase, or the load is very inductive:"
        " switch on a heater and check again",
    )


def _straight(phase: Phase) -> bool:
    return phase.factor is not None and abs(phase.factor) >= FACTOR


def _flow(phase: Phase) -> str:
    factor = "" if phase.factor is None else f", power factor {phase.factor / 1000:.2f}"
    return f"{phase.power_w} W{factor}"


def _direction(phase: Phase, site: Site, *, everywhere: bool = False) -> Finding:
    if phase.power_w is None:
        return note(phase.name, "its power is not told by this meter")
    if phase.power_w >= 0:
        return good(phase.name, _flow(phase))
    if site.feeding_in:
        return good(phase.name, f"{_flow(phase)}: it feeds in, as was said")
    if everywhere:
        return bad(
            phase.name,
            f"{_flow(phase)}: the house feeds in now (switch the PV off, or say"
            " --feeding-in), or supply and load are exchanged at the meter",
        )
    return bad(
        phase.name,
        f"{_flow(phase)}: the CT is reversed; turn it, or exchange S1 and S2"
        " (if it feeds in now, say --feeding-in)",
    )


def _sum(found: Sequence[Phase], total_w: int | None) -> list[Finding]:
    powers = [phase.power_w for phase in found if phase.power_w is not None]
    if total_w is None or len(powers) < 3:
        return []
    parts, flow = sum(powers), sum(abs(power) for power in powers)
    if abs(parts - total_w) <= SUM_FLOOR_W + flow * SUM_PERCENT // 100:
        return [good("total", f"{total_w} W is the sum of its phases")]
    return [
        bad(
            "total",
            f"{total_w} W, but its phases come to {parts} W: is the meter set to this"
            " kind of network (3 phases, 4 wires)?",
        )
    ]


def _ratios(found: Sequence[Phase], site: Site) -> list[Finding]:
    by_name = {phase.name: phase for phase in found}
    checked = [
        _ratio(by_name[name], clamp, site)
        for name, clamp in site.clamp_ma
        if name in by_name
    ]
    if site.ct_primary_ma is not None:
        checked += [
            bad(p.name, f"{_amps(p.current_ma)} is more than its CT is made for")
            for p in found
            if p.current_ma is not None
            and abs(p.current_ma) * 10 > site.ct_primary_ma * 12
        ]
    return checked


def _ratio(phase: Phase, clamp_ma: int, site: Site) -> Finding:
    shown = abs(phase.current_ma or 0)
    if clamp_ma < CLAMP_FLOOR_MA:
        return note(
            phase.name, "need more load: a clamp is not to be trusted under 0.5 A"
        )
    if not shown:
        return bad(
            phase.name,
            f"the clamp shows {_amps(clamp_ma)}, the meter none: CT open or shorted",
        )
    compared = f"the clamp shows {_amps(clamp_ma)}, the meter {_amps(shown)}"
    if abs(clamp_ma - shown) * 100 <= clamp_ma * CT_PERCENT:
        return good(phase.name, compared)
    factor = clamp_ma / shown
    advice = f"multiply the CT ratio set in the meter by {factor:.2f}"
    if site.ct_primary_ma is not None:
        right = round(site.ct_primary_ma * factor / 1000)
        advice = f"the CT ratio is wrong: set about {right} A, not {_amps(site.ct_primary_ma)}"
    return bad(phase.name, f"{compared}: {advice}")


def _volts(millivolts: int) -> str:
    return f"{millivolts / 1000:.1f} V"


def _amps(milliamperes: int | None) -> str:
    return f"{(milliamperes or 0) / 1000:.2f} A"
