"""A bid's money: put aside when it is sealed, given back when it is opened or cancelled.

    await put_aside(tx, bid, asset, now=now)          # or Declined (FUNDS)
    fates = await give_back(tx, bids, asset, now=now)

Who is to buy has it held again, by his trades, in the same transaction. This module must
never pay anybody.
"""

from collections.abc import Sequence
from enum import Enum
from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    Asset,
    Phase,
    Refusal,
    Transfer,
)
from meterseal_aggregator.market.auction.model import SealedOrder
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.storage.database import Transaction

ANY_ASSET: Final = Asset("")
"""Of a move that ends a hold in whatever asset it is."""


class Fate(Enum):
    """What became of a bid's hold."""

    FREE = "free"
    """Its money is the buyer's to spend again, in the asset that was named."""
    ELSEWHERE = "elsewhere"
    """Likewise, but in another asset; or somebody ended the hold before."""
    FROZEN = "frozen"
    """A dispute holds it."""


_FATES: Final = {
    None: Fate.FREE,
    Refusal.PENDING_DIFFERS: Fate.ELSEWHERE,
    Refusal.ALREADY_POSTED: Fate.ELSEWHERE,
    Refusal.ALREADY_VOIDED: Fate.ELSEWHERE,
    Refusal.ALREADY_EXPIRED: Fate.ELSEWHERE,
    Refusal.FROZEN: Fate.FROZEN,
}

_TOO_LITTLE: Final = frozenset(
    {Refusal.EXCEEDS_CREDITS, Refusal.OVERFLOW, Refusal.ACCOUNT_UNKNOWN}
)
"""Answers to who has not that much; of money the ledger does not know nobody has any."""


async def put_aside(
    tx: Transaction, bid: SealedOrder, asset: Asset, *, now: int
) -> None:
    """Hold the most a bid can cost; raises Declined (FUNDS)."""
    most = cost(bid.wish.wh, bid.wish.price)
    if most <= MAX_AMOUNT:
        hold = Transfer(
            id=bid.hold,
            amount=most,
            debit=user(bid.wish.member),
            credit=bid.escrow,
            purpose="bid",
            effective_at=now,
            asset=asset,
            phase=Phase.HOLD,
            reference=bid.id.to_bytes(8),
        )
        (result,) = await ledger.post(tx, [hold], now=now)
        if result.entered:
            return
        if result.refusal not in _TOO_LITTLE:
            raise AssertionError(f"the ledger answers {result} to a bid")
    raise Declined(
        Cause.FUNDS,
        f"your balance does not cover the {most} micro-units this may cost: pay in first,"
        " or bid for less",
    )


async def give_back(
    tx: Transaction, bids: Sequence[SealedOrder], asset: Asset, *, now: int
) -> dict[int, Fate]:
    """End the holds of bids; returns by id what became of each."""
    fates: dict[int, Fate] = {}
    for at in range(0, len(bids), ledger.MAX_BATCH):
        some = bids[at : at + ledger.MAX_BATCH]
        voids = [_void(bid, asset, now) for bid in some]
        results = await ledger.post(tx, voids, now=now)
        for bid, result in zip(some, results, strict=True):
            if result.refusal not in _FATES:
                raise AssertionError(f"the ledger answers {result} to a bid's end")
            fates[bid.id] = _FATES[result.refusal]
    others = [bid for bid in bids if fates[bid.id] is Fate.ELSEWHERE]
    if others and asset != ANY_ASSET:
        again = await give_back(tx, others, ANY_ASSET, now=now)
        frozen = {bid: fate for bid, fate in again.items() if fate is Fate.FROZEN}
        fates |= frozen
    return fates


def _void(bid: SealedOrder, asset: Asset, now: int) -> Transfer:
    return Transfer(
        id=bid.release,
        amount=0,
        asset=asset,
        effective_at=now,
        phase=Phase.VOID,
        pending_id=bid.hold,
    )
