"""Real water meters through a real agent and a real aggregator, a day at a time.

One agent holds all the meters: its sampler judges every reading of the file, its outbox
keeps the records, its sealer seals them; intake judges the seals and its receipts empty
the outbox. Only the wire between the two is left out.
"""

import csv
import gzip
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Final

from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.model import Start
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.sampler import Clock, Rules, State, observe
from meterseal_agent.seal import Sealer
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.seal import Head
from meterseal_proto.units import WATER, MeterId
from tests.support.boxes import KEYS, NOT_BUSY
from tests.support.data import shared_data
from tests.support.devices import CAPACITY_W, GENESIS, Device
from tests.support.frontdesk import FrontDesk, front_desk

FILE: Final = "daiad_alicante_93_water_meters_hourly_litres.csv.gz"
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
AGENT: Final = "pi-1"
ROOM: Final = 200

Readings = list[tuple[int, int]]
"""A meter's readings as the file has them: Unix seconds, litres."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one meter's year, in litres: `first` and `last` are its register.

    `steps` are the breaks of the register that were quarantined: from, to, reason.
    """

    first: int
    last: int
    accepted: int
    least: int
    steps: tuple[tuple[int, int, int], ...]

    @property
    def kept(self) -> bool:
        """Whether accepted = last - first - what the quarantined steps moved."""
        moved = sum(to - origin for origin, to, _ in self.steps)
        return self.accepted == self.last - self.first - moved


def year() -> dict[int, Readings]:
    """Return every meter of the file; its local time is taken as a clock without summer."""
    found: dict[int, Readings] = {}
    with gzip.open(shared_data("homes", FILE), "rt") as file:
        for row in csv.DictReader(file):
            at = datetime.fromisoformat(row["local_time"]).replace(tzinfo=UTC)
            reading = (int(at.timestamp()), int(row["register_litres"]))
            found.setdefault(int(row["meter"]), []).append(reading)
    return found


def backward(readings: Sequence[tuple[int, int]]) -> int:
    """Count the steps backward of a register as the file has them."""
    values = [value for _, value in readings]
    return sum(b < a for a, b in pairwise(values))


class Agent:
    """The agent of all the meters; `take` a day's readings, then `send`."""

    def __init__(self, folder: Path, meters: Mapping[int, Readings]) -> None:
        self.devices = [_device(n, readings[0]) for n, readings in meters.items()]
        starts = [
            Start(d.meter, d.register, HOUR_S, CAPACITY_W, d.head) for d in self.devices
        ]
        network = GENESIS.network
        self.outbox = Outbox(
            folder / "outbox.sqlite", registers=len(starts), network=network
        )
        self.outbox.enrol(starts)
        self._sealer = Sealer(
            self.outbox, KEYS, network=network, chain_id=GENESIS.chain_id
        )
        self._rules = {
            n: _rules(d.meter) for n, d in zip(meters, self.devices, strict=True)
        }
        self._states = {
            n: State.begin(d.head.end, d.head.value, readings[0][0])
            for (n, readings), d in zip(meters.items(), self.devices, strict=True)
        }

    def take(self, samples: Iterable[tuple[int, tuple[int, int]]]) -> None:
        """Judge readings in order and keep the records they complete."""
        rows = []
        for number, (at, litres) in samples:
            sample = Sample(at, {WATER: litres}, None, {})
            rules, state = self._rules[number], self._states[number]
            self._states[number], record = observe(rules, state, sample, Clock.TRUSTED)
            if record is not None:
                rows.append((record, self._states[number].to_json()))
        assert self.outbox.add(rows)

    async def send(self, desk: FrontDesk, now: int) -> None:
        """Seal and deliver until nothing is due, as an uplink does."""
        desk.now = now
        while due := self._sealer.due(room=ROOM, busy=NOT_BUSY):
            for receipt in await desk.deliver(AGENT, [s.payload for s in due]):
                assert self.outbox.apply(receipt, now=now).unknown == 0
        while self.outbox.prune(now=now):
            pass


def _rules(meter: MeterId) -> Rules:
    # The file's meters are read at some minute of each hour, so a boundary is met late.
    return Rules(meter, WATER, HOUR_S, CAPACITY_W, lateness_limit_s=HOUR_S)


def _device(number: int, first: tuple[int, int]) -> Device:
    at, litres = first
    meter = MeterId((number + 1).to_bytes(16))
    start = RegisterStart(WATER, HOUR_S, litres, at - at % HOUR_S)
    link = enrolment_hash(GENESIS.network, meter, start, KEYS.seal_key.public)
    head = Head(0, link, start.at, litres)
    return Device(meter, WATER, AGENT, KEYS.seal_key, HOUR_S, start, link, head, b"")


@asynccontextmanager
async def replayed(
    folder: Path, meters: Mapping[int, Readings]
) -> AsyncIterator[tuple[FrontDesk, dict[int, Told]]]:
    """Replay all of `meters`; gives the desk and what came of each meter."""
    agent = Agent(folder, meters)
    async with front_desk(folder, agent.devices) as desk:
        for end, samples in _days(meters):
            agent.take(samples)
            await agent.send(desk, end)
        agent.outbox.close()
        yield desk, await _told(desk, meters, agent.devices)


def _days(
    meters: Mapping[int, Readings],
) -> Iterator[tuple[int, list[tuple[int, tuple[int, int]]]]]:
    """Give each day's end and readings; a meter's own stay in the order of the file."""
    flat = [(n, reading) for n, readings in meters.items() for reading in readings]
    days: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for number, reading in flat:
        days.setdefault(reading[0] // DAY_S, []).append((number, reading))
    for day in sorted(days):
        yield (day + 1) * DAY_S, days[day]


async def _told(
    desk: FrontDesk, meters: Mapping[int, Readings], devices: Sequence[Device]
) -> dict[int, Told]:
    told = {}
    for (number, readings), device in zip(meters.items(), devices, strict=True):
        row = (device.register_id,)
        ((accepted, least),) = await desk.rows(
            "SELECT sum(delta), min(delta) FROM readings WHERE register_id = ?", row
        )
        ((last,),) = await desk.rows(
            "SELECT value FROM heads WHERE register_id = ?", row
        )
        steps = await desk.rows(
            "SELECT from_value, to_value, cause FROM register_steps"
            " WHERE register_id = ?",
            row,
        )
        told[number] = Told(readings[0][1], last, accepted, least, tuple(steps))
    return told
