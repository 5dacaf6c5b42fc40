"""What the outbox answers to the audit: every deed has somebody to look after it.

A deed that its contract refused is no fault of the books: whoever wanted it knows. It is
told all the same. This module must never write, nor ask a node.
"""

from typing import Final

from meterseal_aggregator.stacks.outbox import standing
from meterseal_aggregator.stacks.outbox.advice import Means, orphaned
from meterseal_aggregator.stacks.outbox.deeds import State
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

HEALED: Final = 10
"""After every fault has healed nothing waits for ever (ARCHITECTURE, Invariants)."""


async def findings(tx: Transaction, means: Means) -> list[Finding]:
    """Return a finding for each account with open deeds and no key, and for what failed."""
    counts = await standing.counts(tx)
    found = []
    for account, mine in sorted(counts.items()):
        waiting = sum(mine.get(state, 0) for state in standing.OPEN)
        if waiting and account not in means.addresses:
            advice = orphaned(account)
            told = f"{waiting} deeds wait: {advice.wrong}; {advice.do}"
            found.append(Finding(HEALED, ok=False, detail=told))
    failed = sum(mine.get(State.FAILED, 0) for mine in counts.values())
    if failed:
        told = f"{failed} deeds failed on the chain for good, and whoever wanted them knows"
        found.append(Finding(HEALED, ok=True, detail=told))
    return found
