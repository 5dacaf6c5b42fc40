"""A three-phase view of a sample: what each phase shows, in the sample's integers.

Pure. A quantity the meter does not tell is None; it must never be taken for 0.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_proto.units import RegisterId, parse_obis

NAMES: Final = ("L1", "L2", "L3")


@dataclass(frozen=True, slots=True)
class Phase:
    """One phase: mV, mA, W (positive into the house), and angles where the meter has them.

    `voltage_deg` is how far this phase's voltage lags that of L1, `current_deg` how far
    the current lags this phase's voltage, whole degrees from 0 to 359.
    """

    name: str
    voltage_mv: int | None = None
    current_ma: int | None = None
    power_w: int | None = None
    voltage_deg: int | None = None
    current_deg: int | None = None

    @property
    def apparent_va(self) -> int | None:
        """U x I in VA, None where either is not told."""
        if self.voltage_mv is None or self.current_ma is None:
            return None
        return abs(self.voltage_mv * self.current_ma) // 1_000_000

    @property
    def factor(self) -> int | None:
        """P / (U x I) in thousandths, -1000 to 1000; None where it cannot be told.

        Our own division, so that it means the same on every meter.
        """
        apparent = self.apparent_va
        if self.power_w is None or not apparent:
            return None
        return max(-1000, min(1000, round(1000 * self.power_w / apparent)))


def phases(values: Mapping[RegisterId, int]) -> tuple[Phase, ...]:
    """Return the phases a sample tells of: three, one, or none for a meter of another kind.

    OBIS codes of IEC 62056-6-1, 7.5.1: value group C 21 to 80 by phase, 81.7 angles.
    """
    found = tuple(_phase(values, number) for number in range(3))
    told = [
        phase
        for phase in found
        if (phase.voltage_mv, phase.current_ma, phase.power_w) != (None, None, None)
    ]
    if len(told) == 1:
        # A single-phase meter's total is its phase's.
        only = told[0]
        if only.power_w is None:
            total = values.get(_obis("16.7.0"))
            only = Phase(only.name, only.voltage_mv, only.current_ma, total)
        return (only,)
    return found if told else ()


def _phase(values: Mapping[RegisterId, int], number: int) -> Phase:
    base = 20 * (number + 1)
    power = values.get(_obis(f"{base + 16}.7.0"))
    if power is None:
        into = values.get(_obis(f"{base + 1}.7.0"))
        out = values.get(_obis(f"{base + 2}.7.0"))
        power = None if into is None and out is None else (into or 0) - (out or 0)
    return Phase(
        name=NAMES[number],
        voltage_mv=values.get(_obis(f"{base + 12}.7.0")),
        current_ma=values.get(_obis(f"{base + 11}.7.0")),
        power_w=power,
        voltage_deg=values.get(_obis(f"81.7.{number}")),
        current_deg=values.get(_obis(f"81.7.{(4, 15, 26)[number]}")),
    )


def _obis(rest: str) -> RegisterId:
    return parse_obis(f"1-0:{rest}")
