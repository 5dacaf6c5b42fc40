"""What our contracts printed, kept by block, and told once it lies deep: the chain's books.

    done = await index_once(database, node, contracts, limits, followers, now)

This module must never tell a follower what may still vanish.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias

from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Settled:
    """An event that lies deep enough: told to each follower once, in the chain's order.

    `block_id` and `txid` are 64 hex digits, `index` is the event's in its transaction.
    """

    height: int
    block_id: str
    txid: str
    index: int
    told: Told


Follower: TypeAlias = Callable[[Transaction, Settled], Awaitable[None]]
"""Acts on a settled event in the transaction that marks it; raises nothing of its own.

What it raises undoes the mark as well, and the event is told again in the next round.
"""


@dataclass(frozen=True, slots=True)
class Indexed:
    """What a round came to: the last block read, the last settled, the events settled now.

    Heights are 0 before the first block.
    """

    height: int
    depth_height: int
    events: int
