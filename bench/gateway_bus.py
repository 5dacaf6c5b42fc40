"""A Modbus TCP gateway with many units behind it, some dead, that counts what it is asked.

It runs in a process of its own, and whoever polls it is measured by the same count: a unit
has given a sample whenever each of its values was asked for and answered since the last
one. Dead units keep silent. It must never know who polls.
"""

import asyncio
import multiprocessing
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import pairwise
from multiprocessing.connection import Connection
from typing import Final

from meterseal_sim.faults import Answer, Fault, Kind
from meterseal_sim.serve.bus import Bus, Clock
from meterseal_sim.serve.tcp import Line
from meterseal_sim.street import Home, Plan, build

MODEL: Final = "eastron-sdm630"
START: Final = 1_782_864_000
NOON: Final = START + 12 * 3600
_READ: Final = (3, 4)
Samples = Mapping[int, Sequence[float]]
"""When each unit gave a sample, in seconds of the steady clock."""


@dataclass(frozen=True, slots=True)
class Units:
    """Units 1 to `count`, of which `dead` keep silent; a sample is of `addresses`."""

    count: int
    dead: frozenset[int]
    addresses: frozenset[int]

    @property
    def living(self) -> Sequence[int]:
        """The units that answer."""
        return [unit for unit in range(1, self.count + 1) if unit not in self.dead]


@dataclass(slots=True)
class Count:
    """What one unit has answered of the sample to come, and when each was whole."""

    wanted: frozenset[int]
    missing: set[int] = field(default_factory=set)
    times: list[float] = field(default_factory=list)

    def note(self, addresses: Collection[int]) -> None:
        """Note that these addresses were read and answered."""
        self.missing = (self.missing or set(self.wanted)).difference(addresses)
        if not self.missing:
            self.times.append(time.monotonic())


class CountingBus(Bus):
    """The simulator's bus, with a count beside it."""

    def __init__(self, homes: Mapping[int, Home], now: Clock, units: Units) -> None:
        super().__init__(homes, now)
        self.counts = {unit: Count(units.addresses) for unit in homes}

    def ask(self, unit: int, request: bytes) -> Answer | None:
        """Answer as the simulator does; a read that is answered counts."""
        answer = super().ask(unit, request)
        if answer is not None and answer.pdu is not None and answer.pdu[0] in _READ:
            first, count = (int.from_bytes(request[at : at + 2]) for at in (1, 3))
            self.counts[unit].note(range(first, first + count))
        return answer


@dataclass(frozen=True, slots=True)
class Gateway:
    """The running bus: its TCP port, and what it has counted."""

    port: int
    _pipe: Connection

    def samples(self) -> dict[int, list[float]]:
        """Return when each unit gave a sample, from the beginning."""
        self._pipe.send("count")
        found: dict[int, list[float]] = self._pipe.recv()
        return found


def lost(samples: Samples, units: Units, span: tuple[float, float]) -> float:
    """Return the share of the living's samples lost in `span`, one a second being due."""
    began, ended = span
    got = [len(_within(samples[unit], span)) for unit in units.living]
    return max(0.0, 1 - sum(got) / (len(got) * (ended - began)))


def longest_gap_s(samples: Samples, units: Units, span: tuple[float, float]) -> float:
    """Return the longest a living unit went unread within `span`, its ends included."""
    gaps = []
    for unit in units.living:
        times = [span[0], *_within(samples[unit], span), span[1]]
        gaps += [b - a for a, b in pairwise(times)]
    return max(gaps)


def rate(samples: Samples, units: Units, span: tuple[float, float]) -> float:
    """Return the living's samples a second in `span`, all units together."""
    got = sum(len(_within(samples[unit], span)) for unit in units.living)
    return got / (span[1] - span[0])


def _within(times: Sequence[float], span: tuple[float, float]) -> list[float]:
    return [at for at in times if span[0] <= at < span[1]]


@contextmanager
def gateway(units: Units) -> Iterator[Gateway]:
    """Serve a bus from a process of its own until the block ends."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(units, theirs))
    process.start()
    theirs.close()
    try:
        yield Gateway(ours.recv(), ours)
    finally:
        ours.close()
        process.join()


def _serve(units: Units, pipe: Connection) -> None:
    silent = tuple(Fault(unit, Kind.SILENCE, 0) for unit in units.dead)
    plan = Plan(units.count, seed=1, start=START, days=1, model=MODEL, faults=silent)
    homes = {home.number: home for home in build(plan).homes}
    began = time.monotonic()

    async def main() -> None:
        line = Line(homes, lambda: NOON + time.monotonic() - began, gateway=True)
        bus = CountingBus(homes, line.bus.now, units)
        line.bus = bus
        await line.open("127.0.0.1", 0)
        pipe.send(line.port)
        over = asyncio.Event()

        def asked() -> None:
            try:
                pipe.recv()
            except EOFError:
                over.set()
                return
            pipe.send({unit: count.times for unit, count in bus.counts.items()})

        asyncio.get_running_loop().add_reader(pipe.fileno(), asked)
        await over.wait()
        await line.close()

    asyncio.run(main())
