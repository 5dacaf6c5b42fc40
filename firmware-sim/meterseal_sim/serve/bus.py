"""The meters behind one line: who is asked, what each answers, how often each did.

Every transport asks here, so a meter is the same meter on every wire. Must never
answer from memory: each question is computed at its own second.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from meterseal_sim import faults
from meterseal_sim.faults import Answer, Fault
from meterseal_sim.image import Trouble, exception, respond
from meterseal_sim.pace import Pace
from meterseal_sim.settings import WRITE_MULTIPLE, acknowledged, codes, told
from meterseal_sim.street import Home

Clock = Callable[[], float]
DELIVERED = Pace()
"""How meters are set when they come out of their box."""


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
    """Meters by unit id (1 to 247); `now` gives the street's time, `pace` the line's."""

    homes: Mapping[int, Home]
    now: Clock
    pace: Pace = DELIVERED
    tallies: dict[int, Tally] = field(default_factory=dict)
    paces: dict[int, Pace] = field(default_factory=dict)

    def ask(self, unit: int, request: bytes) -> Answer | None:
        """Return what the unit answers to a request PDU right now; None: no such unit."""
        home = self.homes.get(unit)
        if home is None:
            return None
        t = int(self.now())
        tally = self.tallies.setdefault(unit, Tally())
        ordinal = tally.asked + 1
        values = {**home.quantities_at(t, unit), **codes(unit, self.pace_of(unit))}
        spoil = faults.spoiler(home.faults, t, home.seed, ordinal)
        pdu = respond(home.profile, values, request, spoil)
        if request[:1] == bytes((WRITE_MULTIPLE,)):
            pdu = self._written(unit, request)
        answer = faults.answered(home.faults, t, home.seed, ordinal, pdu)
        tally.note(answer)
        return answer

    def pace_of(self, unit: int) -> Pace:
        """Return the pace a unit was set to: the line's unless it was told another."""
        return self.paces.get(unit, self.pace)

    def _written(self, unit: int, request: bytes) -> bytes:
        """Let a meter be told its address or speed; it answers as what it was."""
        found = told(self.homes[unit].profile, request, unit, self.pace_of(unit))
        if isinstance(found, bytes):
            return found
        if found.unit != unit and found.unit in self.homes:
            return exception(WRITE_MULTIPLE, Trouble.ILLEGAL_VALUE)
        homes = dict(self.homes)
        homes[found.unit] = homes.pop(unit)
        self.homes = homes
        self.tallies[found.unit] = self.tallies.pop(unit)
        self.paces.pop(unit, None)
        self.paces[found.unit] = found.pace
        return acknowledged(request)

    def turnaround_s(self, unit: int) -> float:
        """Return how long a unit's model thinks before it answers, 0 without one."""
        home = self.homes.get(unit)
        return home.profile.turnaround_ms / 1000 if home is not None else 0.0

    def press(self, unit: int, pressed: tuple[Fault, ...]) -> None:
        """Put these faults on a unit from now on, instead of those it had."""
        home = replace(self.homes[unit], faults=pressed)
        self.homes = {**self.homes, unit: home}
