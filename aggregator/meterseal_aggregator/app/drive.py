"""Push the outbox of every account: the one place from which transactions leave the house.

    steps = await drive(house)

Rooms only want deeds and look at what became of them. One account's trouble is told and
stops no other account. This module must never want a deed itself.
"""

import structlog

from meterseal_aggregator.app.chain import ChainSide, chain_side
from meterseal_aggregator.app.house import House
from meterseal_aggregator.stacks.outbox.run import run_once
from meterseal_aggregator.storage.database import Database
from meterseal_proto.errors import Unavailable

_log = structlog.get_logger(__name__)


async def drive(house: House) -> int:
    """Take the step that is due for each open deed; returns how many, 0 without a chain.

    Raises Unavailable when no account could be looked at.
    """
    async with chain_side(house) as side:
        if side is None:
            return 0
        return await push(house.database, side, int(house.real_now()))


async def push(database: Database, side: ChainSide, now: int) -> int:
    """Do so at Unix second `now` (real: the chain keeps real time)."""
    steps, failures = 0, []
    for account in side.signers:
        try:
            # What a former account has not signed yet its contract is to refuse: asked
            # first, it would wait for ever.
            asked = side.contracts if side.roles(account) else None
            what = (account, side.limits, now, asked)
            done = await run_once(database, side.node, *what)
            steps += done.steps
        except Unavailable as error:
            _log.warning("account_waits", account=account.address, why=str(error))
            failures.append(error)
    if len(failures) == len(side.signers):
        raise failures[0]
    return steps
