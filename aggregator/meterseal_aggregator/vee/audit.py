"""Invariant 1 of ARCHITECTURE: a register's readings add up to what it moved.

Reads `readings`, `heads`, `register_steps` (intake) and `registers` (registry). Committed
registers show no values; that their days leave no time out, `privacy.check` says. This
module must never write.
"""

from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

INVARIANT: Final = 1
"""The number of the registers' invariant in ARCHITECTURE, "What must always hold"."""

# One row a register: Wh and seconds that its history leaves unexplained.
_REGISTERS: Final = """
SELECT g.id,
  coalesce(h.value, g.initial_value) - g.initial_value
    - coalesce(r.wh, 0) - coalesce(s.jump, 0),
  coalesce(h.end_at, g.initial_at) - g.initial_at
    - coalesce(r.seconds, 0) - coalesce(s.seconds, 0)
FROM registers g
LEFT JOIN heads h ON h.register_id = g.id
LEFT JOIN (SELECT register_id, sum(delta) AS wh, sum(length) AS seconds
  FROM readings WHERE revision = 0 GROUP BY register_id) r ON r.register_id = g.id
LEFT JOIN (SELECT register_id, sum(to_value - from_value) AS jump,
  sum(at - from_at) AS seconds
  FROM register_steps GROUP BY register_id) s ON s.register_id = g.id
WHERE g.mode = 0
ORDER BY g.id
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether every register's deltas and lengths add up to its head, to the Wh."""
    rows = await tx.rows(_REGISTERS)
    wrong = [row for row in rows if row[1] or row[2]]
    if wrong:
        register_id, wh, seconds = wrong[0]
        detail = (
            f"register {register_id} leaves {wh} Wh and {seconds} s unexplained"
            f" ({len(wrong)} of {len(rows)} registers)"
        )
        return [Finding(INVARIANT, ok=False, detail=detail)]
    detail = f"{len(rows)} registers: readings and recorded breaks give the last value"
    return [Finding(INVARIANT, ok=True, detail=detail)]
