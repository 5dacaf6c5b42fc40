"""What crediting asks of the ledger: what producers hold and owe, and entries taken as new.

This module must never pass over an entry that the ledger does not take.
"""

from collections.abc import Iterable, Sequence

from meterseal_aggregator.credits.decide import Purse
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import debt, producer
from meterseal_aggregator.ledger.model import WH, Transfer
from meterseal_aggregator.storage.database import Transaction


class BooksDiffer(Exception):
    """The ledger does not take what the credits say: nothing is written, look at once."""


async def purses(tx: Transaction, members: Iterable[int]) -> dict[int, Purse]:
    """Return what members hold and owe as producers, one statement for all of them."""
    wanted = list(members)
    codes = [producer(m) for m in wanted] + [debt(m) for m in wanted]
    found = await ledger.balances(tx, WH, codes)
    theirs = {}
    for member in wanted:
        holding, owing = found.get(producer(member)), found.get(debt(member))
        theirs[member] = Purse(
            held=holding.held if holding else 0, owed=owing.owed if owing else 0
        )
    return theirs


async def post(tx: Transaction, transfers: Sequence[Transfer], *, now: int) -> None:
    """Post entries that must be new; raises BooksDiffer when the ledger refuses one."""
    for result in await ledger.post(tx, transfers, now=now):
        if not result.entered or result.duplicate:
            raise BooksDiffer(f"the ledger answers {result} to a new credit")
