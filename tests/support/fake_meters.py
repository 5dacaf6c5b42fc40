"""Meters without a wire that keep the Meter port's contract, for tests of what reads them."""

from collections.abc import Awaitable, Callable

from meterseal_agent.meters.registers import POWER, Sample
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import EXPORT, IMPORT, RegisterId


class FakeMeter:
    """A meter whose registers a test sets, and which can fall silent.

    `delay` is awaited in every reading: how long it takes, on the test's clock.
    """

    def __init__(self, delay: Callable[[], Awaitable[None]] | None = None) -> None:
        self.values: dict[RegisterId, int] = {IMPORT: 0, EXPORT: 0, POWER: 0}
        self.unavailable: dict[RegisterId, str] = {}
        self.silent = False
        self.asked = 0
        self._delay = delay

    async def read(self, now: int) -> Sample:
        """Return the registers as they are; see the Meter port."""
        self.asked += 1
        if self._delay is not None:
            await self._delay()
        if self.silent:
            raise Unavailable("the fake meter is silent")
        values = {r: v for r, v in self.values.items() if r not in self.unavailable}
        return Sample(now, values, values.get(POWER), dict(self.unavailable))
