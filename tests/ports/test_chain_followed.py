"""The whole way of an event: a node's pages, the duty, the books, the audit, everybody's view."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.app.audit import audit, audit_chain
from meterseal_aggregator.app.follow import follow
from meterseal_aggregator.app.house import House, open_house
from meterseal_aggregator.config import Config
from meterseal_aggregator.stacks.mirror import blocks
from meterseal_aggregator.stacks.mirror.indexer import index_once
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.outbox.deeds import Wish
from meterseal_aggregator.stacks.outbox.plan import Limits
from meterseal_aggregator.stacks.transaction import ContractCall
from meterseal_aggregator.storage.migrate import migrate
from meterseal_proto.clarity import UInt
from meterseal_proto.errors import Unavailable
from tests.support.bookchain import AT, COIN, DIARY, BookChain, Deed
from tests.support.booknode import BookNode
from tests.support.fakechain import DEPLOYER
from tests.support.migrated import open_before
from tests.support.nodeserver import Server, served
from tests.support.webhouse import a_house

NOW = 1_800_000_000
FOLLOWED = 21
"""The migration's number."""
DEEDS = (
    Deed(1, "mint", 0, 0, 500), Deed(2, "move", 0, 1, 200), Deed(3, "retire", 0, 0, 100),
    Deed(4, "open", 2, 1, 90), Deed(5, "open", 2, 2, 70), Deed(6, "anchor", 0, 0, 40),
    Deed(7, "retire", 5, 0, 1), Deed(8, "diary", 0, 0, 1), Deed(9, "stranger", 0, 0, 1),
)  # fmt: skip


@pytest.fixture
async def chain() -> BookChain:
    found = BookChain()
    found.mine(1, *DEEDS)
    # More than a page of transactions, and more than a round of blocks.
    found.mine(1, *[Deed(100 + n, "move", 0, 1, 1) for n in range(60)])
    found.mine(40)
    return found


@pytest.fixture
async def server(chain: BookChain) -> AsyncIterator[Server]:
    async with served(BookNode(chain)) as found:
        yield found


@pytest.fixture
async def house(server: Server, tmp_path: Path) -> AsyncIterator[House]:
    key = tmp_path / "oracle.key"
    key.write_text(DEPLOYER.secret.hex())
    key.chmod(0o600)
    stacks = {"nodes": (server.url,), "contracts": AT.address.text(), "key_file": key}
    config = Config.model_validate(
        {"data_dir": tmp_path / "data", "stacks": {**stacks, "depth": 2}}
    )
    async with open_house(config, upgrade=True) as found:
        yield found


async def test_the_duty_follows_the_chain_to_its_tip_and_no_further(
    house: House, chain: BookChain
) -> None:
    assert await follow(house) == 7 + 120
    assert await follow(house) == 0
    async with house.database.reading() as tx:
        known = await blocks.following(tx)
        assert await blocks.top(tx) == chain.height
    assert known is not None
    assert (known.tip, known.settled) == (chain.height, chain.height - 2)


async def test_the_audit_of_a_followed_chain_holds_and_is_held_against_contracts(
    house: House, chain: BookChain
) -> None:
    await follow(house)
    mirrored = [one for one in await audit(house) if one.invariant == 7]
    said = {one.detail: one.ok for one in mirrored}
    books = next(detail for detail in said if "settled events" in detail)
    assert (said[books], f"up to block {chain.height - 2}" in books) == (True, True)
    root = next(detail for detail in said if "anchor 0 on the chain" in detail)
    assert (said[root], "our log signed no checkpoint" in root) == (False, True)
    stray = next(detail for detail in said if "no withdrawal's" in detail)
    assert not said[stray]
    found = await audit_chain(house)
    assert [(one.invariant, one.ok) for one in found] == [(7, True), (21, True)]
    assert all("answers of the contracts" in one.detail for one in found)


@pytest.mark.parametrize("fault", ["500", "cut", "page", "null", "deep", "packed"])
async def test_a_fault_of_the_wire_is_met_again_and_changes_nothing(
    house: House, chain: BookChain, server: Server, fault: str
) -> None:
    falls = 0
    for number in range(20):
        server.faults[:] = [""] * number + [fault]
        try:
            await follow(house)
        except Unavailable:
            falls += 1
    server.faults.clear()
    await follow(house)
    async with house.database.reading() as tx:
        assert await blocks.top(tx) == chain.height
        told = await blocks.events(tx, (0, 0), chain.height - 2, 1_000)
    assert (falls > 8, len(told)) == (True, 127)


async def test_everybody_is_shown_the_chain_as_far_as_it_is_settled(
    tmp_path: Path, chain: BookChain
) -> None:
    node = BookNode(chain)
    async with a_house(tmp_path) as web:
        absent = await web.ask("GET", "/v1/chain")
        assert absent.status_code == 404
        for _ in range(6):
            await index_once(web.db, node, AT, Limits(depth=2), (), NOW)
        shown = await web.get("/v1/chain")
        chain.mine(40)
        await index_once(web.db, node, AT, Limits(depth=2), (), NOW + 5)
        behind = await web.get("/v1/chain")
        spec = await web.get("/v1/openapi.json")
    ((size, root),) = chain.books().checkpoints
    assert shown.pop("latest_anchor") == {
        "size": size,
        "root": root.hex(),
        "txid": chain.blocks[13].mined[5].sent.txid,
        "height": 14,
    }
    assert shown == {
        "contracts": AT.address.text(),
        "from_height": 3,
        "settled_height": 53,
        "tip_height": 55,
        "lag": 0,
        "looked_at": NOW,
        "minted_wh": 500,
        "burned_wh": 100,
        "supply_wh": 400,
        "held": [
            {"asset": None, "amount": "90"},
            {"asset": COIN.text(), "amount": "70"},
        ],
        "open_trades": 2,
        "anchors": 1,
        "unread_events": 0,
    }
    assert (behind["tip_height"], behind["lag"], behind["looked_at"]) == (
        95,
        9,
        NOW + 5,
    )
    example = spec["components"]["schemas"]["ChainView"]["example"]
    assert example.keys() == behind.keys()


async def test_a_database_of_before_follows_after_its_migration(
    tmp_path: Path, chain: BookChain
) -> None:
    database = await open_before(tmp_path / "old.db", lambda n: n < FOLLOWED)
    try:
        async with database.transaction() as tx:
            wish = Wish("ST1", "note 1", ContractCall(DIARY, "note", (UInt(1),)))
            await deeds.want(tx, wish, now=NOW)
        assert "0021_chain.sql" in await migrate(database)
        done = await index_once(database, BookNode(chain), AT, Limits(depth=2), (), NOW)
        assert done.height > 0
        async with database.reading() as tx:
            assert await deeds.outcome(tx, "note 1") is not None
    finally:
        await database.close()
