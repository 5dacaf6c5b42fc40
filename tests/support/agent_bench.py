"""A whole agent on the bench: simulated meters, a registry, an aggregator, real programs.

The agent runs as its own process by its own command line, on an accelerated clock.
"""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from paho.mqtt.enums import MQTTProtocolVersion

from meterseal_agent.outbox.model import Start
from meterseal_aggregator.intake.mqtt.batching import BatchLimits
from meterseal_aggregator.intake.port import BesideMessage
from meterseal_aggregator.registry.model import CodeKind
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clock import VARIABLE, ClockRate
from meterseal_proto.enrolment import EnrolmentAnswer, EnrolmentRequest, enrolment_hash
from meterseal_proto.keys import PublicKey
from meterseal_proto.seal import Head
from meterseal_proto.units import MeterId
from meterseal_sim.serve import Line, close_all, lines_of, open_all
from meterseal_sim.street import Home, Plan, build
from tests.support.enrolling import TERMS, Registry, a_registry
from tests.support.enrolment_desk import Desk, a_desk
from tests.support.oracle import Oracle
from tests.support.uplinkrig import Rig

WAIT_S = 120.0


class Bench:
    """Meters, registry and aggregator; `agent` runs one command of the agent."""

    def __init__(self, folder: Path, rate: ClockRate, homes: Sequence[Home]) -> None:
        self.folder = folder
        self.rate = rate
        self.homes = homes
        self.config = folder / "agent.toml"
        self.data = folder / "data"
        self.desk: Desk
        self.registry: Registry
        self.rig: Rig
        self.oracle: Oracle
        self.told: list[BesideMessage] = []
        """What the agent told beside its seals."""
        self._started: list[asyncio.subprocess.Process] = []

    def now(self) -> float:
        """Return the network's time."""
        return self.rate.at(time.time())

    async def code(self, kind: CodeKind = CodeKind.ENROLMENT) -> str:
        """Return a fresh one-time code."""
        later = int(time.time()) + 3600
        return await self.registry.code(kind, agent="a1", expires_at=later)

    def hear(self, told: BesideMessage) -> bool:
        """Be the desk for what is told beside the seals."""
        self.told.append(told)
        return True

    async def start(
        self, *command: str, **environment: str
    ) -> asyncio.subprocess.Process:
        """Start one command of the agent."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meterseal_agent.cli", *command),
            *("--config", str(self.config)),
            env=os.environ
            | {VARIABLE: f"{self.rate.epoch},{self.rate.speed}"}
            | environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        self._started.append(process)
        return process

    async def end_all(self) -> None:
        """Kill what a test left running: one that failed does not load the next."""
        for process in self._started:
            if process.returncode is None:
                await end(process, signal.SIGKILL)

    async def agent(self, *command: str) -> tuple[int, str]:
        """Run one command to its end; returns status and output."""
        process = await self.start(*command)
        async with asyncio.timeout(WAIT_S):
            out, err = await process.communicate()
        return process.returncode or 0, out.decode() + err.decode()

    def accept_enrolment(self) -> None:
        """Let the aggregator know the registers that the registry took up."""
        answer = EnrolmentAnswer.from_json((self.data / "enrolment.json").read_bytes())
        request = EnrolmentRequest.from_json(
            (self.data / "enrolment.request.json").read_bytes()
        )
        public = PublicKey.parse(request.algorithm, bytes.fromhex(request.seal_key))
        ids = {m.serial: MeterId(bytes.fromhex(m.meter)) for m in answer.meters}
        found = []
        for meter in request.meters:
            for row in meter.registers:
                number = ids[meter.serial]
                link = enrolment_hash(TERMS.genesis.network, number, row, public)
                head = Head(0, link, row.at, row.value)
                found.append(
                    Start(
                        *(number, row.register, row.step, meter.capacity_w, head),
                        row.bits,
                    )
                )
        self.oracle.public = public
        self.oracle.enrol(found)

    async def heads(self, tx: Transaction, ids: Sequence[int]) -> Mapping[int, Head]:
        """Tell the registry where the aggregator's chains stand."""
        known = await claims(tx, {meter for meter, _ in self.oracle.chains})
        return {
            claim.register_id: self.oracle.chains[key].head
            for key, claim in known.items()
            if claim.register_id in ids and self.oracle.chains[key].head.seq
        }

    async def accept_new_key(self) -> None:
        """Let the aggregator know every key of the registry."""
        async with self.registry.db.reading() as tx:
            known = await claims(tx, {meter for meter, _ in self.oracle.chains})
        for key, claim in known.items():
            self.oracle.chains[key].claim = claim
        self.oracle.public = next(iter(known.values())).keys[-1].public

    def status(self) -> dict[str, Any]:  # Any: a JSON document
        """Return the running agent's status file, {} before the first."""
        try:
            found: dict[str, Any] = json.loads((self.data / "status.json").read_text())
        except OSError:
            return {}
        return found

    async def until_accepted(self, intervals: int) -> None:
        """Wait until the aggregator has accepted so many intervals in all."""
        async with asyncio.timeout(WAIT_S):
            while self.oracle.accepted < intervals:
                await asyncio.sleep(0.02)


async def end(process: asyncio.subprocess.Process, how: signal.Signals) -> int:
    """Send one signal to that one process and wait for its end."""
    process.send_signal(how)
    async with asyncio.timeout(WAIT_S):
        await process.communicate()
    return process.returncode or 0


@asynccontextmanager
async def a_bench(folder: Path, *, homes: int, speed: float) -> AsyncIterator[Bench]:
    """Set up everything but the agent."""
    epoch = int(time.time()) // 3600 * 3600
    rate = ClockRate(time.time(), speed)
    street = build(Plan(homes=homes, seed=3, start=epoch, days=3)).homes
    bench = Bench(folder, rate, street)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(bench.end_all)
        lines = lines_of(street, bench.now, gateway=False)
        await open_all(lines, "127.0.0.1", 0)
        stack.push_async_callback(close_all, lines)
        bench.registry = await stack.enter_async_context(a_registry(folder))
        bench.desk = await stack.enter_async_context(a_desk(bench.registry, bench.now))
        bench.oracle = Oracle(PublicKey.parse("secp256k1", _ANY_POINT))
        bench.oracle.genesis = TERMS.genesis
        bench.rig = await stack.enter_async_context(
            Rig(None, MQTTProtocolVersion.MQTTv5, BatchLimits())
        )
        bench.rig.told = bench.hear
        await bench.rig.start(bench.oracle)  # type: ignore[arg-type]  # deliver is all
        bench.oracle.clock = bench.now
        raw_key = bench.oracle.key.public_key().public_bytes_raw()
        bench.desk.points_to(bench.rig._port, raw_key)
        bench.desk.knows(bench.heads)
        bench.config.write_text(_config(bench, lines))
        yield bench


_ANY_POINT = bytes.fromhex(
    "0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"
)


def _config(bench: Bench, lines: Sequence[Line]) -> str:
    text = [
        f'data_dir = "{bench.data}"',
        f'aggregator_url = "{bench.desk.url}"',
    ]
    for n, (home, line) in enumerate(zip(bench.homes, lines, strict=True), 1):
        text += [
            "[[meters]]",
            f'serial = "S{n}"',
            f'profile = "{home.profile.name}"',
            f'host = "127.0.0.1"\nport = {line.port}',
            f"capacity_w = 10000\nperiod_s = {PERIOD_S}",
            "lateness_limit_s = 300",
        ]
    return "\n".join(text) + "\n"


PERIOD_S = 100
