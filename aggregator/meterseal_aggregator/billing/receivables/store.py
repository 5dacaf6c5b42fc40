"""The tables of what was paid: open bills as a payment sees them, receipts and their parts.

Bills and where they stand are read here with `statements`' tables in one statement; only
`statements.store.act` writes there. Whoever opened the transaction commits it. This module
must never post to the ledger.
"""

import json
from collections.abc import Sequence
from typing import Final

from meterseal_aggregator.billing.model import BillState, Cause, Refused, Standing
from meterseal_aggregator.billing.receivables.model import (
    MAX_OPEN,
    Arrears,
    Owed,
    Part,
    Receipt,
    Source,
)
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Row, Transaction

_OWED: Final = """
SELECT b.number, b.member_id, b.supply_id, b.asset, b.id, b.amount, s.state, s.due_at,
  s.paid, s.late_fees, s.disputed, s.given, s.looked_to, b.rail
FROM bills b JOIN bill_standings s ON s.bill_id = b.id
"""
_OPEN: Final = (
    _OWED + " WHERE b.member_id = ? AND b.rail = 'ledger' AND b.asset = ?"
    " AND s.state IN ('issued', 'part-paid', 'overdue') ORDER BY s.due_at, b.id LIMIT ?"
)
_NAMED: Final = _OWED + " WHERE b.number = ?"
_AMONG: Final = _OWED + " WHERE b.id IN ({marks})"
_ARREARS: Final = """
SELECT b.asset, sum(b.amount + s.late_fees + s.given - s.paid),
  sum(CASE WHEN s.due_at < ? OR s.state = 'overdue'
    THEN max(0, b.amount + s.late_fees + s.given - s.paid - s.disputed) ELSE 0 END),
  sum(s.disputed), count(*), min(s.due_at)
FROM bills b JOIN bill_standings s ON s.bill_id = b.id
WHERE b.member_id = ? AND b.rail = 'ledger'
  AND s.state IN ('issued', 'part-paid', 'overdue')
GROUP BY b.asset ORDER BY b.asset
"""
_RECEIPT: Final = """
SELECT id, member_id, source, asset, amount, given_asset, given, quote_id, payment_id, at,
  wish
FROM bill_payments
"""
# In the order they were paid, so that who asks again is told the very same.
_PARTS: Final = """
SELECT p.bill_payment_id, p.bill_id, b.number, p.amount
FROM bill_payment_parts p JOIN bills b ON b.id = p.bill_id
JOIN bill_standings s ON s.bill_id = p.bill_id
WHERE p.bill_payment_id IN ({marks}) ORDER BY p.bill_payment_id, s.due_at, p.bill_id
"""
_KEEP: Final = """
INSERT INTO bill_payments (id, member_id, source, asset, amount, given_asset, given,
  quote_id, payment_id, supply_id, wish, request_key, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


async def open_bills(tx: Transaction, member: int, asset: Asset) -> list[Owed]:
    """Return a member's open bills in an asset, the first due first, at most MAX_OPEN."""
    rows = await tx.rows(_OPEN, (member, asset, MAX_OPEN))
    return [_owed(row) for row in rows]


async def open_bill(tx: Transaction, number: str, member: int) -> Owed:
    """Return a member's bill that can be paid here; raises Refused (UNKNOWN, STATE)."""
    rows = await tx.rows(_NAMED, (number,))
    if not rows or rows[0][1] != member:
        # Another's bill is no different from none: numbers are easily guessed.
        detail = f"there is no bill {number} of member {member}: look at the number"
        raise Refused(Cause.UNKNOWN, detail)
    if rows[0][13] != "ledger":
        detail = f"bill {number} is paid on the chain: pay it from your wallet"
        raise Refused(Cause.STATE, detail)
    found = _owed(rows[0])
    if found.standing.state is BillState.CORRECTED:
        detail = f"bill {number} was taken back: pay the one in its place"
        raise Refused(Cause.STATE, detail)
    return found


async def among(tx: Transaction, bill_ids: Sequence[int]) -> list[Owed]:
    """Return bills of the ledger rail by their row ids, open or not."""
    marks = ",".join("?" for _ in bill_ids)
    rows = await tx.rows(_AMONG.format(marks=marks), bill_ids)
    return [_owed(row) for row in rows if row[13] == "ledger"]


async def arrears_of(tx: Transaction, member: int, *, now: int) -> list[Arrears]:
    """Return what a member owes, by asset; nothing where he owes nothing."""
    rows = await tx.rows(_ARREARS, (now, member))
    return [Arrears(Asset(row[0]), *row[1:]) for row in rows]


async def next_id(tx: Transaction) -> int:
    """Return the number of the next receipt."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM bill_payments")
    return int(last) + 1


async def keep(
    tx: Transaction, made: Receipt, *, wish: str, key: str | None, supply: int | None
) -> None:
    """Write a receipt and its parts."""
    row = (
        made.id, made.member, made.source.value, made.asset, made.amount,
        made.given_asset, made.given, made.quote, made.payment, supply, wish, key,
        made.at,
    )  # fmt: skip
    await tx.many(_KEEP, [row])
    await tx.many(
        "INSERT INTO bill_payment_parts (bill_payment_id, bill_id, amount)"
        " VALUES (?, ?, ?)",
        [(made.id, part.bill, part.amount) for part in made.parts],
    )


async def by_key(
    tx: Transaction, member: int, key: str
) -> tuple[Receipt, dict[str, object]] | None:
    """Return the receipt of a member's key with the wish it was for, or None."""
    rows = await tx.rows(
        f"{_RECEIPT} WHERE member_id = ? AND request_key = ?", (member, key)
    )
    if not rows:
        return None
    (receipt,) = await _whole(tx, rows)
    return receipt, json.loads(rows[0][10])


async def by_payment(tx: Transaction, payment: int) -> Receipt | None:
    """Return what a recorded payment paid of bills, or None."""
    found = await _whole(
        tx, await tx.rows(f"{_RECEIPT} WHERE payment_id = ?", (payment,))
    )
    return found[0] if found else None


async def receipts(
    tx: Transaction, *, after: int, limit: int, member: int | None = None
) -> list[Receipt]:
    """Return a page of receipts, all or one member's, by number."""
    rows = await tx.rows(
        f"{_RECEIPT} WHERE id > ? AND (? IS NULL OR member_id = ?) ORDER BY id LIMIT ?",
        (after, member, member, limit),
    )
    return await _whole(tx, rows)


async def _whole(tx: Transaction, rows: Sequence[Row]) -> list[Receipt]:
    marks = ",".join("?" for _ in rows)
    found = await tx.rows(_PARTS.format(marks=marks), [row[0] for row in rows])
    parts: dict[int, list[Part]] = {row[0]: [] for row in rows}
    for receipt, bill, number, amount in found:
        parts[receipt].append(Part(bill, number, amount))
    return [_receipt(row, parts[row[0]]) for row in rows]


def _receipt(row: Row, parts: Sequence[Part]) -> Receipt:
    number, member, source, asset, amount, given_asset, given = row[:7]
    quote, payment, at = row[7:10]
    return Receipt(
        number, member, Source(source), Asset(asset), amount, Asset(given_asset), given,
        quote, payment, at, parts,
    )  # fmt: skip


def _owed(row: Row) -> Owed:
    number, member, supply, asset, bill, amount, state, *rest = row[:13]
    standing = Standing(bill, amount, BillState(state), *rest)
    return Owed(number, member, supply, Asset(asset), standing)
