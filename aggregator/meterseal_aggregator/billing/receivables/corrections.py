"""What follows for money when a bill was corrected: its reward, and the plan it was in.

    done = await follow_up(tx, now=now)        # by the duty

Corrections are found among the acts of bills, each looked at once and in order; the bill's
own amounts were settled in the correction itself (`statements`). This module must never
look at an act before a mark that it has passed.
"""

from typing import Final

from meterseal_aggregator.billing.receivables import plans, rewards
from meterseal_aggregator.storage.database import Transaction

BATCH: Final = 1_000
"""Acts a transaction; few of them correct anything."""

_MARK: Final = "SELECT act_id FROM receivable_marks WHERE name = 'corrections'"
_ACTS: Final = "SELECT id, bill_id, act FROM bill_acts WHERE id > ? ORDER BY id LIMIT ?"
_IN_PLACE: Final = """
SELECT b.id, b.amount, max(0, b.amount + s.late_fees + s.given - s.paid)
FROM bills b JOIN bill_standings s ON s.bill_id = b.id WHERE b.replaces_id = ?
"""
_GO_ON: Final = """
INSERT INTO receivable_marks (name, act_id) VALUES ('corrections', ?)
ON CONFLICT (name) DO UPDATE SET act_id = excluded.act_id
"""


async def follow_up(tx: Transaction, *, now: int) -> int:
    """Look at the next batch of acts; returns how many."""
    marks = await tx.rows(_MARK)
    acts = await tx.rows(_ACTS, (marks[0][0] if marks else 0, BATCH))
    if not acts:
        return 0
    for _, bill, act in acts:
        if act == "corrected":
            await _follow(tx, bill, now)
    await tx.many(_GO_ON, [(acts[-1][0],)])
    return len(acts)


async def _follow(tx: Transaction, bill: int, now: int) -> None:
    found = await tx.rows(_IN_PLACE, (bill,))
    successor = (found[0][0], found[0][1]) if found else None
    await rewards.correct(tx, bill, successor, now=now)
    if found:
        number, _, left = found[0]
        await plans.follow(tx, bill, number, left)
