"""A meter on a Modbus line, read as its profile says.

It must never ask for a register its profile does not name, but for gaps that answer.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.modbus.line import TIMEOUT_S, Line
from meterseal_agent.meters.modbus.request import UNMAPPED, Refused
from meterseal_agent.meters.modbus.surely import Sure
from meterseal_agent.meters.planner import Block, plan
from meterseal_agent.meters.profile import Profile
from meterseal_agent.meters.registers import Sample, to_sample


@dataclass(frozen=True, slots=True)
class Timing:
    """How long to wait for one answer, and the steady clock two readings are judged by.

    `timeout_s` is in real seconds; `steady` counts this network's seconds (the real
    ones unless time is made to run faster) and never goes back. `turnaround_s` is the
    silence the unit wants before a question, beside what the standard asks for.
    """

    timeout_s: float = TIMEOUT_S
    steady: Callable[[], float] = time.monotonic
    turnaround_s: float = 0.0


USUAL: Final = Timing()


class ModbusMeter:
    """One unit on a Line, read by its profile in as few blocks as it allows."""

    def __init__(
        self, line: Line, unit: int, profile: Profile, timing: Timing = USUAL
    ) -> None:
        self._line = line
        self._unit = unit
        self._profile = profile
        self._timing = timing
        self._blocks = plan(profile.points, profile.limits)
        self._bare = plan(profile.points, profile.limits.without_bridges())
        self._sure = Sure(line, unit, profile.max_power_w, timing.steady)

    async def read(self, now: int) -> Sample:
        """Read every point; see the port. After trouble with the unit, read twice."""
        return await self._sure.read(lambda: self._sample(now))

    async def _sample(self, now: int) -> Sample:
        words = await self._words()
        return to_sample(now, words, self._profile.points, self._profile.coding)

    async def _words(self) -> Mapping[int, int]:
        try:
            return await self._read_blocks(self._blocks)
        except Refused as refusal:
            if refusal.code not in UNMAPPED or self._blocks == self._bare:
                raise
        # This unit does not answer across gaps as its model should: ask without.
        self._blocks = self._bare
        return await self._read_blocks(self._blocks)

    async def _read_blocks(self, blocks: Sequence[Block]) -> Mapping[int, int]:
        words: dict[int, int] = {}
        for block in blocks:
            answer = await self._line.read(
                self._unit,
                self._profile.function,
                block,
                self._timing.timeout_s,
                self._timing.turnaround_s,
            )
            words.update(enumerate(answer, block.address))
        return words
