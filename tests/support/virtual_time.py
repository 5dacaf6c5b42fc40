"""Time that passes only when everybody waits: tests of hours that take milliseconds.

A working clock, not a recorder: tasks sleep on it in their true order. It must never
be mixed with real input or output, which it cannot see.
"""

import asyncio
import heapq
from collections.abc import Coroutine
from typing import Any

SETTLE = 8
"""Turns of the event loop in which every task reaches its next sleep."""
MAX_WAKES = 100_000
"""A task that wakes oftener is spinning without time passing: a bug, not patience."""


class VirtualTime:
    """A clock in seconds; `sleep` waits on it, `run` moves it."""

    def __init__(self, start: float = 0.0) -> None:
        self.now = start
        self._order = 0
        self._waiting: list[tuple[float, int, asyncio.Future[None]]] = []

    def read(self) -> float:
        """Return the time now."""
        return self.now

    async def sleep(self, span_s: float) -> None:
        """Wait until `span_s` have passed on this clock."""
        wake: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._order += 1
        heapq.heappush(self._waiting, (self.now + max(0.0, span_s), self._order, wake))
        await wake

    # Any: what the work returns is of no interest here.
    async def run(self, work: Coroutine[Any, Any, object], span_s: float) -> None:
        """Run `work` for `span_s` of this clock, then cancel it; its errors are raised."""
        task = asyncio.ensure_future(work)
        end, wakes = self.now + span_s, 0
        await self._settle()
        while not task.done() and self._waiting and self._waiting[0][0] <= end:
            self.now, _, wake = heapq.heappop(self._waiting)
            wakes += 1
            assert wakes < MAX_WAKES, f"spinning at {self.now}"
            if not wake.done():
                wake.set_result(None)
            await self._settle()
        self.now = end
        task.cancel()
        try:
            await task
        except asyncio.CancelledError:
            pass

    async def _settle(self) -> None:
        for _ in range(SETTLE):
            await asyncio.sleep(0)
