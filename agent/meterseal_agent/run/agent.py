"""The composition root: meters, sampler, outbox, seals, telemetry and uplink, each at its
own pace.

Every duty runs by itself; what one of them raises is logged and counted, and the duty
starts again. On SIGTERM everything is put down within a second: whatever was in hand
is on disk already, or was never promised. Nothing is decided here.
"""

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Final

from meterseal_agent.config import Config
from meterseal_agent.keystore import Paths
from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.database import OUTBOX
from meterseal_agent.outbox.model import Applied, Stored
from meterseal_agent.outbox.restoring import Restoring
from meterseal_agent.resident.address import Address
from meterseal_agent.run import health, meters, metrics, private
from meterseal_agent.run.committing import Committing
from meterseal_agent.run.duties import Duties, Work, end_all
from meterseal_agent.run.enrolment import Enrolment, check_meters
from meterseal_agent.run.errands import Errands, Handlers
from meterseal_agent.run.file_thread import FileThread
from meterseal_agent.run.meters import Wired
from meterseal_agent.run.polling import Polling
from meterseal_agent.run.proving import Proving
from meterseal_agent.run.reload import ConfigFile, Reload
from meterseal_agent.run.remembering import Remembering
from meterseal_agent.run.restoring import source_of
from meterseal_agent.run.sampling import Sampling, Senses
from meterseal_agent.run.status import Parts, Status
from meterseal_agent.run.telemetry import Plan, Telemetry
from meterseal_agent.run.telling import Telling
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import JUMP_LIMIT_S, Clock, Rules, State
from meterseal_agent.seal import Sealer
from meterseal_agent.seal.committer import Committer, Network
from meterseal_agent.seal.zone import midnights
from meterseal_agent.telemetry.tellable import Mode
from meterseal_agent.uplink.beside import Courier, Post
from meterseal_agent.uplink.deliver import Beside, Uplink
from meterseal_proto.errors import Unavailable
from meterseal_proto.receipt import Receipt
from meterseal_proto.units import MeterId, RegisterId

PRUNE_S: Final = 600.0
"""Between two looks for rows past their 48 hours; real seconds."""
NO_PAGE: Final = "the resident's page needs: pip install 'meterseal[resident]'"

_log = logging.getLogger("meterseal.run")
_Key = tuple[MeterId, RegisterId]


class Agent:
    """A running agent; made and run inside one asyncio loop.

    agent = Agent(config, enrolment, times, file)     # ConfigError, Unavailable
    await agent.run(stop)                    # until the event is set
    agent.reload()                           # read the configuration anew
    """

    def __init__(
        self,
        config: Config,
        enrolment: Enrolment,
        times: Times,
        file: ConfigFile | None = None,
    ) -> None:
        self._config = config
        self._enrolment = enrolment
        self._times = times
        wired = meters.wire(config.meters, times)
        self._outbox = Restoring(
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
            committed=enrolment.committed,
        )
        seeds = private.make_seeds(config, enrolment, self._outbox)
        self._committer = self._make_committer(seeds)
        self._courier = Courier(self._next_post)
        self._telemetry = Telemetry(config.data_dir, times.now, self._courier.wake)
        nettings = private.make_nettings(config, enrolment, self._outbox)
        self._proving = Proving(nettings, self._thread)
        self._errands = self._make_errands(seeds)
        beside = Beside(self._courier, self._telemetry.asked, self._errands.told)
        self._uplink = Uplink(enrolment.peer, self._due, self._apply, beside)
        self._committing = (
            Committing(self._committer, self._thread, self._uplink.wake)
            if self._committer
            else None
        )
        self._remembering = self._make_remembering()
        self._sampling = self._make_sampling()
        self._polling = Polling(enrolment.meter_ids, times, self._take)
        self._duties = Duties()
        self._reload = None if file is None else self._make_reload(file)
        self._pruned = 0
        self._telling = Telling(self._make_status(), enrolment, self._courier.wake)
        self._use(wired, self._rules(wired), config)

    def reload(self) -> None:
        """Read the configuration anew, as SIGHUP asks."""
        if self._reload is not None:
            self._reload.ask()

    async def run(self, stop: asyncio.Event) -> None:
        """Run every duty until `stop` is set, then put everything down."""
        tasks = [
            asyncio.create_task(self._duties.keep(name, work), name=name)
            for name, work in self._work().items()
        ]
        try:
            await stop.wait()
            _log.info("agent_stopping")
            health.notify("STOPPING=1")
        finally:
            await end_all(tasks)
            await self._put_down()

    def _work(self) -> dict[str, Work]:
        """Return every duty by its name."""
        work: dict[str, Work] = {
            "meters": self._polling.run,
            "uplink": self._uplink.run,
            "telemetry": self._telemetry.run,
            "health": self._telling.run,
            "prune": self._prune,
        }
        if self._committing is not None:
            work["committed"] = self._committing.run
            work["netting"] = self._proving.run
        if self._remembering is not None:
            work["remembering"] = self._remembering.run
        if self._reload is not None:
            work["config"] = self._reload.run
        if self._config.metrics_port is not None:
            port, page = self._config.metrics_port, self._telling.metrics_page
            work["metrics"] = partial(metrics.serve, port, page)
        if self._config.resident is not None:
            work["resident"] = partial(self._serve_resident, self._config.resident)
        return work

    async def _serve_resident(self, address: Address) -> None:
        """Serve the resident's page; what it needs is loaded only here."""
        try:
            from meterseal_agent.run.resident import Resident, make_home
        except ImportError as error:
            raise Unavailable(f"{error}; {NO_PAGE}") from error

        home = make_home(self._config, self._enrolment, self._times.now)
        paths = Paths(self._config.data_dir)
        await Resident(address, home, paths, (self._outbox, self._thread)).run()

    def _make_errands(self, seeds: private.Seeds) -> Errands:
        billing = private.make_billing(self._config, self._enrolment, self._outbox)
        handlers = Handlers(
            *(seeds.deposits, billing, self._thread, self._times.now),
            lambda: self._sampling.counters.clock is not Clock.UNSET,
            self._proving,
        )
        return Errands(handlers, self._courier.wake, seeds.trouble)

    def _make_committer(self, seeds: private.Seeds) -> Committer | None:
        """Return who seals committed days; None where every register is open."""
        enrolment = self._enrolment
        if not enrolment.committed:
            return None
        network = Network(
            enrolment.network,
            enrolment.answer.chain_id,
            midnights(self._config.zone),
            seeds.kept,
        )
        return Committer(
            *(self._outbox, enrolment.keys, network),
            *(enrolment.committed, self._sealer.damaged),
        )

    def _make_remembering(self) -> Remembering | None:
        """Return who asks the log what was opened; None where no bill is signed anyway."""
        config, enrolment = self._config, self._enrolment
        if not (config.witness and enrolment.committed):
            return None
        source = source_of(config, enrolment, self._times)
        return Remembering(self._outbox, self._thread, enrolment, source)

    def _make_reload(self, file: ConfigFile) -> Reload:
        return Reload(file, self._config, self._change, self._times.now)

    def _change(self, config: Config) -> None:
        """Put another configuration to work; ConfigError when it cannot be, as a whole."""
        check_meters(config, self._enrolment.starts)
        wired = meters.wire(config.meters, self._times, self._polling.wired)
        self._use(wired, self._rules(wired), config)
        logging.getLogger().setLevel(config.log_level.upper())

    def _use(
        self, wired: Sequence[Wired], rules: dict[_Key, Rules], config: Config
    ) -> None:
        self._config = config
        self._sampling.use(rules)
        self._telemetry.plan(self._plans(config))
        self._telling.every_s = config.health_s
        self._polling.use(wired)

    def _plans(self, config: Config) -> dict[MeterId, Plan]:
        """Return whose telemetry is kept, and what is known of its registers' modes."""
        enrolment = self._enrolment
        return {
            enrolment.meter_ids[meter.serial]: Plan(
                meter.telemetry_s,
                {
                    s.register: Mode.COMMITTED if s.bits else Mode.OPEN
                    for s in enrolment.starts[meter.serial]
                },
            )
            for meter in config.meters
            if meter.telemetry_s
        }

    def _make_status(self) -> Status:
        return Status(
            Parts(
                folder=self._config.data_dir,
                times=self._times,
                outbox=self._outbox,
                thread=self._thread,
                sealer=self._sealer,
                sampling=self._sampling,
                polling=self._polling,
                uplink=self._uplink,
                courier=self._courier,
                telemetry=self._telemetry,
                errands=self._errands,
                committing=self._committing,
                remembering=self._remembering,
                duties=self._duties,
                reload=self._reload,
            ),
            {meter: serial for serial, meter in self._enrolment.meter_ids.items()},
            lambda: self._pruned,
        )

    def _make_sampling(self) -> Sampling:
        times = self._times
        return Sampling(
            {},
            self._states(),
            (self._outbox, self._thread),
            Senses(
                times.now, times.steady, times.synchronised, JUMP_LIMIT_S * times.slack
            ),
            self._uplink.wake,
        )

    def _rules(self, wired: Sequence[Wired]) -> dict[_Key, Rules]:
        return {
            key: rule
            for one in wired
            for key, rule in meters.rules(
                one, self._enrolment.starts[one.config.serial], self._times
            ).items()
        }

    def _states(self) -> dict[_Key, State]:
        """Return each register's sampler state: the stored one, or the chain's head.

        A committed register's head does not say what it showed; enrolment wrote it down.
        """
        states = {
            (chain.meter, chain.register): State.begin(chain.head.end, chain.head.value)
            for chain in self._outbox.chains()
        }
        for start in self._enrolment.chains:
            if start.read is not None:
                states[start.meter, start.register] = State.begin(*start.read)
        for key, text in self._outbox.states().items():
            states[key] = State.from_json(text)
        return states

    async def _take(self, meter: MeterId, sample: Sample) -> None:
        """Take a sample: what is settled by it first, what is only told after."""
        await self._sampling.take(meter, sample)
        self._telemetry.take(meter, sample, self._sampling.counters.clock)

    async def _due(self, room: int, busy: frozenset[tuple[int, int]]) -> list[Stored]:
        if self._committer is not None:
            now = int(self._times.now())
            busy |= await self._thread.do(self._committer.early, now=now)
        return await self._thread.do(self._sealer.due, room=room, busy=busy)

    async def _apply(self, receipt: Receipt) -> Applied:
        now = int(self._times.now())
        applied = await self._thread.do(self._outbox.apply, receipt, now=now)
        if applied.answered:
            self._telling.status.last_receipt = now
        return applied

    async def _next_post(self) -> Post | None:
        """Return what goes beside the seals now: health first, telemetry last."""
        first = self._telling.next_post() or self._errands.next_post()
        return first or await self._telemetry.next_post()

    async def _prune(self) -> None:
        while True:
            self._pruned += 1
            now = int(self._times.now())
            while await self._thread.do(self._outbox.prune, now=now):
                await asyncio.sleep(0)
            await asyncio.sleep(PRUNE_S)

    async def _put_down(self) -> None:
        """Leave a last status behind, true after the end, and close everything."""
        try:
            await self._telling.last_words()
        except (OSError, Unavailable) as error:
            _log.warning("status_not_written why=%r", str(error))
        finally:
            self._polling.close()
            await self._telemetry.close()
            self._thread.close()
            self._outbox.close()
