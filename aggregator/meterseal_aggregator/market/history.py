"""What a member bought and sold, by pages, and what each run found of a trade.

    found = await page(tx, Wanted(member=7, side=Side.SELLER), after=0, limit=100)
    runs = await runs_of(tx, found[0].id)

This module must never change a trade (`settlement` does), nor find one that its member has
no part in.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.market import trades
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.storage.database import Transaction

FOR_EVER: Final = (1 << 63) - 1
"""Later than every slot."""

# One side by its own index, so that a page costs no more than the member's own trades.
_SIDE: Final = """
SELECT id FROM (SELECT id FROM trades WHERE {side}_id = ? AND id > ?
  AND start >= ? AND start < ? AND state LIKE ? ORDER BY id LIMIT ?)
"""
_RUNS: Final = """
SELECT run, metered_wh, delivered_wh, paid, to_seller, fee, losses, from_stake, from_fund,
  uncovered, arrears, at
FROM trade_runs WHERE trade_id = ? ORDER BY run
"""


class Side(StrEnum):
    """Whether a member gave the energy or the money."""

    BUYER = "buyer"
    SELLER = "seller"


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which trades of a member: of one side or both, in a state or any.

    Slots that begin from `begin` on and before `end`, Unix seconds.
    """

    member: int
    side: Side | None = None
    state: TradeState | None = None
    begin: int = 0
    end: int = FOR_EVER


@dataclass(frozen=True, slots=True)
class Run:
    """What a run found of a trade, and what it moved: money as the difference to the runs before.

    paid = to_seller + fee + losses; what the shortfall cost the buyer is from_stake +
    from_fund + uncovered. Micro-units; below zero is taken back.
    """

    number: int
    metered_wh: int
    delivered_wh: int
    paid: int
    to_seller: int
    fee: int
    losses: int
    from_stake: int
    from_fund: int
    uncovered: int
    arrears: int
    at: int


async def page(
    tx: Transaction, wanted: Wanted, *, after: int, limit: int
) -> Sequence[Trade]:
    """Return a page of a member's trades, by id."""
    sides = list(Side) if wanted.side is None else [wanted.side]
    state = "%" if wanted.state is None else wanted.state.value
    one = (wanted.member, after, wanted.begin, wanted.end, state, limit)
    found = " UNION ALL ".join(_SIDE.format(side=side) for side in sides)
    return await trades.where(tx, f"id IN ({found})", one * len(sides), limit)


async def runs_of(tx: Transaction, trade: int) -> list[Run]:
    """Return what each run found of a trade, the first one first."""
    return [Run(*row) for row in await tx.rows(_RUNS, (trade,))]
