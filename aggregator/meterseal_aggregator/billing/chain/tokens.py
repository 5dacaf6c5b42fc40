"""The members' token by holder, as settled events of `utility-token` add up.

    followers = (FollowTokens(), ...)              # given to the indexer

Rewards for paying in time are made there by the payment contract. This module must never
make, move or promise one: it counts.
"""

import structlog

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.ledger.model import MAX_AMOUNT
from meterseal_aggregator.stacks.events.energy import (
    UtilityBurned,
    UtilityMinted,
    UtilityMoved,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.storage.database import Transaction

_log = structlog.get_logger(__name__)


class FollowTokens:
    """Follows `utility-token`."""

    async def __call__(self, tx: Transaction, settled: Settled) -> None:
        """Act on a settled event, in the transaction that marks it."""
        for holder, amount in moves(settled.told):
            await _add(tx, settled, holder, amount)


def moves(told: Told) -> list[tuple[str, int]]:
    """Return by how much an event changes what holders have; nothing for another's."""
    match told:
        case UtilityMinted(amount, recipient):
            return [(recipient.text(), amount)]
        case UtilityBurned(amount, holder):
            return [(holder.text(), -amount)]
        case UtilityMoved(amount, sender, recipient):
            return [(sender.text(), -amount), (recipient.text(), amount)]
    return []


async def _add(tx: Transaction, at: Settled, holder: str, amount: int) -> None:
    after = await store.tokens_of(tx, holder) + amount
    if not 0 <= after <= MAX_AMOUNT:
        # What was made before this mirror began is missing from it; the contract has it.
        _log.error("utility_tokens_unexplained", holder=holder, txid=at.txid)
        await store.stray(tx, at, "utility-tokens", 0, 0)
        after = max(0, min(after, MAX_AMOUNT))
    await store.hold_tokens(tx, holder, after)
