"""Lane C's audit: deeds, the book and the ledger tell the same story, to the Wh and unit.

Reads its own tables and the ledger's. This module must never write.
"""

from collections import defaultdict
from typing import Final

from meterseal_aggregator.ledger.model import WH, Account
from meterseal_aggregator.ledger.store import accounts
from meterseal_aggregator.market.listings.model import REFUNDS, listed
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding

LISTED: Final = 15
"""The number of "what is for sale is in escrow, and refunds are paid from the fund"."""

_WAITING: Final = "escrow:listed-"
_FOR_SALE: Final = """
SELECT seller, sum(CASE WHEN kind IN ('add', 'refund') THEN wh ELSE -wh END),
  (SELECT l.wh FROM listings l WHERE l.seller = d.seller)
FROM listing_deeds d GROUP BY seller
"""
_BOUGHT: Final = """
SELECT member_id, sum(CASE kind WHEN 'buy' THEN wh ELSE -wh END),
  (SELECT b.wh FROM listing_buyers b WHERE b.member_id = d.member_id)
FROM listing_deeds d WHERE kind IN ('buy', 'refund') GROUP BY member_id
"""
# A deed's leg in the ledger, by what it is for: a purpose each.
_DEEDS: Final = """
SELECT 'listing-energy', 'wh', sum(wh) FROM listing_deeds
UNION ALL SELECT 'listing-price', asset, sum(amount) FROM listing_deeds
  WHERE kind = 'buy' GROUP BY asset
UNION ALL SELECT 'listing-commission', asset, sum(commission) FROM listing_deeds
  WHERE kind = 'buy' GROUP BY asset
UNION ALL SELECT 'listing-refund', asset, sum(amount) FROM listing_deeds
  WHERE kind = 'refund' GROUP BY asset
"""
_LEGS: Final = """
SELECT t.purpose, a.asset, sum(t.amount) FROM ledger_transfers t
JOIN ledger_accounts a ON a.id = t.debit_id
WHERE t.purpose LIKE 'listing-%' GROUP BY t.purpose, a.asset
"""
# Money that left the fund for anything but a refund or an operator's recorded payment.
_ASTRAY: Final = """
SELECT t.purpose FROM ledger_transfers t JOIN ledger_accounts a ON a.id = t.debit_id
WHERE a.code = ? AND t.amount > 0 AND t.purpose NOT IN ('listing-refund', 'payment')
LIMIT 1
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether what is for sale, bought and paid is the same in every book."""
    return [await _energy(tx), await _buyers(tx), await _money(tx)]


async def _energy(tx: Transaction) -> Finding:
    waiting: dict[str, int] = defaultdict(int)
    waiting.update(await _waiting(tx))
    total = 0
    for seller, deeds, book in await tx.rows(_FOR_SALE):
        escrowed = waiting.pop(listed(seller), 0)
        if not deeds == book == escrowed:
            detail = (
                f"{listed(seller)}: {deeds} Wh by deeds, {book} by the book,"
                f" {escrowed} in the ledger"
            )
            return Finding(LISTED, ok=False, detail=detail)
        total += deeds
    stray = next((code for code, wh in waiting.items() if wh), None)
    if stray is not None:
        detail = f"{stray}: {waiting[stray]} Wh in the ledger that no deed put there"
        return Finding(LISTED, ok=False, detail=detail)
    ((book,),) = await tx.rows("SELECT coalesce(sum(wh), 0) FROM listings")
    detail = f"{total} Wh for sale by deeds, {book} by the book, all in escrow"
    return Finding(LISTED, ok=book == total, detail=detail)


async def _waiting(tx: Transaction) -> dict[str, int]:
    """Return what every account of Wh for sale holds."""
    found: dict[str, int] = {}
    last = 0
    while page := await accounts(tx, after_id=last):
        last = page[-1][0]
        found.update(
            {one.code: _net(one) for _, one in page if _is_waiting(one)},
        )
    return found


def _is_waiting(account: Account) -> bool:
    return account.asset == WH and account.code.startswith(_WAITING)


def _net(account: Account) -> int:
    return account.credits_posted - account.debits_posted


async def _buyers(tx: Transaction) -> Finding:
    total = 0
    for member, deeds, book in await tx.rows(_BOUGHT):
        if deeds != book:
            detail = f"buyer {member}: {deeds} Wh by deeds, {book} by the book"
            return Finding(LISTED, ok=False, detail=detail)
        total += deeds
    ((book,),) = await tx.rows("SELECT coalesce(sum(wh), 0) FROM listing_buyers")
    detail = f"{total} Wh bought and not given back by deeds, {book} by the book"
    return Finding(LISTED, ok=book == total, detail=detail)


async def _money(tx: Transaction) -> Finding:
    wanted = {(leg, asset): total for leg, asset, total in await tx.rows(_DEEDS)}
    posted = {(leg, asset): total for leg, asset, total in await tx.rows(_LEGS)}
    for key in sorted(wanted.keys() | posted.keys()):
        if (wanted.get(key) or 0) != (posted.get(key) or 0):
            detail = (
                f"{key[0]} in {key[1]}: {wanted.get(key) or 0} by deeds,"
                f" {posted.get(key) or 0} in the ledger"
            )
            return Finding(LISTED, ok=False, detail=detail)
    astray = await tx.rows(_ASTRAY, (REFUNDS,))
    if astray:
        detail = f"{REFUNDS} paid for {astray[0][0]}, which is no refund"
        return Finding(LISTED, ok=False, detail=detail)
    detail = f"every deed's legs are in the ledger, and {REFUNDS} paid for nothing else"
    return Finding(LISTED, ok=True, detail=detail)
