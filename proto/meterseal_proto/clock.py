"""The rate of time: real seconds to the seconds a rehearsal lives in, and back.

`METERSEAL_CLOCK=epoch,speed` makes every program of a network live at
`epoch + (real - epoch) * speed`. The map holds no state, so programs agree and a
restart changes nothing. This module must never read a clock: it is given the time.
"""

from dataclasses import dataclass
from typing import Final, Self

VARIABLE: Final = "METERSEAL_CLOCK"
MAX_SPEED: Final = 100_000.0
"""A day in under a second; faster, and no poll could keep up with a 5-minute slot."""


@dataclass(frozen=True, slots=True)
class ClockRate:
    """How fast time runs, and the real second at which both clocks agree."""

    epoch: float = 0.0
    speed: float = 1.0

    @classmethod
    def parse(cls, text: str | None) -> Self:
        """Read `epoch,speed`; None or an empty text is real time.

        Raises ValueError for anything else than two numbers with 0 < speed <= MAX_SPEED.
        """
        if not text:
            return cls()
        try:
            epoch, speed = (float(part) for part in text.split(","))
        except ValueError:
            raise ValueError(
                f"{VARIABLE}={text!r}: write epoch,speed, e.g. 1790000000,60"
            ) from None
        if not 0 < speed <= MAX_SPEED:
            raise ValueError(
                f"{VARIABLE}={text!r}: speed must be above 0, at most {MAX_SPEED:.0f}"
            )
        return cls(epoch, speed)

    def at(self, real_s: float) -> float:
        """Return this network's time at the real Unix second `real_s`."""
        return self.epoch + (real_s - self.epoch) * self.speed

    def real_delay(self, span_s: float) -> float:
        """Return how many real seconds a span of this network's time takes, never negative."""
        return max(0.0, span_s / self.speed)
