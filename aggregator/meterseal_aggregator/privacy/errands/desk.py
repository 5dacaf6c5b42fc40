"""The desk for what private meters tell beside their seals: a short queue, looked through.

Taking a message is putting it into the queue, so the sockets that carry seals lose nothing
by it. Each message is then checked and kept in a transaction of its own: seeds go to
`deposits`, bills through the very rules of `bills`, nettings through those of `netting`, a
refusal must be signed by the meter's key. What cannot be kept now is let go: deposits are
sent again, bills and nettings asked for again. This module must never answer a message,
nor log an amount.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import structlog

from meterseal_aggregator.privacy import bills, deposits, netting
from meterseal_aggregator.privacy.errands import store
from meterseal_aggregator.privacy.model import Cause, NotTaken
from meterseal_aggregator.registry.model import Claim
from meterseal_aggregator.registry.store import claims
from meterseal_aggregator.storage.database import Database
from meterseal_proto.bill import ProvedBill
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errand import (
    BillRefused,
    Errand,
    SeedDeposits,
    TariffKnown,
    decode_errand,
)
from meterseal_proto.errors import Rejected, Unavailable
from meterseal_proto.netting import ProvedNetting
from meterseal_proto.units import MeterId, RegisterId

MAX_QUEUED: Final = 2_000
MAX_QUEUED_BYTES: Final = 8 << 20
"""Together a village's bills of a month: a thousand of 1.5 KiB."""
MAX_OF_ONE: Final = 300
"""Messages of one agent in the queue: the deposits of all meters it may have."""
MAX_BYTES_OF_ONE: Final = 1 << 20
BURST_BYTES: Final = 4 << 20
"""What an agent may tell at once: 247 bills over a year are 3.5 MiB."""
BYTES_PER_S: Final = 64
"""And for ever, in the network's seconds: seven bills of a month an hour and meter. Checking
a bill reads its days, so nobody may have them checked for nothing all day."""
LOOK_S: Final = 0.25
"""Between two looks; real seconds."""

_log = structlog.get_logger(__name__)


class _Said(NamedTuple):
    agent: str
    payload: bytes


@dataclass(slots=True)
class ErrandTally:
    """What became of messages since the start, for the metrics page."""

    taken: Counter[str] = field(default_factory=Counter)
    """By kind: seeds, bill, refused, known, netting."""
    refused: Counter[str] = field(default_factory=Counter)
    """By the `Reason` or `Cause` it was not taken for; `unavailable` and `failure` are ours."""


class ErrandDesk:
    """Takes what agents tell; `now` is the network's time in Unix seconds."""

    def __init__(
        self, database: Database, genesis: Genesis, now: Callable[[], float]
    ) -> None:
        self._database = database
        self._genesis = genesis
        self._now = now
        self._queue: deque[_Said] = deque()
        self._bytes = 0
        self._of: Counter[str] = Counter()
        self._bytes_of: Counter[str] = Counter()
        self._paid_until: dict[str, float] = {}
        self.tally = ErrandTally()

    def take(self, agent: str, payload: bytes) -> bool:
        """Queue a message, or say that there is no room now."""
        if (
            len(self._queue) >= MAX_QUEUED
            or self._bytes + len(payload) > MAX_QUEUED_BYTES
            or self._of[agent] >= MAX_OF_ONE
            or self._bytes_of[agent] + len(payload) > MAX_BYTES_OF_ONE
            or not self._pays(agent, len(payload))
        ):
            return False
        self._queue.append(_Said(agent, payload))
        self._bytes += len(payload)
        self._of[agent] += 1
        self._bytes_of[agent] += len(payload)
        return True

    async def run(self) -> None:
        """Keep what was taken, for ever; a database that fails costs what was in hand."""
        while True:
            try:
                await self.keep_taken()
            except Exception:
                # Whatever is wrong with errands, seals are taken on.
                self.tally.refused["failure"] += 1
                _log.exception("errands_not_kept")
            await asyncio.sleep(LOOK_S)

    async def keep_taken(self) -> int:
        """Check and keep what is queued; returns how many messages were kept."""
        kept = 0
        while self._queue:
            said = self._queue.popleft()
            self._bytes -= len(said.payload)
            self._of[said.agent] -= 1
            self._bytes_of[said.agent] -= len(said.payload)
            kept += await self._keep(said)
        self._of, self._bytes_of = Counter(), Counter()
        now = self._now()
        self._paid_until = {a: t for a, t in self._paid_until.items() if t > now}
        return kept

    def _pays(self, agent: str, size: int) -> bool:
        """Charge a message to its agent (the generic cell rate algorithm, ITU-T I.371)."""
        now = self._now()
        paid = max(self._paid_until.get(agent, now), now) + size / BYTES_PER_S
        if paid - now > BURST_BYTES / BYTES_PER_S:
            return False
        self._paid_until[agent] = paid
        return True

    async def _keep(self, said: _Said) -> bool:
        """Keep one message; False when it was not taken, which is counted by its reason."""
        try:
            kind = await self._take(said.agent, decode_errand(said.payload))
        except Rejected as wrong:
            why = wrong.reason.text
        except NotTaken as wrong:
            why = wrong.cause.value
        except Unavailable:
            why = "unavailable"
        else:
            self.tally.taken[kind] += 1
            return True
        self.tally.refused[why] += 1
        _log.warning("errand_not_taken", agent=said.agent, why=why)
        return False

    async def _take(self, agent: str, errand: Errand) -> str:
        match errand:
            case SeedDeposits():
                await self._seeds(agent, errand)
                return "seeds"
            case ProvedBill():
                await self._bill(agent, errand)
                return "bill"
            case BillRefused():
                await self._refused(agent, errand)
                return "refused"
            case TariffKnown():
                await self._known(agent, errand)
                return "known"
            case ProvedNetting():
                await self._netting(agent, errand)
                return "netting"

    async def _seeds(self, agent: str, seeds: SeedDeposits) -> None:
        now = int(self._now())
        async with self._database.transaction() as tx:
            found = await claims(tx, [seeds.meter])
            if agent not in {claim.agent for claim in found.values()}:
                raise NotTaken(Cause.REGISTER, "it has no meter of that id")
            await deposits.take(tx, seeds.deposits, now)
            await store.note_heard(tx, seeds.meter, now)

    async def _bill(self, agent: str, bill: ProvedBill) -> None:
        said = bill.statement
        claim = await self._claim(agent, said.meter, said.register)
        try:
            await bills.take(self._database, bill, self._genesis, int(self._now()))
        except NotTaken as wrong:
            asked = bills.asked_of(said)
            async with self._database.transaction() as tx:
                await store.note_not_taken(
                    tx, claim.register_id, asked, wrong.cause.value
                )
            raise

    async def _refused(self, agent: str, refused: BillRefused) -> None:
        asked = refused.asked
        claim = await self._claim(agent, asked.meter, asked.register)
        key = claim.keys[-1].public
        if not refused.authentic(self._genesis.network, key):
            raise NotTaken(Cause.PROOF, "the meter's seal key did not refuse this")
        now = int(self._now())
        async with self._database.transaction() as tx:
            if await store.refuse(tx, claim.register_id, refused, now):
                _log.info("bill_refused", meter=asked.meter.hex(), why=refused.why.text)

    async def _known(self, agent: str, known: TariffKnown) -> None:
        async with self._database.transaction() as tx:
            await store.note_known(tx, agent, known.tariff, int(self._now()))

    async def _netting(self, agent: str, proved: ProvedNetting) -> None:
        await self._claim(agent, proved.netting.meter, proved.netting.register)
        await netting.take(self._database, proved, self._genesis, int(self._now()))

    async def _claim(self, agent: str, meter: MeterId, register: RegisterId) -> Claim:
        """Return the claim of a register of this agent's; NotTaken for anybody else's."""
        async with self._database.reading() as tx:
            claim = (await claims(tx, [meter])).get((meter, register))
        if claim is None or claim.agent != agent:
            raise NotTaken(Cause.REGISTER, "it has no register of that name")
        return claim
