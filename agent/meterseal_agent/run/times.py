"""The agent's clocks: this network's time, a steady one, and whether to trust them.

The only module of the agent's service that reads a clock. It must never set one.
"""

import asyncio
import math
import os
import time
from dataclasses import dataclass

from meterseal_agent.config import ConfigError
from meterseal_agent.meters.bus import Clocks
from meterseal_agent.run.clock_quality import kernel_synchronised
from meterseal_proto.clock import VARIABLE, ClockRate


@dataclass(frozen=True, slots=True)
class Times:
    """Where the agent gets its time from; `rate` is real time unless rehearsing.

    `assumed` says that a person vouches for this machine's clock.
    """

    rate: ClockRate
    assumed: bool = False

    def now(self) -> float:
        """Return this network's UTC Unix seconds."""
        return self.rate.at(time.time())

    def real(self) -> float:
        """Return real UTC Unix seconds: for what is signed for minutes, at any rate."""
        return time.time()

    def steady(self) -> float:
        """Return this network's seconds since some moment; they never jump."""
        return time.monotonic() * self.rate.speed

    async def sleep(self, span_s: float) -> None:
        """Wait for a span of this network's seconds."""
        await asyncio.sleep(self.rate.real_delay(span_s))

    @property
    def slack(self) -> int:
        """How many times more a real second is here: for bounds on what takes real time."""
        return max(1, math.ceil(self.rate.speed))

    @property
    def clocks(self) -> Clocks:
        """The same, as the bus takes them."""
        return Clocks(self.now, self.steady, self.sleep)

    def synchronised(self) -> bool:
        """Tell whether the time service keeps this clock (chrony, ntpd, timesyncd)."""
        return self.assumed or self.rate != ClockRate() or kernel_synchronised()


def from_environment(*, assumed: bool) -> Times:
    """Return the clocks that METERSEAL_CLOCK asks for; ConfigError when it is wrong."""
    try:
        return Times(ClockRate.parse(os.environ.get(VARIABLE)), assumed)
    except ValueError as error:
        raise ConfigError(str(error)) from error
