"""A bundle put together from the log's own tables verifies, anchored or not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.anchors import store as anchor_store
from meterseal_aggregator.stacks.anchors.file import FilePublisher
from meterseal_aggregator.stacks.anchors.job import anchor_once
from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.translog import proofs, sequencer, store
from meterseal_aggregator.translog.sequencer import LogKey
from meterseal_proto.bundle import (
    Anchor,
    Bundle,
    KeyEvidence,
    Logged,
    SealEvidence,
    parse_bundle,
)
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.verify import examine
from tests.support.evidence import GENESIS, LOG_KEY, ORIGIN, Street

NOW = 1_800_000_000
KEY = LogKey(ORIGIN, LOG_KEY)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path / 'log.db'}")
    await migrate(database)
    yield database
    await database.close()


async def log(db: Database, entries: list[bytes]) -> list[int]:
    async with db.transaction() as tx:
        ids = await store.append(tx, entries)
    await sequencer.run_once(db, KEY, NOW)
    return ids


async def gather(tx: Transaction, street: Street, key_id: int, seal_id: int) -> Bundle:
    """Gather a bundle under the anchored checkpoint where there is one."""
    index = (await store.indices(tx, [seal_id]))[seal_id]
    anchored = await anchor_store.covering(tx, index)
    head = await store.head_at(tx, anchored.size) if anchored else None
    seal = await proofs.include(tx, seal_id, head)
    assert seal is not None
    key = await proofs.include(tx, key_id, seal.head)
    assert key is not None
    anchor = None
    if anchored is not None:
        assert anchored.reference is not None
        row = (anchored.publisher, anchored.size, anchored.root)
        anchor = Anchor(*row, anchored.reference)
    return Bundle(
        GENESIS,
        KeyEvidence(street.entries[street.key_index], Logged(key.index, key.proof)),
        SealEvidence(street.seals[0], Logged(seal.index, seal.proof)),
        seal.head.note,
        None,
        anchor,
    )


async def test_a_bundle_from_the_tables_verifies_before_and_after_anchoring(
    db: Database, tmp_path: Path
) -> None:
    street = Street()
    street.seal()
    ids = await log(db, street.entries)
    key_id, seal_id = ids[street.key_index], ids[-1]
    async with db.reading() as tx:
        bare = await gather(tx, street, key_id, seal_id)
    await anchor_once(db, FilePublisher(tmp_path / "anchors"), NOW)
    await log(db, [b"\x03\x01later"] * 700)
    async with db.reading() as tx:
        anchored = await gather(tx, street, key_id, seal_id)
    assert (bare.anchor, anchored.checkpoint) == (None, bare.checkpoint)
    for bundle in (bare, anchored):
        assert parse_bundle(bundle.encode()) == bundle
        claims = examine(bundle.encode(), Expectation(GENESIS.network.hex()))
        unproved = {c.name for c in claims if c.verdict is not Verdict.PASS}
        assert unproved == {"receipt", "anchor"}
        assert not any(c.verdict is Verdict.FAIL for c in claims)
