"""A bill's days are handed to the contract once they are anchored, in the order of their seals."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.chain import duty, place
from meterseal_aggregator.billing.chain.ask import open_on_chain
from meterseal_aggregator.billing.chain.model import Moment, OpenWish, Till
from meterseal_aggregator.privacy import bills as private
from meterseal_aggregator.stacks.calls import meterdata
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto import recovery
from meterseal_proto.chainproof import opening
from meterseal_proto.entry import leaf_of, seal_entry
from meterseal_proto.merkle import verify_inclusion
from tests.support.chainrig import ADA, post_tariff
from tests.support.devices import GENESIS
from tests.support.energychain import AT, ORACLE
from tests.support.privatebills import PrivateHome, a_home
from tests.support.translog import sequence

TILL = Till(GENESIS, AT, ORACLE, ORACLE.text(), {}, 14 * 86_400)
NOW = Moment(1_900_000_000, 1_900_000_000)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[PrivateHome]:
    """A home whose member opened its bill on the chain."""
    async with a_home(tmp_path) as made:
        await post_tariff(made)
        row = await made.issue(await made.opened())
        whole = made.opening
        found = opening(whole.value.reveal(), whole.blinding)
        wish = OpenWish(made.member, row.number, ADA, found.value, found.z, found.a)
        async with made.desk.database.transaction() as tx:
            await open_on_chain(tx, TILL, wish, NOW)
        yield made


async def wanted(home: PrivateHome) -> list[str]:
    await duty.run_once(home.desk.database, TILL, NOW)
    rows = await home.desk.rows(
        "SELECT deed FROM deeds WHERE deed LIKE 'bill-day%' ORDER BY id"
    )
    return [row[0] for row in rows]


async def anchor(tx: Transaction, publisher: str) -> None:
    """Publish the log's last checkpoint somewhere."""
    await tx.rows(
        "INSERT INTO anchors (publisher, size, root, intended_at, reference, published_at)"
        " SELECT ?, size, root, 1, ?, 2 FROM checkpoints ORDER BY size DESC LIMIT 1",
        (publisher, f"{publisher}:1"),
    )


async def test_days_wait_for_an_anchor_on_the_chain(home: PrivateHome) -> None:
    database = home.desk.database
    assert await wanted(home) == []
    await sequence(database)
    assert await wanted(home) == []
    async with database.transaction() as tx:
        await anchor(tx, "file")
    assert await wanted(home) == []
    async with database.transaction() as tx:
        await anchor(tx, "stacks")
    names = await wanted(home)
    async with database.reading() as tx:
        rows = await tx.rows("SELECT id FROM committed_seals ORDER BY seq")
    assert names == [f"bill-day {row[0]}/0" for row in rows]
    assert await wanted(home) == names


async def test_what_is_handed_in_is_what_the_contract_checks(home: PrivateHome) -> None:
    database = home.desk.database
    await sequence(database)
    async with database.transaction() as tx:
        await anchor(tx, "stacks")
    async with database.reading() as tx:
        (kept,) = await private.every_bill(tx, GENESIS, after=0, limit=9)
        days = await private.days_covered(tx, kept, GENESIS)
        ((size, root),) = await tx.rows("SELECT size, root FROM anchors")
        for day in days:
            where = await place.log_place(tx, day)
            signed = await place.sealed(tx, day, GENESIS.chain_id)
            assert where is not None
            assert signed is not None
            leaf = leaf_of(seal_entry(day.header, day.signature))
            path = (where.index, size, where.siblings, where.root)
            assert where.root == root
            assert verify_inclusion(leaf, *path)
            digest = day.header.digest(GENESIS.chain_id)
            odd = bool(signed.signature[64])
            key = recovery.recover(digest, signed.signature[:64], odd=odd)
            assert key == home.device.key.public.raw
            meterdata.submit_usage_proof(AT, signed, where)


async def test_a_deed_its_contract_refused_is_tried_again_ever_more_slowly(
    home: PrivateHome,
) -> None:
    database = home.desk.database
    await sequence(database)
    async with database.transaction() as tx:
        await anchor(tx, "stacks")
    names = await wanted(home)
    async with database.transaction() as tx:
        found = await deeds.outcome(tx, names[0])
        assert found is not None
        await tx.rows(
            "INSERT INTO chain_state (id, publisher, start, settled, tip, looked_at)"
            " VALUES (1, ?, 1, 9, 9, 1)",
            (AT.address.text(),),
        )
        ((deed,),) = await tx.rows("SELECT id FROM deeds WHERE deed = ?", (names[0],))
        await tx.rows(
            "INSERT INTO attempts (deed_id, txid, nonce, fee, raw, made_at)"
            " VALUES (?, ?, 1, 1, x'00', 0)",
            (deed, "a" * 64),
        )
        await tx.rows(
            "INSERT INTO seen (deed_id, txid, height, block_id, ok, result)"
            " VALUES (?, ?, 5, ?, 0, x'0801000000000000000000000000000003ec')",
            (deed, "a" * 64, "b" * 64),
        )
        await tx.rows(
            "UPDATE deeds SET state = 'failed', nonce = 1, settled_at = 0 WHERE id = ?",
            (deed,),
        )
    again = f"{names[0][:-1]}1"
    await duty.run_once(database, TILL, NOW)
    assert again not in await wanted(home)
    later = Moment(NOW.network, NOW.real + 121)
    await duty.run_once(database, TILL, later)
    assert again in await wanted(home)
