"""A home that tells nobody its usage: real sampler, outbox, committer, sealer, prover.

`kill` leaves what a power cut would: the files as they lie, opened anew. Only the wire
and the clock are left out.
"""

import shutil
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from meterseal_agent.meters.registers import Sample
from meterseal_agent.outbox.model import Start, Stored
from meterseal_agent.outbox.store import Outbox
from meterseal_agent.sampler import Clock, Rules, State, observe
from meterseal_agent.seal.committer import Committer, Job, Network
from meterseal_agent.seal.prover import proof_of, to_bytes
from meterseal_agent.seal.sealer import Sealer
from meterseal_proto.enrolment import RegisterStart, enrolment_hash
from meterseal_proto.receipt import Answer, Receipt
from meterseal_proto.seal import MODE_COMMITTED, Head
from meterseal_proto.units import IMPORT, MeterId
from tests.support.boxes import KEYS
from tests.support.committed import CommittedDevice
from tests.support.devices import BEGAN_AT, CAPACITY_W, GENESIS

STEP: Final = 900
DAY_S: Final = 86_400
METER: Final = MeterId(bytes(15) + b"\x07")
SHOWS: Final = 12_345_678
"""What the register showed at enrolment."""
AGENT: Final = "pi-1"


def midnight(at: int) -> int:
    """Return the next midnight of a zone without summer time."""
    return (at // DAY_S + 1) * DAY_S


def private_device(bits: int = 16, step: int = STEP) -> CommittedDevice:
    """Return the home's register as a registry has it."""
    start = RegisterStart(IMPORT, step, 0, BEGAN_AT, MODE_COMMITTED, bits)
    link = enrolment_hash(GENESIS.network, METER, start, KEYS.seal_key.public)
    head = Head(0, link, BEGAN_AT, 0)
    return CommittedDevice(METER, AGENT, KEYS.seal_key, start, link, head, step=step)


@dataclass
class PrivateHome:
    """The home's agent; `folder` holds its outbox, `totals` masks its days' sums."""

    folder: Path
    device: CommittedDevice = field(default_factory=private_device)
    totals: bool = False
    kills: int = 0

    def __post_init__(self) -> None:
        self.folder.mkdir(exist_ok=True)
        self._open()

    def _open(self) -> None:
        one, network = self.device, GENESIS.network
        begin = (one.head.end, SHOWS)
        self.start = Start(
            one.meter, one.register, one.step, CAPACITY_W, one.head, one.bits, begin
        )
        self.outbox = Outbox(
            self.folder / "outbox.sqlite", registers=1, network=network
        )
        self.outbox.enrol([self.start])
        registers = {(one.meter, one.register): one.bits}
        self.sealer = Sealer(
            self.outbox,
            KEYS,
            network=network,
            chain_id=GENESIS.chain_id,
            committed=registers,
        )
        self.committer = Committer(
            self.outbox,
            KEYS,
            Network(network, GENESIS.chain_id, midnight, lambda _meter: self.totals),
            registers,
            self.sealer.damaged,
        )
        self._rules = Rules(one.meter, one.register, one.step, CAPACITY_W)
        stored = self.outbox.states().get((one.meter, one.register))
        self.state = State.from_json(stored) if stored else State.begin(*begin)

    def kill(self) -> None:
        """Lose all that is not on disk, at this very moment, and start again."""
        self.kills += 1
        after = self.folder.with_name(f"after-{self.kills}")
        after.mkdir()
        for file in self.folder.glob("outbox.sqlite*"):
            shutil.copy(file, after)
        self.outbox.close()
        self.folder = after
        self._open()

    def close(self) -> None:
        """Close the outbox."""
        self.outbox.close()

    def read(self, samples: Iterable[tuple[int, int]]) -> None:
        """Take what the register showed, (Unix s, Wh) each."""
        for at, value in samples:
            sample = Sample(at, {self.device.register: value}, None, {})
            state, record = observe(self._rules, self.state, sample, Clock.TRUSTED)
            if record is not None:
                assert self.outbox.add([(record, state.to_json())])
            self.state = state

    def prove(self) -> Job | None:
        """Make the next proof that is missing, in this process."""
        job = self.committer.next_job()
        if job is not None:
            self.committer.proved(job, proof_of(to_bytes(job)))
        return job

    def due(self, now: int) -> list[Stored]:
        """Return what an uplink would send now."""
        return self.sealer.due(room=20, busy=self.committer.early(now=now))

    def take(self, receipts: Sequence[Receipt], now: int) -> None:
        """Apply what the aggregator answered."""
        for receipt in receipts:
            assert self.outbox.apply(receipt, now=now).unknown == 0

    def accept(self, now: int) -> None:
        """Answer the one seal that waits: it is durable."""
        (stored,) = self.outbox.unanswered()
        device = self.device
        named = Answer(device.meter, device.register, stored.seq, stored.hash)
        self.take([Receipt(GENESIS.network, AGENT, now, (named,), ())], now)

    def live(self, usage: Sequence[int], *, now: int) -> None:
        """Read what slots of these Wh show; every day that is over is accepted."""
        self.read(readings(usage))
        while self.committer.cut():
            self.accept(now)


def readings(usage: Sequence[int], *, since: int = BEGAN_AT) -> list[tuple[int, int]]:
    """Return what a register shows at the end of slots of these Wh."""
    found, value = [], SHOWS
    for slot, used in enumerate(usage, 1):
        value += used
        found.append((since + slot * STEP, value))
    return found


def home(folder: Path, **changes: object) -> "closing[PrivateHome]":
    """Return a new home that closes itself."""
    return closing(PrivateHome(folder, **changes))  # type: ignore[arg-type] # its own fields
