"""Lane B's audit: every clearing replays, its orders got what its trades say, bids are backed.

Reads its own tables, trades, the log's and the ledger's. This module must never write.
"""

from hashlib import sha256
from typing import Final

from meterseal_aggregator.ledger.model import Account
from meterseal_aggregator.ledger.store import accounts
from meterseal_aggregator.market.auction import store
from meterseal_aggregator.market.auction.model import Cleared
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.clearingfile import clearing_hash, parse_book
from meterseal_proto.entry import trade_event_entry
from meterseal_proto.errors import Rejected

AUCTIONED: Final = 17
"""The number of "every auction replays to what became of its orders"."""
PAGE: Final = 100
MAX_SECOND: Final = 1 << 62

_BIDS: Final = "escrow:bid-"
_ENTRY: Final = "SELECT body FROM log_entries WHERE id = ?"
# A cleared slot's orders by submission, as its book numbers them, and what trades they have.
_ORDERS: Final = """
SELECT o.id, o.filled_wh,
  coalesce((SELECT sum(t.wh) FROM trades t WHERE t.ask_id = o.id), 0)
  + coalesce((SELECT sum(t.wh) FROM trades t WHERE t.bid_id = o.id), 0)
FROM auction_orders o WHERE o.start = ? AND o.state = 'cleared' ORDER BY o.id
"""
_UNTRADED: Final = """
SELECT t.id FROM trades t JOIN auction_orders a ON a.id = t.ask_id
JOIN auction_orders b ON b.id = t.bid_id
LEFT JOIN clearings c ON c.start = t.start
WHERE t.price IS NOT c.price OR a.start <> t.start OR b.start <> t.start
  OR a.state <> 'cleared' OR b.state <> 'cleared' OR b.price < t.price
LIMIT 1
"""
_SEALED: Final = """
SELECT id, wh, price FROM auction_orders WHERE state = 'sealed' AND side = 'bid'
"""


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether auctions can be replayed, and money and Wh are where they say."""
    return [await _clearings(tx), await _trades(tx), await _bids(tx)]


async def _clearings(tx: Transaction) -> Finding:
    count, first = 0, 0
    while page := await store.clearings(tx, first, MAX_SECOND, PAGE):
        for cleared in page:
            wrong = await _wrong(tx, cleared)
            if wrong:
                detail = f"the auction of the slot at {cleared.start}: {wrong}"
                return Finding(AUCTIONED, ok=False, detail=detail)
        count, first = count + len(page), page[-1].start + 1
    detail = f"auctions that replay to the hash in the log: {count}"
    return Finding(AUCTIONED, ok=True, detail=detail)


async def _wrong(tx: Transaction, cleared: Cleared) -> str:
    """Return what is wrong with a clearing, or nothing."""
    try:
        book = parse_book(await store.book(tx, cleared.start) or b"")
    except Rejected as rejected:
        return f"its book cannot be read: {rejected.detail}"
    found = book.cleared()
    if (found.price, found.volume_wh) != (cleared.price, cleared.volume_wh):
        return f"{cleared.volume_wh} Wh on record, {found.volume_wh} Wh replayed"
    if clearing_hash(book, found) != cleared.hash:
        return "its book replays to another hash"
    salted = sha256(cleared.salt + cleared.hash).digest()
    if await tx.rows(_ENTRY, (cleared.entry,)) != [(trade_event_entry(salted),)]:
        return "the log has another hash of it"
    filled = {fill.id: fill.wh for fill in (*found.asks, *found.bids)}
    orders = await tx.rows(_ORDERS, (cleared.start,))
    if len(orders) != len(book.asks) + len(book.bids):
        return f"{len(orders)} orders of other number than in its book"
    for number, (order, on_record, traded) in enumerate(orders, 1):
        if not filled.get(str(number), 0) == on_record == traded:
            return f"order {order} got {on_record} Wh, of which {traded} Wh are traded"
    return ""


async def _trades(tx: Transaction) -> Finding:
    stray = await tx.rows(_UNTRADED)
    if stray:
        detail = f"trade {stray[0][0]} is not what its slot's auction made"
        return Finding(AUCTIONED, ok=False, detail=detail)
    detail = (
        "every trade of an auction has its price, an ask and a bid that paid for it"
    )
    return Finding(AUCTIONED, ok=True, detail=detail)


async def _bids(tx: Transaction) -> Finding:
    """Say whether what is put aside for bids is what sealed ones can cost, and no more."""
    backed = {
        f"{_BIDS}{number}": cost(wh, price)
        for number, wh, price in await tx.rows(_SEALED)
    }
    total, last = sum(backed.values()), 0
    while page := await accounts(tx, after_id=last):
        last = page[-1][0]
        for _, one in page:
            if one.code.startswith(_BIDS) and _aside(one) != backed.pop(one.code, 0):
                detail = f"{one.code}: {_aside(one)} micro-units are put aside"
                return Finding(AUCTIONED, ok=False, detail=detail)
    missing = next((code for code, most in backed.items() if most), None)
    if missing is not None:
        detail = f"{missing}: nothing is put aside for a sealed bid"
        return Finding(AUCTIONED, ok=False, detail=detail)
    detail = f"{total} micro-units are put aside for sealed bids"
    return Finding(AUCTIONED, ok=True, detail=detail)


def _aside(account: Account) -> int:
    """Return what an account waits to be paid or, wrongly, was."""
    return account.credits_pending + account.credits_posted
