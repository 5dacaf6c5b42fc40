"""A home whose device may die: its data_dir, its meter, and the aggregator it belongs to.

The agent's own parts live on a real data_dir: keystore, enrolment, sampler, outbox,
committer, openings, `restore-history`. The aggregator is the API over its real rooms, and
does its duties when told to. Only wires, clocks and the witness's program are left out.
"""

import asyncio
import json
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx2
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from fastapi import FastAPI

from meterseal_agent.commissioning.enrol import make_request, send, starts
from meterseal_agent.commissioning.private import keep_private
from meterseal_agent.keystore import KeyEpoch, Keystore
from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.database import OUTBOX
from meterseal_agent.outbox.model import Chain
from meterseal_agent.outbox.restoring import Restoring
from meterseal_agent.run import restoring
from meterseal_agent.run.enrolment import Enrolment
from meterseal_agent.run.times import Times
from meterseal_agent.sampler import Clock, Rules, State, observe
from meterseal_agent.seal.committer import Committer, Network
from meterseal_agent.seal.opening import Openings, PinnedLog
from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_agent.seal.sealer import Sealer
from meterseal_agent.uplink.address import Address
from meterseal_aggregator.intake.batch import Intake, Notary
from meterseal_aggregator.intake.failed import set_aside
from meterseal_aggregator.intake.port import Counters, Incoming
from meterseal_aggregator.intake.store import heads
from meterseal_aggregator.privacy import bills, proofs, tariffs
from meterseal_aggregator.registry.enrol import NetworkTerms
from meterseal_aggregator.registry.model import CodeKind
from meterseal_aggregator.registry.rekey import ChainAccess
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog.store import append
from meterseal_aggregator.web.limits import Rate
from meterseal_aggregator.web.private_files import bill_file
from meterseal_aggregator.web.site import Site, build
from meterseal_proto.bill import ProvedBill
from meterseal_proto.checkpoint import parse_note
from meterseal_proto.clock import ClockRate
from meterseal_proto.cosignature import CosignerKey, add_lines, cosign
from meterseal_proto.enrolment import MeterRequest, RegisterStart
from meterseal_proto.privatefile import statement_json
from meterseal_proto.receipt import open_receipt
from meterseal_proto.tariff import Tariff
from meterseal_proto.units import IMPORT
from tests.support.enrolling import GENESIS, LOG_KEY, TERMS, Registry, a_registry

STEP: Final = 3_600
DAY_S: Final = 86_400
BEGAN: Final = 1_790_035_200
"""A midnight: the first device is enrolled then."""
SHOWS: Final = 12_345_678
SERIAL: Final = "S1"
WITNESS: Final = Ed25519PrivateKey.from_private_bytes(bytes([2]) * 32)
WITNESS_NAME: Final = "witness.example/w1"
PINNED: Final = PinnedLog(
    GENESIS.log_key,
    CosignerKey(WITNESS_NAME, WITNESS.public_key().public_bytes_raw()).vkey,
)


def usage(slot: int) -> int:
    """Return the Wh the home uses in its slot of this number since it began."""
    return 100 + slot * 7_919 % 1_503


def used(begin: int, end: int) -> int:
    """Return the Wh it uses in [`begin`, `end`)."""
    return sum(usage(n) for n in range((begin - BEGAN) // STEP, (end - BEGAN) // STEP))


def midnight(at: int) -> int:
    """Return the next midnight of a zone without summer time."""
    return (at // DAY_S + 1) * DAY_S


class Hands(Times):
    """Clocks that stand where the test puts them."""

    def __init__(self, house: "House") -> None:
        super().__init__(ClockRate(0, 1.0))
        object.__setattr__(self, "_house", house)

    def now(self) -> float:
        """Return the network's time."""
        return float(self._house.now)  # type: ignore[attr-defined]  # set above

    def real(self) -> float:
        """Return the same: the house knows no other."""
        return self.now()


@dataclass
class House:
    """The aggregator; `spoil` sees what it gives at a path and may give something else."""

    registry: Registry
    app: FastAPI = field(init=False)
    now: int = BEGAN
    spoil: Callable[[str, bytes], bytes] = field(default=lambda _path, raw: raw)
    loop: asyncio.AbstractEventLoop = field(init=False)
    clock: Callable[[], float] | None = None
    """The network's time, where it runs; `now` else."""
    real: Callable[[], float] | None = None
    """Real time; the network's else."""

    def time(self) -> float:
        """Return the network's time."""
        return self.clock() if self.clock else self.now

    async def ask(self, path: str, body: bytes | None) -> bytes:
        """Answer one request; what is refused is a failed test."""
        transport = httpx2.ASGITransport(app=self.app)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1"
        ) as client:
            answer = await client.request(
                "GET" if body is None else "POST",
                path,
                content=body,
                headers={"Content-Type": "application/json"},
            )
        assert answer.status_code < 300, (path, answer.text)
        raw = answer.content
        if path.endswith("/log/checkpoint") and not self.real:
            raw = self.cosigned(raw)
        return self.spoil(path, raw)

    def cosigned(self, note: bytes, at: int | None = None) -> bytes:
        """Return a checkpoint's note with the witness's word under it."""
        text = note.decode()
        body = parse_note(text).body
        line = cosign(body, WITNESS_NAME, WITNESS, at or self.now)
        return add_lines(text, [line]).encode()

    def post(self, path: str, body: bytes | None = None) -> bytes:
        """Ask from another thread, as an agent's command does."""
        waiting = asyncio.run_coroutine_threadsafe(self.ask(path, body), self.loop)
        return waiting.result(60)

    async def take(self, payloads: list[bytes]) -> list[bytes]:
        """Take what the agent sends; returns the receipts."""
        intake = Intake(self.registry.db, Notary(GENESIS, LOG_KEY), lambda: self.now)
        batch = [Incoming("home-1", payload, None) for payload in payloads]
        replies = await intake.deliver(batch)
        intake.close()
        assert not intake.tally.reasons, intake.tally
        return [reply.payload for reply in replies]

    async def work(self) -> None:
        """Check proofs and let the log grow."""
        await proofs.run_once(self.registry.db, GENESIS, self.now, set_aside)
        key = sequencer.LogKey("street.example/log", LOG_KEY)
        await sequencer.run_once(self.registry.db, key, self.now)

    async def publish(self, *found: Tariff) -> None:
        """Publish tariffs."""
        async with self.registry.db.transaction() as tx:
            for tariff in found:
                await tariffs.publish(tx, tariff.document(), now=self.now)

    async def bill(self, bill: ProvedBill) -> None:
        """Take a bill as the operator's program does, and log it."""
        body = statement_json(bill)
        await self.ask("/v1/private-bills", json.dumps(body).encode())
        await self.work()

    async def file(self, bill: ProvedBill) -> bytes:
        """Return the file of a bill that was taken, for meterseal-verify."""
        async with self.registry.db.reading() as tx:
            every = await bills.every_bill(tx, GENESIS, after=0, limit=100)
            (kept,) = [one for one in every if one.bill == bill]
            return await bill_file(tx, kept, GENESIS)


@asynccontextmanager
async def a_restoring_house(folder: Path) -> AsyncIterator[House]:
    """Open the aggregator."""
    async with a_registry(folder) as registry:
        house = House(registry)
        chain = ChainAccess(GENESIS.network, append, heads, bills.last_openings)
        terms = NetworkTerms(
            TERMS.authority, chain, GENESIS, "street", LOG_KEY.public_key().public_bytes_raw(),
            TERMS.broker, broker_tls=False,
        )  # fmt: skip
        site = Site(
            database=registry.db,
            terms=terms,
            now=house.time,
            real_now=lambda: house.real() if house.real else house.now,
            uplink=Counters(),
            intake=Intake(registry.db, Notary(GENESIS, LOG_KEY), lambda: 0).tally,
            duties={},
            publics=Rate(0.001, 100),
        )
        house.app = build(site)
        house.loop = asyncio.get_running_loop()
        yield house


@dataclass
class Device:
    """One device of the home, on its data_dir `folder`."""

    house: House
    folder: Path
    at: int = BEGAN
    """Up to when it has read its meter."""
    shows: Callable[[int], int] = lambda at: SHOWS + used(BEGAN, at)
    """What the meter shows at a time, Wh."""

    @property
    def store(self) -> Keystore:
        return Keystore(self.folder)

    @property
    def chain(self) -> Chain:
        (chain,) = self.box.chains()
        return chain

    @property
    def openings(self) -> Openings:
        enrolment = self.enrolment
        return Openings(self.box, enrolment.keys, enrolment.network, enrolment.links)

    async def enrol(
        self, kind: CodeKind = CodeKind.ENROLMENT, secret: bytes | None = None
    ) -> None:
        """Enrol, as `enrol` and `replace` do."""
        house, store = self.house, self.store
        self.at = house.now
        code = await house.registry.code(kind, expires_at=house.now + 60)
        store.make(KeyEpoch(number=0 if secret is None else 1), secret)
        row = RegisterStart(IMPORT, STEP, self.shows(self.at), self.at, 1, 16)
        meters = keep_private(store, [MeterRequest(SERIAL, "p", 10_000, (row,))])
        request = make_request(store, code, meters)
        await asyncio.to_thread(send, store, request, house.post)
        self.open()

    def open(self) -> None:
        """Start the agent's parts on what is on disk."""
        store = self.store
        self.enrolment = Enrolment(
            store.keys(), store.enrolled(), starts(store), Address("127.0.0.1", 1)
        )
        (start,) = self.enrolment.chains
        network = self.enrolment.network
        self.box = Restoring(self.folder / OUTBOX, registers=1, network=network)
        self.box.enrol([start])
        committed = self.enrolment.committed
        keys, chain_id = self.enrolment.keys, GENESIS.chain_id
        self.sealer = Sealer(
            self.box, keys, network=network, chain_id=chain_id, committed=committed
        )
        self.committer = Committer(
            *(self.box, keys, Network(network, chain_id, midnight), committed),
            self.sealer.damaged,
        )
        self.rules = Rules(start.meter, start.register, STEP, 10_000)
        kept = self.box.states().get((start.meter, start.register))
        assert start.read is not None
        self.state = State.from_json(kept) if kept else State.begin(*start.read)

    def close(self) -> None:
        """Stop it."""
        self.box.close()

    def read(self, until: int) -> None:
        """Read the meter at every slot's end after `at` and up to `until`."""
        for at in range(self.at + STEP, until + 1, STEP):
            sample = Sample(at, {IMPORT: self.shows(at)}, None, {})
            self.state, record = observe(self.rules, self.state, sample, Clock.TRUSTED)
            if record is not None:
                assert self.box.add([(record, self.state.to_json())])
        self.at = until

    async def live(self, until: int) -> None:
        """Read, commit, prove, send and be receipted day by day, up to `until`."""
        self.read(until)
        house = self.house
        house.now = max(house.now, until + DAY_S // 4)
        while self.committer.cut():
            job = self.committer.next_job()
            assert job is not None
            self.committer.proved(job, proof_of(to_bytes(job)))
            early = self.committer.early(now=house.now + DAY_S)
            due = self.sealer.due(room=20, busy=early)
            for payload in await house.take([one.payload for one in due]):
                receipt = open_receipt(payload, LOG_KEY.public_key())
                assert self.box.apply(receipt, now=house.now).unknown == 0
        await house.work()

    def bill(self, tariff: Tariff, begin: int, end: int) -> ProvedBill:
        """Sign a bill, or raise NotOpened."""
        return self.openings.bill(self.chain, begin, end, tariff.hash())

    def learn(self, tariff: Tariff) -> None:
        """Know a tariff from now on."""
        self.openings.learn(tariff, now=self.house.now)

    async def restore(self, said: list[str], *, fresh: bool = True) -> bool:
        """Run restore-history while no agent does; returns what it tells."""
        self.close()
        times = Hands(self.house)
        source = restoring.Source(self.house.post, self.house.post, PINNED, times)
        try:
            return await asyncio.to_thread(
                restoring.restore,
                *(self.folder, self.enrolment, source, said.append),
                fresh=fresh,
            )
        finally:
            self.open()

    def snapshot(self, folder: Path) -> "Device":
        """Return a copy of its disk as it is at this moment, not started."""
        shutil.copytree(self.folder, folder)
        (folder / "outbox.lock").unlink()
        return Device(self.house, folder, self.at)

    def held(self) -> list[tuple[object, ...]]:
        """Return all it holds of accepted days, as values."""
        days = self.box.days_between(self.chain, 0, 1 << 40)
        return [
            (d.seq, d.first, d.values, d.qualities, d.hash, d.leaves_at) for d in days
        ]
