"""A reading that is sure: taken twice where a late answer could have slipped in.

It must never give a register that may belong to another answer: after trouble the
registers must have grown, from one reading to the next, by no more than the meter's
terminals can carry.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.agreement import disagreement
from meterseal_agent.meters.modbus.line import Line
from meterseal_agent.meters.modbus.request import Garbled
from meterseal_agent.meters.registers import Sample
from meterseal_proto.errors import Unavailable

SLACK: Final = 4
"""Two display steps of a float32 register above 16,384 kWh, see registers.py."""


@dataclass(frozen=True, slots=True)
class Sure:
    """Takes sure readings of one unit.

    `max_per_hour` is what a register can grow by, W for Wh; `steady` counts this
    network's seconds and never goes back.
    """

    line: Line
    unit: int
    max_per_hour: int
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
        span_s = int(self.steady() - began) + 1
        most = self.max_per_hour * span_s // 3600 + SLACK
        if why := disagreement(first, second, most):
            raise Unavailable(
                f"{self.line.name} unit {self.unit}: read twice after trouble, {why}"
            )
        self.line.trust(self.unit)
        return second
