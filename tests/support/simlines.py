"""Simulated meters on serial wires, for tests: a terminal in a folder, a clock to turn."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from meterseal_sim import faults
from meterseal_sim.listing import Address
from meterseal_sim.pace import Pace
from meterseal_sim.serve.lines import Device
from meterseal_sim.stand import Stand, Wiring, stand_of
from meterseal_sim.street import Home, Plan, build

START = 1_782_864_000
NOON = START + 12 * 3600 + 17
HOST = "127.0.0.1"


@dataclass
class Hands:
    """A clock whose hands the test turns, or says beforehand, question by question."""

    t: float = NOON
    told: list[float] = field(default_factory=list)

    def now(self) -> float:
        return self.told.pop(0) if self.told else self.t


def homes_of(
    model: str | None = None, homes: int = 1, told: Sequence[str] = ()
) -> Sequence[Home]:
    """Return the homes of a small street, with faults as the command line writes them."""
    broken = tuple(faults.parse(text, START) for text in told)
    plan = Plan(homes=homes, seed=1, start=START, days=1, model=model, faults=broken)
    return build(plan).homes


@asynccontextmanager
async def standing(
    homes: Sequence[Home], hands: Hands, wiring: Wiring, unit: int = 1
) -> AsyncIterator[Stand]:
    """Open a stand of these homes and close it afterwards."""
    stand = stand_of(homes, hands.now, wiring, unit=unit)
    await stand.open()
    try:
        yield stand
    finally:
        await stand.close()


def on_terminal(
    folder: Path, pace: Pace | None = None, *, strict: bool = False
) -> Wiring:
    """Return the wiring of a terminal `line` in a folder (9600 8N1)."""
    device = Device(str(folder / "line"), strict=strict)
    return Wiring(device=device, pace=pace or Pace())


def port_of(stand: Stand) -> int:
    """Return the TCP port of a stand's first meter."""
    address = stand.places()[0][1]
    assert isinstance(address, Address)
    return address.port
