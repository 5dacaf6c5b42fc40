"""What a member bought and sold, what each run found of it, and where each slot's export went.

    found = await page(tx, Wanted(member=7, side=Side.SELLER), after=0, limit=100)
    runs = await runs_of(tx, found[0].id)
    uses = await uses_of(tx, 7, after=(0, 0), limit=100)

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
# The last run's word on each of a producer's slots.
_USES: Final = """
SELECT s.meter_point_id, s.start, s.length, f.run, f.export_wh, f.traded_wh, f.fed_in_wh,
  f.kept_wh, f.owed_wh, f.at
FROM settled_slots s
JOIN slot_runs f ON f.meter_point_id = s.meter_point_id AND f.start = s.start
  AND f.run = (SELECT max(l.run) FROM slot_runs l
    WHERE l.meter_point_id = s.meter_point_id AND l.start = s.start)
WHERE s.seller_id = ? AND (s.start, s.meter_point_id) > (?, ?)
ORDER BY s.start, s.meter_point_id LIMIT ?
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


@dataclass(frozen=True, slots=True)
class Use:
    """Where a slot's export went, Wh: export + owed = traded + fed in + kept.

    `owed` is what a correction took after it was used. `run` said so last, at `at`.
    """

    meter_point: int
    start: int
    length: int
    run: int
    export_wh: int
    traded_wh: int
    fed_in_wh: int
    kept_wh: int
    owed_wh: int
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


async def uses_of(
    tx: Transaction, member: int, *, after: tuple[int, int], limit: int
) -> list[Use]:
    """Return what became of a producer's settled slots after (start, meter point), in order."""
    return [Use(*row) for row in await tx.rows(_USES, (member, *after, limit))]
