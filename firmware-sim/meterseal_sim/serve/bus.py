"""The meters behind one line: who is asked, what each answers, how often each did.

Every transport asks here, so a meter is the same meter on every wire. Must never
answer from memory: each question is computed at its own second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from meterseal_sim import faults
from meterseal_sim.faults import Answer, Fault
from meterseal_sim.image import respond
from meterseal_sim.street import Home

Clock = Callable[[], float]


@dataclass(slots=True)
class Tally:
    """How often a unit was asked, answered with values, refused, or kept silent.

    `spoiled` counts answers that left with a fault on the frame.
    """

    asked: int = 0
    answered: int = 0
    refused: int = 0
    silent: int = 0
    spoiled: int = 0

    def note(self, answer: Answer) -> None:
        """Count one answer."""
        self.asked += 1
        if answer.pdu is None:
            self.silent += 1
        elif answer.pdu[0] & 0x80:
            self.refused += 1
        else:
            self.answered += 1
        self.spoiled += answer.spoiled

    def note_told(self, telegram: Answer) -> None:
        """Count one telegram, which cannot refuse."""
        self.asked += 1
        self.answered += telegram.pdu is not None
        self.silent += telegram.pdu is None
        self.spoiled += telegram.spoiled


@dataclass(slots=True)
class Bus:
    """Meters by unit id (1 to 247); `now` gives the street's time."""

    homes: Mapping[int, Home]
    now: Clock
    tallies: dict[int, Tally] = field(default_factory=dict)

    def ask(self, unit: int, request: bytes) -> Answer | None:
        """Return what the unit answers to a request PDU right now; None: no such unit."""
        home = self.homes.get(unit)
        if home is None:
            return None
        t = int(self.now())
        tally = self.tallies.setdefault(unit, Tally())
        ordinal = tally.asked + 1
        pdu = respond(
            home.profile,
            home.quantities_at(t, unit),
            request,
            faults.spoiler(home.faults, t, home.seed, ordinal),
        )
        answer = faults.answered(home.faults, t, home.seed, ordinal, pdu)
        tally.note(answer)
        return answer

    def turnaround_s(self, unit: int) -> float:
        """Return how long the unit's model thinks before it answers."""
        return self.homes[unit].profile.turnaround_ms / 1000

    def press(self, unit: int, pressed: tuple[Fault, ...]) -> None:
        """Put these faults on a unit from now on, instead of those it had."""
        home = replace(self.homes[unit], faults=pressed)
        self.homes = {**self.homes, unit: home}
