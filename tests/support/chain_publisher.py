"""The publisher of roots on a chain, with the patience to see its blocks made."""

from collections.abc import Callable

from meterseal_aggregator.stacks.anchors.publisher import (
    ONCE,
    Oracle,
    Patience,
    StacksPublisher,
)
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.storage.database import Database
from meterseal_proto.c32 import Address
from tests.support.fakechain import CHAIN, DEPLOYER, ORACLE

NOW = 1_800_000_000
LIMITS = Limits(depth=3)
ROUNDS = 8


def chain_publisher(
    database: Database,
    node: Node,
    mine: Callable[[int], None] | None,
    *,
    key: AccountKey = DEPLOYER,
    contracts: Address = ORACLE.address,
) -> StacksPublisher:
    """Open the publisher; with `mine` it waits: the outbox is driven, two blocks are made."""
    account = Account(CHAIN, key)

    async def pause() -> None:
        assert mine is not None
        await run_once(database, node, account, LIMITS, NOW)
        mine(2)

    who = Oracle(account, Deployment(contracts))
    patience = ONCE if mine is None else Patience(ROUNDS, pause)
    return StacksPublisher(database, node, who, LIMITS, lambda: NOW, patience)
