"""The settlement grid: half-open spans of UTC time, and the arithmetic on them.

A slot starts at a multiple of its step since the Unix epoch; every step divides
an hour, so slots never straddle one. Nothing here reads a clock.
"""

from dataclasses import dataclass
from typing import Final

STEPS: Final = (300, 900, 1800, 3600)
"""Permitted lengths of a metering interval, in seconds."""


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """The time from `start` (inclusive) for `length` seconds, both in UTC Unix seconds."""

    start: int
    length: int

    @property
    def end(self) -> int:
        """The first second after the interval."""
        return self.start + self.length


def slot_start(at: int, step: int) -> int:
    """Return the start of the slot of `step` seconds that holds the second `at`."""
    return at - at % step


def on_grid(at: int, step: int) -> bool:
    """Tell whether `at` is a boundary of the grid of `step` seconds."""
    return at % step == 0
