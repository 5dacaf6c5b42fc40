"""Registers read although nobody knows which answer: blocks are halved where they do not.

It must never ask for more than it was told, and never take silence for a gap in the map.
"""

from collections.abc import Sequence
from typing import Final

from meterseal_agent.meters.modbus import Line, Refused
from meterseal_agent.meters.planner import Block

UNMAPPED: Final = frozenset({2, 3})
"""Modbus Application Protocol V1.1b3, 7: illegal data address, illegal data value."""
LARGEST: Final = 32
"""What one request asks for at first; half the smallest usual limit of a meter."""


class Reader:
    """Reads one unit's registers, each at most once: what is known is not asked again."""

    def __init__(self, line: Line, unit: int, timeout_s: float) -> None:
        self._line = line
        self._unit = unit
        self._timeout_s = timeout_s
        self._words: dict[int, dict[int, int]] = {3: {}, 4: {}}
        self._refused: set[tuple[int, Block]] = set()

    def words(self, function: int) -> dict[int, int]:
        """Return every register read so far by function 3 or 4."""
        return self._words[function]

    async def block(self, function: int, block: Block) -> bool:
        """Read one block; False when the unit has no such registers.

        Raises Unavailable when it does not answer.
        """
        known = self._words[function]
        if all(at in known for at in range(block.address, block.end)):
            return True
        if (function, block) in self._refused:
            return False
        try:
            answer: Sequence[int] = await self._line.read(
                self._unit, function, block, self._timeout_s
            )
        except Refused as refusal:
            if refusal.code not in UNMAPPED | {1}:
                raise
            self._refused.add((function, block))
            return False
        known.update(enumerate(answer, block.address))
        return True

    async def span(self, function: int, first: int, count: int) -> None:
        """Read what answers of `count` registers from `first`, halving where it does not."""
        for start in range(first, first + count, LARGEST):
            size = min(LARGEST, first + count - start)
            await self._halves(function, Block(start, size))

    async def _halves(self, function: int, block: Block) -> None:
        if await self.block(function, block) or block.count == 1:
            return
        # Meters made of two-register values answer even starts and counts only.
        half = block.count // 2
        half += half % 2 if block.count > 2 else 0
        await self._halves(function, Block(block.address, half))
        if block.count > half:
            rest = Block(block.address + half, block.count - half)
            await self._halves(function, rest)
