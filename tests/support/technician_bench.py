"""A line of simulated meters for the technician's commands, run by their command line."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from meterseal_agent.cli import main
from meterseal_sim import faults, street
from meterseal_sim.listing import Address
from meterseal_sim.pace import Pace
from meterseal_sim.stand import Stand, Wiring, posted

HOST = "127.0.0.1"
START = 1_782_864_000
QUICK = Pace(baud=115_200)
MODEL = "eastron-sdm630"


class Bench:
    """A line on a free port; `at` is what its meters' clock shows."""

    def __init__(self, homes: dict[int, street.Home], *, rtu: bool) -> None:
        self.homes = homes
        self.at = START
        self.stand: Stand = posted(
            [homes],
            lambda: self.at,
            Wiring(HOST, gateway=True, rtu=rtu, pace=QUICK),
        )
        self._rtu = rtu

    @property
    def port(self) -> int:
        """Where the line listens."""
        ((_, address), *_) = self.stand.places()
        assert isinstance(address, Address)
        return address.port

    @property
    def place(self) -> list[str]:
        """The options that name the line."""
        framing = "rtu" if self._rtu else "tcp"
        return ["--host", HOST, "--port", str(self.port), "--framing", framing]

    def to_load(self, low: int, high: int) -> None:
        """Turn the clock to when the first home takes `low` to `high` W."""
        home = next(iter(self.homes.values()))
        self.at = next(
            t
            for t in range(START, START + 86_400, 60)
            if low <= home.quantities_at(t, 1)["power"] <= high
        )

    async def run(self, command: str, *options: str) -> int:
        """Run one command on the line; what it prints goes where prints go."""
        return await asyncio.to_thread(main, [command, *self.place, *options])


@asynccontextmanager
async def a_line(
    units: Sequence[int], *told: str, rtu: bool = True, model: str = MODEL
) -> AsyncIterator[Bench]:
    """Serve one home for each unit, with faults as `HOME:KIND:FROM:TO:AMOUNT`."""
    plan = street.Plan(
        homes=len(units),
        seed=3,
        start=START,
        days=1,
        model=model,
        faults=tuple(faults.parse(text, START) for text in told),
    )
    bench = Bench(dict(zip(units, street.build(plan).homes, strict=True)), rtu=rtu)
    await bench.stand.open()
    try:
        yield bench
    finally:
        await bench.stand.close()
