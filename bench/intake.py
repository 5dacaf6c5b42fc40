"""Sealed readings a second: the bare limit, intake alone, and end to end over MQTT.

    python -m bench intake                     # or: make bench ROOM=intake
    python -m bench.intake --runs 1 --meters 4000

Every reading is one message: one 15-minute interval, individually signed, decoded,
matched to its meter and key, checked against its chain, verified, committed with its
log entry under synchronous=FULL, and answered by a signed receipt. The bare limit is
what nobody can beat on the box: checking the same signatures on two threads and one
raw `executemany` of a row a reading into a bare table, committed in the same batches.
Load generator and broker run on the same box. Medians of alternating runs; a run has a
database of its own. Before the clock starts every meter is seen once, on both sides: its
key is parsed and its claim read. CPU is this process's, without load generator and broker.
"""

import argparse
import asyncio
import gc
import json
import logging
import multiprocessing
import pickle
import sqlite3
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from bench.mqtt_load import Feed, Outcome, load
from meterseal_aggregator.app.serve import calm_the_collector
from meterseal_aggregator.intake.batch import Intake, Notary, Tally
from meterseal_aggregator.intake.mqtt.broker import Broker, BrokerSettings
from meterseal_aggregator.intake.mqtt.endpoint import Endpoint, EndpointSettings
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.curve import Check, verify_all
from tests.support.devices import BEGAN_AT, GENESIS, Device, device, enrol
from tests.support.mosquitto import Mosquitto

ROOM = True
RESULTS: Final = Path(__file__).parent / "results" / "intake.json"
NETWORK: Final = "street"
BATCH: Final = 4_000
WINDOW: Final = 512
NOW: Final = BEGAN_AT + 86_400
BARE: Final = "bare limit: verify on 2 threads + raw insert"


@dataclass(frozen=True, slots=True)
class Row:
    """A run: readings a second, this process's CPU for each, and where the time went."""

    name: str
    rate: float
    cpu_us: float
    stages: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Work:
    """Devices of many agents and their messages in the order they would come.

    `first` is each device's first message, delivered before the clock starts.
    """

    devices: list[Device]
    first: list[Incoming]
    messages: list[Incoming]
    checks: list[Check]


class Stages:
    """Adds up the time between laps, by the stage that ended."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        """Book the time since the last lap."""
        at = time.perf_counter()
        self.spent[stage] += at - self._last
        self._last = at

    async def watch(
        self,
        deliver: Callable[[Sequence[Incoming]], Awaitable[Sequence[Reply]]],
        batch: Sequence[Incoming],
    ) -> Sequence[Reply]:
        """Deliver a batch, not counting the time since the one before."""
        self._last = time.perf_counter()
        return await deliver(batch)


def prepare(meters: int, rounds: int, agents: int) -> Work:
    """Make devices and sign `rounds` seals of each, before any clock starts."""
    devices = [device(n, agent=f"load-{n % agents}") for n in range(1, meters + 1)]
    first = [one.tell(250).by(one.agent) for one in devices]
    messages, checks = [], []
    for _ in range(rounds):
        for one in devices:
            sent = one.tell(250)
            messages.append(sent.by(one.agent))
            public = one.key.public.raw
            checks.append((public, sent.digest, sent.seal.signature))
    return Work(devices, first, messages, checks)


def bare(work: Work, folder: Path) -> Row:
    """Verify and insert, nothing else."""
    connection = sqlite3.connect(folder / "bare.sqlite")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute(
        "CREATE TABLE readings (start INTEGER, meter INTEGER, value INTEGER,"
        " signature BLOB, UNIQUE (start, meter))"
    )
    verify_all(work.checks[: len(work.devices)])
    began, cpu_s = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(2) as threads:
        for at in range(0, len(work.checks), BATCH):
            part = work.checks[at : at + BATCH]
            half = len(part) // 2
            good = list(threads.map(verify_all, (part[:half], part[half:])))
            assert all(map(all, good))
            rows = [(at, n, n, check[2]) for n, check in enumerate(part)]
            with connection:
                connection.executemany("INSERT INTO readings VALUES (?, ?, ?, ?)", rows)
    row = _row(BARE, len(work.checks), began, cpu_s)
    connection.close()
    return row


async def alone(work: Work, folder: Path) -> Row:
    """Give intake its batches directly."""
    stages = Stages()
    database, intake = await _open(work, folder, stages)
    began, cpu_s = time.perf_counter(), time.process_time()
    for at in range(0, len(work.messages), BATCH):
        await stages.watch(intake.deliver, work.messages[at : at + BATCH])
    row = _row("intake alone", len(work.messages), began, cpu_s, stages)
    await _close(database, intake, work)
    return row


async def endpoint(work: Work, folder: Path) -> Row:
    """Let the embedded endpoint carry the messages."""
    uplink = Endpoint(EndpointSettings(NETWORK, port=0))
    uplink.listen()
    return await _loaded("embedded endpoint", uplink, uplink.port, work, folder)


async def broker(work: Work, folder: Path) -> Row:
    """Let Mosquitto and the broker adapter carry the messages."""
    with Mosquitto() as mosquitto:
        settings = BrokerSettings(
            NETWORK, port=mosquitto.port, username="meterseal.aggregator"
        )
        name = "Mosquitto + broker adapter"
        return await _loaded(name, Broker(settings), mosquitto.port, work, folder)


async def _loaded(
    name: str, uplink: Endpoint | Broker, port: int, work: Work, folder: Path
) -> Row:
    stages = Stages()
    database, intake = await _open(work, folder, stages)
    complete = asyncio.Event()

    async def deliver(batch: Sequence[Incoming]) -> Sequence[Reply]:
        stages.lap("waiting")
        replies = await intake.deliver(batch)
        if intake.tally.fates.total() >= len(work.messages):
            complete.set()
        return replies

    running = asyncio.create_task(uplink.run(deliver))
    while isinstance(uplink, Broker) and not uplink.counters.connections:
        await asyncio.sleep(0.01)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn) as other:
        loading = other.submit(publish, port, _feeds(work, folder))
        while not uplink.counters.received_total:
            await asyncio.sleep(0.001)
        stages.lap("waiting")
        stages.spent.clear()
        began, cpu_s = time.perf_counter(), time.process_time()
        await complete.wait()
        row = _row(name, len(work.messages), began, cpu_s, stages)
        await asyncio.wrap_future(loading)
    running.cancel()
    with suppress(asyncio.CancelledError):
        await running
    await _close(database, intake, work)
    return row


def publish(port: int, path: Path) -> Outcome:
    """Publish the feeds kept at `path`; runs in a process of its own."""
    feeds = pickle.loads(path.read_bytes())  # noqa: S301 - this process wrote it
    gc.freeze()
    return asyncio.run(load(port, NETWORK, feeds, WINDOW))


def _feeds(work: Work, folder: Path) -> Path:
    by_agent: dict[str, list[bytes]] = defaultdict(list)
    for agent, payload, _ in work.messages:
        by_agent[agent].append(payload)
    path = folder / "feeds"
    path.write_bytes(pickle.dumps([Feed(*item) for item in by_agent.items()]))
    return path


async def _open(work: Work, folder: Path, stages: Stages) -> tuple[Database, Intake]:
    database = await Database.open(f"sqlite:///{folder}/intake.sqlite")
    await migrate(database)
    async with database.transaction() as tx:
        await enrol(tx, work.devices)
    key = Ed25519PrivateKey.generate()
    intake = Intake(database, Notary(GENESIS, key), lambda: NOW, stages.lap)
    for at in range(0, len(work.first), BATCH):
        await intake.deliver(work.first[at : at + BATCH])
    intake.tally = Tally()
    stages.spent.clear()
    gc.collect()
    calm_the_collector()
    return database, intake


async def _close(database: Database, intake: Intake, work: Work) -> None:
    async with database.reading() as tx:
        ((kept,),) = await tx.rows("SELECT count(*) FROM readings")
    if kept != len(work.first) + len(work.messages):
        raise AssertionError(f"only {kept} readings were accepted")
    intake.close()
    await database.close()


def _row(
    name: str, count: int, began: float, cpu_s: float, stages: Stages | None = None
) -> Row:
    seconds, used_s = time.perf_counter() - began, time.process_time() - cpu_s
    spent = {} if stages is None else stages.spent
    shares = {stage: s / count * 1e6 for stage, s in spent.items()}
    return Row(name, count / seconds, used_s / count * 1e6, shares)


def measure(work: Work, homes: Work, runs: int) -> dict[str, list[Row]]:
    """Run everything in turn, `runs` times."""
    found: dict[str, list[Row]] = defaultdict(list)
    for _ in range(runs):
        for run in (bare, alone, endpoint, broker):
            with tempfile.TemporaryDirectory() as folder:
                done = run(work, Path(folder))
                row = done if isinstance(done, Row) else asyncio.run(done)
            found[row.name].append(row)
            _say(f"  {row.name:46} {row.rate:9,.0f}/s {row.cpu_us:6.1f} us CPU")
        with tempfile.TemporaryDirectory() as folder:
            row = asyncio.run(alone(homes, Path(folder)))
        found["intake alone, an agent a meter"].append(row)
    return found


def table(found: dict[str, list[Row]]) -> list[dict[str, str | float]]:
    """Return the medians as rows of results, each beside the bare limit."""
    rates = {name: median(row.rate for row in rows) for name, rows in found.items()}
    results: list[dict[str, str | float]] = []
    for name, rows in found.items():
        cpu_us = median(row.cpu_us for row in rows)
        results += [
            _result(name, rates[name], "readings/s", rates[BARE]),
            _result(
                f"{name}: CPU",
                cpu_us,
                "us/reading",
                median(r.cpu_us for r in found[BARE]),
            ),
        ]
        for stage in rows[0].stages:
            spent = median(row.stages[stage] for row in rows)
            results.append(
                _result(f"{name}: {stage}", spent, "us/reading", 1e6 / rates[name])
            )
    return results


def _result(name: str, value: float, unit: str, limit: float) -> dict[str, str | float]:
    against = BARE if unit == "readings/s" or name.endswith("CPU") else "its whole time"
    return {
        "name": name,
        "value": round(value, 1),
        "unit": unit,
        "against": against,
        "ratio": round(value / limit, 3),
    }


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str] = ()) -> None:
    """Measure, print the table and write it to bench/results/intake.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--meters", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=4, help="seals a meter")
    parser.add_argument("--agents", type=int, default=16)
    parser.add_argument("--runs", type=int, default=5)
    asked = parser.parse_args(argv)
    level = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(wrapper_class=level)
    _say(f"signing {asked.meters * asked.rounds:,} seals ...")
    work = prepare(asked.meters, asked.rounds, asked.agents)
    homes = prepare(BATCH, 2, BATCH)
    results = table(measure(work, homes, asked.runs))
    for row in results:
        _say(
            f"{row['name']:56} {row['value']:>10,} {row['unit']:10} {row['ratio']:>6} of {row['against']}"
        )
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main(sys.argv[1:])
