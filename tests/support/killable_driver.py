"""A process that drives an outbox, forked again and again, and killed at the step it is told.

    python killable_driver.py

reads lines `DATABASE URL STEP NOW` and forks for each: the child drives until every deed is settled and
says `done STEPS`, unless STEP comes first: then it kills itself (SIGKILL), and its parent
says `killed`. A step is each exchange with the node and each transaction of the database,
before it and after it, and just before a commit. With the last line it ends.
"""

import asyncio
import logging
import sys
from functools import partial
from urllib.request import Request, urlopen

import structlog

from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.node.port import Fees, Found, Tip
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_proto.c32 import Principal
from tests.support.fakechain import CHAIN, DEPLOYER
from tests.support.forkedlives import Deadly, fork
from tests.support.mortal import Fuse, MortalDatabase

ACCOUNT = Account(CHAIN, DEPLOYER)
LIMITS = Limits(depth=3)
ROUND_S = 61
MINE = "/devnet/mine"


class MortalHttp(HttpNode):
    """A node over HTTP, each exchange with which may be the last: before it, or after."""

    fuse: Fuse

    async def info(self) -> Tip:
        self.fuse.step()
        return await super().info()

    async def nonce(self, who: Principal) -> int:
        self.fuse.step()
        return await super().nonce(who)

    async def balance(self, who: Principal) -> int:
        self.fuse.step()
        return await super().balance(who)

    async def found(self, txid: str) -> Found:
        self.fuse.step()
        return await super().found(txid)

    async def fee(self, payload: bytes, length: int) -> Fees:
        self.fuse.step()
        return await super().fee(payload, length)

    async def send(self, raw: bytes) -> None:
        self.fuse.step()
        await super().send(raw)
        self.fuse.step()


async def drive(path: str, url: str, now: int, left: int | None) -> int:
    """Drive until all is settled, or until the end comes; returns the steps taken."""
    fuse = MortalDatabase.fuse = MortalHttp.fuse = Deadly()
    fuse.left = left
    database = await MortalDatabase.open(f"sqlite:///{path}")
    node = MortalHttp(url, CHAIN)
    while True:
        await run_once(database, node, ACCOUNT, LIMITS, now)
        async with database.reading() as tx:
            if not await deeds.unsettled(tx, ACCOUNT.address):
                break
        await asyncio.to_thread(mine, url)
        now += ROUND_S
    await node.close()
    await database.close()
    return fuse.burnt


def mine(url: str) -> None:
    """Have the world go on: blocks, and what else is scripted."""
    request = Request(url + MINE, method="POST")  # noqa: S310 # loopback
    with urlopen(request, timeout=20) as reply:  # noqa: S310
        reply.read()


if __name__ == "__main__":
    # What the outbox tells its operator would stand among our answers.
    silent = structlog.make_filtering_bound_logger(logging.CRITICAL)
    structlog.configure(wrapper_class=silent)
    for line in sys.stdin:
        database, address, at, second = line.split()
        ended = fork(at, partial(drive, database, address, int(second)))
        print(ended, flush=True)
