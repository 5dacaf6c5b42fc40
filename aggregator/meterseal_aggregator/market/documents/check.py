"""Invariant 14 for meter documents: what counted moved trust, by its worth and once.

This module must never write.
"""

from typing import Final

from meterseal_aggregator.market.documents.model import Verdict
from meterseal_aggregator.market.documents.store import EVENT
from meterseal_aggregator.market.documents.verdict import verdict_of
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

INVARIANT: Final = 14
"""The number of "a score is what its events give"."""
PAGE: Final = 1_000

_DOCUMENTS: Final = """
SELECT d.id, d.verdict, d.declared_wh, d.monthly_wh, EXISTS (
  SELECT 1 FROM trust_events e WHERE e.subject = 'meter ' || d.meter_id AND e.event = ?
  AND e.member_id = d.member_id AND e.change = d.change)
FROM meter_documents d
WHERE d.verdict IN ('good', 'fair', 'far') AND d.id > ? ORDER BY d.id LIMIT ?
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether every document with a figure got the verdict and the event it has."""
    last, counted = 0, 0
    while rows := await tx.rows(_DOCUMENTS, (EVENT, last, PAGE)):
        for number, verdict, declared, monthly, moved in rows:
            told = Verdict(verdict)
            if told is not verdict_of(declared, monthly):
                return [_wrong(f"document {number} is not {verdict} by its figures")]
            if told is not Verdict.FAR and not moved:
                return [_wrong(f"document {number} counted without its trust event")]
            counted += told is not Verdict.FAR
        last = rows[-1][0]
    detail = f"{counted} meter documents moved trust once each, by what they are worth"
    return [Finding(INVARIANT, ok=True, detail=detail)]


def _wrong(detail: str) -> Finding:
    return Finding(INVARIANT, ok=False, detail=detail)
