"""A scenario at work: its clock, its stand, and what to tell whoever comes to read it.

Must never read the clock itself: the real second is given.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_proto.clock import ClockRate
from meterseal_sim.curve import QUARTER_S
from meterseal_sim.listing import AnyAddress
from meterseal_sim.scenario.model import PEAK, LinePlan, Scenario
from meterseal_sim.serve.bus import Clock
from meterseal_sim.serve.protocols import (
    M_BUS,
    MODBUS,
    SPOKEN,
    electricity,
    medium,
)
from meterseal_sim.serve.speakers import HomeSpeaker
from meterseal_sim.stand import Post, Stand, posted, spoken_stand
from meterseal_sim.street import Home, build


@dataclass(frozen=True, slots=True)
class Hour:
    """The street's time: `start` was at the real second `since`, then `speed` fast."""

    start: float
    since: float
    speed: float

    def at(self, real_s: float) -> float:
        """Return the street's second at a real one."""
        return self.start + (real_s - self.since) * self.speed

    def shared(self) -> ClockRate | None:
        """Return the clock that other programs must share; None if none can.

        Time that only began elsewhere, but runs as fast as ours, has no such clock.
        """
        if self.speed == 1:
            return None
        epoch = (self.speed * self.since - self.start) / (self.speed - 1)
        return ClockRate(epoch, self.speed)


def hour_of(scenario: Scenario, real_s: float) -> Hour:
    """Return the time of a scenario that is started at this real second."""
    if scenario.begin is None:
        return Hour(real_s, real_s, 1.0)
    begin = _peak_s(scenario) if scenario.begin == PEAK else scenario.begin
    return Hour(scenario.plan.start + begin, real_s, scenario.speed)


def _peak_s(scenario: Scenario) -> int:
    """Return when, after its start, the first broken meter has its greatest load."""
    broken = scenario.faults[0].home if scenario.faults else 0
    curve = build(scenario.plan).homes[max(broken, 1) - 1].curve
    loads = [
        curve.power_w(curve.start + quarter * QUARTER_S)
        for quarter in range(curve.quarters)
    ]
    return loads.index(max(loads)) * QUARTER_S


def stand_for(scenario: Scenario, now: Clock) -> Stand:
    """Return the scenario's lines with their meters, not yet open; raises Refused."""
    homes = build(scenario.plan).homes
    posts: list[Post] = []
    for line in scenario.lines:
        units = {
            meter.unit: homes[meter.home - 1]
            for meter in scenario.meters
            if meter.line == line.name
        }
        posts += _stand_of(scenario, line, units, now).posts
    return Stand(posts)


def _stand_of(
    scenario: Scenario, line: LinePlan, units: dict[int, Home], now: Clock
) -> Stand:
    if line.protocol == MODBUS:
        return posted(_apart(units, line), now, line.wiring)
    if line.protocol == M_BUS:
        media = {m.unit: m.medium for m in scenario.meters if m.line == line.name}
        encode = medium(media)
    else:
        write = SPOKEN[line.protocol].write
        assert write is not None
        encode = electricity(write)
    return spoken_stand(
        [units], now, line.wiring, line.protocol, lambda bus: HomeSpeaker(bus, encode)
    )


def told(scenario: Scenario, places: Sequence[tuple[Home, AnyAddress]]) -> str:
    """Return a sentence for each meter: where it answers, and what it is."""
    rows = [
        f"{scenario.meter(home.number).name}: {home.profile.name}, serial"
        f" {home.serial}, on {address.place} unit {address.unit}"
        for home, address in places
    ]
    return "\n".join(rows)


def _apart(units: dict[int, Home], line: LinePlan) -> list[dict[int, Home]]:
    """Return the meters of each wire: on TCP without a gateway each has its own port."""
    if line.wiring.device is not None or line.wiring.gateway or line.wiring.rtu:
        return [units]
    return [{unit: home} for unit, home in units.items()]
