"""How many of an agent's seals may be set aside a day: what one device may fill for ever.

A seal in quarantine keeps its header for good, for later ones point to it, so a device
that signs nonsense all day would fill our disk. Beyond its allowance such a seal is
answered "come again": nothing is lost, and whoever is honest is through by tomorrow. What
is accepted needs no bound here, for each slot of time is accepted once. Pure. This module
must never let one agent draw on another's allowance.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

LINKS_A_DAY: Final = 5_000
"""Seals of one agent set aside a day: each keeps its header for ever. So many come of fifty
registers whose every quarter hour is wrong; what is beyond waits and comes again tomorrow."""


@dataclass(slots=True)
class Allowance:
    """How many more seals of an agent may be set aside today, whatever their register."""

    left: int = LINKS_A_DAY

    def take(self) -> bool:
        """Tell whether one more may be, and book it."""
        self.left -= 1
        return self.left >= 0


class Today:
    """What each agent's seals may still be set aside today, as a batch finds and leaves it."""

    def __init__(self, day: int, left: Mapping[str, int]) -> None:
        self.day = day
        self._left = left
        self._asked: dict[str, Allowance] = {}

    def of(self, agent: str) -> Allowance:
        """Return an agent's allowance, the same one for all its registers."""
        if agent not in self._asked:
            left = self._left.get(agent, LINKS_A_DAY)
            self._asked[agent] = Allowance(left)
        return self._asked[agent]

    def after(self) -> dict[str, int]:
        """Return what is left of those that were drawn on."""
        spent = {name: one.left for name, one in self._asked.items()}
        used = {name: left for name, left in spent.items() if left < LINKS_A_DAY}
        return {**self._left, **used}


class Allowances:
    """Each agent's allowance of the day, in memory: a restart gives every one a new one."""

    def __init__(self) -> None:
        self._day = -1
        self._left: dict[str, int] = {}

    def on(self, day: int) -> Today:
        """Return what is left on a day since 1970."""
        return Today(day, self._left if day == self._day else {})

    def keep(self, today: Today) -> None:
        """Keep what a committed batch left."""
        self._day, self._left = today.day, today.after()
