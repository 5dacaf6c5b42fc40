"""A random history of a chain, its nodes and an outbox, from a seed; then a quiet end.

Whatever happened, once nothing goes wrong any more every deed is to be on the chain
exactly once, those that no node takes are to be cancelled, and the outbox to know it. Blocks count at a depth of 11 here, so that forks
of up to ten blocks stay within what is believed.
"""

import random
from collections import Counter
from hashlib import sha256

from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.port import Node
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State, Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import (
    AccountKey,
    ContractCall,
    Transaction,
)
from meterseal_proto.clarity import UInt
from meterseal_proto.errors import Unavailable
from tests.support.fakechain import CHAIN, DIARY, FakeChain
from tests.support.fakenode import FakeNode, Liar, Trouble
from tests.support.mortal import Fuse, MortalDatabase, MortalNode, PowerCut

LIMITS = Limits(depth=11, fee_cap=20_000)
STRANGE = 1_000
"""Notes of strangers have larger numbers than those of deeds."""
QUIET_ROUNDS = 150
TROUBLES = (
    Trouble.ERROR,
    Trouble.HANG,
    Trouble.LOST,
    Trouble.DROPPED,
    Trouble.TWICE,
)


class History:
    """One account's history; `seed` decides all of it.

    With `two` nodes the second is behind, or lies, whenever the first is troubled.
    """

    def __init__(
        self, database: MortalDatabase, seed: int, *, two: bool = False
    ) -> None:
        self.two = two
        self.chance = random.Random(seed)
        self.database = database
        self.chain = FakeChain(verifies=False)
        self.met: Counter[str] = Counter()
        """What went wrong in it, each time that it really did."""
        self.poisons: set[int] = set()
        self.key = AccountKey(sha256(b"account %d" % seed).digest())
        self.account = Account(CHAIN, self.key)
        self.fuse = database.fuse = Fuse()
        self.node = MortalNode(self.chain, self.fuse)
        self.node.met = self.met
        self.asked: Node = self.node
        self.now = 1_800_000_000
        self.deeds = 0
        self.strange = 0

    def name(self, number: int) -> str:
        return f"{self.account.address} note {number}"

    async def want(self, *, poison: bool = False) -> None:
        """Want a note; one that is poison calls what no contract has."""
        number = self.deeds
        self.deeds += 1
        function = "node" if poison else "note"
        if poison:
            self.poisons.add(number)
            self.met["poison"] += 1
        call = ContractCall(DIARY, function, (UInt(number),))
        wish = Wish(self.account.address, self.name(number), call)
        for _ in range(2):
            async with self.database.transaction() as tx:
                await deeds.want(tx, wish, now=self.now)

    async def run(self) -> None:
        """Run the outbox once; what ends it, ends it."""
        try:
            done = await run_once(
                self.database, self.asked, self.account, LIMITS, self.now
            )
            told = (" disagree" in trouble for trouble in done.troubles)
            self.met["disagreement"] += sum(told)
        except Unavailable:
            self.met["unavailable"] += 1
        except PowerCut:
            self.met["kill"] += 1

    async def troubled_run(self) -> None:
        chance = self.chance
        script = [
            chance.choice(TROUBLES) if chance.random() < 0.3 else Trouble.NONE
            for _ in range(30)
        ]
        self.node.script = iter(script)
        self.fuse.left = chance.randrange(25) if chance.random() < 0.5 else None
        if self.two:
            self.asked = Agreeing(self.node, self._second())
        await self.run()
        self.asked = self.node
        self.fuse.left = None
        self.node.script = iter(())

    def _second(self) -> Node:
        chance = self.chance
        if chance.random() < 0.3:
            done, nonce = chance.random() < 0.5, chance.randrange(20)
            liar = Liar(self.chain, says_done=done, nonce=nonce)
            liar.met = self.met
            return liar
        behind = FakeNode(self.chain)
        behind.lag = chance.choice((0, 0, 1, 5, 12))
        return behind

    def steal(self) -> None:
        """Let a stranger with our key use the next nonce, and pay well for it."""
        self.strange += 1
        who = self.key.address(CHAIN)
        nonce = self.chain.state.nonces.get(who, 0)
        call = ContractCall(DIARY, "note", (UInt(STRANGE + self.strange),))
        wish = Transaction(CHAIN, nonce, 10**9 + self.strange, call)
        self.chain.submit(wish.signed(self.key).raw)

    async def event(self) -> None:
        """Let one thing happen."""
        chance = self.chance
        what = chance.choices(
            (
                "run",
                "mine",
                "time",
                "want",
                "reorg",
                "forget",
                "spike",
                "stall",
                "thief",
                "poison",
            ),
            (30, 25, 10, 8, 6, 5, 5, 4, 2, 1),
        )[0]
        if what == "run":
            await self.troubled_run()
        elif what in ("want", "poison") and self.deeds < 12:
            await self.want(poison=what == "poison")
        elif what == "thief":
            self.met["nonce used by a stranger"] += 1
            self.steal()
        else:
            self._world(what)

    def _world(self, what: str) -> None:
        chance, chain = self.chance, self.chain
        if what == "mine":
            chain.mine(chance.randint(1, 4))
        elif what == "time":
            self.now += chance.choice((10, 61, 400, 1_000))
        elif what == "reorg":
            depth = chain.reorg(chance.randint(1, 10), forget=chance.random() < 0.5)
            self.met[f"reorg {depth}"] += 1
        elif what == "forget":
            self.met["mempool forgotten"] += bool(chain.waiting)
            chain.forget()
        elif what == "spike":
            before, chain.price = chain.price, chance.choice((1, 2, 10, 50))
            self.met["fee spike"] += chain.price > before
        elif what == "stall":
            chain.stalled = not chain.stalled
            self.met["stuck nonce"] += chain.stalled and bool(chain.waiting)

    async def end(self) -> None:
        """Let nothing go wrong any more until all is settled."""
        self.chain.price, self.chain.stalled = 1, False
        for _ in range(QUIET_ROUNDS):
            async with self.database.reading() as tx:
                if not await deeds.unsettled(tx, self.account.address):
                    return
            await self.run()
            self.chain.mine(2)
            self.now += 61
        raise AssertionError("deeds are not settled")

    async def check(self) -> None:
        """Hold the chain against what was wanted, and the outbox against the chain."""
        notes = Counter(self.chain.state.notes)
        for number in range(self.deeds):
            poison = number in self.poisons
            times = notes[number]
            assert times == (not poison), f"deed {number} was done {times} times"
            async with self.database.reading() as tx:
                known = await deeds.outcome(tx, self.name(number))
            assert known is not None
            assert known.state is (State.FAILED if poison else State.CONFIRMED)
            assert known.block is not None
            place = self.chain.where(known.block.txid)
            assert place is not None
            assert place[0] == known.block.height
            assert self.chain.blocks[place[0] - 1].id == known.block.block_id
        await self._nonces()

    async def _nonces(self) -> None:
        """Every nonce on the chain is ours or a stranger's, and none of ours is beyond it."""
        end = self.chain.state.nonces.get(self.key.address(CHAIN), 0)
        async with self.database.reading() as tx:
            given = await deeds.given(tx, self.account.address, 0)
        assert not given or max(given) < end
        missing = set(range(end)) - given
        assert len(missing) <= self.strange
