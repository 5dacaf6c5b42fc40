"""The agent's clocks: this network's time, a steady one, and whether to trust them.

The only module of the agent's service that reads a clock. It must never set one.
"""

import asyncio
import ctypes
import math
import os
import time
from dataclasses import dataclass
from typing import Final

from meterseal_agent.meters.bus import Clocks
from meterseal_proto.clock import VARIABLE, ClockRate

_TIME_ERROR: Final = 5
"""adjtimex(2): the kernel's clock is not synchronised."""
_TIMEX_BYTES: Final = 512
"""Larger than struct timex on every Linux; zeroes mean "only tell"."""


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
    """Return the clocks that METERSEAL_CLOCK asks for; ValueError when it is wrong."""
    return Times(ClockRate.parse(os.environ.get(VARIABLE)), assumed)


def kernel_synchronised() -> bool:
    """Ask the kernel whether its clock is kept by a time service; False if it will not say."""
    try:
        state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    except (OSError, AttributeError):
        return False
    return 0 <= int(state) < _TIME_ERROR
