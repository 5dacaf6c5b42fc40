"""Wh that were destroyed on the chain are retired in our books: two rooms meet here.

This module must never decide whether Wh may be retired: the ledger's floors do.
"""

from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.ledger.model import TransferId
from meterseal_aggregator.stacks.withdrawals.model import ENERGY, ChainRetirement
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.intervals import Interval


async def retire_on_chain(tx: Transaction, wish: ChainRetirement, now: int) -> bool:
    """Retire Wh of the chain's account; tells whether the ledger took it."""
    span = Interval(wish.start, wish.end - wish.start)
    name = TransferId(wish.id)
    asked = Retirement(name, ENERGY, wish.beneficiary, span, wish.wh)
    result = await retire(tx, asked, now=now)
    return result.entered
