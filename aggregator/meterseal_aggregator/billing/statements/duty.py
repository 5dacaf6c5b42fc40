"""The duty that bills: every supply whose cycle is over, a batch at a time.

    done = await run_once(database, network, now)        # 0: nobody is due

What a batch is made of is read first, then rated outside of any transaction (in worker
processes where `rater` gives them), and what came of it is issued in one: bills that were
issued meanwhile by somebody else are passed over. This module must never rate while it
holds the writer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.draft import Draft, Moment, Wish, drafts
from meterseal_aggregator.billing.statements.due import BATCH, prepared
from meterseal_aggregator.billing.statements.gather import Batch, Wait
from meterseal_aggregator.billing.statements.issue import issue, keep_waits
from meterseal_aggregator.billing.supplies import store as supplies
from meterseal_aggregator.storage.database import Database

ACTOR: Final = "billing"

Rater = Callable[[Sequence[Wish], Moment], Awaitable[list[Draft | Refused]]]
"""Makes drafts of wishes, in order."""


async def rate_here(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
    """Make drafts in a thread of this process: the loop goes on meanwhile."""
    return await asyncio.to_thread(drafts, wishes, moment)


@dataclass(slots=True)
class Biller:
    """Bills a network's supplies; several batches may be under way at a time.

    `network` is the network's id, 32 bytes. `flying` are the supplies of those batches: no
    two of them have one in common.
    """

    database: Database
    network: bytes
    rater: Rater = rate_here
    flying: set[int] = field(default_factory=set)

    async def run_once(self, now: int, limit: int = BATCH) -> int:
        """Bill the next supplies that are due at a Unix second; returns how many were seen.

        0 means that nobody is due whom no other batch has.
        """
        moment = Moment.of(self.network, now)
        async with self.database.reading() as tx:
            flying = tuple(self.flying)
            batch = await prepared(tx, moment, limit=limit, flying=flying)
        seen = {one.supply.id for one in batch.wishes}
        mine = (seen | {one.supply.id for one in batch.waits}) - self.flying
        self.flying |= mine
        try:
            await self._bill(batch, mine, moment)
        finally:
            self.flying -= mine
        return batch.count

    async def _bill(self, batch: Batch, mine: set[int], moment: Moment) -> None:
        wishes = [one for one in batch.wishes if one.supply.id in mine]
        waits = [one for one in batch.waits if one.supply.id in mine]
        if not mine:
            return
        found = await self.rater(wishes, moment)
        waits += [
            Wait(wish.supply, wish.begin, draft)
            for wish, draft in zip(wishes, found, strict=True)
            if isinstance(draft, Refused)
        ]
        made = [one for one in found if isinstance(one, Draft)]
        async with self.database.transaction() as tx:
            await issue(tx, made, moment, actor=ACTOR)
            # Somebody came or left within a slot, which is his who had it first.
            empty = [one for one in waits if one.refused.cause is Cause.EMPTY]
            await supplies.billed(tx, [(one.supply.id, one.end) for one in empty])
            rest = [one for one in waits if one.refused.cause is not Cause.EMPTY]
            await keep_waits(tx, rest, now=moment.issued_at)


async def run_once(
    database: Database, network: bytes, now: int, limit: int = BATCH
) -> int:
    """Bill the next supplies that are due at Unix second `now`; returns how many were seen.

    0 means that nobody is due. Rating is done in this process, beside the loop.
    """
    return await Biller(database, network).run_once(now, limit)
