"""Invariant 23: what disputes froze stands just as long as they do.

Of every trade disputed while it was held, one freeze stands in the ledger while the dispute
is open and none after; of a bill no more is disputed than its open disputes say; every
ended dispute was decided once or withdrawn, and the log has each decision. This module must
never write.
"""

from typing import Final

from meterseal_aggregator.disputes import store
from meterseal_aggregator.disputes.model import Dispute, State
from meterseal_aggregator.ledger.model import HoldState
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.entry import bill_hash_entry, trade_event_entry

INVARIANT: Final = 23
"""The number of the disputes' invariant in ARCHITECTURE, "What must always hold"."""
PAGE: Final = 1_000

_FREEZES: Final = """
SELECT h.state FROM ledger_transfers t JOIN ledger_holds h ON h.transfer_id = t.id
WHERE t.id = ?
"""
_BILLS: Final = """
SELECT b.id, b.number, s.disputed FROM bill_standings s JOIN bills b ON b.id = s.bill_id
WHERE s.disputed > 0 AND s.state <> 'corrected'
"""
_LOGGED: Final = """
SELECT d.id, d.bill_id IS NOT NULL, c.hash, e.body
FROM disputes d LEFT JOIN dispute_decisions c ON c.dispute_id = d.id
LEFT JOIN log_entries e ON e.id = c.log_entry_id
WHERE d.state IN ('upheld', 'part-upheld', 'rejected')
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether freezes, bills and the log are as disputes stand."""
    wrong = await _freezes(tx) or await _bills(tx) or await _decisions(tx)
    if wrong:
        return [Finding(INVARIANT, ok=False, detail=wrong)]
    ((count, waiting),) = await tx.rows(
        "SELECT count(*), coalesce(sum(state = 'open'), 0) FROM disputes"
    )
    detail = f"{count} disputes, {waiting} of them open, froze what they say"
    return [Finding(INVARIANT, ok=True, detail=detail)]


async def _freezes(tx: Transaction) -> str:
    last = 0
    while page := await store.where(tx, "id > ? AND held = 1", (last,), limit=PAGE):
        last = page[-1].id
        for one in page:
            if not await _stands(tx, one):
                return f"dispute {one.id}: its freeze is not as the dispute stands"
    return ""


async def _stands(tx: Transaction, one: Dispute) -> bool:
    rows = await tx.rows(_FREEZES, (one.freeze,))
    expected = HoldState.PENDING if one.state is State.OPEN else HoldState.VOIDED
    return [row[0] for row in rows] == [expected]


async def _bills(tx: Transaction) -> str:
    for bill, number, disputed in await tx.rows(_BILLS):
        chain = await store.chain_of(tx, bill)
        if disputed > await store.frozen_of(tx, chain):
            return f"bill {number}: more is disputed than its open disputes say"
    return ""


async def _decisions(tx: Transaction) -> str:
    for number, of_bill, digest, body in await tx.rows(_LOGGED):
        if digest is None:
            return f"dispute {number} ended without a decision"
        entry = bill_hash_entry(digest) if of_bill else trade_event_entry(digest)
        if body != entry:
            return f"dispute {number}: the log has not its decision"
    return ""
