"""The duty that checks range proofs: a batch of days in one multiplication, off the loop.

    verdicts = check(days)                       # in a thread: long, and nothing is awaited
    failed = await run_once(database, ...)       # reads, checks, writes; None when idle

A batch that does not hold is halved until the wrong proofs stand alone, so one bad day
costs no other its verdict. What failed is set aside by whoever keeps evidence (`SetAside`),
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
        days = await store.pending(tx, genesis, BATCH)
    if not days:
        return Checked(0, ())
    wrong = await asyncio.to_thread(check, days)
    verdicts = [
        (day.id, ProofState.FAILED if at in wrong else ProofState.VERIFIED)
        for at, day in enumerate(days)
    ]
    failed = tuple(days[at] for at in sorted(wrong))
    async with database.transaction() as tx:
        await store.judge(tx, verdicts, now)
        if failed:
            await set_aside(tx, failed, now)
    return Checked(len(days), failed)


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
