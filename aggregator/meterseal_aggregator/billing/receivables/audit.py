"""The audit of what is owed and paid: accounts, standings and our own rows say the same.

Reads its own tables, those of bills and the ledger's. Each law is one statement that lists
both sides with opposite signs, so that whatever does not add up to nothing is found. This
module must never write.
"""

from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

OWED: Final = 20
"""The number of "arrears are what bills ask; what was paid, charged and given is booked"."""

_BOTH: Final = """
SELECT account, asset FROM ({sides}) GROUP BY account, asset
HAVING sum(amount) <> 0 OR sum(entries) <> 0 ORDER BY account, asset LIMIT 1
"""
_ENTRIES: Final = """
SELECT {leg}.code AS account, {leg}.asset AS asset, -t.amount AS amount, -1 AS entries
FROM ledger_transfers t JOIN ledger_accounts {leg} ON {leg}.id = t.{side}_id
WHERE t.purpose = '{purpose}'
"""


def _credited(purpose: str) -> str:
    return _ENTRIES.format(leg="c", side="credit", purpose=purpose)


def _debited(purpose: str) -> str:
    return _ENTRIES.format(leg="d", side="debit", purpose=purpose)


_LAWS: Final = {
    "what bills ask": """
SELECT 'arrears:' || b.member_id AS account, b.asset AS asset,
  b.amount + s.late_fees + s.given - s.paid AS amount, 0 AS entries
FROM bill_standings s JOIN bills b ON b.id = s.bill_id
WHERE b.rail = 'ledger' AND s.state <> 'corrected'
UNION ALL
SELECT code, asset, credits_posted - debits_posted, 0 FROM ledger_accounts
WHERE code GLOB 'arrears:*'
""",
    "what was paid": """
SELECT 'arrears:' || r.member_id AS account, r.asset AS asset, p.amount AS amount,
  1 AS entries
FROM bill_payment_parts p JOIN bill_payments r ON r.id = p.bill_payment_id
UNION ALL
"""
    + _credited("bill-payment"),
    "the parts of a payment": """
SELECT 'payment ' || id AS account, asset, amount, 0 AS entries FROM bill_payments
UNION ALL
SELECT 'payment ' || r.id, r.asset, -p.amount, 0
FROM bill_payment_parts p JOIN bill_payments r ON r.id = p.bill_payment_id
""",
    "what was given by a quote": """
SELECT 'user:' || member_id AS account, given_asset AS asset, given AS amount, 1 AS entries
FROM bill_payments WHERE quote_id IS NOT NULL
UNION ALL
"""
    + _debited("bill-exchange"),
    "late fees": """
SELECT 'arrears:' || b.member_id AS account, f.asset AS asset, f.amount AS amount,
  1 AS entries
FROM late_fees f JOIN bills b ON b.id = f.bill_id
UNION ALL
"""
    + _debited("late-fee"),
    "rewards": """
SELECT 'user:' || member_id AS account, asset, amount - taken_back AS amount, 0 AS entries
FROM rewards WHERE state = 'paid'
UNION ALL
SELECT account, asset, amount, 0 FROM ("""
    + _credited("reward")
    + """) UNION ALL
SELECT account, asset, -amount, 0 FROM ("""
    + _debited("reward-back")
    + ")",
    "what prepaid usage drew": """
SELECT 'escrow:prepaid-' || supply_id AS account, asset, amount, 0 AS entries
FROM prepaid_draws
UNION ALL
SELECT 'escrow:prepaid-' || supply_id, given_asset, -given, 0 FROM bill_payments
WHERE source = 'prepaid'
UNION ALL
SELECT code, asset, debits_posted - credits_posted, 0 FROM ledger_accounts
WHERE code GLOB 'escrow:prepaid-*'
""",
    "days on devices": """
SELECT 'user:' || d.member_id AS account, d.asset AS asset, t.amount AS amount,
  1 AS entries
FROM paygo_tokens t JOIN paygo_devices d ON d.id = t.device_id
UNION ALL
"""
    + _debited("paygo"),
}
"""What each side of a law lists: an account, its asset, an amount and how many entries."""
_FREE: Final = """
SELECT b.number FROM bill_standings s JOIN bills b ON b.id = s.bill_id
LEFT JOIN late_fees f ON f.bill_id = b.id
WHERE s.state <> 'corrected' AND (s.disputed > max(0, b.amount + s.late_fees + s.given - s.paid)
  OR f.amount > f.base)
ORDER BY b.id LIMIT 1
"""
_COUNTS: Final = """
SELECT (SELECT count(*) FROM bill_payments), (SELECT count(*) FROM late_fees),
  (SELECT count(*) FROM rewards WHERE state = 'paid')
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether arrears, payments, fees, rewards and prepaid money are as recorded."""
    for what, sides in _LAWS.items():
        rows = await tx.rows(_BOTH.format(sides=sides))
        if rows:
            account, asset = rows[0]
            detail = f"{account} in {asset} is not what {what} come to"
            return [Finding(OWED, ok=False, detail=detail)]
    rows = await tx.rows(_FREE)
    if rows:
        detail = (
            f"bill {rows[0][0]}: more is disputed than owed, or a fee beyond its base"
        )
        return [Finding(OWED, ok=False, detail=detail)]
    ((payments, fees, rewards),) = await tx.rows(_COUNTS)
    detail = (
        f"arrears are what bills ask; {payments} payments of bills, {fees} late fees and"
        f" {rewards} rewards are booked as recorded"
    )
    return [Finding(OWED, ok=True, detail=detail)]
