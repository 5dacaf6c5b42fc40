"""Lane C's tables, and what decides a wish as it stands in one transaction.

Reads `slot_sales`, `certifications` and `tenancies`, and asks the ledger for balances;
writes `listing_deeds`, `listings` and `listing_buyers` only. Whoever opened the transaction
commits it. This module must never decide (`rules` does).
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer, producer, user
from meterseal_aggregator.ledger.model import WH, AccountCode, Asset
from meterseal_aggregator.market.listings.model import (
    HOUSE,
    REFUNDS,
    Deed,
    Kind,
    ListingTerms,
    Wish,
)
from meterseal_aggregator.market.listings.rules import Standing
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import number_at, text_at
from meterseal_aggregator.storage.database import Transaction

_DEED: Final = """
SELECT id, kind, member_id, seller, wh, bound, request_key, price, amount, commission,
  asset, left_wh, bought_wh, done_at
FROM listing_deeds
"""
_BOOK: Final = """
SELECT coalesce(sum(CASE WHEN seller = ? THEN wh END), 0), coalesce(sum(wh), 0),
  (SELECT coalesce(max(id), 0) FROM listing_deeds),
  (SELECT coalesce(sum(wh), 0) FROM listing_buyers WHERE member_id = ?)
FROM listings
"""
# What a seller holds already, it may be, and has promised to somebody.
_PROMISED: Final = """
SELECT coalesce(sum(promised_wh), 0) FROM slot_sales
WHERE seller_id = ? AND settled_at IS NULL AND start < ?
"""
_CERTIFIED: Final = """
SELECT 1 FROM certifications c
JOIN tenancies t ON t.meter_point_id = c.meter_point_id AND t.member_id = ?
WHERE c.from_at <= ? AND (c.to_at IS NULL OR c.to_at > ?)
  AND t.from_at <= ? AND (t.to_at IS NULL OR t.to_at > ?)
  AND (c.member_id IS NULL OR c.member_id = t.member_id)
LIMIT 1
"""


async def terms_at(tx: Transaction, at: int) -> ListingTerms:
    """Return lane C's parameters as they hold at a Unix second."""
    return ListingTerms(
        asset=Asset(await text_at(tx, Name.MONEY_ASSET, at)),
        price=await number_at(tx, Name.LISTED_PRICE_MICRO, at),
        commission_bp=await number_at(tx, Name.LISTED_COMMISSION_BP, at),
        refund_bp=await number_at(tx, Name.LISTED_REFUND_BP, at),
        reserve_wh=await number_at(tx, Name.LISTED_RESERVE_WH, at),
        user_reserve_wh=await number_at(tx, Name.LISTED_USER_RESERVE_WH, at),
    )


async def standing(
    tx: Transaction, wish: Wish, terms: ListingTerms, *, now: int
) -> Standing:
    """Return all that decides a wish."""
    member = wish.member
    ((left, total, last, bought),) = await tx.rows(_BOOK, (wish.seller, member))
    ((promised,),) = await tx.rows(_PROMISED, (member, now))
    certified = await tx.rows(_CERTIFIED, (member, now, now, now, now))
    energy = await _held(tx, WH, [producer(member), buyer(member)])
    money = await _held(tx, terms.asset, [user(member), REFUNDS])
    return Standing(
        last_deed=last,
        left_wh=left,
        total_wh=total,
        bought_wh=bought,
        certified=bool(certified),
        free_wh=max(0, energy[producer(member)] - promised),
        held_wh=energy[buyer(member)],
        money=money[user(member)],
        fund=money[REFUNDS],
    )


async def fund(tx: Transaction, asset: Asset) -> int:
    """Return the micro-units that refunds can be paid from."""
    return (await _held(tx, asset, [REFUNDS]))[REFUNDS]


async def by_key(tx: Transaction, member: int, key: str) -> Deed | None:
    """Return what a member's key was used for."""
    where = " WHERE member_id = ? AND request_key = ?"
    rows = await tx.rows(_DEED + where, (member, key))
    return _deed(rows[0]) if rows else None


async def keep(tx: Transaction, deed: Deed) -> None:
    """Write a deed, and what is for sale and bought after it."""
    wish = deed.wish
    row = (
        deed.id, wish.kind.value, wish.member, wish.seller, wish.wh, wish.bound,
        wish.key, deed.price, deed.amount, deed.commission, deed.asset, deed.left_wh,
        deed.bought_wh, deed.done_at,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO listing_deeds (id, kind, member_id, seller, wh, bound, request_key,"
        " price, amount, commission, asset, left_wh, bought_wh, done_at, rail)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'ledger')",
        [row],
    )
    await tx.many(
        "INSERT INTO listings (seller, wh) VALUES (?, ?)"
        " ON CONFLICT (seller) DO UPDATE SET wh = excluded.wh",
        [(wish.seller, deed.left_wh)],
    )
    if wish.kind in (Kind.BUY, Kind.REFUND):
        await tx.many(
            "INSERT INTO listing_buyers (member_id, wh) VALUES (?, ?)"
            " ON CONFLICT (member_id) DO UPDATE SET wh = excluded.wh",
            [(wish.member, deed.bought_wh)],
        )


async def for_sale(
    tx: Transaction, *, after: int = HOUSE, limit: int
) -> list[tuple[int, int]]:
    """Return a page of members who have Wh for sale, and how many, by number."""
    rows = await tx.rows(
        "SELECT seller, wh FROM listings WHERE seller > ? AND wh > 0"
        " ORDER BY seller LIMIT ?",
        (after, limit),
    )
    return [(seller, wh) for seller, wh in rows]


async def reserves(tx: Transaction) -> tuple[int, int]:
    """Return the Wh for sale together, and those of the house among them."""
    ((house, total, _, _),) = await tx.rows(_BOOK, (HOUSE, HOUSE))
    return total, house


async def purchases(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[Deed]:
    """Return a page of what a member bought and gave back, oldest first."""
    rows = await tx.rows(
        _DEED + " WHERE member_id = ? AND kind IN ('buy', 'refund') AND id > ?"
        " ORDER BY id LIMIT ?",
        (member, after, limit),
    )
    return [_deed(row) for row in rows]


async def _held(
    tx: Transaction, asset: Asset, codes: Sequence[AccountCode]
) -> dict[AccountCode, int]:
    """Return what accounts may give; nothing where one never opened."""
    found = await ledger.balances(tx, asset, codes)
    return dict.fromkeys(codes, 0) | {code: one.held for code, one in found.items()}


def _deed(row: Sequence[Any]) -> Deed:  # rows are typed Any by the driver
    number, kind, member, seller, wh, bound, key, *rest = row
    price, amount, commission, asset, left, bought, at = rest
    return Deed(
        id=number,
        wish=Wish(Kind(kind), member, seller, wh, bound, key),
        price=price,
        amount=amount,
        commission=commission,
        asset=Asset(asset),
        left_wh=left,
        bought_wh=bought,
        done_at=at,
    )
