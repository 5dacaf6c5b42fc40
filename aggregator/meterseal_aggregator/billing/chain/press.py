"""A deed of the chain pressed until it stands: wanted, and wanted anew where it was refused.

What its contract refused for good is tried again under the next name, ever more slowly:
an account that lacks money, a pause, a consent that ended, all pass. This module must never
take a confirmed deed for what happened: `follow` hears that.
"""

import structlog

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.model import Moment
from meterseal_aggregator.billing.chain.rules import again_at
from meterseal_aggregator.stacks.calls.deployment import Call
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State, Wish
from meterseal_aggregator.storage.database import Transaction

_log = structlog.get_logger(__name__)


async def press(
    tx: Transaction, account: str, name: str, call: Call, moment: Moment
) -> int:
    """Want a deed, or want it again; returns 1 where something moved, else 0."""
    tries, last_at = await store.tried(tx, name)
    deed = f"{name}/{tries}"
    found = await deeds.outcome(tx, deed)
    if found is None:
        if tries and moment.real < again_at(tries, last_at):
            return 0
        wish = Wish(account, deed, call.payload, call.conditions)
        await deeds.want(tx, wish, now=moment.real)
        return 1
    if found.state is not State.FAILED or not await _heard(tx, found):
        return 0
    _log.warning("chain_deed_refused", deed=deed, answer=str(found.result))
    await store.try_again(tx, name, now=moment.real)
    return 1


async def _heard(tx: Transaction, found: deeds.Outcome) -> bool:
    """Tell whether all was heard up to a refusal: it may be that of a second sending."""
    following = await blocks.following(tx)
    if following is None or found.block is None:
        return False
    return found.block.height <= following.settled
