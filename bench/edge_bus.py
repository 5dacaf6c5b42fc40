"""Meters a second on real lines: RTU at 9600 baud, a bus with dead units, a hundred by TCP.

    python -m bench edge_bus                   # or: make bench ROOM=edge_bus
    python -m bench.edge_bus --span 60

The simulator serves SDM630 meters of 13 values from a process of its own: over a pseudo-
terminal with the time that characters really take, and over TCP. The bare limit on the
serial line is what its characters and the standard's silences take, the meter's own
thinking included; on TCP it is the goal. CPU is the agent's process alone. ThingsBoard's gateway stands
beside ours on one more bus: see `edge_peers`.
"""

import argparse
import asyncio
import json
import multiprocessing
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import pairwise
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Final

from bench import edge_peers
from meterseal_agent.meters.bus import Bus, Clocks, Station
from meterseal_agent.meters.modbus import (
    Line,
    ModbusMeter,
    RtuTransport,
    TcpTransport,
    Timing,
)
from meterseal_agent.meters.planner import plan
from meterseal_agent.meters.profile import load
from meterseal_agent.meters.registers import Sample
from meterseal_agent.meters.wire import SerialPlace
from meterseal_proto.units import MeterId
from meterseal_sim.pace import Pace
from meterseal_sim.serve.lines import Device
from meterseal_sim.stand import Wiring, stand_of
from meterseal_sim.street import Plan, build

RESULTS: Final = Path(__file__).parent / "results" / "edge_bus.json"
MODEL: Final = "eastron-sdm630"
PROFILE: Final = load(MODEL)
START: Final = 1_782_864_000
NOON: Final = START + 12 * 3600
UNITS: Final = 18
DEAD: Final = 6
PERIOD_S: Final = 10.0
TIMEOUT_S: Final = 0.5
STREET: Final = 100
RTU_GOAL: Final = 3.5
LOSS_GOAL: Final = 0.05
GAP_GOAL: Final = 1.5
CORE_GOAL: Final = 0.5
Row = dict[str, str | float]


@dataclass(slots=True)
class Heard:
    """When samples of each meter came, in seconds of the steady clock."""

    times: dict[MeterId, list[float]]

    async def take(self, meter: MeterId, sample: Sample) -> None:
        """Note a sample; it must hold every value."""
        if len(sample.values) != len(PROFILE.points):
            raise AssertionError(f"values are missing: {sample.unavailable}")
        self.times[meter].append(time.monotonic())


def serve(homes: int, device: str, pipe: Connection) -> None:
    """Serve meters until the other end of `pipe` closes; runs in a process of its own."""
    street = Plan(homes=homes, seed=1, start=START, days=1, model=MODEL)
    wiring = Wiring(device=Device(device), pace=Pace()) if device else Wiring()
    began = time.monotonic()

    async def main() -> None:
        stand = stand_of(
            build(street).homes, lambda: NOON + time.monotonic() - began, wiring
        )
        await stand.open()
        pipe.send([address.row().get("port", 0) for _, address in stand.places()])
        over = asyncio.Event()
        asyncio.get_running_loop().add_reader(pipe.fileno(), over.set)
        await over.wait()
        await stand.close()

    asyncio.run(main())


@contextmanager
def served(homes: int, device: str = "") -> Iterator[list[int]]:
    """Give the TCP ports of meters that another process serves, 0 on a device."""
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    process = spawn.Process(target=serve, args=(homes, device, theirs))
    process.start()
    theirs.close()
    try:
        yield ours.recv()
    finally:
        ours.close()
        process.join()


def meter_id(unit: int) -> MeterId:
    """Return an id for a unit."""
    return MeterId(unit.to_bytes(16))


async def polled(stations: Sequence[Station], span_s: float) -> Heard:
    """Return what a bus hears in `span_s`, after a first round that is not counted."""
    heard = Heard(defaultdict(list))
    bus = Bus(stations, Clocks(time.time, time.monotonic, asyncio.sleep))
    with suppress(TimeoutError):
        async with asyncio.timeout(span_s):
            await bus.run(heard.take)
    return heard


async def rtu_rate(device: str, rounds: int) -> float:
    """Return meters a second, asked without a pause."""
    line = Line(RtuTransport(SerialPlace(device)))
    meters = [ModbusMeter(line, unit, PROFILE) for unit in range(1, UNITS + 1)]
    await meters[0].read(NOON)
    began = time.perf_counter()
    for _ in range(rounds):
        for meter in meters:
            sample = await meter.read(NOON)
            if len(sample.values) != len(PROFILE.points):
                raise AssertionError(f"values are missing: {sample.unavailable}")
    line.close()
    return rounds * UNITS / (time.perf_counter() - began)


async def with_dead(device: str, span_s: float) -> tuple[float, float]:
    """Return which share of the living's samples is lost, and their longest gap (s).

    Units beyond those that are served are dead: a quarter of those that are asked.
    """
    line = Line(RtuTransport(SerialPlace(device)))
    timing = Timing(TIMEOUT_S)
    stations = [
        Station(
            meter_id(unit),
            ModbusMeter(line, unit, PROFILE, timing),
            "bus",
            PERIOD_S,
            TIMEOUT_S,
        )
        for unit in range(1, UNITS + DEAD + 1)
    ]
    heard = await polled(stations, span_s)
    line.close()
    living = [heard.times[meter_id(unit)] for unit in range(1, UNITS + 1)]
    due = UNITS * span_s / PERIOD_S
    gaps = [b - a for times in living for a, b in pairwise(times)]
    return max(0.0, 1 - sum(map(len, living)) / due), max(gaps)


async def by_tcp(ports: Sequence[int], span_s: float) -> tuple[float, float]:
    """Return meters a second and the cores this process takes for them."""
    lines = [Line(TcpTransport("127.0.0.1", port)) for port in ports]
    stations = [
        Station(meter_id(i), ModbusMeter(line, 1, PROFILE), line.name, 1.0, TIMEOUT_S)
        for i, line in enumerate(lines)
    ]
    for station in stations:
        await station.port.read(NOON)
    began, cpu_s = time.perf_counter(), time.process_time()
    heard = await polled(stations, span_s)
    took, cpu = time.perf_counter() - began, time.process_time() - cpu_s
    for line in lines:
        line.close()
    return sum(map(len, heard.times.values())) / took, cpu / took


def wire_rate() -> float:
    """Return meters a second that 9600 baud allow: characters, silences, thinking."""
    pace = Pace()
    street = Plan(homes=1, seed=1, start=START, days=1, model=MODEL)
    thinks_s = build(street).homes[0].profile.turnaround_ms / 1000
    blocks = plan(PROFILE.points, PROFILE.limits)
    characters = sum(8 + 5 + 2 * block.count for block in blocks)
    silences_s = len(blocks) * (2 * pace.rest_s + thinks_s)
    return 1 / (pace.span_s(characters) + silences_s)


def measure(span_s: float) -> list[Row]:
    """Run everything once; lines take the time they take."""
    with tempfile.TemporaryDirectory() as folder:
        device = str(Path(folder) / "line")
        with served(UNITS, device):
            rate = asyncio.run(rtu_rate(device, 2))
            lost, gap_s = asyncio.run(with_dead(device, span_s))
    with served(STREET) as ports:
        tcp_rate, cores = asyncio.run(by_tcp(ports, min(span_s, 20)))
    dead = f"RTU 9600 8N1, {DEAD} of {UNITS + DEAD} units dead, each read every {PERIOD_S:g} s"
    tcp = f"TCP, {STREET} meters x {len(PROFILE.points)} values every second"
    return [
        _row(
            f"RTU 9600 8N1, {len(PROFILE.points)} values",
            (rate, "meters/s"),
            ("what the wire allows", wire_rate()),
        ),
        _row("the same", (rate, "meters/s"), (f"goal, at least {RTU_GOAL}", RTU_GOAL)),
        _row(
            f"{dead}: samples of the living lost",
            (lost, "of 1"),
            (f"goal, below {LOSS_GOAL}", LOSS_GOAL),
        ),
        _row(
            f"{dead}: longest gap",
            (gap_s / PERIOD_S, "periods"),
            (f"goal, at most {GAP_GOAL}", GAP_GOAL),
        ),
        _row(tcp, (tcp_rate, "meters/s"), ("asked", STREET)),
        _row(f"{tcp}: CPU", (cores, "cores"), (f"goal, below {CORE_GOAL}", CORE_GOAL)),
        *edge_peers.measure(min(span_s, 60)),
    ]


def _row(name: str, found: tuple[float, str], against: tuple[str, float]) -> Row:
    value, unit = found
    what, limit = against
    return {
        "name": name,
        "value": round(value, 3),
        "unit": unit,
        "against": what,
        "ratio": round(value / limit, 3),
    }


def main(argv: Sequence[str] = ()) -> None:
    """Print the table and write it beside."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--span", type=float, default=120.0, help="seconds on a bus")
    asked = parser.parse_args(argv)
    results = measure(asked.span)
    for row in results:
        print(
            f"{row['name']:76} {row['value']:>8} {row['unit']:8} {row['ratio']:>6}"
            f" of {row['against']}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
