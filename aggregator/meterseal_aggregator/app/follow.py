"""Follow the chain: what our contracts printed goes to the rooms that act on it.

    events = await follow(house)

Rooms that must not know each other's tables each get every settled event, in the
transaction that settles it. This module must never decide what an event means.
"""

from typing import Final

from meterseal_aggregator.app.chain import chain_side
from meterseal_aggregator.app.chainbilling import bill_followers
from meterseal_aggregator.app.house import House
from meterseal_aggregator.app.retiring import retire_on_chain
from meterseal_aggregator.stacks.mirror.indexer import Follower, index_once
from meterseal_aggregator.stacks.withdrawals.follow import Follow

FOLLOW_FOR_S: Final = 25.0
"""Real seconds of reading a run: one more round of blocks still ends inside a lease."""


def followers(house: House) -> tuple[Follower, ...]:
    """Return who is told of settled events, in this order."""
    return (Follow(retire_on_chain, house.now), *bill_followers(house))


async def follow(house: House) -> int:
    """Read blocks until the tip, or for a while; returns how many events were settled.

    0 without a chain. Raises Unavailable, and Refused where somebody must look.
    """
    async with chain_side(house) as side:
        if side is None:
            return 0
        until = house.real_now() + FOLLOW_FOR_S
        told, before = 0, -1
        while True:
            done = await index_once(
                house.database,
                side.node,
                side.contracts,
                side.limits,
                followers(house),
                int(house.real_now()),
            )
            told += done.events
            if done.height <= before or house.real_now() >= until:
                return told
            before = done.height
