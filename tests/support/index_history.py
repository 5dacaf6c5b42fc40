"""A random history of a chain, its nodes and the indexer, from a seed; then a quiet end.

Forks stay within the depth that is believed, whatever else goes wrong. Once nothing does
any more, each event that lies deep was told once, in order, and the books are the chain's.
"""

import random
from collections import Counter

from meterseal_aggregator.stacks.mirror import blocks, books
from meterseal_aggregator.stacks.mirror.indexer import Indexed, Settled, index_once
from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.c32 import Principal
from meterseal_proto.errors import Unavailable
from tests.support.bookchain import AT, BookChain, Deed, any_deed
from tests.support.booknode import BookNode, LyingNode
from tests.support.mortal import Fuse, MortalDatabase, PowerCut

HANDED = """
CREATE TABLE IF NOT EXISTS handed (
  id INTEGER PRIMARY KEY, height INTEGER, block_id TEXT, txid TEXT, event INTEGER
) STRICT
"""
QUIET_ROUNDS = 60
NOW = 1_800_000_000


class IndexHistory:
    """One history over a new database; `seed` decides all of it."""

    def __init__(
        self, database: MortalDatabase, seed: int, *, two: bool = False
    ) -> None:
        self.two = two
        self.chance = random.Random(seed)
        self.database = database
        self.chain = BookChain()
        self.fuse = database.fuse = Fuse()
        self.node = BookNode(self.chain, self.fuse)
        self.node.chance = self.chance
        self.limits = Limits(depth=self.chance.choice((1, 3, 7, 10)))
        self.met: Counter[str] = Counter()
        self.known: dict[bytes, Deed] = {}
        self.asked: Node = self.node

    async def begin(self) -> None:
        async with self.database.transaction() as tx:
            await tx.rows(HANDED)

    async def follow(self, tx: Transaction, told: Settled) -> None:
        row = (told.height, told.block_id, told.txid, told.index)
        sql = "INSERT INTO handed (height, block_id, txid, event) VALUES (?, ?, ?, ?)"
        await tx.many(sql, [row])

    async def stumble(self, _tx: Transaction, _told: Settled) -> None:
        """A second follower, in which the process may end."""
        self.fuse.step()

    async def index(self) -> Indexed:
        followers = (self.follow, self.stumble)
        asked = (self.database, self.asked, AT, self.limits, followers, NOW)
        return await index_once(*asked)

    async def run(self) -> None:
        """Index once; what ends it, ends it."""
        try:
            await self.index()
        except Unavailable:
            self.met["unavailable"] += 1
        except PowerCut:
            self.met["kill"] += 1

    def deed(self) -> Deed:
        deed = any_deed(self.chance, len(self.known))
        self.known[deed.raw] = deed
        return deed

    def mine(self, count: int, *, deeds: int | None = None) -> None:
        """Close blocks of `deeds` deeds each, or of as many as chance has it."""
        for _ in range(count):
            many = self.chance.choice((0, 0, 1, 3)) if deeds is None else deeds
            some = [self.deed() for _ in range(many)]
            self.chain.mine(1, *some)

    def fork(self) -> None:
        """Replace blocks within the depth by fewer, as many or more; deeds may come again."""
        most = self.chain.height - (self.chain.peak - self.limits.depth)
        depth = self.chance.randint(0, min(10, most))
        if depth == 0:
            return
        self.met[f"fork {depth}"] += 1
        gone = self.chain.cut(depth)
        waiting = [self.known[one.sent.raw] for block in gone for one in block.mined]
        self.chance.shuffle(waiting)
        for _ in range(self.chance.randint(0, depth + 2)):
            again, waiting = waiting[:2], waiting[3:]
            self.chain.mine(1, *again, self.deed())

    async def troubled_run(self) -> None:
        chance = self.chance
        self.node.broken = chance.choice((0.0, 0.0, 0.1, 0.5))
        self.node.lag = chance.choice((0, 0, 0, 1, 3))
        self.fuse.left = chance.randrange(40) if chance.random() < 0.5 else None
        if self.two:
            self.asked = Agreeing(self.node, self._second())
        await self.run()
        self.asked, self.fuse.left = self.node, None
        self.node.broken, self.node.lag = 0.0, 0

    def _second(self) -> Node:
        if self.chance.random() < 0.5:
            liar = LyingNode(self.chain, self.met)
            liar.chance = self.chance
            return liar
        behind = BookNode(self.chain)
        behind.lag = self.chance.choice((0, 0, 1, 5, 12))
        return behind

    async def event(self) -> None:
        match self.chance.choice(("mine", "mine", "fork", "run", "run", "run")):
            case "mine":
                self.mine(self.chance.choice((1, 1, 3, 20)))
            case "fork":
                self.fork()
            case _:
                await self.troubled_run()

    async def end(self) -> None:
        """Let nothing go wrong any more, and blocks come, until all is read."""
        self.mine(self.chain.peak + 1 - self.chain.height + self.limits.depth)
        done = await self.index()
        for _ in range(QUIET_ROUNDS):
            if done.height == self.chain.height:
                break
            done = await self.index()
        assert done.height == self.chain.height
        assert done.depth_height == self.chain.height - self.limits.depth
        assert (await self.index()).events == 0

    async def check(self) -> None:
        """Hold what was told and what the books say to the chain."""
        deep = self.chain.height - self.limits.depth
        sql = "SELECT height, block_id, txid, event FROM handed ORDER BY id"
        async with self.database.reading() as tx:
            handed = await tx.rows(sql)
            supply, escrow = await books.supply(tx), await books.escrow(tx)
            held, roots = await books.held(tx), await books.roots(tx)
            odd = await blocks.odd(tx)
        assert handed == list(self.chain.events(deep))
        real = self.chain.books(deep)
        assert (supply.minted, supply.burned) == (real.minted, real.burned)
        assert whole(supply.balances) == whole(real.balances)
        assert whole(supply.debts) == whole(real.debts)
        open_trades = {n: (one.asset, one.amount) for n, one in escrow.trades.items()}
        assert (open_trades, escrow.last) == (real.trades, real.opened)
        for asset, amount in held.items():
            assert amount == escrow.held(asset)
        assert [(one.size, one.root) for one in roots] == list(real.checkpoints)
        strange = [
            one
            for block in self.chain.blocks[:deep]
            for one in block.mined
            if one.sent.function == "odd"
        ]
        assert odd == len(strange)
        self.met["told"] += len(handed)


def whole(numbers: dict[Principal, int]) -> dict[Principal, int]:
    return {key: number for key, number in numbers.items() if number}
