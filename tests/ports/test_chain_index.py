"""The indexer stops rather than unsay or contradict, and costs what an event costs."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from meterseal_aggregator.stacks.anchors.job import Refused
from meterseal_aggregator.stacks.calls.deployment import Deployment
from meterseal_aggregator.stacks.events.energy import EnergyMinted, EnergyMoved
from meterseal_aggregator.stacks.events.market import TradeExpired, TradeOpened
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror import blocks, books
from meterseal_aggregator.stacks.mirror.indexer import Indexed, Settled, index_once
from meterseal_aggregator.stacks.node.agreeing import Agreeing
from meterseal_aggregator.stacks.node.port import Node, PrintedBlock
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Database, Row, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.c32 import Address, Principal
from meterseal_proto.errors import Unavailable
from tests.support.bookchain import AT, COIN, HASH, PEOPLE, BookChain, Deed
from tests.support.booknode import FIRST, BookNode

NOW = 1_800_000_000
LIMITS = Limits(depth=3)
TABLES = (
    "chain_state", "chain_blocks", "chain_events", "mirror_holders", "mirror_totals",
    "mirror_trades", "mirror_held", "mirror_anchors",
)  # fmt: skip


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'index.db'}")
    try:
        await migrate(opened)
        yield opened
    finally:
        await opened.close()


class Follower:
    """Remembers what it was told, and that only."""

    def __init__(self) -> None:
        self.told: list[Settled] = []

    async def __call__(self, _tx: Transaction, told: Settled) -> None:
        self.told.append(told)


async def index(database: Database, node: Node, *followers: Follower) -> Indexed:
    """Index until nothing is new."""
    done = await index_once(database, node, AT, LIMITS, followers, NOW)
    while True:
        again = await index_once(database, node, AT, LIMITS, followers, NOW)
        if again.height == done.height:
            return again
        done = again


async def kept(database: Database) -> dict[str, list[Row]]:
    async with database.reading() as tx:
        return {
            name: await tx.rows(f"SELECT * FROM {name} ORDER BY 1, 2")  # noqa: S608
            for name in TABLES
        }


def minted(number: int, amount: int = 100) -> Deed:
    return Deed(number, "mint", 0, 0, amount)


async def test_what_lies_less_deep_is_read_and_told_to_nobody(
    database: Database,
) -> None:
    chain, follower = BookChain(), Follower()
    chain.mine(1, minted(1))
    done = await index(database, BookNode(chain), follower)
    assert (done.height, done.depth_height) == (chain.height, chain.height - 3)
    assert follower.told == []
    chain.mine(3)
    assert (await index(database, BookNode(chain), follower)).height == chain.height
    (told,) = follower.told
    assert told.told == EnergyMinted(HASH, 0, PEOPLE[0], 100, 1, 2, 0, 900)
    assert (told.height, told.index) == (chain.height - 3, 0)


async def test_reading_begins_where_the_first_of_our_contracts_lies_deep(
    database: Database,
) -> None:
    chain = BookChain(start=FIRST)
    node = BookNode(chain)
    assert await index_once(database, node, AT, LIMITS, (), NOW) == Indexed(0, 0, 0)
    chain.mine(2)
    await index(database, node)
    async with database.reading() as tx:
        known = await blocks.following(tx)
    assert known is not None
    assert (known.start, known.tip) == (FIRST, chain.height)


async def test_without_a_contract_of_ours_there_is_nothing_to_follow(
    database: Database,
) -> None:
    elsewhere = Deployment(Address(26, bytes(20)))
    with pytest.raises(Unavailable, match="no contract of ours"):
        await index_once(database, BookNode(BookChain()), elsewhere, LIMITS, (), NOW)


async def test_one_database_follows_one_publisher(database: Database) -> None:
    await index(database, BookNode(BookChain()))
    elsewhere = Deployment(Address(26, bytes(20)))
    with pytest.raises(Refused, match=AT.address.text()):
        await index_once(database, BookNode(BookChain()), elsewhere, LIMITS, (), NOW)


@pytest.mark.parametrize("depth", range(4, 14))
@pytest.mark.parametrize("longer", [0, 1, 5])
async def test_a_fork_below_what_is_settled_stops_all_and_changes_nothing(
    database: Database, depth: int, longer: int
) -> None:
    chain, follower = BookChain(start=20), Follower()
    chain.mine(1, minted(1), Deed(2, "anchor", 0, 0, 5))
    chain.mine(8)
    node = BookNode(chain)
    await index(database, node, follower)
    before, told = await kept(database), list(follower.told)
    gone = chain.cut(depth)
    chain.mine(depth + longer, minted(3, 700))
    for _ in range(3):
        with capture_logs() as logs, pytest.raises(Refused, match="books are left"):
            await index_once(database, node, AT, LIMITS, (follower,), NOW)
        assert [log["event"] for log in logs] == ["chain_forked_below_settled"]
    assert (await kept(database), follower.told) == (before, told)
    chain.cut(depth + longer)
    chain.blocks += gone
    chain.mine(9)
    assert (await index(database, node, follower)).height == chain.height


async def test_a_node_far_behind_is_waited_for(database: Database) -> None:
    chain = BookChain(start=20)
    node = BookNode(chain)
    await index(database, node)
    before = await kept(database)
    node.lag = 3
    assert (await index(database, node)).height == chain.height
    node.lag = 4
    with pytest.raises(Unavailable, match="settled here"):
        await index(database, node)
    node.lag = 0
    await index(database, node)
    assert await kept(database) == before


async def test_two_nodes_of_two_forks_settle_nothing(database: Database) -> None:
    chain, fork, follower = BookChain(start=20), BookChain(start=20), Follower()
    node = Agreeing(BookNode(chain), BookNode(fork))
    fork.blocks = list(chain.blocks)
    await index(database, node, follower)
    chain.mine(6, minted(1))
    fork.mine(6, minted(2, 999))
    with pytest.raises(Unavailable, match="disagree"):
        await index(database, node, follower)
    assert follower.told == []
    fork.blocks = chain.blocks
    await index(database, node, follower)
    assert [told.told for told in follower.told] == [
        EnergyMinted(HASH, 0, PEOPLE[0], 100, 1, 2, 0, 900)
    ]


async def test_an_event_that_cannot_follow_stops_all(database: Database) -> None:
    chain, follower = BookChain(), Follower()
    chain.mine(1, minted(1), Deed(2, "move", 0, 1, 60))
    chain.mine(3)
    hidden = chain.blocks[-4].mined
    chain.blocks[-4] = type(chain.blocks[-4])(
        chain.blocks[-4].id, hidden[1:], chain.blocks[-4].state
    )
    with pytest.raises(Refused, match="lost or made up"):
        await index(database, BookNode(chain), follower)
    assert follower.told == []
    async with database.reading() as tx:
        assert await books.roots(tx) == []
        assert (await books.supply(tx)).minted == 0


async def test_what_our_contracts_do_not_print_is_an_alarm_and_told_to_nobody(
    database: Database,
) -> None:
    chain, follower = BookChain(), Follower()
    chain.mine(1, Deed(1, "odd", 0, 0, 1), minted(2))
    chain.mine(3)
    with capture_logs() as logs:
        await index(database, BookNode(chain), follower)
    assert [log["event"] for log in logs] == ["chain_event_not_understood"]
    assert [type(told.told) for told in follower.told] == [EnergyMinted]
    async with database.reading() as tx:
        assert await blocks.odd(tx) == 1


class Moving(BookNode):
    """Its chain forks between the first block of a round and those after it."""

    async def blocks(
        self, height: int, most: int, publisher: Address
    ) -> list[PrintedBlock]:
        self.books.cut(6)
        self.books.mine(8, minted(7))
        return await super().blocks(height, most, publisher)


async def test_a_fork_between_two_pages_joins_no_two_chains(database: Database) -> None:
    chain, follower = BookChain(start=2), Follower()
    chain.mine(5)
    moving = Moving(chain)
    done = await index_once(database, moving, AT, LIMITS, (follower,), NOW)
    assert done.height == FIRST, "what came then stands on another block"
    await index(database, BookNode(chain), follower)
    chain.mine(5)
    await index(database, BookNode(chain), follower)
    assert [told.height for told in follower.told] == [FIRST]


async def test_two_runners_at_once_tell_each_event_once(database: Database) -> None:
    chain, follower = BookChain(), Follower()
    chain.mine(1, minted(1))
    chain.mine(20)
    await index_once(database, BookNode(chain), AT, LIMITS, (follower,), NOW)
    chain.mine(1, minted(2))
    chain.mine(3)
    both = [
        index_once(database, BookNode(chain), AT, LIMITS, (follower,), NOW)
        for _ in range(2)
    ]
    done = await asyncio.gather(*both)
    assert sorted(one.events for one in done) == [0, 1]
    assert len(follower.told) == 2


async def test_one_event_in_two_blocks_is_no_chain(database: Database) -> None:
    chain = BookChain()
    chain.mine(1, minted(1))
    chain.mine(1, minted(1))
    with pytest.raises(Unavailable, match="two blocks"):
        await index(database, BookNode(chain))
    assert not (await kept(database))["chain_events"]


async def test_what_a_follower_cannot_do_is_told_again(database: Database) -> None:
    chain, follower = BookChain(), Follower()
    chain.mine(1, minted(1))
    chain.mine(3)
    falls = True

    async def fall(_tx: Transaction, _told: Settled) -> None:
        if falls:
            raise Unavailable("not now")

    followers = (follower, fall)
    node = BookNode(chain)
    with pytest.raises(Unavailable, match="not now"):
        await index_once(database, node, AT, LIMITS, followers, NOW)
    async with database.reading() as tx:
        assert (await books.supply(tx)).minted == 0
    falls = False
    done = await index_once(database, node, AT, LIMITS, followers, NOW)
    assert (done.events, len(follower.told)) == (1, 2)


async def test_settled_rows_are_kept_by_the_schema(database: Database) -> None:
    chain = BookChain()
    chain.mine(1, minted(1))
    chain.mine(3)
    await index(database, BookNode(chain))
    for sql in (
        "DELETE FROM chain_events",
        "UPDATE chain_events SET odd = 1",
        "UPDATE chain_state SET settled = settled - 1",
        "DELETE FROM chain_state",
        "DELETE FROM chain_blocks WHERE height = (SELECT settled FROM chain_state)",
    ):
        with pytest.raises(sqlite3.IntegrityError, match="settled"):
            async with database.transaction() as tx:
                await tx.rows(sql)


async def test_blocks_without_events_are_forgotten(database: Database) -> None:
    chain = BookChain(start=200)
    chain.mine(1, minted(1))
    chain.mine(60)
    await index(database, BookNode(chain))
    assert len((await kept(database))["chain_blocks"]) == 1 + 1 + LIMITS.depth


@pytest.mark.parametrize("many", [0, 300])
async def test_an_event_costs_the_same_however_many_holders_there_are(
    database: Database, many: int
) -> None:
    async with database.transaction() as tx:
        for number in range(many):
            who = Principal(Address(26, number.to_bytes(20)), "wallet")
            mint = EnergyMinted(HASH, 0, who, 10, 1, 2, 0, 900)
            await books.take(tx, mint, height=1, txid="a" * 64)
            trade = TradeOpened(number + 1, 0, who, who, COIN, 1, 1)
            await books.take(tx, trade, height=1, txid="a" * 64)
    most: dict[type[Told], int] = {}
    for told in (
        EnergyMinted(HASH, 0, PEOPLE[0], 10, 1, 2, 0, 900),
        EnergyMoved(5, PEOPLE[0], PEOPLE[1]),
        TradeOpened(many + 1, 0, PEOPLE[0], PEOPLE[1], None, 1, 1 << 90),
        TradeExpired(many + 1, 1 << 90),
    ):
        async with database.transaction() as tx:
            await books.take(tx, told, height=1, txid="a" * 64)
            most[type(told)] = tx.statements
    assert most == {EnergyMinted: 4, EnergyMoved: 4, TradeOpened: 6, TradeExpired: 5}
    async with database.reading() as tx:
        assert await books.held(tx) == {None: 0} | ({COIN: many} if many else {})
