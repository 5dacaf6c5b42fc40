"""Quotes: what one unit of another asset pays of a bill, by an operator's word, for a time.

    quote = await make(tx, QuoteWish(STX, KES, 61_500_000, until, key), by, now=now)

A quote is never changed; a better one is made beside it, and who pays names the one he
takes. This module must never move money.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused, check_same
from meterseal_aggregator.billing.payments import Actor
from meterseal_aggregator.billing.receivables.model import Quote
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Row, Transaction

MAX_VALID_S: Final = 7 * 86_400
"""A rate of a week ago is a present to whoever waits for it."""
MAX_RATE: Final = 10**15
"""A thousand million units for one: beyond any pair of assets."""

_QUOTE: Final = """
SELECT id, asset, bill_asset, rate, from_at, expires_at, actor, request_key FROM quotes
"""


@dataclass(frozen=True, slots=True)
class QuoteWish:
    """A quote to make: one unit of `asset` pays `rate` micro-units of `bill_asset`."""

    asset: Asset
    bill_asset: Asset
    rate: int
    expires_at: int
    key: str


async def make(tx: Transaction, wish: QuoteWish, by: Actor, *, now: int) -> Quote:
    """Make a quote that holds from now; the same wish under the same key is one.

    Raises Refused: KEY_USED, CURRENCY for an asset the ledger does not know, STATE for an
    end that is past or too far.
    """
    rows = await tx.rows(f"{_QUOTE} WHERE request_key = ?", (wish.key,))
    if rows:
        return _same(_quote(rows[0]), wish)
    await _check(tx, wish, now)
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM quotes")
    made = Quote(
        last + 1, wish.asset, wish.bill_asset, wish.rate, now, wish.expires_at,
        by.name, wish.key,
    )  # fmt: skip
    row = (
        made.id, made.asset, made.bill_asset, made.rate, made.from_at, made.expires_at,
        made.actor, made.key,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO quotes (id, asset, bill_asset, rate, from_at, expires_at, actor,"
        " request_key) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    await identity.note(tx, by.name, "quote", f"quote {made.id}", now=by.real_now)
    return made


async def in_force(tx: Transaction, number: int, *, now: int) -> Quote:
    """Return a quote that can be taken now; raises Refused (UNKNOWN, STATE)."""
    rows = await tx.rows(f"{_QUOTE} WHERE id = ?", (number,))
    if not rows:
        raise Refused(Cause.UNKNOWN, f"there is no quote {number}")
    found = _quote(rows[0])
    if not found.from_at <= now < found.expires_at:
        detail = f"quote {number} ended at {found.expires_at}: ask for a new one"
        raise Refused(Cause.STATE, detail)
    return found


async def quotes(tx: Transaction, *, now: int, after: int, limit: int) -> list[Quote]:
    """Return a page of the quotes that can be taken now, by number."""
    rows = await tx.rows(
        f"{_QUOTE} WHERE id > ? AND from_at <= ? AND expires_at > ? ORDER BY id LIMIT ?",
        (after, now, now, limit),
    )
    return [_quote(row) for row in rows]


async def _check(tx: Transaction, wish: QuoteWish, now: int) -> None:
    known = await declared(tx)
    for asset in (wish.asset, wish.bill_asset):
        if asset not in known:
            detail = f"the ledger knows no asset {asset}: have it declared first"
            raise Refused(Cause.CURRENCY, detail)
    if wish.asset == wish.bill_asset:
        raise Refused(Cause.CURRENCY, "a quote is between two assets: name another")
    if not now < wish.expires_at <= now + MAX_VALID_S:
        detail = f"a quote ends later than now and within {MAX_VALID_S} s"
        raise Refused(Cause.STATE, detail)


def _same(known: Quote, wish: QuoteWish) -> Quote:
    compared = (
        ("asset", known.asset, wish.asset),
        ("bill_asset", known.bill_asset, wish.bill_asset),
        ("rate_micro", known.rate, wish.rate),
        ("expires_at", known.expires_at, wish.expires_at),
    )
    check_same(f"quote {known.id}", compared)
    return known


def _quote(row: Row) -> Quote:
    number, asset, bill_asset, *rest = row
    return Quote(number, Asset(asset), Asset(bill_asset), *rest)
