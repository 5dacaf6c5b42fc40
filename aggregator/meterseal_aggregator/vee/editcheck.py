"""Invariant 6 for edits: each has one entry of the log, which is its salted hash.

Where a person's data were erased the salt is gone, and only that there is such an entry can
be said. This module must never write.
"""

from typing import Final

from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.entry import operator_edit_entry
from meterseal_proto.rating.edit import Edit, edit_hash
from meterseal_proto.units import MeterId, RegisterId

INVARIANT: Final = 6
"""The number of the log's invariant in ARCHITECTURE, "What must always hold"."""
_EDITS: Final = """
SELECT v.id, l.id, l.body, e.salt, m.meter, g.register, v.start, v.start + v.length,
  v.delta, v.reason, v.author, v.known_at
FROM vee_values v JOIN registers g ON g.id = v.register_id JOIN meters m ON m.id = g.meter_id
LEFT JOIN vee_edits e ON e.value_id = v.id
LEFT JOIN log_entries l ON l.id = v.log_entry_id
WHERE v.source = 'edit' ORDER BY v.id
"""


async def findings(tx: Transaction, network: bytes) -> list[Finding]:
    """Say whether every edit is in the log, once, as it was made."""
    rows = await tx.rows(_EDITS)
    wrong = next((row[0] for row in rows if not _logged(row, network)), None)
    if wrong is not None:
        detail = f"edit {wrong} is not what its log entry says"
        return [Finding(INVARIANT, ok=False, detail=detail)]
    if len({row[1] for row in rows}) != len(rows):
        detail = "two edits share an entry of the log"
        return [Finding(INVARIANT, ok=False, detail=detail)]
    detail = f"{len(rows)} edits of usage are in the log, each once"
    return [Finding(INVARIANT, ok=True, detail=detail)]


def _logged(row: Row, network: bytes) -> bool:
    _, _, body, salt, meter, register, *rest = row
    if body is None:
        return False
    if salt is None:
        return bool(body[:2] == operator_edit_entry(bytes(32))[:2])
    told = Edit(network, MeterId(meter), RegisterId(register), *rest)
    return bool(body == operator_edit_entry(edit_hash(salt, told)))
