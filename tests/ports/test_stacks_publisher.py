"""A root is anchored on the chain once, and vouched for when it lies deep enough."""

from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.anchors.job import OnItsWay, Refused
from meterseal_aggregator.stacks.anchors.publisher import StacksPublisher
from meterseal_aggregator.stacks.node.http import HttpNode
from meterseal_aggregator.stacks.outbox.run import Account, run_once
from meterseal_aggregator.stacks.transaction import AccountKey
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.errors import Unavailable
from tests.contracts.test_contracts import installed, need_node
from tests.support.chain_publisher import LIMITS, NOW, chain_publisher
from tests.support.devnet import running
from tests.support.fakechain import CHAIN, DEPLOYER, ORACLE, FakeChain
from tests.support.fakenode import FakeNode, Trouble

ROOT = sha256(b"root").digest()


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'outbox.db'}")
    await migrate(opened)
    yield opened
    await opened.close()


async def drive(database: Database, chain: FakeChain) -> None:
    await run_once(database, FakeNode(chain), Account(CHAIN, DEPLOYER), LIMITS, NOW)


async def anchored(
    database: Database, chain: FakeChain, publisher: StacksPublisher
) -> str:
    """Ask as the job does, block after block."""
    for _ in range(12):
        try:
            return await publisher.publish(5, ROOT)
        except OnItsWay:
            await drive(database, chain)
            chain.mine()
    raise AssertionError("never deep enough")


async def test_an_anchor_is_on_its_way_until_it_is_deep(database: Database) -> None:
    chain = FakeChain()
    publisher = chain_publisher(database, FakeNode(chain), None)
    assert await publisher.find(5, ROOT) is None
    with pytest.raises(OnItsWay):
        await publisher.publish(5, ROOT)
    assert not chain.waiting, "it is wanted, and nothing is sent but by the driver"
    await drive(database, chain)
    chain.mine()
    with pytest.raises(OnItsWay):
        await publisher.find(5, ROOT)
    reference = await anchored(database, chain, publisher)
    assert reference == f"stacks:{CHAIN.chain_id}:{ORACLE.text()}:2"
    assert await publisher.find(5, ROOT) == reference
    assert len(chain.state.anchors) == 1


async def test_a_fork_takes_an_anchor_away_and_it_comes_once(
    database: Database,
) -> None:
    chain = FakeChain()
    publisher = chain_publisher(database, FakeNode(chain), None)
    for _ in range(3):
        with pytest.raises(OnItsWay):
            await publisher.publish(5, ROOT)
        await drive(database, chain)
        chain.mine()
    chain.reorg(3, forget=False)
    await anchored(database, chain, publisher)
    assert len(chain.state.anchors) == 1
    assert chain.state.nonces[ORACLE.address] == 1


async def test_paused_contracts_cost_no_fee(database: Database) -> None:
    chain = FakeChain()
    publisher = chain_publisher(database, FakeNode(chain), None)
    chain.paused = True
    with pytest.raises(Unavailable, match="paused"):
        await publisher.publish(5, ROOT)
    assert not chain.waiting
    chain.paused = False
    await anchored(database, chain, publisher)


async def test_another_account_than_the_oracles_is_refused_and_pays_nothing(
    database: Database,
) -> None:
    chain = FakeChain()
    key = AccountKey(sha256(b"somebody").digest())
    publisher = chain_publisher(database, FakeNode(chain), None, key=key)
    with pytest.raises(Refused, match="not the oracle"):
        await publisher.publish(5, ROOT)
    assert not chain.waiting


async def test_a_database_that_forgot_its_anchor_finds_it_on_the_chain(
    database: Database, tmp_path: Path
) -> None:
    chain = FakeChain()
    reference = await anchored(
        database, chain, chain_publisher(database, FakeNode(chain), None)
    )
    other = await Database.open(f"sqlite:///{tmp_path / 'other.db'}")
    await migrate(other)
    again = chain_publisher(other, FakeNode(chain), None)
    assert await again.publish(5, ROOT) == reference
    assert (len(chain.state.anchors), len(chain.waiting)) == (1, 0)
    await other.close()


async def test_an_absent_node_is_unavailable_and_nothing_is_lost(
    database: Database,
) -> None:
    chain = FakeChain()
    troubled = FakeNode(chain, [Trouble.ERROR] * 3)
    publisher = chain_publisher(database, troubled, None)
    for _ in range(3):
        with pytest.raises(Unavailable):
            await publisher.publish(5, ROOT)
    await anchored(database, chain, publisher)
    assert len(chain.state.anchors) == 1


async def test_roots_are_anchored_on_the_devnet(
    database: Database, tmp_path: Path
) -> None:
    need_node()
    installed()
    with running(tmp_path) as devnet:
        node = HttpNode(devnet.url, CHAIN)
        address = devnet.keys[0].address(CHAIN)
        publisher = chain_publisher(
            database, node, devnet.mine, key=devnet.keys[0], contracts=address
        )
        references = []
        for size in (5, 9):
            root = sha256(b"%d" % size).digest()
            references.append(await publisher.publish(size, root))
            assert await publisher.find(size, root) == references[-1]
        assert len(set(references)) == 2
        with pytest.raises(Refused):
            await publisher.publish(7, ROOT)
        await node.close()
