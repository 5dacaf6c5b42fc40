"""Pure: what a meter's terminals are really connected to, and what it counts then.

A current transformer may sit the wrong way round or on another conductor, a phase may
be missing; the meter then measures V x I of what does not belong together. Must never
know a fault's time: it says what a wiring does, not when.
"""

from dataclasses import dataclass
from math import acos, cos, radians, sin

PER_MILLE = 1000
TURN_DEGREES = 120
"""Phases follow each other by a third of a turn."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """For each phase (0, 1, 2): whose current its CT sees, its sign, and is it live."""

    currents: tuple[int, int, int] = (0, 1, 2)
    signs: tuple[int, int, int] = (1, 1, 1)
    live: tuple[bool, bool, bool] = (True, True, True)

    def cosine(self, phase: int, factor: int) -> float:
        """Return cos of voltage against seen current; `factor` is true, in per mille."""
        return self._sign(phase) * cos(self._angle(phase, factor))

    def sine(self, phase: int, factor: int) -> float:
        """Return sin of voltage against seen current."""
        return self._sign(phase) * sin(self._angle(phase, factor))

    def gains(self, shares: tuple[int, int, int], factor: int) -> tuple[int, ...]:
        """Return the per mille of the house's true power that each phase counts.

        `shares` says in per mille how the load lies on the conductors. Wired right
        the gains are the shares; a negative one counts in the other direction.
        """
        return tuple(
            round(
                shares[self.currents[phase]]
                * self.cosine(phase, factor)
                * PER_MILLE
                / factor
            )
            for phase in range(3)
        )

    def _sign(self, phase: int) -> int:
        return self.signs[phase] if self.live[phase] else 0

    def _angle(self, phase: int, factor: int) -> float:
        turn = TURN_DEGREES * (self.currents[phase] - phase)
        return acos(factor / PER_MILLE) + radians(turn)


RIGHT = Wiring()
