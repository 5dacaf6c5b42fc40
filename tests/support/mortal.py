"""Ends a process, so to speak, between any two steps of what it does.

A fuse counts the steps of an act: every exchange with the node and every beginning and end
of a transaction. Where it burns down, PowerCut goes through everything, as a kill would.
"""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.fakechain import FakeChain
from tests.support.fakenode import FakeNode, Trouble


class PowerCut(BaseException):
    """The process ends here."""


class Fuse:
    """Burns one step at a time; `left` None never ends."""

    def __init__(self) -> None:
        self.left: int | None = None
        self.burnt = 0

    def step(self) -> None:
        self.burnt += 1
        if self.left is None:
            return
        if self.left == 0:
            self.left = None
            raise PowerCut
        self.left -= 1


class MortalNode(FakeNode):
    """A node, each exchange with which may be the last: before it, or after it was done."""

    def __init__(
        self, chain: FakeChain, fuse: Fuse, script: Iterable[Trouble] = ()
    ) -> None:
        super().__init__(chain, script)
        self.fuse = fuse

    def _begin(self) -> Trouble:
        self.fuse.step()
        return super()._begin()

    async def send(self, raw: bytes) -> None:
        await super().send(raw)
        self.fuse.step()


class MortalDatabase(Database):
    """A database, each transaction of which may be the last: before its commit, or after."""

    fuse: Fuse

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        self.fuse.step()
        async with super().transaction() as tx:
            yield tx
            self.fuse.step()
        self.fuse.step()
