"""The duty that bills: every supply whose cycle is over, a batch at a time.

    done = await run_once(database, network, now)        # 0: nobody is due

What a batch is made of is read first, then rated outside of any transaction (in worker
processes where `rater` gives them), and what came of it is issued in one: bills that were
issued meanwhile by somebody else are passed over. This module must never rate while it
holds the writer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.statements.draft import Draft, Moment, Wish, drafts
from meterseal_aggregator.billing.statements.due import BATCH, prepared
from meterseal_aggregator.billing.statements.gather import Wait
from meterseal_aggregator.billing.statements.issue import issue, keep_waits
from meterseal_aggregator.storage.database import Database

ACTOR: Final = "billing"

Rater = Callable[[Sequence[Wish], Moment], Awaitable[list[Draft | Refused]]]
"""Makes drafts of wishes, in order."""


async def rate_here(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
    """Make drafts in a thread of this process: the loop goes on meanwhile."""
    return await asyncio.to_thread(drafts, wishes, moment)


async def run_once(
    database: Database,
    network: bytes,
    now: int,
    limit: int = BATCH,
    *,
    rater: Rater = rate_here,
) -> int:
    """Bill the next supplies that are due at Unix second `now`; returns how many were seen.

    0 means that nobody is due. `network` is the network's id, 32 bytes.
    """
    moment = Moment.of(network, now)
    async with database.reading() as tx:
        batch = await prepared(tx, moment, limit=limit)
    if not batch.count:
        return 0
    found = await rater(batch.wishes, moment)
    waits = list(batch.waits) + [
        Wait(wish.supply, wish.begin, draft)
        for wish, draft in zip(batch.wishes, found, strict=True)
        if isinstance(draft, Refused)
    ]
    made = [one for one in found if isinstance(one, Draft)]
    async with database.transaction() as tx:
        await issue(tx, made, moment, actor=ACTOR)
        await keep_waits(tx, waits, now=now)
    return batch.count
