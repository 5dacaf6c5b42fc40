"""The composition root: meters, sampler, outbox, seals and uplink, each at its own pace.

Every duty runs by itself; what one of them raises is logged and counted, and the duty
starts again. On SIGTERM everything is put down within a second: whatever was in hand
is on disk already, or was never promised. Nothing is decided here.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from meterseal_agent.config import Config
from meterseal_agent.meters.bus import Bus
from meterseal_agent.outbox.model import Applied, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.run import health, meters
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.sampling import Sampling, Senses
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import JUMP_LIMIT_S, State
from meterseal_agent.seal import Sealer
from meterseal_agent.uplink.deliver import Uplink
from meterseal_proto.errors import Unavailable
from meterseal_proto.receipt import Receipt
from meterseal_proto.units import MeterId, RegisterId

OUTBOX: Final = "outbox.sqlite"
HEALTH_S: Final = 5.0
"""Between two status files, and two signs of life to systemd; real seconds."""
PRUNE_S: Final = 600.0
"""Between two looks for rows past their 48 hours; real seconds."""
CANCEL_AGAIN_S: Final = 0.2
"""How long a cancelled duty may take to end before it is told again."""
RESTART_S: Final = 1.0
RESTART_CAP_S: Final = 60.0
"""A duty that fails waits, twice as long each time, so a log never fills the card."""

_log = logging.getLogger("meterseal.run")
_Key = tuple[MeterId, RegisterId]


@dataclass(slots=True)
class Duties:
    """Keeps duties going, and counts how often each failed."""

    failures: dict[str, int] = field(default_factory=dict)

    async def keep(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Run `work` for ever: log what it raises, count it, start it again."""
        wait = RESTART_S
        while True:
            began = asyncio.get_running_loop().time()
            try:
                await work()
            except Exception:
                self.failures[name] = self.failures.get(name, 0) + 1
                _log.exception("duty_failed duty=%s", name)
            if asyncio.get_running_loop().time() - began > RESTART_CAP_S:
                wait = RESTART_S
            await asyncio.sleep(wait)
            wait = min(RESTART_CAP_S, 2 * wait)


class Agent:
    """A running agent; made and run inside one asyncio loop.

    agent = Agent(config, enrolment, times)     # ConfigError, Unavailable
    await agent.run(stop)                    # until the event is set
    """

    def __init__(self, config: Config, enrolment: Enrolment, times: Times) -> None:
        self._folder = config.data_dir
        self._times = times
        self._serials = {meter: serial for serial, meter in enrolment.meter_ids.items()}
        self._wired = meters.wire(config.meters, times)
        self._outbox = Outbox(
            config.data_dir / OUTBOX,
            registers=len(enrolment.chains),
            network=enrolment.network,
        )
        self._outbox.enrol(enrolment.chains)
        self._thread = FileThread("outbox")
        self._sealer = Sealer(
            self._outbox,
            enrolment.keys,
            network=enrolment.network,
            chain_id=enrolment.answer.chain_id,
        )
        self._uplink = Uplink(enrolment.peer, self._due, self._apply)
        self._sampling = self._make_sampling(enrolment)
        self._bus = Bus(
            meters.stations(self._wired, enrolment.meter_ids, times), times.clocks
        )
        self._duties = Duties()
        self._last_receipt: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Run every duty until `stop` is set, then put everything down."""
        duties: dict[str, Callable[[], Awaitable[None]]] = {
            "meters": self._poll,
            "uplink": self._uplink.run,
            "health": self._tell,
            "prune": self._prune,
        }
        tasks = [
            asyncio.create_task(self._duties.keep(name, work), name=name)
            for name, work in duties.items()
        ]
        try:
            await stop.wait()
            _log.info("agent_stopping")
            health.notify("STOPPING=1")
        finally:
            await _end(tasks)
            await self._put_down()

    def _make_sampling(self, enrolment: Enrolment) -> Sampling:
        times = self._times
        rules = {
            key: rule
            for wired in self._wired
            for key, rule in meters.rules(
                wired, enrolment.starts[wired.config.serial], times
            ).items()
        }
        states = self._states()
        return Sampling(
            rules,
            {key: states[key] for key in rules},
            (self._outbox, self._thread),
            Senses(
                times.now, times.steady, times.synchronised, JUMP_LIMIT_S * times.slack
            ),
            self._uplink.wake,
        )

    def _states(self) -> dict[_Key, State]:
        """Return each register's sampler state: the stored one, or the chain's head."""
        states = {
            (chain.meter, chain.register): State.begin(chain.head.end, chain.head.value)
            for chain in self._outbox.chains()
        }
        for key, text in self._outbox.states().items():
            states[key] = State.from_json(text)
        return states

    async def _poll(self) -> None:
        await self._bus.run(self._sampling.take)

    async def _due(self, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        return await self._thread.do(self._sealer.due, room=room, busy=busy)

    async def _apply(self, receipt: Receipt) -> Applied:
        now = int(self._times.now())
        applied = await self._thread.do(self._outbox.apply, receipt, now=now)
        if applied.answered:
            self._last_receipt = now
        return applied

    async def _prune(self) -> None:
        while True:
            now = int(self._times.now())
            while await self._thread.do(self._outbox.prune, now=now):
                await asyncio.sleep(0)
            await asyncio.sleep(PRUNE_S)

    async def _tell(self) -> None:
        """Write the status file and the signs of life; both pass through the thread."""
        health.notify("READY=1")
        while True:
            health.write(self._folder, await self._status(running=True))
            health.notify("WATCHDOG=1")
            await asyncio.sleep(HEALTH_S)

    async def _status(self, *, running: bool) -> dict[str, Any]:  # Any: a JSON document
        now = int(self._times.now())
        depths = await self._thread.do(self._outbox.depths)
        sampling = self._sampling.counters
        document: dict[str, Any] = {
            "at": now,
            "running": running,
            "registers": health.register_rows(depths, self._serials),
            "meters": health.meter_rows(self._bus.health(), self._serials),
            "outbox": {
                "full": sampling.full,
                "refused_full": sampling.refused_full,
                "disk_failures": sampling.disk_failures,
                "damaged": len(self._sealer.damaged),
                "max_bytes": self._outbox.max_bytes,
            },
            "sampling": {"samples": sampling.samples, "records": sampling.records},
            "uplink": asdict(self._uplink.counters),
            "last_receipt": self._last_receipt,
            "duties_failed": self._duties.failures,
        }
        document["alarms"] = health.alarms(document, clock=sampling.clock, now=now)
        return document

    async def _put_down(self) -> None:
        """Leave a last status behind, true after the end, and close everything."""
        try:
            health.write(self._folder, await self._status(running=False))
        except (OSError, Unavailable) as error:
            _log.warning("status_not_written why=%r", str(error))
        finally:
            self._close()

    def _close(self) -> None:
        for line in {wired.line.name: wired.line for wired in self._wired}.values():
            line.close()
        self._thread.close()
        self._outbox.close()


async def _end(tasks: Sequence[asyncio.Task[None]]) -> None:
    """Cancel the duties until each has ended.

    Once is not enough: Python 3.11's `wait_for`, under pymodbus's connect, loses a
    cancellation that comes in the very moment the connection is refused.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=CANCEL_AGAIN_S)
