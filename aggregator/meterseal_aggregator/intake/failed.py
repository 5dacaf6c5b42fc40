"""A committed day whose proof failed becomes a link in quarantine, with its evidence.

Its seal stays in the log and in the chain; from now on whoever sends it again is answered
PROOF, for a link in quarantine outweighs an accepted one. What was proved wrong is kept in
the privacy room's tables for ever, so header and signature are evidence enough here. This
module must never be called for a day whose proof nobody has checked.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.intake.keep import DAY_S, QUARANTINE, REFUSALS
from meterseal_aggregator.privacy.model import KeptDay
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.entry import seal_entry
from meterseal_proto.errors import Reason

DETAIL: Final = "its range proof does not hold"


async def set_aside(tx: Transaction, days: Sequence[KeptDay], now: int) -> None:
    """Keep failed days as evidence at Unix second `now`, and count them: two statements."""
    rows, sizes = [], Counter[str]()
    for day in days:
        entry = seal_entry(day.header, day.signature)
        sizes[day.agent] += len(entry) + len(DETAIL)
        rows.append(
            (day.register_id, day.agent, day.header.seq, 1, Reason.PROOF, DETAIL, entry,
             day.digest, now)
        )  # fmt: skip
    await tx.many(QUARANTINE, rows)
    counts = Counter(day.agent for day in days)
    await tx.many(
        REFUSALS,
        [
            (now // DAY_S, agent, Reason.PROOF, count, count, sizes[agent])
            for agent, count in counts.items()
        ],
    )
