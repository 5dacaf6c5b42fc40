"""Which bills are to be rated again, and how far that was asked.

    found = await touched(tx, moment)
    if not found:
        past = await passed(tx, moment)        # None where the marks stand there already

Three reasons: a later version of a day the bill stands on; neighbours' Wh that a settlement
delivered after the bill was made, and that no bill has netted; and a look that has to be
taken whatever is known (`looked_to` 0). Reads usage days (vee), trades and their runs
(market) and private periods. This module must never rate, nor find a private home's bill: its
device opens anew, and proves what it nets itself.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.storage.database import Transaction

LAG_S: Final = 3_600
"""How far behind its mark a look goes back: what was written while another was being
written may say an earlier second."""
SETTLING_S: Final = 600
"""How long what is settled is read again: as long as who settles may wait for the writer."""
_MOST: Final = 1_000
"""Bills a look names; the next one goes on."""


class Reason(IntEnum):
    """Why a bill is looked at, as the statement below numbers it."""

    USAGE = 0
    """Its usage is known otherwise, or the look has to be taken again."""
    DELIVERED = 1
    """Neighbours' Wh came after it was made."""


# Each look waits while its last one's cause is being mended. A run of a trade counts where it
# delivered more than those before, to a member whose supply is billed through that slot, and
# where his bills have left something of what the slot brought him.
_TOUCHED: Final = f"""
SELECT u.bill_id, {Reason.USAGE:d} FROM usage_days d INDEXED BY usage_days_known
CROSS JOIN bill_usage u ON u.register_id = d.register_id
  AND u.from_at < d.first + d.step * length(d.qualities) AND u.to_at > d.first
CROSS JOIN bill_standings s ON s.bill_id = u.bill_id
  AND s.state <> 'corrected' AND s.looked_to < d.known_at AND s.looked_to > 0
CROSS JOIN bills b ON b.id = u.bill_id AND b.private_bill_id IS NULL
WHERE d.version > 1 AND d.known_at <= ?1
  AND d.known_at > (SELECT looked_to FROM correction_marks) - {LAG_S}
UNION
SELECT s.bill_id, {Reason.USAGE:d} FROM bill_standings s JOIN bills b ON b.id = s.bill_id
LEFT JOIN bill_waits w ON w.supply_id = b.supply_id AND w.from_at = b.from_at
  AND w.again_at > ?2
WHERE s.looked_to = 0 AND s.state <> 'corrected' AND w.supply_id IS NULL
UNION
SELECT b.id, {Reason.DELIVERED:d} FROM trade_runs r INDEXED BY trade_runs_delivered
CROSS JOIN trades t ON t.id = r.trade_id
CROSS JOIN supplies p ON p.member_id = t.buyer_id AND p.from_at <= t.start
  AND p.billed_to > t.start
CROSS JOIN bills b INDEXED BY bills_by_supply ON b.supply_id = p.id
  AND b.from_at <= t.start AND b.to_at > t.start AND b.kind = 'bill'
CROSS JOIN bill_standings s ON s.bill_id = b.id
  AND s.state <> 'corrected' AND s.looked_to < r.at AND s.looked_to > 0
WHERE r.delivered_wh > 0 AND r.at <= ?1
  AND r.at > (SELECT delivered_to FROM correction_marks)
  AND r.delivered_wh > coalesce((SELECT max(e.delivered_wh) FROM trade_runs e
    WHERE e.trade_id = r.trade_id AND e.run < r.run), 0)
  AND (SELECT sum(o.delivered_wh) FROM trades o WHERE o.buyer_id = p.member_id
      AND o.start = t.start AND o.state IN ('held', 'settled'))
    > (SELECT coalesce(sum(n.wh), 0) FROM supplies q
      CROSS JOIN netted_slots n ON n.supply_id = q.id AND n.start = t.start
      WHERE q.member_id = p.member_id)
  AND NOT EXISTS (SELECT 1 FROM private_periods v
    WHERE v.supply_id = b.supply_id AND v.from_at = b.from_at)
LIMIT {_MOST}
"""  # noqa: S608 - constants of this module
_LAST: Final = f"""
SELECT max(m.looked_to, coalesce((SELECT max(d.known_at) FROM usage_days d
    WHERE d.version > 1 AND d.known_at <= ?1), 0)),
  max(m.delivered_to, coalesce((SELECT max(r.at) FROM trade_runs r
    WHERE r.delivered_wh > 0 AND r.at <= ?1 - {SETTLING_S}), 0)),
  m.looked_to, m.delivered_to
FROM correction_marks m
"""  # noqa: S608 - the same
_MARK: Final = """
UPDATE correction_marks SET looked_to = max(looked_to, ?),
  delivered_to = max(delivered_to, ?)
"""


@dataclass(frozen=True, slots=True)
class Marks:
    """Up to which second usage, and what was delivered, has been looked at."""

    usage: int
    delivered: int


async def touched(tx: Transaction, moment: Moment) -> dict[int, Reason]:
    """Return bills to look at (row ids) in order of issue, and why: usage before the rest."""
    rows = await tx.rows(_TOUCHED, (moment.known_at, moment.issued_at))
    found = {bill: Reason(why) for bill, why in sorted(rows, reverse=True)}
    return dict(sorted(found.items()))


async def passed(tx: Transaction, moment: Moment) -> Marks | None:
    """Return how far was looked where nothing is touched; None where it is said already.

    Behind the mark of usage a look goes back by LAG_S. There is more that is settled than
    usage that changes: its mark follows SETTLING_S later, and nothing behind it is read again.
    """
    ((usage, delivered, *before),) = await tx.rows(_LAST, (moment.known_at,))
    return None if before == [usage, delivered] else Marks(usage, delivered)


async def pass_marks(tx: Transaction, to: Marks) -> None:
    """Note how far was looked."""
    await tx.rows(_MARK, (to.usage, to.delivered))
