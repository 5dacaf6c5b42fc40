"""The duty that checks range proofs: a batch of days in one multiplication, off the loop.

    verdicts = check(days)                       # in a thread: long, and nothing is awaited
    failed = await run_once(database, ...)       # reads, checks, writes; None when idle

A batch that does not hold is halved until the wrong proofs stand alone, so one bad day
costs no other its verdict. Halving is dear: who had a wrong proof in the last day is kept
out of the batches and checked alone, a day at a time, and after `WRONG_A_DAY` of them not
before a day has passed; its days wait, and none is lost. What failed is set aside by whoever keeps evidence (`SetAside`),
in the same transaction. A power cut leaves proofs pending, to be checked again: the same
bytes get the same verdict. This module must never call a proof verified that it has not
multiplied out, nor hold the writer while it does.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.privacy import store
from meterseal_aggregator.privacy.model import KeptDay, ProofState
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_proto.enrolment import Genesis
from meterseal_proto.rangechecker import failing
from meterseal_proto.rangeproof import BadProof

BATCH: Final = 100
"""Days a batch: larger ones are hardly faster, and 100 take half a second of one core."""

FROM_ONE: Final = 25
"""Days of one agent in a batch: a month's backlog takes two, and whose first batch is all
wrong has half a second of ours."""
ALONE: Final = 20
"""Days checked alone a run, one an agent: a tenth of a second in all."""
WRONG_A_DAY: Final = 24
"""Wrong proofs of an agent multiplied out within `REMEMBERED_S`: a device whose proofs fail
tells a day four times, so six days of six registers may go wrong before it has to wait."""
REMEMBERED_S: Final = 86_400
"""How long a wrong proof keeps its agent apart, and counts, in seconds of the network."""

SetAside = Callable[[Transaction, Sequence[KeptDay], int], Awaitable[None]]
"""Keeps failed days as evidence, in the given transaction, at a Unix second."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a run did: how many days had their proof checked, and which of them failed."""

    count: int
    failed: tuple[KeptDay, ...]


async def run_once(
    database: Database, genesis: Genesis, now: int, set_aside: SetAside
) -> Checked:
    """Check the next batch of pending proofs at Unix second `now`; count 0 when none wait."""
    async with database.reading() as tx:
        wrong_of = await store.wrong_since(tx, now - REMEMBERED_S)
        heard = [agent for agent, count in wrong_of.items() if count < WRONG_A_DAY]
        alone = await store.pending_of(tx, genesis, heard, ALONE)
        share = store.Share(BATCH, FROM_ONE)
        together = await store.pending(
            tx, genesis, share, wrong_of.keys(), loud=not alone
        )
    if not together and not alone:
        return Checked(0, ())
    failed = await asyncio.to_thread(_failing, together, alone)
    wrong = {day.id for day in failed}
    verdicts = [
        (day.id, ProofState.FAILED if day.id in wrong else ProofState.VERIFIED)
        for day in [*together, *alone]
    ]
    async with database.transaction() as tx:
        await store.judge(tx, verdicts, now)
        if failed:
            await set_aside(tx, failed, now)
    return Checked(len(verdicts), failed)


def _failing(
    together: Sequence[KeptDay], alone: Sequence[KeptDay]
) -> tuple[KeptDay, ...]:
    """Return the days whose proof does not hold, those of `alone` checked singly."""
    found = [together[at] for at in sorted(check(together))]
    return (*found, *(day for day in alone if check([day])))


def check(days: Sequence[KeptDay]) -> frozenset[int]:
    """Return the places of the days whose proof does not hold."""
    claims, places, wrong = [], [], set()
    for place, day in enumerate(days):
        try:
            claims.append(day.claim)
            places.append(place)
        except BadProof:
            wrong.add(place)
    wrong.update(places[at] for at in failing(claims))
    return frozenset(wrong)
