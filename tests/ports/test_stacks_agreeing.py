"""Two nodes that contradict each other are believed in nothing that matters."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.port import (
    Disagreement,
    InBlock,
    Node,
    Refused,
    Unknown,
    Why,
)
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import State, Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import ContractCall, Transaction
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.c32 import Principal
from meterseal_proto.clarity import Buffer, UInt
from meterseal_proto.errors import Unavailable
from tests.support.fakechain import CHAIN, DEPLOYER, DIARY, ORACLE, FakeChain
from tests.support.fakenode import FakeNode, Liar, Trouble

NOW = 1_800_000_000
ACCOUNT = Account(CHAIN, DEPLOYER)
LIMITS = Limits(depth=3)
CALL = ContractCall(DIARY, "note", (UInt(1),))
NOTE = Transaction(CHAIN, 0, 1_000, CALL).signed(DEPLOYER)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'outbox.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


async def test_the_node_behind_says_how_far_the_chain_is() -> None:
    chain = FakeChain()
    ahead, behind = FakeNode(chain), FakeNode(chain)
    node = Agreeing(ahead, behind)
    await node.send(NOTE.raw)
    chain.mine(5)
    behind.lag = 5
    assert (await node.info()).height == 1
    assert await node.nonce(ACCOUNT.principal) == 0
    with pytest.raises(Disagreement):
        await node.found(NOTE.txid)
    behind.lag = 0
    assert await node.nonce(ACCOUNT.principal) == 1
    assert isinstance(await node.found(NOTE.txid), InBlock)


async def test_nodes_of_two_forks_agree_on_no_block() -> None:
    chain, fork = FakeChain(), FakeChain()
    fork.mine()
    for one in (chain, fork):
        one.submit(NOTE.raw)
        one.mine()
    with capture_logs() as logs, pytest.raises(Disagreement, match="block 2"):
        await Agreeing(FakeNode(chain), FakeNode(fork)).found(NOTE.txid)
    assert [log["event"] for log in logs] == ["nodes_disagreed"]


async def test_what_one_node_forgot_is_nowhere() -> None:
    chain = FakeChain()
    chain.submit(NOTE.raw)
    node = Agreeing(FakeNode(chain), FakeNode(FakeChain()))
    assert await node.found(NOTE.txid) is Unknown.NOWHERE


async def test_one_node_that_takes_a_transaction_is_enough() -> None:
    for other in (
        FakeNode(FakeChain(), [Trouble.ERROR]),
        FakeNode(full := FakeChain()),
    ):
        if other.chain is full:
            full.submit(Transaction(CHAIN, 0, 9_000, CALL).signed(DEPLOYER).raw)
        chain = FakeChain()
        with capture_logs() as logs:
            await Agreeing(other, FakeNode(chain)).send(NOTE.raw)
        assert chain.waits(NOTE.txid)
        assert [log["event"] for log in logs] == ["one_node_did_not_take_it"]


async def test_what_neither_takes_is_refused_or_unavailable() -> None:
    with pytest.raises(Refused) as caught:
        await Agreeing(FakeNode(FakeChain()), FakeNode(FakeChain())).send(b"")
    assert caught.value.why is Why.BYTES
    away = FakeNode(FakeChain(), [Trouble.LOST])
    with pytest.raises(Unavailable):
        await Agreeing(FakeNode(FakeChain(), [Trouble.ERROR]), away).send(NOTE.raw)


async def test_a_value_that_only_one_node_gives_is_none() -> None:
    chain = FakeChain()
    one, other = FakeNode(chain), FakeNode(chain)
    node = Agreeing(one, other)
    size = UInt(0)
    assert await node.entry(ORACLE, "anchors", size) == await one.entry(
        ORACLE, "anchors", size
    )
    anchor = ContractCall(ORACLE, "anchor", (UInt(3), Buffer(bytes(32))))
    chain.submit(Transaction(CHAIN, 0, 1_000, anchor).signed(DEPLOYER).raw)
    chain.mine()
    other.lag = 1
    with pytest.raises(Disagreement):
        await node.entry(ORACLE, "anchors", size)
    with pytest.raises(Disagreement):
        await node.call(ORACLE, "get-anchor-count", ())
    with pytest.raises(Refused):
        await node.entry(Principal(ORACLE.address, "none"), "anchors", size)


@pytest.mark.parametrize("says_done", [True, False])
@pytest.mark.parametrize("nonce", [0, 1, 50])
async def test_a_liar_confirms_nothing_and_undoes_nothing(
    database: Database, says_done: bool, nonce: int
) -> None:
    chain = FakeChain()
    honest = FakeNode(chain)
    liar: Node = Liar(chain, says_done=says_done, nonce=nonce)
    async with database.transaction() as tx:
        await deeds.want(tx, Wish(ACCOUNT.address, "note 1", CALL), now=NOW)
    for round_ in range(30):
        now = NOW + 61 * round_
        await run_once(database, Agreeing(honest, liar), ACCOUNT, LIMITS, now)
        chain.mine()
    async with database.reading() as tx:
        known = await deeds.outcome(tx, "note 1")
    assert known is not None
    assert known.state in (State.WANTED, State.SENT)
    for round_ in range(30):
        now = NOW + 61 * (30 + round_)
        await run_once(
            database, Agreeing(honest, FakeNode(chain)), ACCOUNT, LIMITS, now
        )
        chain.mine()
    assert chain.state.notes == (1,)
    async with database.reading() as tx:
        known = await deeds.outcome(tx, "note 1")
    assert known is not None
    assert known.state is State.CONFIRMED
