"""Pure: the words of a scenario: its lines, its meters, its clock and its task.

Must never hold a register: those belong to the street that the plan builds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from meterseal_sim.faults import Fault
from meterseal_sim.stand import Wiring
from meterseal_sim.street import Plan

PEAK = -1
"""A `begin` that is looked for in the load."""


@dataclass(frozen=True, slots=True)
class LinePlan:
    """A wire: its name, what is spoken on it and how it is wired."""

    name: str
    wiring: Wiring
    protocol: str = "modbus"


@dataclass(frozen=True, slots=True)
class MeterPlan:
    """A meter: its name, its line and unit, its model and its home (from 1).

    `medium` is what it counts where that is not electricity.
    """

    name: str
    line: str
    unit: int
    model: str
    home: int
    medium: str = ""


@dataclass(frozen=True, slots=True)
class Task:
    """What a technician is asked: the text, and which facts an answer must hold."""

    text: str
    asked: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """A street at work. `begin` is the second of its life at which it is started.

    `begin` None: it lives in real time, else time runs `speed` times as fast from
    there; PEAK: from the quarter hour in which the broken meter has its greatest load.
    """

    title: str
    plan: Plan
    lines: Sequence[LinePlan]
    meters: Sequence[MeterPlan]
    speed: float
    begin: int | None
    task: Task | None

    def meter(self, home: int) -> MeterPlan:
        """Return the meter of a home (from 1)."""
        return self.meters[home - 1]

    @property
    def faults(self) -> tuple[Fault, ...]:
        """What is wrong with its meters."""
        return self.plan.faults
