"""An agent that is offline for weeks in minutes, in a process of its own, measured.

    python -m tests.support.offline CONFIG UNTIL EVERY REGISTERS

It is the whole agent but for its meters: samples are made up, time is what they say, and
everything they cause is done as always. It prints one JSON line when the time is over and,
after a line on its standard input, another one when the aggregator has everything.
"""

import asyncio
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any, ClassVar, Final

from meterseal_agent.config import load
from meterseal_agent.meters.registers import Sample
from meterseal_agent.run.agent import Agent
from meterseal_agent.run.duties import end_all
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.times import Times
from meterseal_proto.clock import ClockRate
from meterseal_proto.units import MeterId, RegisterId

WRITE_EVERY: Final = 60
GROWTH_WH: Final = 3


class HeldTimes(Times):
    """Time as the samples say it."""

    at: ClassVar[float] = 0.0

    def now(self) -> float:
        """Return the last sample's time."""
        return HeldTimes.at

    def steady(self) -> float:
        """Return the same: this clock never jumps."""
        return HeldTimes.at

    def synchronised(self) -> bool:
        """Vouch for it."""
        return True


class Offline:
    """The agent, its made-up meters, and what it costs."""

    def __init__(self, config: Path) -> None:
        found = load(config, os.environ)
        self.enrolment = Enrolment.load(found)
        HeldTimes.at = float(self.enrolment.chains[0].head.end)
        self.agent = Agent(found, self.enrolment, HeldTimes(ClockRate()))
        self.values = {
            (c.meter, c.register): c.head.value for c in self.enrolment.chains
        }
        self.samples = 0
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def begin(self, *names: str) -> None:
        """Start duties by name."""
        work = self.agent._work()
        for name in names:
            self._tasks[name] = asyncio.ensure_future(work[name]())

    async def end(self, *names: str) -> None:
        """End duties by name."""
        await end_all([self._tasks.pop(name) for name in names])

    async def live(self, until: int, every: int, registers: int) -> None:
        """Let every meter show `registers` values each `every` seconds."""
        meters = sorted(self.enrolment.meter_ids.values())
        turn = 0
        while HeldTimes.at < until:
            HeldTimes.at += every
            turn += 1
            for meter in meters:
                await self.agent._take(meter, self._sample(meter, registers, turn))
                self.samples += 1
            if turn % WRITE_EVERY == 0:
                await self.agent._telemetry._write()
                await asyncio.sleep(0)

    def _sample(self, meter: MeterId, registers: int, turn: int) -> Sample:
        values: dict[RegisterId, int] = {}
        for key in [key for key in self.values if key[0] == meter]:
            self.values[key] += GROWTH_WH
            values[key[1]] = self.values[key]
        for n in range(registers - len(values)):
            values[RegisterId(0x0100_2007_00FF + (n << 16))] = 230_000 + turn * n % 900
        return Sample(int(HeldTimes.at), values, None, {})

    async def waiting(self) -> dict[str, Any]:
        """Return what is not told yet."""
        depths = await self.agent._thread.do(self.agent._outbox.depths)
        ring = await self.agent._telemetry.state()
        return {
            "records": sum(d.records for d in depths),
            "seals": sum(d.seals for d in depths),
            "telemetry": ring.waiting if ring else 0,
            "dropped": ring.dropped if ring else 0,
            "lost": self.agent._telemetry.counters.lost,
            "ring_bytes": ring.bytes if ring else 0,
        }

    async def until_told(self) -> None:
        """Wait until the aggregator has everything."""
        while True:
            found = await self.waiting()
            if not found["records"] + found["seals"] + found["telemetry"]:
                return
            await asyncio.sleep(0.02)


def peak_kb() -> int:
    """Return the most memory this process ever had resident, kB."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found)


async def main(config: str, until: str, every: str, registers: str) -> None:
    """Be offline, tell, come back, tell."""
    side = Offline(Path(config))
    began = time.perf_counter()
    first = HeldTimes.at
    side.begin("uplink", "telemetry", "health", "prune")
    while not side.agent._telemetry.counters.turns:
        await asyncio.sleep(0.01)
    await side.live(int(until), int(every), int(registers))
    side.agent._telemetry.plan({})
    await side.agent._telemetry._write()
    told = {
        "span_s": HeldTimes.at - first,
        "samples": side.samples,
        "seconds": time.perf_counter() - began,
        "peak_kb": peak_kb(),
        **await side.waiting(),
    }
    print(json.dumps(told), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await side.end("uplink")
    began = time.perf_counter()
    side.begin("uplink")
    await side.until_told()
    seconds = time.perf_counter() - began
    grown = sum(side.values.values()) - sum(c.head.value for c in side.enrolment.chains)
    print(
        json.dumps({"seconds": seconds, "peak_kb": peak_kb(), "grown": grown}),
        flush=True,
    )
    await side.end("uplink", "telemetry", "health", "prune")
    await side.agent._put_down()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
