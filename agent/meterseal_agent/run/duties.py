"""Duties: what runs side by side for as long as the agent does, and whether it gets on.

What one raises is logged and counted, and it starts again. A duty says so whenever it
got on; one that has not for longer than its limit makes the agent as good as dead, and
systemd is no longer told otherwise. This module must never decide what a duty does.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

CANCEL_AGAIN_S: Final = 0.2
"""How long a cancelled duty may take to end before it is told again."""
RESTART_S: Final = 1.0
RESTART_CAP_S: Final = 60.0
"""A duty that fails waits, twice as long each time, so a log never fills the card."""

_log = logging.getLogger("meterseal.run")

Work = Callable[[], Awaitable[None]]


class Progress:
    """How far each duty has counted, and when it last counted on.

    `limits` is the longest each may stand still, in seconds of any steady clock; who is
    not in it is not watched.
    """

    def __init__(self, limits: Mapping[str, float], now: float) -> None:
        self._limits = dict(limits)
        self._counts = dict.fromkeys(limits, -1)
        self._at = dict.fromkeys(limits, now)

    def look(self, counts: Mapping[str, int], now: float) -> list[str]:
        """Note the counts of now; return the duties that have stood still too long."""
        for name, count in counts.items():
            if name in self._counts and count != self._counts[name]:
                self._counts[name], self._at[name] = count, now
        return [
            name
            for name, limit in sorted(self._limits.items())
            if now - self._at[name] > limit
        ]


@dataclass(slots=True)
class Duties:
    """Keeps duties going, and counts how often each failed."""

    failures: dict[str, int] = field(default_factory=dict)

    async def keep(self, name: str, work: Work) -> None:
        """Run `work` for ever: log what it raises, count it, start it again."""
        wait = RESTART_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await work()
            except Exception:
                self.failures[name] = self.failures.get(name, 0) + 1
                _log.exception("duty_failed duty=%s", name)
            if asyncio.get_running_loop().time() - began > RESTART_CAP_S:
                wait = RESTART_S
            await asyncio.sleep(wait)
            wait = min(RESTART_CAP_S, 2 * wait)


async def end_all(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the duties until each has ended.

    Once is not enough: Python 3.11's `wait_for`, under pymodbus's connect, loses a
    cancellation that comes in the very moment the connection is refused.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
