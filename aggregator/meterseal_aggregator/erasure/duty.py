"""What follows an erasure: the file is written anew, and salts of old bills go in time.

    while await run_once(database, network, now, real): ...

What came late of an erased member's time goes first. Nothing of a deleted row may be read
from free pages or the log of the database: it is written anew, all of it, for all that were
erased since the last time. Backups made before
are for whoever makes them: see DECISIONS. This module must never erase anybody.
"""

from typing import Final

from meterseal_aggregator.erasure import late, store
from meterseal_aggregator.erasure.model import RETENTION_S
from meterseal_aggregator.storage.database import Database

BATCH: Final = 1_000
_DUE: Final = """
SELECT b.id FROM erasures e JOIN bills b ON b.member_id = e.member_id
WHERE e.done_at IS NOT NULL AND b.salt IS NOT NULL AND b.issued_at < ? LIMIT ?
"""


async def run_once(database: Database, network: bytes, now: int, real: int) -> int:
    """Do what there is to do; returns how many members or bills that were, 0 at the end.

    `network` has 32 bytes, `now` is its second, `real` the real one.
    """
    while await late.forget_late(database, network):
        pass
    async with database.reading() as tx:
        waiting = await store.unscrubbed(tx)
        came_late = await late.to_rewrite(tx)
        due = await tx.rows(_DUE, (now - RETENTION_S, BATCH))
    if waiting or came_late:
        if not await database.scrub():
            return 0
        async with database.transaction() as tx:
            await store.scrubbed(tx, waiting, now=real)
            await late.rewritten(tx)
        return len(waiting) or 1
    if due:
        async with database.transaction() as tx:
            await tx.many("UPDATE bills SET salt = NULL WHERE id = ?", due)
    return len(due)
