"""Invariant 2 where operators edited: a slot is worth what was sealed and not edited away.

Reads `credits`, `vee_values` (vee) and what edits took. This module must never write.
"""

from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.vee.daystore import MAX_VALUE_S

# A slot's Wh of an edit are its share, as packed days spread a span's. The last edit over a
# slot holds; one that was not followed yet says nothing, nor does any before it there.
_UNEVEN: Final = """
SELECT register_id, start FROM (
  SELECT register_id, start, taken, followed,
    max(0, value_wh - (delta * (k + 1) / n - delta * k / n)) AS beyond FROM (
    SELECT c.register_id, c.start, c.value_wh, v.delta, v.length / c.length AS n,
      (c.start - v.start) / c.length AS k, v.id <= f.value_id AS followed,
      (SELECT coalesce(sum(e.posted_wh), 0) FROM edit_reversals e
       WHERE e.register_id = c.register_id AND e.start = c.start) AS taken
    FROM edits_followed f CROSS JOIN vee_values v INDEXED BY vee_values_of_edits
    CROSS JOIN credits c ON c.register_id = v.register_id
      AND c.start >= v.start AND c.start < v.start + v.length
    WHERE v.source = 'edit'
      AND NOT EXISTS (SELECT 1 FROM credits l WHERE l.register_id = c.register_id
        AND l.start = c.start AND l.revision > c.revision)
      AND NOT EXISTS (SELECT 1 FROM vee_values w INDEXED BY vee_values_of_edits
        WHERE w.source = 'edit' AND w.register_id = v.register_id AND w.id > v.id
        AND w.start > c.start - ?1 AND w.start <= c.start AND w.start + w.length > c.start)))
WHERE (followed AND taken <> -beyond) OR taken > 0 LIMIT 1
"""
# What was taken of a slot that the edit it names does not reach.
_ASTRAY: Final = """
SELECT e.register_id, e.start FROM edit_reversals e JOIN vee_values v ON v.id = e.value_id
WHERE v.source <> 'edit' OR v.register_id <> e.register_id
  OR e.start < v.start OR e.start >= v.start + v.length LIMIT 1
"""


async def finding(tx: Transaction, invariant: int) -> Finding:
    """Say whether edits took of every slot what is beyond them, and of no other."""
    for statement, params, wrong in (
        (_UNEVEN, (MAX_VALUE_S,), "edits did not take what is beyond the last one"),
        (_ASTRAY, (), "an edit took of a slot that it is not over"),
    ):
        rows = await tx.rows(statement, params)
        if rows:
            register_id, start = rows[0]
            detail = f"register {register_id}, slot {start}: {wrong}"
            return Finding(invariant, ok=False, detail=detail)
    ((count, wh),) = await tx.rows(
        "SELECT count(*), coalesce(-sum(posted_wh), 0) FROM edit_reversals"
    )
    detail = (
        f"{wh} credited Wh are taken back by edits ({count} postings), minted by none"
    )
    return Finding(invariant, ok=True, detail=detail)
