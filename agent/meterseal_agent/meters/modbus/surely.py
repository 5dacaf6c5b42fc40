"""A reading that is sure: taken twice where a late answer could have slipped in.

It must never give a register that may belong to another answer: after trouble the
registers that count must have grown, from one reading to the next, by no more than the
meter's terminals can carry.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.modbus.line import Line
from meterseal_agent.meters.modbus.request import Garbled
from meterseal_agent.meters.registers import Sample
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import RegisterId, obis_text

SLACK: Final = 4
"""Two display steps of a float32 register above 16,384 kWh, see registers.py."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What two readings may differ by: `registers` count, `max_per_hour` in their unit."""

    registers: tuple[RegisterId, ...]
    max_per_hour: int

    def disagreement(self, first: Sample, second: Sample, span_s: float) -> str:
        """Return why `second`, begun at most `span_s` after `first`, cannot follow it.

        "" when it can.
        """
        most = self.max_per_hour * (int(span_s) + 1) // 3600 + SLACK
        for register in self.registers:
            one, two = first.values.get(register), second.values.get(register)
            if one is None or two is None or 0 <= two - one <= most:
                continue
            return (
                f"{obis_text(register)} read twice after trouble gave {one} and {two}"
            )
        return ""


@dataclass(frozen=True, slots=True)
class Sure:
    """Takes sure readings of one unit; `steady` counts the network's seconds."""

    line: Line
    unit: int
    bound: Bound
    steady: Callable[[], float]

    async def read(self, take: Callable[[], Awaitable[Sample]]) -> Sample:
        """Return what `take` reads; after noise it is asked once more, at once.

        A unit that is silent is not asked again here: that would cost the others
        their turn.
        """
        try:
            return await self._read(take)
        except Garbled:
            # The line has fallen silent again, and whoever made the noise answers.
            return await self._read(take)

    async def _read(self, take: Callable[[], Awaitable[Sample]]) -> Sample:
        doubted = self.line.doubts(self.unit)
        began = self.steady()
        first = await take()
        if not doubted:
            return first
        second = await take()
        why = self.bound.disagreement(first, second, self.steady() - began)
        if why:
            raise Unavailable(f"{self.line.name} unit {self.unit}: {why}")
        self.line.trust(self.unit)
        return second
