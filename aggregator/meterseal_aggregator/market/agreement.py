"""Changing what the network agreed on, without breaking what was promised under it.

    await change(tx, Change(Name.MARKET_FEE_MICRO, 5_000, from_at, now, "operator"))

Prices and fees may change from any second to come: a trade keeps the terms it was made
under. The grid may not where slots of it are promised or bid for, nor may the asset of
money once there is money. This module must never decide what a value may be (`parameters`
does).
"""

from typing import Final

from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import WH, Asset
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.terms import GRID
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change
from meterseal_aggregator.storage.database import Transaction

# A promise keeps its place on the grid also when all of it was taken back.
_PROMISED: Final = """
SELECT max(ends) FROM (
  SELECT max(start + length) AS ends FROM slot_sales
  UNION ALL SELECT max(start + length) FROM auction_orders WHERE state <> 'cancelled')
"""


async def change(tx: Transaction, wish: Change) -> None:
    """Record a parameter's value; an asset of money it names is one the ledger knows.

    Raises ParameterRefused where the value or its second cannot be, Declined (STATE) where
    what was promised or paid stands against it.
    """
    if wish.name in GRID:
        await _check_grid(tx, wish)
    if wish.name is Name.MONEY_ASSET:
        await _check_money(tx, wish)
    await parameters.record(tx, wish)
    if wish.name is Name.MONEY_ASSET:
        await declare(tx, Asset(str(wish.value)), now=wish.recorded_at)


async def _check_grid(tx: Transaction, wish: Change) -> None:
    ((ends,),) = await tx.rows(_PROMISED)
    if ends is not None and ends > wish.from_at:
        raise Declined(
            Cause.STATE,
            f"slots are promised or bid for until {ends}: let {wish.name} change then or"
            " later",
        )


async def _check_money(tx: Transaction, wish: Change) -> None:
    rows = await tx.rows(
        "SELECT asset FROM ledger_accounts WHERE asset NOT IN (?, ?) LIMIT 1",
        (WH, str(wish.value)),
    )
    if rows:
        raise Declined(
            Cause.STATE,
            f"there is money in {rows[0][0]} already, and what is held, staked or owed in it"
            " would be lost from sight: found another network for another currency",
        )
