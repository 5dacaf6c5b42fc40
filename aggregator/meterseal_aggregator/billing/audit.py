"""The audit of payments: each is one entry of the ledger, and the ledger has no other.

Reads its own table and the ledger's. This module must never write.
"""

from typing import Final

from meterseal_aggregator.billing.payments import transfer_of
from meterseal_aggregator.ledger.accounts import CASH
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

RECORDED: Final = 16
"""The number of "money that came or went is what operators recorded"."""
PAGE: Final = 1_000
"""Payments compared at a time."""

_PAYMENTS: Final = """
SELECT id, account, direction, amount, asset FROM payments
WHERE id > ? ORDER BY id LIMIT ?
"""
_ENTRIES: Final = """
SELECT t.id, d.code, c.code, t.amount, d.asset FROM ledger_transfers t
JOIN ledger_accounts d ON d.id = t.debit_id
JOIN ledger_accounts c ON c.id = t.credit_id
WHERE t.id IN ({marks})
"""
_ALL: Final = "SELECT count(*) FROM ledger_transfers WHERE purpose = 'payment'"


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether every payment was entered as it was recorded, and none besides."""
    count = last = 0
    while rows := await tx.rows(_PAYMENTS, (last, PAGE)):
        last, count = rows[-1][0], count + len(rows)
        wanted = {transfer_of(row[0]): (row[0], _entry(*row[1:])) for row in rows}
        marks = ",".join("?" for _ in wanted)
        found = await tx.rows(_ENTRIES.format(marks=marks), tuple(wanted))
        posted = {row[0]: tuple(row[1:]) for row in found}
        for transfer, (number, entry) in wanted.items():
            if posted.get(transfer) != entry:
                detail = f"payment {number} is not in the ledger as it was recorded"
                return [Finding(RECORDED, ok=False, detail=detail)]
    ((entered,),) = await tx.rows(_ALL)
    detail = f"{count} payments recorded, {entered} in the ledger"
    return [Finding(RECORDED, ok=entered == count, detail=detail)]


def _entry(
    account: str, direction: str, amount: int, asset: str
) -> tuple[str, str, int, str]:
    legs = (CASH, account) if direction == "in" else (account, CASH)
    return *legs, amount, asset
