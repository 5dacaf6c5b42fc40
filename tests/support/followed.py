"""A chain indexed from its first block of ours to its tip, and audited against its contracts."""

from pathlib import Path

from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks, nodecheck
from meterseal_aggregator.stacks.mirror.indexer import Settled, index_once
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate

DEPTH = 1
NOW = 1_800_000_000


async def followed(node: Node, at: Deployment, folder: Path) -> list[Told]:
    """Return what is told on the way; the books are what the contracts say."""
    database = await Database.open(f"sqlite:///{folder / 'followed.db'}")
    told: list[Told] = []

    async def follow(_tx: Transaction, settled: Settled) -> None:
        told.append(settled.told)

    try:
        await migrate(database)
        tip, height = await node.info(), 0
        while height < tip.height:
            limits = Limits(depth=DEPTH)
            done = await index_once(database, node, at, limits, (follow,), NOW)
            assert done.height > height
            height = done.height
        async with database.reading() as tx:
            assert await blocks.odd(tx) == 0
        (found,) = await nodecheck.findings(database, node, at)
        assert found.ok, found.detail
        print(f"{height} blocks, {len(told)} events: {found.detail}")
    finally:
        await database.close()
    return told
