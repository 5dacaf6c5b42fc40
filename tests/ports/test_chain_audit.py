"""The audit finds what the books have otherwise than events, and than the contracts say."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.mirror import bookcheck, nodecheck
from meterseal_aggregator.stacks.mirror.indexer import index_once
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.storage.migrate import migrate
from tests.support.bookchain import AT, BookChain, Deed
from tests.support.booknode import BookNode

NOW = 1_800_000_000
LIMITS = Limits(depth=3)
DEEDS = (
    Deed(1, "mint", 0, 0, 500), Deed(2, "move", 0, 1, 200), Deed(3, "reverse", 0, 0, 400),
    Deed(4, "open", 2, 1, 90), Deed(5, "open", 2, 2, 70), Deed(6, "close", 0, 1, 0),
    Deed(7, "anchor", 0, 0, 40),
)  # fmt: skip
SIGNED = (
    "INSERT INTO checkpoints (size, root, note, signed_at) VALUES (?, ?, 'note', 1)"
)


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await Database.open(f"sqlite:///{tmp_path / 'audit.db'}")
    try:
        await migrate(opened)
        yield opened
    finally:
        await opened.close()


@pytest.fixture
async def chain(database: Database) -> BookChain:
    """Give a chain whose deeds are settled here, but for the last."""
    found = BookChain()
    found.mine(1, *DEEDS)
    found.mine(3)
    (checkpoint,) = found.books().checkpoints
    async with database.transaction() as tx:
        await tx.rows(SIGNED, checkpoint)
    while True:
        done = await index_once(database, BookNode(found), AT, LIMITS, (), NOW)
        if done.height == found.height:
            return found


async def audited(database: Database) -> list[Finding]:
    async with database.reading() as tx:
        return await bookcheck.findings(tx)


async def test_nothing_is_said_of_a_chain_that_nobody_follows(
    database: Database,
) -> None:
    assert await audited(database) == []


async def test_books_that_are_their_events_hold(
    database: Database, chain: BookChain
) -> None:
    found = await audited(database)
    assert [finding.ok for finding in found] == [True, True, True]
    told = f"8 settled events up to block {chain.height - 3} come to the mirrors'"
    assert found[0].detail == f"{told} 200 Wh, 1 open trades and 1 anchors"


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("UPDATE mirror_holders SET balance = balance + 1 WHERE balance > 0", "holds"),
        ("UPDATE mirror_holders SET debt = 0", "owes"),
        ("DELETE FROM mirror_holders", "Wh"),
        ("UPDATE mirror_totals SET minted = minted + 1", "minted"),
        ("UPDATE mirror_totals SET trades = 9", "open trades"),
        ("UPDATE mirror_trades SET amount = '71'", "open trades"),
        ("DELETE FROM mirror_trades", "open trades"),
        ("UPDATE mirror_held SET amount = '0'", "the books hold 0"),
        ("DELETE FROM mirror_held", "the books hold 0"),
        ("UPDATE mirror_anchors SET size = 41", "the anchors in the books"),
    ],
)
async def test_books_that_are_not_their_events_fail(
    database: Database, chain: BookChain, sql: str, told: str
) -> None:
    del chain
    async with database.transaction() as tx:
        await tx.rows(sql)
    first, *_ = await audited(database)
    assert not first.ok
    assert told in first.detail


@pytest.mark.parametrize("size", [40, 41])
async def test_a_root_that_our_log_did_not_sign_is_named(
    database: Database, size: int
) -> None:
    chain = BookChain()
    chain.mine(1, *DEEDS)
    chain.mine(9)
    async with database.transaction() as tx:
        await tx.rows(SIGNED, (size, b"\x01" * 32))
    for _ in range(3):
        await index_once(database, BookNode(chain), AT, LIMITS, (), NOW)
    _, roots, _ = await audited(database)
    assert not roots.ok
    assert "anchor 0 on the chain" in roots.detail
    said = "signed another root" if size == 40 else "signed no checkpoint"
    assert roots.detail.endswith(f"of size 40, at which our log {said}")


async def test_what_could_not_be_read_is_a_finding(database: Database) -> None:
    chain = BookChain()
    chain.mine(1, Deed(1, "odd", 0, 0, 1))
    chain.mine(3)
    await index_once(database, BookNode(chain), AT, LIMITS, (), NOW)
    *_, odd = await audited(database)
    assert (odd.ok, odd.detail[:8]) == (False, "1 events")


async def test_mirrors_equal_what_contracts_say_at_the_tip(
    database: Database, chain: BookChain
) -> None:
    chain.mine(1, Deed(8, "mint", 3, 0, 900), Deed(9, "anchor", 0, 0, 3))
    (found,) = await nodecheck.findings(database, BookNode(chain), AT)
    assert found == Finding(
        7, ok=True, detail=f"13 answers of the contracts at block {chain.height} are"
        " the mirrors'",
    )  # fmt: skip


async def test_contracts_that_say_otherwise_are_quoted(
    database: Database, chain: BookChain
) -> None:
    last = chain.blocks[-1]
    for change, told in (
        ({"minted": 1}, "energy-token.get-totals"),
        ({"balances": {}}, "energy-token.get-balance ST"),
        ({"debts": {}}, "energy-token.get-debt ST"),
        ({"trades": {}}, "trade-escrow.get-held"),
        ({"opened": 5}, "trade-escrow.get-trade-count"),
        ({"checkpoints": ()}, "energy-oracle.get-anchor-count"),
        ({"checkpoints": ((41, b"\x01" * 32),)}, "anchor 0 of size 40"),
    ):
        books = chain.books()
        values = {name: getattr(books, name) for name in books.__slots__}
        state = type(books)(**values | change)
        chain.blocks[-1] = type(last)(last.id, last.mined, state)
        (found,) = await nodecheck.findings(database, BookNode(chain), AT)
        assert not found.ok
        assert told in found.detail
        chain.blocks[-1] = last


async def test_a_chain_that_cannot_be_compared_is_no_agreement(
    database: Database, chain: BookChain
) -> None:
    node = BookNode(chain)
    node.broken = 1.0
    (found,) = await nodecheck.findings(database, node, AT)
    assert (found.ok, "could not be asked" in found.detail) == (False, True)
    node.broken, node.lag = 0.0, 4
    (found,) = await nodecheck.findings(database, node, AT)
    assert (found.ok, "catch up" in found.detail) == (False, True)
    node.lag = 0
    chain.cut(3)
    chain.cut(1)
    chain.mine(5)
    (found,) = await nodecheck.findings(database, node, AT)
    assert (found.ok, "does not stand on" in found.detail) == (False, True)
