"""Withdrawals on the devnet: through our outbox and indexer, to the contract and back.

Minted slot by slot, claimed from one epoch by several, refused twice, corrected, deposited;
after each the supply that the contract tells is what the ledger has on the chain.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from meterseal_aggregator.stacks.calls import certification, oracle, registry, token
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.mirror.indexer import index_once
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.withdrawals.model import State, Teller, Way
from meterseal_proto.clarity import Ok, UInt
from tests.contracts.test_contracts import installed, need_node
from tests.support.devnet import running
from tests.support.signing import ADMIN, HOME, TEST, Signers
from tests.support.street import BEGIN
from tests.support.withdrawing import LATER, NETWORK, Street, open_street

SELLERS, CERTIFIER, ORACLE = (1, 3, 2), 6, 8
HASH = b"\x33" * 32
FEE = 1_000_000
LIMITS = Limits(depth=1)
ROUNDS = 40
"""More than anything here takes: a mint is sent, mined, seen and settled in six."""


@dataclass
class Rails:
    """The street with its ledger, and the chain with who signs there."""

    street: Street
    chain: Signers
    node: HttpNode
    oracle: Account

    async def come_through(self) -> None:
        """Let duty, outbox, chain and indexer go on until nothing moves."""
        street, quiet = self.street, 0
        for _ in range(ROUNDS):
            done = await street.work()
            pushed = await run_once(
                street.database, self.node, self.oracle, LIMITS, LATER
            )
            self.chain.devnet.mine(1)
            heard = await index_once(
                street.database,
                self.node,
                self.chain.at,
                LIMITS,
                [street.follow],
                LATER,
            )
            quiet = 0 if done + pushed.steps + heard.events else quiet + 1
            if quiet > LIMITS.depth + 1:
                return
        raise AssertionError("it does not come to rest")

    async def agrees(self) -> int:
        """The contract's supply, which is what the ledger and its audit say."""
        told = self.chain.reads("energy-token", "get-total-supply")
        assert isinstance(told, Ok)
        assert isinstance(told.value, UInt)
        bad = [one for one in await self.street.audit() if not one.ok]
        assert not bad, bad
        assert (await self.street.on_chain())[1] == told.value.value
        return told.value.value

    def holds(self, who: int) -> int:
        told = self.chain.reads("energy-token", "get-balance", self.chain.who(who))
        assert isinstance(told, Ok)
        assert isinstance(told.value, UInt)
        return told.value.value


@asynccontextmanager
async def rails(folder: Path) -> AsyncIterator[Rails]:
    need_node()
    installed()
    with running(folder, LATER) as devnet:
        at = Deployment(devnet.keys[ADMIN].address(TEST))
        chain = Signers(devnet, at)
        begin(chain)
        account = Account(TEST, devnet.keys[ORACLE])
        node = HttpNode(devnet.url, TEST)
        async with open_street(folder, len(SELLERS)) as street:
            street.teller = Teller(at, account.address)
            street.account = lambda who: chain.who(SELLERS[who])
            yield Rails(street, chain, node, account)
        await node.close()


def begin(chain: Signers) -> None:
    """The network, its oracle, and certified producers."""
    at, who = chain.at, chain.who
    chain.does(ADMIN, registry.set_network(at, NETWORK))
    chain.does(ADMIN, oracle.offer_oracle(at, who(ORACLE)))
    chain.does(ORACLE, oracle.accept_oracle(at))
    chain.does(ADMIN, certification.authorise_certifier(at, who(CERTIFIER), 3))
    for seller in SELLERS:
        chain.does(seller, registry.register_producer(at, HASH))
        chain.does(ADMIN, registry.verify_user(at, who(seller), verified=True))
        asked = certification.apply_for_certification(at, 9_800, "solar", FEE)
        chain.does(seller, asked)
        chain.does(CERTIFIER, certification.certify_producer(at, who(seller)))


async def test_wh_go_to_the_contract_both_ways_and_come_back(tmp_path: Path) -> None:
    async with rails(tmp_path) as both:
        await minted_and_corrected(both)
        await claimed_by_each_once(both)
        await deposited(both)
        await refused(both)


async def minted_and_corrected(both: Rails) -> None:
    street = both.street
    await street.credit(0, 100, 200, 400)
    made = await street.ask(0, 300)
    await both.come_through()
    assert [part.paid for part in await street.parts(made.id)] == [100, 200]
    assert (await both.agrees(), both.holds(SELLERS[0])) == (300, 300)
    await street.revise(0, 1, 150)
    await both.come_through()
    assert (await both.agrees(), await street.held("producer:1")) == (250, 400)


async def claimed_by_each_once(both: Rails) -> None:
    street, chain = both.street, both.chain
    await street.credit(1, 50, 30)
    await street.credit(2, 70)
    mine = await street.ask(1, 80, Way.EPOCH)
    other = await street.ask(2, 70, Way.EPOCH)
    await both.come_through()
    assert await both.agrees() == 250
    for made in (mine, other):
        call = token.claim(chain.at, *await street.proof(made.id))
        chain.does(HOME, call)
        chain.refused(HOME, call, 311)
    await both.come_through()
    assert (await both.agrees(), both.holds(SELLERS[1])) == (400, 80)


async def deposited(both: Rails) -> None:
    street, chain = both.street, both.chain
    name = await street.open_deposit(1)
    span = (BEGIN, BEGIN + 900)
    chain.does(SELLERS[1], token.retire(chain.at, 60, name, *span))
    chain.does(SELLERS[1], token.retire(chain.at, 5, HASH, *span))
    await both.come_through()
    assert await both.agrees() == 335
    assert await street.held("producer:2") == 60
    assert await street.held(f"retired:{HASH.hex()}") == 5


async def refused(both: Rails) -> None:
    street, chain = both.street, both.chain
    seller = chain.who(SELLERS[0])
    chain.does(CERTIFIER, certification.revoke_certification(chain.at, seller, "sold"))
    made = await street.ask(0, 400)
    assert await street.held("producer:1") == 0
    await both.come_through()
    assert [part.state for part in await street.parts(made.id)] == [State.REFUSED]
    assert (await both.agrees(), await street.held("producer:1")) == (335, 400)
