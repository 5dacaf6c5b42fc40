"""Which conductor each current transformer sits on, and which way round, from the angles.

Pure. A CT on the next conductor sees its current 120 degrees late, one turned round 180.
Of all arrangements that leave every load a believable power factor, the one is taken
that moves the fewest CTs, and of those the one with the smallest angles. It must never
name an arrangement that does not explain every loaded phase.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations, product
from math import acos, degrees
from typing import Final

from meterseal_agent.commissioning.phases import NAMES, Phase

FACTOR: Final = 550
"""Thousandths: the least power factor a load of 1 kW has. A CT on another phase shows
cos 120 = -0.5 of a resistive load, so the two never meet."""
_STRAIGHT: Final = degrees(acos(FACTOR / 1000))
_MOVED: Final = 45.0
"""Degrees: what is said to sit elsewhere must explain its angle better than that."""


@dataclass(frozen=True, slots=True, order=True)
class Seat:
    """Where the CT named `ct` sits: around the conductor of `phase`, perhaps turned round."""

    ct: str
    phase: str
    turned: bool = False

    @property
    def right(self) -> bool:
        """Tell whether it sits as it should."""
        return self.ct == self.phase and not self.turned


def seats(loaded: Sequence[Phase]) -> Mapping[str, Seat] | None:
    """Return where the CTs of `loaded` phases sit, by name; None when nothing explains them.

    Every phase must carry load and tell its power factor.
    """
    best: tuple[int, float, tuple[Seat, ...]] | None = None
    for order, turns in product(
        permutations(range(3)), product((False, True), repeat=3)
    ):
        found = _try(loaded, order, turns)
        if found is not None and (best is None or found < best):
            best = found
    return None if best is None else {seat.ct: seat for seat in best[2]}


def _try(
    loaded: Sequence[Phase], order: Sequence[int], turns: Sequence[bool]
) -> tuple[int, float, tuple[Seat, ...]] | None:
    """Return how many CTs an arrangement moves, its largest angle, and its seats."""
    widest, found = 0.0, []
    for phase in loaded:
        here = NAMES.index(phase.name)
        there, turned = order[here], turns[here]
        lag = _lag(phase, 120 * (there - here) + 180 * turned)
        if lag > (_STRAIGHT if there == here else _MOVED):
            return None
        widest = max(widest, lag)
        found.append(Seat(phase.name, NAMES[there], turned))
    return sum(not seat.right for seat in found), widest, tuple(found)


def _lag(phase: Phase, moved: int) -> float:
    """Return the least angle between voltage and current once `moved` degrees are undone."""
    if phase.current_deg is not None:
        angles = [float(phase.current_deg)]
    else:
        angle = degrees(acos((phase.factor or 0) / 1000))
        angles = [angle, -angle]
    return min(abs((angle - moved + 180) % 360 - 180) for angle in angles)
