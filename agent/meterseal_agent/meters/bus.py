"""Many meters polled at their own rates: each line asks one meter at a time.

Lines run side by side; on a line the schedule decides. A meter that fails is noted
and left to its back-off, nothing else happens to the others. This module must never
read a clock of its own, retry at once, or let one meter's trouble end the run.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass

from meterseal_agent.meters.port import Meter
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.schedule import Round, Turn
from meterseal_proto.errors import Unavailable
from meterseal_proto.units import MeterId

Deliver = Callable[[MeterId, Sample], Awaitable[None]]
"""Takes a sample; the line waits for it, so it must be quick."""


@dataclass(frozen=True, slots=True)
class Station:
    """A meter on the bus: its id, its port, the line it shares and how often it is read.

    Stations with the same `line` are asked one after another. `period_s` and
    `timeout_s` are in this network's seconds; `timeout_s` is the most one reading
    of a silent meter takes.
    """

    meter: MeterId
    port: Meter
    line: str
    period_s: float
    timeout_s: float


@dataclass(frozen=True, slots=True)
class Clocks:
    """The clocks a bus lives by, all in this network's seconds.

    `wall` is UTC Unix time, for samples; `steady` never jumps, for the schedule;
    `sleep` waits for a span of the same seconds.
    """

    wall: Callable[[], float]
    steady: Callable[[], float]
    sleep: Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Health:
    """How a meter does: readings answered and missed in all, failures in a row, and
    why the last one failed ("" when it did not)."""

    answers: int
    missed: int
    failures: int
    trouble: str


class Bus:
    """Polls its stations until cancelled.

    bus = Bus(stations, clocks)
    await bus.run(deliver)
    """

    def __init__(self, stations: Sequence[Station], clocks: Clocks) -> None:
        self._clocks = clocks
        self._ports = {station.meter: station.port for station in stations}
        if len(self._ports) < len(stations):
            raise ValueError("two stations have one meter id: give each meter its own")
        self._turns = {
            s.meter: Turn(s.meter, s.period_s, s.timeout_s) for s in stations
        }
        self._trouble = dict.fromkeys(self._ports, "")
        lines: dict[str, list[Turn]] = {}
        for station in stations:
            lines.setdefault(station.line, []).append(self._turns[station.meter])
        self._lines = tuple(lines.values())

    def health(self) -> Mapping[MeterId, Health]:
        """Return how every meter does now."""
        return {
            meter: Health(
                turn.answers, turn.missed, turn.failures, self._trouble[meter]
            )
            for meter, turn in self._turns.items()
        }

    async def run(self, deliver: Deliver) -> None:
        """Poll for ever. An error of `deliver`, or a bug of a port, ends the run."""
        async with asyncio.TaskGroup() as group:
            for turns in self._lines:
                group.create_task(self._serve(turns, deliver))

    async def _serve(self, turns: Sequence[Turn], deliver: Deliver) -> None:
        order = Round(turns, self._clocks.steady())
        while True:
            now = self._clocks.steady()
            meter, until = order.next(now)
            if meter is None:
                await self._clocks.sleep(until - now)
            else:
                await self._ask(order, meter, deliver)

    async def _ask(self, order: Round, meter: MeterId, deliver: Deliver) -> None:
        try:
            sample = await self._ports[meter].read(int(self._clocks.wall()))
        except Unavailable as trouble:
            self._trouble[meter] = str(trouble)
            order.failed(meter, self._clocks.steady())
            return
        self._trouble[meter] = ""
        order.answered(meter, self._clocks.steady())
        await deliver(meter, sample)
