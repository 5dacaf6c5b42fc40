"""Real water and heat meters through a real agent and a real aggregator, day by day.

One agent holds all the registers: its sampler judges every reading of a file, its outbox
keeps the records, its sealer seals them; intake judges the seals and its receipts empty
the outbox. Only the wire between the two is left out.
"""

import csv
import gzip
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
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
from meterseal_proto.units import HEAT, WATER, MeterId, RegisterId, parse_obis
from tests.support.boxes import KEYS, NOT_BUSY
from tests.support.data import shared_data
from tests.support.devices import CAPACITY_W, GENESIS, Device
from tests.support.frontdesk import FrontDesk, front_desk

WATER_FILE: Final = "daiad_alicante_93_water_meters_hourly_litres.csv.gz"
HEAT_FILE: Final = "danish_heat_meters_hourly.csv.gz"
HEAT_VOLUME: Final = parse_obis("6-0:2.0.0")
"""EN 13757-1: the volume a heat meter has counted, litres."""
HEAT_COLUMNS: Final = ((HEAT, "energy_heat_kwh"), (HEAT_VOLUME, "volume_flow_m3"))
HOUR_S: Final = 3_600
DAY_S: Final = 86_400
AGENT: Final = "pi-1"
ROOM: Final = 200

Readings = list[tuple[int, int]]
"""Readings as a file has them: Unix seconds, litres or Wh."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One register of a file, and its readings in the order of the file."""

    register: RegisterId
    readings: Readings


Registers = Mapping[int, Counted]
"""Registers by the number that each has here; each is replayed as a meter's only one."""


@dataclass(frozen=True, slots=True)
class Told:
    """What came of one register, in its units: `first` and `last` are what it showed.

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


def water_year() -> dict[int, Counted]:
    """Return every water meter; the file's local time is taken as one without summer."""
    found: dict[int, Counted] = {}
    for row in _rows(WATER_FILE):
        at = datetime.fromisoformat(row["local_time"]).replace(tzinfo=UTC)
        reading = (int(at.timestamp()), int(row["register_litres"]))
        meter = found.setdefault(int(row["meter"]), Counted(WATER, []))
        meter.readings.append(reading)
    return found


def heat_years() -> dict[int, Counted]:
    """Return the energy (Wh) and the volume (litres) of one home's heat meter.

    The file has kWh and m3 with decimals; each is rounded once, half to even.
    """
    found = {n: Counted(register, []) for n, (register, _) in enumerate(HEAT_COLUMNS)}
    for row in _rows(HEAT_FILE):
        at = int(datetime.fromisoformat(row["time_rounded"]).timestamp())
        for n, (_, column) in enumerate(HEAT_COLUMNS):
            found[n].readings.append((at, round(Decimal(row[column]) * 1000)))
    return found


def _rows(name: str) -> Iterator[dict[str, str]]:
    with gzip.open(shared_data("homes", name), "rt") as file:
        yield from csv.DictReader(file)


def backward(readings: Sequence[tuple[int, int]]) -> int:
    """Count the steps backward of a register as the file has them."""
    values = [value for _, value in readings]
    return sum(b < a for a, b in pairwise(values))


class Agent:
    """The agent of all the registers; `take` a day's readings, then `send`."""

    def __init__(self, folder: Path, meters: Registers) -> None:
        self.devices = [_device(n, meter) for n, meter in meters.items()]
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
        self._rules = {n: _rules(d) for n, d in zip(meters, self.devices, strict=True)}
        self._states = {
            n: State.begin(d.head.end, d.head.value, meter.readings[0][0])
            for (n, meter), d in zip(meters.items(), self.devices, strict=True)
        }

    def take(self, samples: Iterable[tuple[int, tuple[int, int]]]) -> None:
        """Judge readings in order and keep the records they complete."""
        rows = []
        for number, (at, value) in samples:
            rules, state = self._rules[number], self._states[number]
            sample = Sample(at, {rules.register: value}, None, {})
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


def _rules(one: Device) -> Rules:
    # The water meters are read at some minute of each hour, so a boundary is met late.
    limit_s = HOUR_S
    return Rules(one.meter, one.register, HOUR_S, CAPACITY_W, lateness_limit_s=limit_s)


def _device(number: int, of: Counted) -> Device:
    at, value = of.readings[0]
    meter = MeterId((number + 1).to_bytes(16))
    start = RegisterStart(of.register, HOUR_S, value, at - at % HOUR_S)
    link = enrolment_hash(GENESIS.network, meter, start, KEYS.seal_key.public)
    head = Head(0, link, start.at, value)
    return Device(
        meter, of.register, AGENT, KEYS.seal_key, HOUR_S, start, link, head, b""
    )


@asynccontextmanager
async def replayed(
    folder: Path, meters: Registers
) -> AsyncIterator[tuple[FrontDesk, dict[int, Told]]]:
    """Replay all of `meters`; gives the desk and what came of each register."""
    agent = Agent(folder, meters)
    async with front_desk(folder, agent.devices) as desk:
        with closing(agent.outbox):
            for end, samples in _days(meters):
                agent.take(samples)
                await agent.send(desk, end)
        yield desk, await _told(desk, meters, agent.devices)


def _days(
    meters: Registers,
) -> Iterator[tuple[int, list[tuple[int, tuple[int, int]]]]]:
    """Give each day's end and readings; a register's own stay in the order of the file."""
    flat = [(n, one) for n, meter in meters.items() for one in meter.readings]
    days: dict[int, list[tuple[int, tuple[int, int]]]] = {}
    for number, reading in flat:
        days.setdefault(reading[0] // DAY_S, []).append((number, reading))
    for day in sorted(days):
        yield (day + 1) * DAY_S, days[day]


async def _told(
    desk: FrontDesk, meters: Registers, devices: Sequence[Device]
) -> dict[int, Told]:
    told = {}
    for (number, meter), device in zip(meters.items(), devices, strict=True):
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
        told[number] = Told(meter.readings[0][1], last, accepted, least, tuple(steps))
    return told
