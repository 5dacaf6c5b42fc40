"""The time a line takes: who has it, since when, and when the next byte may leave.

Requests count too: a client that writes eight bytes at once into a pseudo terminal
has still occupied the line for eight characters. Must never send a byte before its
last bit could have arrived.
"""

import asyncio

from meterseal_sim.pace import Pace
from meterseal_sim.serve.ports import Port

TICK_S = 0.002
"""Bytes leave in bunches no longer than this: what a serial driver delivers at once."""


class Wire:
    """One half-duplex line: whoever answers on it holds `bus`."""

    def __init__(self, pace: Pace) -> None:
        self.pace = pace
        self.bus = asyncio.Lock()
        self._free = 0.0

    def took(self, count: int, port: Port) -> None:
        """Account for `count` bytes that a client has put on the line.

        A real line has already taken its time for them.
        """
        now = asyncio.get_running_loop().time()
        span_s = self.pace.span_s(count) if port.paced else 0.0
        self._free = max(now, self._free) + span_s

    async def rest(self, wait_s: float = 0.0) -> None:
        """Wait until the line has been quiet for its rest, and `wait_s` longer."""
        await self._until(self._free + self.pace.rest_s + wait_s)

    async def send(self, port: Port, data: bytes) -> None:
        """Send at the line's pace; returns when the last byte has left."""
        if not port.paced:
            port.send(data)
            self._free = asyncio.get_running_loop().time() + self.pace.span_s(len(data))
            await self._until(self._free)
            return
        start = max(asyncio.get_running_loop().time(), self._free)
        bunch = max(1, int(TICK_S / self.pace.char_s))
        for first in range(0, len(data), bunch):
            part = data[first : first + bunch]
            self._free = start + self.pace.span_s(first + len(part))
            await self._until(self._free)
            port.send(part)

    async def _until(self, moment: float) -> None:
        left = moment - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
