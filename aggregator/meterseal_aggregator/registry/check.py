"""The registry's part of the audit: every certificate is what the trail of acts says.

This module must never write.
"""

from typing import Final

from meterseal_aggregator.registry.certificates import trail
from meterseal_aggregator.registry.certification import Entry, replay
from meterseal_aggregator.registry.model import Refused
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

CERTIFIED: Final = 2
"""The number of "minted once, of certified surplus"."""
PAGE: Final = 10_000
"""Lines a question: a street's trail at once, a country's in bounded parts."""


async def findings(tx: Transaction) -> list[Finding]:
    """Rebuild every application from the trail and compare the certificates with that."""
    entries: list[Entry] = []
    while page := await trail(tx, after=entries[-1].id if entries else 0, limit=PAGE):
        entries += page
    try:
        told = replay(entries)
    except Refused as error:
        return [Finding(CERTIFIED, ok=False, detail=f"the trail breaks: {error}")]
    rows = await tx.rows(
        "SELECT application_id, from_at, to_at FROM certifications"
        " WHERE application_id IS NOT NULL"
    )
    kept = {row[0]: (row[1], row[2]) for row in rows}
    spans = {n: (s.from_at, s.to_at) for n, s in told.items() if s.from_at is not None}
    wrong = sorted(
        n for n in kept.keys() | spans.keys() if kept.get(n) != spans.get(n)
    )  # fmt: skip
    if wrong:
        detail = f"application {wrong[0]}: the certificate is not what was decided"
        return [Finding(CERTIFIED, ok=False, detail=detail)]
    detail = f"{len(entries)} acts of certification rebuild {len(kept)} certificates"
    return [Finding(CERTIFIED, ok=True, detail=detail)]
