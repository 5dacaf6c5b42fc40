"""The table of trades: made with the buyer's money held, cancelled with it given back.

    trades = await make(tx, wishes, now=now)      # all of them, or Declined and none
    await cancel(tx, trades, now=now)

A trade's hold and its row change in one transaction. This module must never settle one
(`settlement` does), nor touch what is promised of a slot (`sales`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.ledger.model import (
    Asset,
    Phase,
    Refusal,
    Result,
    Transfer,
    linked,
)
from meterseal_aggregator.market.delivery import Lane, Terms, cost
from meterseal_aggregator.market.model import (
    Cause,
    Declined,
    Trade,
    TradeState,
    transfer_id,
)
from meterseal_aggregator.storage.database import Transaction

_TRADE: Final = """
SELECT id, lane, meter_point_id, start, length, seller_id, buyer_id, wh, price, fee,
  losses_bp, retail, asset, order_id, ask_id, bid_id, made_at, state, metered_wh,
  delivered_wh, run
FROM trades
"""
_ADD: Final = """
INSERT INTO trades (id, lane, rail, meter_point_id, start, length, seller_id, buyer_id, wh,
  price, fee, losses_bp, retail, asset, order_id, ask_id, bid_id, made_at)
VALUES (?, ?, 'ledger', ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class NewTrade:
    """A trade to be made; `order` in lane A, `ask` and `bid` in lane B."""

    lane: Lane
    meter_point: int
    start: int
    length: int
    seller: int
    buyer: int
    wh: int
    terms: Terms
    asset: Asset
    order: int | None = None
    ask: int | None = None
    bid: int | None = None


async def make(
    tx: Transaction,
    wishes: Sequence[NewTrade],
    *,
    now: int,
    first: Sequence[Transfer] = (),
) -> list[Trade]:
    """Make trades and hold their buyers' money, in one chain after the entries `first`.

    All or none: raises Declined (FUNDS) where a buyer has not that much, FROZEN where a
    dispute holds his money.
    """
    if not wishes:
        return []
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM trades")
    made = [_made(last + n, wish, now) for n, wish in enumerate(wishes, 1)]
    holds = [_hold(trade, now) for trade in made]
    _check(await ledger.post(tx, linked([*first, *holds]), now=now))
    await tx.many(_ADD, [_row(trade) for trade in made])
    return made


async def cancel(tx: Transaction, trades: Sequence[Trade], *, now: int) -> None:
    """Cancel trades that are held and give the money back, all or none; raises Declined."""
    await _end(tx, trades, TradeState.CANCELLED, now=now)


async def void(tx: Transaction, trades: Sequence[Trade], *, now: int) -> None:
    """End trades whose slot nobody metered, and give the money back; raises Declined."""
    await _end(tx, trades, TradeState.VOIDED, now=now)


async def by_id(tx: Transaction, trade: int) -> Trade | None:
    """Return a trade."""
    found = await where(tx, "id = ?", (trade,))
    return found[0] if found else None


async def where(
    tx: Transaction, condition: str, params: Sequence[object], limit: int = 1_000_000
) -> list[Trade]:
    """Return trades under a condition of the room's own SQL, by id.

    The condition is a constant of the code; values only go in `params`.
    """
    rows = await tx.rows(
        f"{_TRADE} WHERE {condition} ORDER BY id LIMIT ?", (*params, limit)
    )
    return [_trade(row) for row in rows]


async def _end(
    tx: Transaction, trades: Sequence[Trade], state: TradeState, *, now: int
) -> None:
    if not trades:
        return
    voids = [
        Transfer(
            id=transfer_id("trade", trade.id, "void"),
            amount=0,
            asset=Asset(""),
            effective_at=now,
            phase=Phase.VOID,
            pending_id=trade.hold,
        )
        for trade in trades
    ]
    _check(await ledger.post(tx, linked(voids), now=now))
    await tx.many(
        "UPDATE trades SET state = ?, ended_at = ? WHERE id = ? AND state = 'held'",
        [(state.value, now, trade.id) for trade in trades],
    )


def _check(results: Sequence[Result]) -> None:
    """Go on if the ledger entered all of it; raises Declined with whose turn it is."""
    for result in results:
        if result.refusal in (None, Refusal.LINKED_FAILED):
            continue
        if result.refusal is Refusal.EXCEEDS_CREDITS:
            raise Declined(
                Cause.FUNDS,
                "your balance does not cover this: pay in first, or buy less",
            )
        if result.refusal is Refusal.FROZEN:
            raise Declined(
                Cause.FROZEN, "a dispute is open about this: wait for its end"
            )
        raise AssertionError(f"the ledger answers {result} to a trade")


def _made(number: int, wish: NewTrade, now: int) -> Trade:
    return Trade(
        id=number, lane=wish.lane, meter_point=wish.meter_point, start=wish.start,
        length=wish.length, seller=wish.seller, buyer=wish.buyer, wh=wish.wh,
        terms=wish.terms, asset=wish.asset, order=wish.order, ask=wish.ask, bid=wish.bid,
        made_at=now, state=TradeState.HELD, metered_wh=None, delivered_wh=0, run=0,
    )  # fmt: skip


def _hold(trade: Trade, now: int) -> Transfer:
    return Transfer(
        id=trade.hold,
        amount=cost(trade.wh, trade.terms.price),
        debit=user(trade.buyer),
        credit=trade.escrow,
        purpose="trade",
        effective_at=now,
        asset=trade.asset,
        phase=Phase.HOLD,
        reference=trade.id.to_bytes(8),
    )


def _row(trade: Trade) -> tuple[object, ...]:
    terms = trade.terms
    return (
        trade.id, int(trade.lane), trade.meter_point, trade.start, trade.length,
        trade.seller, trade.buyer, trade.wh, terms.price, terms.fee, terms.losses_bp,
        terms.retail, trade.asset, trade.order, trade.ask, trade.bid, trade.made_at,
    )  # fmt: skip


def _trade(row: Sequence[Any]) -> Trade:  # rows are typed Any by the driver
    number, lane, point, start, length, seller, buyer, wh, *terms = row[:12]
    asset, order, ask, bid, made_at, state, metered, delivered, run = row[12:]
    return Trade(
        id=number, lane=Lane(lane), meter_point=point, start=start, length=length,
        seller=seller, buyer=buyer, wh=wh, terms=Terms(*terms), asset=Asset(asset),
        order=order, ask=ask, bid=bid, made_at=made_at, state=TradeState(state),
        metered_wh=metered, delivered_wh=delivered, run=run,
    )  # fmt: skip
