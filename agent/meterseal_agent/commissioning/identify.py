"""Which model a unit is: every profile is held against what the unit answered, and scored.

Pure. A voltage or a frequency that is one counts most, for they cannot be right by
chance; a zero counts little, for every empty register is one. It must never call two
models apart that answered alike: then both are shown, the one that explains more first.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.registers import Point, Scale, Unit, to_sample

VOLTAGE_MV: Final = range(90_000, 480_001)
"""From a 100 V grid's lower end to the voltage between two phases of a 400 V one."""
FREQUENCY_MHZ: Final = range(45_000, 65_001)
CURRENT_MA: Final = 10_000_000
MOST_WH: Final = 10**12
"""A thousand GWh: no meter of a building gets there."""
TELLING, PLAIN, EMPTY = 6, 2, 1
"""Weights: a value that could not be chance, one that could, and a zero."""
PROBE_FAILED: Final = 10
"""The most a model gets whose own probe is wrong, in percent."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well one profile explains a unit: percent, and how many of its points did."""

    profile: Profile
    percent: int
    explained: int
    probed: bool

    @property
    def weight(self) -> tuple[int, int]:
        """What scores are ranked by: percent, and of equal ones who explains more."""
        return self.percent, self.explained

    @property
    def line(self) -> str:
        """The score as it is printed."""
        points = f"{self.explained} of {len(self.profile.points)} values are believable"
        probe = "" if self.probed else "; its probe fails"
        model = f"{self.profile.manufacturer} {self.profile.model}"
        return f"{self.percent:3} %  {self.profile.name:24} {model}: {points}{probe}"


def score(profile: Profile, words: Mapping[int, int]) -> Score:
    """Return how well `profile` explains the registers that answered, by PDU address."""
    most = got = explained = 0
    for point in profile.points:
        weight = _weight(point)
        most += weight
        value = value_of(profile, point, words)
        if value is None or not believable(profile, point, value):
            continue
        explained += 1
        got += weight if value else min(weight, EMPTY)
    probed = probe_holds(profile, words)
    percent = 100 * got // max(1, most)
    return Score(
        profile, percent if probed else min(percent, PROBE_FAILED), explained, probed
    )


def ranking(scores: Sequence[Score]) -> list[Score]:
    """Return the scores, best first; of equal ones the profile that explains more."""
    return sorted(scores, key=lambda s: (-s.percent, -s.explained, s.profile.name))


def probe_point(profile: Profile) -> Point:
    """Return the point by which the model is told apart."""
    return next(p for p in profile.every_point if p.name == profile.probe.point)


def probe_holds(profile: Profile, words: Mapping[int, int]) -> bool:
    """Tell whether the profile's own probe point answered within its bounds."""
    probe = profile.probe
    value = value_of(profile, probe_point(profile), words)
    return value is not None and probe.low <= value <= probe.high


def value_of(profile: Profile, point: Point, words: Mapping[int, int]) -> int | None:
    """Return a point's value, None when its registers did not answer or say nothing."""
    places: tuple[Point | Scale, ...] = (point, *point.scaled_by)
    needed = (at for place in places for at in range(place.address, place.end))
    if any(at not in words for at in needed):
        return None
    sample = to_sample(0, words, [point], profile.coding)
    return sample.values.get(point.register)


def believable(profile: Profile, point: Point, value: int) -> bool:
    """Tell whether a quantity of a building can be so."""
    match point.unit:
        case Unit.MILLIVOLT:
            return value in VOLTAGE_MV
        case Unit.MILLIHERTZ:
            return value in FREQUENCY_MHZ
        case Unit.MILLIAMPERE:
            return abs(value) <= CURRENT_MA
        case Unit.WATT:
            return abs(value) <= 2 * profile.max_power_w
        case _:
            return abs(value) <= MOST_WH


def _weight(point: Point) -> int:
    return TELLING if point.unit in {Unit.MILLIVOLT, Unit.MILLIHERTZ} else PLAIN
