"""The figures of billing: one statement a figure, whatever the number of members.

    found = await slices(tx, Span(begin, end), now=now)

Reads the tables of supplies, bills, receivables and the ledger, and sums them by tariff and
asset. This module must never name a member, nor write.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.figures.model import COUNTED, Slice
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.units import IMPORT, WATER

# Every figure asks `q` for the months, the moment and the asset of rewards.
_ASKED: Final = """
WITH q (begin_at, end_at, now_at, reward) AS (VALUES (?, ?, ?, ?)),
late (bill_id, tariff_code, asset, days, outstanding, disputed, asked) AS (
  SELECT b.id, y.tariff_code, b.asset, (q.now_at - s.due_at + 86399) / 86400,
    b.amount + s.late_fees + s.given - s.paid, s.disputed,
    max(0, b.amount + s.late_fees + s.given - s.paid - s.disputed)
  FROM q CROSS JOIN bill_standings s JOIN bills b ON b.id = s.bill_id
  JOIN supplies y ON y.id = b.supply_id
  WHERE s.state IN ('issued', 'part-paid', 'overdue')),
billed (bill_id, tariff_code, asset, member_id, amount, asked, outstanding) AS (
  SELECT b.id, y.tariff_code, b.asset, b.member_id, b.amount,
    max(0, b.amount + s.late_fees + s.given),
    max(0, b.amount + s.late_fees + s.given - s.paid)
  FROM q CROSS JOIN bills b JOIN bill_standings s ON s.bill_id = b.id
  JOIN supplies y ON y.id = b.supply_id
  WHERE b.issued_at >= q.begin_at AND b.issued_at < q.end_at AND b.kind = 'bill'
    AND s.state <> 'corrected')
"""
_BILLED: Final = """
SELECT tariff_code, asset, count(DISTINCT member_id), count(*), sum(amount), sum(asked),
  sum(asked - outstanding)
FROM billed GROUP BY tariff_code, asset
"""
_QUANTITY: Final = """
SELECT d.tariff_code, d.asset,
  sum(CASE WHEN u.value ->> '$.register' = {wh} THEN u.value ->> '$.quantity' END),
  sum(CASE WHEN u.value ->> '$.register' = {litres} THEN u.value ->> '$.quantity' END)
FROM billed d CROSS JOIN bills b ON b.id = d.bill_id
JOIN json_each(CAST(b.document AS TEXT), '$.usage') u
GROUP BY d.tariff_code, d.asset
"""
_COLLECTED: Final = """
SELECT y.tariff_code, b.asset, sum(p.amount)
FROM q CROSS JOIN bill_payments r ON r.at >= q.begin_at AND r.at < q.end_at
JOIN bill_payment_parts p ON p.bill_payment_id = r.id
JOIN bills b ON b.id = p.bill_id JOIN supplies y ON y.id = b.supply_id
GROUP BY y.tariff_code, b.asset
"""
_FEES: Final = """
SELECT y.tariff_code, b.asset, sum(f.amount)
FROM q CROSS JOIN late_fees f ON f.at >= q.begin_at AND f.at < q.end_at
JOIN bills b ON b.id = f.bill_id JOIN supplies y ON y.id = b.supply_id
GROUP BY y.tariff_code, b.asset
"""
_REWARDS: Final = """
SELECT y.tariff_code, b.asset, sum(w.amount - w.taken_back)
FROM q CROSS JOIN rewards w ON w.earned_at >= q.begin_at AND w.earned_at < q.end_at
  AND w.state = 'paid' AND w.asset = q.reward
JOIN bills b ON b.id = w.bill_id JOIN supplies y ON y.id = b.supply_id
GROUP BY y.tariff_code, b.asset
"""
_OWED: Final = """
SELECT tariff_code, asset, sum(outstanding), sum(disputed),
  sum(CASE WHEN days BETWEEN 1 AND 30 THEN asked ELSE 0 END),
  sum(CASE WHEN days BETWEEN 31 AND 60 THEN asked ELSE 0 END),
  sum(CASE WHEN days BETWEEN 61 AND 90 THEN asked ELSE 0 END),
  sum(CASE WHEN days > 90 THEN asked ELSE 0 END)
FROM late GROUP BY tariff_code, asset
"""
_PREPAID: Final = """
SELECT y.tariff_code, a.asset,
  sum(a.credits_posted - a.debits_posted - a.debits_pending)
FROM (
  SELECT tariff_code, 'user:' || member_id AS code FROM q CROSS JOIN supplies
  WHERE prepaid = 1 AND (to_at IS NULL OR to_at > q.now_at)
  UNION SELECT tariff_code, 'escrow:prepaid-' || id FROM supplies WHERE prepaid = 1) y
JOIN ledger_accounts a ON a.code = y.code
WHERE a.asset IN (SELECT t.asset FROM full_tariffs t WHERE t.code = y.tariff_code)
GROUP BY y.tariff_code, a.asset
"""
_FIGURES: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("members", "bills", "billed", "asked", "settled"), _BILLED),
    (("wh", "litres"), _QUANTITY.format(wh=int(IMPORT), litres=int(WATER))),
    (("collected",), _COLLECTED),
    (("late_fees",), _FEES),
    (("rewards",), _REWARDS),
    (
        (
            *("outstanding", "disputed"),
            *("overdue_30", "overdue_60", "overdue_90", "overdue_more"),
        ),
        _OWED,
    ),
    (("prepaid",), _PREPAID),
)
"""Names of figures, and the statement that gives them by tariff and asset."""


@dataclass(frozen=True, slots=True)
class Span:
    """The months: Unix seconds, [begin, end)."""

    begin: int
    end: int


async def slices(
    tx: Transaction, span: Span, *, reward: Asset, now: int
) -> list[Slice]:
    """Return every tariff's figures over months, by tariff and asset.

    `reward` is the asset of rewards that are summed; what is outstanding is so at `now`.
    """
    asked = (span.begin, span.end, now, reward)
    found: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for names, sql in _FIGURES:
        for tariff, asset, *values in await tx.rows(_ASKED + sql, asked):
            known = zip(names, values, strict=True)
            found[tariff, asset] |= {name: value or 0 for name, value in known}
    return [
        Slice(tariff, Asset(asset), **_counted(found[tariff, asset]))
        for tariff, asset in sorted(found)
    ]


def _counted(values: dict[str, int]) -> dict[str, int]:
    return {name: values.get(name, 0) for name in COUNTED}
