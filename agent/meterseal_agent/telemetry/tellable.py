"""What of a sample may be told in the open: the one place where that is decided.

Pure. A committed register hides how a house uses energy, and its power, currents and
voltages would tell it again, ten seconds at a time. So a meter of which one register is
committed tells nothing at all. This module must never be asked twice with two opinions:
telemetry, metrics and health all go through it or hold no value.
"""

from collections.abc import Mapping
from enum import StrEnum

from meterseal_agent.meters.registers import POWER, Sample
from meterseal_proto.units import RegisterId


class Mode(StrEnum):
    """How a register's intervals are sealed; fixed for a period."""

    OPEN = "open"
    COMMITTED = "committed"


def tellable(
    sample: Sample, modes: Mapping[RegisterId, Mode]
) -> Mapping[RegisterId, int]:
    """Return the values of a sample that may leave the house, by register.

    `modes` holds every sealed register of the sample's meter; a meter of which nothing
    is sealed has told nobody's usage yet, and tells nothing.
    """
    if not modes or any(mode is not Mode.OPEN for mode in modes.values()):
        return {}
    if sample.power_w is None or POWER in sample.values:
        return sample.values
    return {**sample.values, POWER: sample.power_w}
