"""What devices tell late of an erased member's time goes as well, however late it comes.

    while await forget_late(database, network): ...

A device keeps what it sealed for months, and intake asks nobody whose time it was: it proves
the register's chain. What ties it to somebody goes here, by the seals that came since the
last look, and the file is to be written anew once more. This module must never touch what
came before a member was erased: `erase` did.
"""

from typing import Final

from meterseal_aggregator.erasure.traces import forget_readings
from meterseal_aggregator.storage.database import Database, Transaction

BATCH: Final = 10_000
"""Seals a look: a village's day, found by their numbers."""
_NEXT: Final = """
SELECT m.seals_to, (SELECT max(id) FROM (SELECT id FROM (
    SELECT id FROM seals WHERE id > m.seals_to
    UNION ALL SELECT id FROM committed_seals WHERE id > m.seals_to)
  ORDER BY id LIMIT ?))
FROM erasure_marks m
"""
_LATE: Final = """
SELECT DISTINCT e.member_id FROM (
  SELECT register_id, first FROM seals WHERE id > ?1 AND id <= ?2
  UNION ALL SELECT register_id, first FROM committed_seals WHERE id > ?1 AND id <= ?2) s
CROSS JOIN registers r ON r.id = s.register_id
CROSS JOIN installations i ON i.meter_id = r.meter_id
CROSS JOIN tenancies t ON t.meter_point_id = i.meter_point_id
  AND t.from_at <= s.first AND s.first < t.to_at
CROSS JOIN erasures e ON e.member_id = t.member_id AND e.done_at IS NOT NULL
ORDER BY e.member_id
"""
_MARK: Final = """
UPDATE erasure_marks SET seals_to = ?, to_rewrite = max(to_rewrite, ?)
"""
_TO_REWRITE: Final = "SELECT to_rewrite FROM erasure_marks"
_REWRITTEN: Final = "UPDATE erasure_marks SET to_rewrite = 0"


async def forget_late(database: Database, network: bytes) -> bool:
    """Look at the next seals that came; tells whether there were any. `network`: 32 bytes."""
    async with database.reading() as tx:
        ((mark, last),) = await tx.rows(_NEXT, (BATCH,))
        members = [] if last is None else await tx.rows(_LATE, (mark, last))
    if last is None:
        return False
    async with database.transaction() as tx:
        for (member,) in members:
            await tx.many("INSERT INTO erasing (member_id) VALUES (?)", [(member,)])
            await forget_readings(tx, member, network)
            await tx.many("DELETE FROM erasing WHERE member_id = ?", [(member,)])
        await tx.many(_MARK, [(last, int(bool(members)))])
    return True


async def to_rewrite(tx: Transaction) -> bool:
    """Tell whether something late was taken and may still stand in the file's free space."""
    ((wanted,),) = await tx.rows(_TO_REWRITE)
    return bool(wanted)


async def rewritten(tx: Transaction) -> None:
    """Write down that the file was written anew."""
    await tx.rows(_REWRITTEN)
