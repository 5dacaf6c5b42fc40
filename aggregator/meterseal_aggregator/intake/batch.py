"""A batch of messages: one transaction, then the receipts.

Decoding, rules and row building run in a thread and signatures in two, so the event
loop stays free; the curve library releases the interpreter lock. All that the rules need
is read inside the same writing transaction, and the schema's constraints check it again.
`deliver` is what an uplink is given: it returns after the COMMIT, or raises Unavailable
when the database could not keep the batch now. A power cut anywhere before the commit
leaves nothing, and the same batch again gives the same answers. This module must never
sign a receipt before the commit, and must never accept what the rules did not.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Final, ParamSpec, TypeVar

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.intake import judge, keep, store
from meterseal_aggregator.intake.accept import Chain, Fate, Link, Offer
from meterseal_aggregator.intake.allowance import Allowances, Today
from meterseal_aggregator.intake.answer import receipts
from meterseal_aggregator.intake.claims import Claims
from meterseal_aggregator.intake.judge import Judged, Pending, RegisterKey, Spoiled
from meterseal_aggregator.intake.keep import DAY_S, Lap
from meterseal_aggregator.intake.port import Incoming, Reply
from meterseal_aggregator.privacy import store as privacy
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.committed import CommittedSeal
from meterseal_proto.enrolment import Genesis
from meterseal_proto.errors import Reason, Unavailable
from meterseal_proto.receipt import LOG_WITHIN_S
from meterseal_proto.seal import MODE_OPEN

VERIFY_THREADS: Final = 2
"""Signature threads: measured 1.95 times one thread on two cores."""
WORTH_A_THREAD: Final = 32
"""Fewer signatures than this are checked before a second thread would have begun."""

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Notary:
    """For which network, and with which receipt key, the aggregator answers.

    `log_within_s` is how soon a receipted seal is in the log, in the network's seconds.
    """

    genesis: Genesis
    receipt_key: Ed25519PrivateKey = field(repr=False)
    log_within_s: int = LOG_WITHIN_S


@dataclass(slots=True)
class Tally:
    """What became of messages since the start, for the metrics page."""

    fates: Counter[Fate] = field(default_factory=Counter)
    reasons: Counter[Reason] = field(default_factory=Counter)
    """Every reason given, also for payloads that were no seal."""

    def add(self, judged: Sequence[Judged], spoiled: Sequence[Spoiled]) -> None:
        """Count a committed batch."""
        self.fates.update([one.verdict.fate for one in judged])
        self.fates[Fate.REFUSED] += len(spoiled)
        reasons = [one.verdict.reason for one in judged]
        self.reasons.update([reason for reason in reasons if reason is not None])
        self.reasons.update([one.reason for one in spoiled])


class Intake:
    """The room's front desk. Give `deliver` to an uplink; `close` it at the end.

    `now` gives the network's time in Unix seconds.
    """

    def __init__(
        self,
        database: Database,
        notary: Notary,
        now: Callable[[], float],
        lap: Lap = lambda _: None,
    ) -> None:
        self._database = database
        self._notary = notary
        self._network = notary.genesis.network
        self._now = now
        self._lap = lap
        self._threads = ThreadPoolExecutor(VERIFY_THREADS, "intake")
        self._claims = Claims()
        self._allowances = Allowances()
        self.tally = Tally()

    async def deliver(self, messages: Sequence[Incoming]) -> list[Reply]:
        """Judge, keep and commit a batch; returns its signed receipts.

        Raises Unavailable when nothing was kept and the batch should come again.
        """
        now, network, notary = int(self._now()), self._network, self._notary
        offers, spoiled = await self._run(
            judge.open_all, messages, network, notary.genesis.chain_id
        )
        self._lap("decode")
        try:
            judged = await self._commit(offers, spoiled, now)
        except sqlite3.OperationalError as error:
            raise Unavailable(f"the database did not take a batch: {error}") from error
        self._lap("commit")
        self.tally.add(judged, spoiled)
        replies = await self._run(
            receipts, judged, network, now + notary.log_within_s, notary.receipt_key
        )
        self._lap("receipts")
        return replies

    def close(self) -> None:
        """End the threads."""
        self._threads.shutdown()

    async def _commit(
        self, offers: list[Offer], spoiled: list[Spoiled], now: int
    ) -> list[Judged]:
        async with self._database.transaction() as tx:
            self._lap("begin")
            today = self._allowances.on(now // DAY_S)
            chains = await self._chains(tx, offers, today)
            self._lap("claims")
            trial = await self._run(judge.first_look, offers, chains, now)
            self._lap("rules")
            faults = await self._verify(trial.pending)
            self._lap("verify")
            late = await self._run(judge.second_look, trial.pending, faults)
            judged = trial.judged + late
            rows = await self._run(keep.sort_out, judged, spoiled, now)
            self._lap("rules")
            await keep.keep(tx, rows, now, self._lap)
        # Only now: a batch that was not kept comes again, and is counted then.
        self._allowances.keep(today)
        return judged

    async def _chains(
        self, tx: Transaction, offers: Sequence[Offer], today: Today
    ) -> dict[RegisterKey, Chain]:
        """Return the registers of the offers that are enrolled: at most four statements."""
        if not offers:
            return {}
        named = {(o.seal.header.meter, o.seal.header.register) for o in offers}
        claims = await self._claims.of(tx, named)
        heads = await store.heads(tx, [c.register_id for c in claims.values()])
        chains = {
            name: Chain.of(claim, heads.get(claim.register_id), today.of(claim.agent))
            for name, claim in claims.items()
        }
        await _learn_links(tx, offers, chains)
        if any(claim.mode != MODE_OPEN for claim in claims.values()):
            await _learn_days(tx, offers, chains)
        return chains

    async def _verify(self, pending: Sequence[Pending]) -> list[Reason | None]:
        """Check the signatures, half in each thread."""
        if len(pending) < WORTH_A_THREAD:
            return await self._run(judge.faults_of, pending)
        share = -(-len(pending) // VERIFY_THREADS)
        parts = [pending[at : at + share] for at in range(0, len(pending), share)]
        done = await asyncio.gather(*(self._run(judge.faults_of, p) for p in parts))
        return [fault for part in done for fault in part]

    async def _run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(work, *args, **kwargs))


async def _learn_links(
    tx: Transaction, offers: Sequence[Offer], chains: dict[RegisterKey, Chain]
) -> None:
    """Tell the chains which of the seqs offered to them again are links already."""
    asked: dict[tuple[int, int], Chain] = {}
    for offer in offers:
        header = offer.seal.header
        chain = chains.get((header.meter, header.register))
        if chain is not None and header.seq <= chain.head.seq:
            asked[chain.claim.register_id, header.seq] = chain
    if asked:
        for (register_id, seq), link in (await store.links(tx, list(asked))).items():
            asked[register_id, seq].known[seq] = link


async def _learn_days(
    tx: Transaction, offers: Sequence[Offer], chains: dict[RegisterKey, Chain]
) -> None:
    """Tell committed registers which days are links, and how revised ones were told before.

    What is in quarantine stays so: a day whose proof failed is a link of both kinds.
    """
    seqs: dict[tuple[int, int], Chain] = {}
    days: dict[tuple[int, int], Chain] = {}
    for offer in offers:
        header = offer.seal.header
        chain = chains.get((header.meter, header.register))
        if chain is None or not isinstance(offer.seal, CommittedSeal):
            continue
        if header.seq <= chain.head.seq:
            seqs[chain.claim.register_id, header.seq] = chain
        elif offer.seal.revision:
            days[chain.claim.register_id, header.first] = chain
    links = await privacy.links(tx, list(seqs))
    for (register_id, seq), day in links.items():
        link = Link(day.digest, None, day.first, day.until)
        seqs[register_id, seq].known.setdefault(seq, link)
    for (register_id, first), told in (await privacy.tellings(tx, list(days))).items():
        days[register_id, first].told[first] = told
