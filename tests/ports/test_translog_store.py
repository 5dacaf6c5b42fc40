"""The log on a real database: it grows, signs, proves, and survives crashes."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import fsck, proofs, publish, sequencer, store
from meterseal_aggregator.translog.sequencer import LogKey, Sequenced
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto import merkle
from meterseal_proto.checkpoint import open_note
from tests.support.translog import (
    KEY,
    NOW,
    append,
    bodies,
    check,
    head,
    open_log,
    sequence,
)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_log(tmp_path / "log.db") as database:
        yield database


async def test_an_empty_log_signs_its_empty_head_once(db: Database) -> None:
    assert await sequence(db) == Sequenced(0, 0, more=False)
    first = await head(db)
    assert open_note(first.note, KEY.vkey).root == merkle.EMPTY_ROOT
    assert await sequence(db) == Sequenced(0, 0, more=False)
    assert await head(db) == first
    assert await check(db) == fsck.Report(0, 1, None)


async def test_entries_keep_their_order_and_every_head_is_their_root(
    db: Database,
) -> None:
    for first, count in ((0, 1), (1, 299), (300, 700)):
        ids = await append(db, count, first)
        assert ids == list(range(first + 1, first + count + 1))
        assert (await sequence(db)).size == first + count
        signed = open_note((await head(db)).note, KEY.vkey)
        leaves = [merkle.leaf_hash(body) for body in bodies(0, first + count)]
        assert signed.root == merkle.root_of(leaves)
    assert await check(db) == fsck.Report(1_000, 3, None)


async def test_appending_takes_two_statements_however_many_entries(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        await store.append(tx, bodies(0, 5_000))
        assert tx.statements == 2
        assert await store.append(tx, []) == []
        assert tx.statements == 2


async def test_an_entry_too_long_for_its_bundle_is_refused(db: Database) -> None:
    async with db.transaction() as tx:
        with pytest.raises(ValueError, match="65535"):
            await store.append(tx, [bytes(65_536)])
        assert await store.append(tx, [bytes(65_535)]) == [1]


async def test_inclusion_is_proved_only_once_a_checkpoint_covers_the_entry(
    db: Database,
) -> None:
    await append(db, 700)
    async with db.reading() as tx:
        assert await proofs.include(tx, 1) is None
    await sequence(db)
    await append(db, 1, 700)
    async with db.reading() as tx:
        for entry_id in (1, 2, 256, 257, 699, 700):
            found = await proofs.include(tx, entry_id)
            assert found is not None
            leaf = merkle.leaf_hash(bodies(found.index, 1)[0])
            assert merkle.verify_inclusion(
                leaf, found.index, 700, found.proof, found.head.root
            )
        assert await proofs.include(tx, 701) is None
        assert await proofs.include(tx, 999) is None
        assert await proofs.include_at(tx, -1) is None


async def test_consistency_is_proved_between_any_two_sizes(db: Database) -> None:
    await append(db, 600)
    await sequence(db)
    async with db.reading() as tx:
        for first, second in ((1, 600), (255, 256), (256, 600), (600, 600), (300, 599)):
            found = await proofs.consist(tx, first, second)
            assert found is not None
            assert merkle.verify_consistency(
                first, second, found.first_root, found.second_root, found.proof
            )
        for first, second in ((0, 5), (6, 5), (1, 601)):
            assert await proofs.consist(tx, first, second) is None


async def test_tiles_and_bundles_are_served_as_the_document_says(db: Database) -> None:
    await append(db, 300)
    await sequence(db)
    leaves = [merkle.leaf_hash(body) for body in bodies(0, 300)]
    async with db.reading() as tx:
        assert await publish.checkpoint(tx) == (await head(db)).note
        assert await publish.read(tx, "tile/0/000") == b"".join(leaves[:256])
        assert await publish.read(tx, "tile/0/001.p/44") == b"".join(leaves[256:])
        assert await publish.read(tx, "tile/0/001.p/10") == b"".join(leaves[256:266])
        assert await publish.read(tx, "tile/1/000.p/1") == merkle.root_of(leaves[:256])
        bundle = await publish.read(tx, "tile/entries/001.p/44")
        assert bundle == b"".join(b"\x00\x0a" + body for body in bodies(256, 44))
        for absent in ("tile/0/001", "tile/0/001.p/45", "tile/0/002.p/1", "tile/2/000",
                       "tile/entries/001", "tile/entries/x999/x999/x999/x999/999",
                       "tile/7/x999/x999/x999/x999/999", "checkpoint", ""):  # fmt: skip
            assert await publish.read(tx, absent) is None


async def test_nothing_is_published_before_a_checkpoint_covers_it(
    db: Database,
) -> None:
    await append(db, 3)
    async with db.reading() as tx:
        assert await store.waiting(tx) == 3
        assert await publish.checkpoint(tx) is None
        assert await publish.read(tx, "tile/entries/000.p/3") is None
    await sequence(db)
    async with db.reading() as tx:
        assert await store.waiting(tx) == 0
        assert await publish.read(tx, "tile/entries/000.p/3") is not None


async def test_a_run_stops_at_its_batch_limit_and_the_next_goes_on(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sequencer, "MAX_BATCH", 100)
    await append(db, 250)
    assert await sequence(db) == Sequenced(100, 100, more=True)
    assert await sequence(db) == Sequenced(200, 100, more=True)
    assert await sequence(db) == Sequenced(250, 50, more=False)
    assert await check(db) == fsck.Report(250, 3, None)


class PowerCut(Exception):
    """The process ends here."""


@pytest.mark.parametrize("step", ["index", "keep_tiles", "keep_head"])
@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_integrating_and_signing_leaves_the_log_as_it_was(
    db: Database, monkeypatch: pytest.MonkeyPatch, step: str, after: bool
) -> None:
    await append(db, 300)
    await sequence(db)
    before = await head(db)
    await append(db, 300, 300)
    real: Callable[..., Awaitable[None]] = getattr(store, step)

    async def crash(*arguments: object) -> None:
        if after:
            await real(*arguments)
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(store, step, crash)
        with pytest.raises(PowerCut):
            await sequence(db)
    assert await head(db) == before
    assert (await check(db)).difference is None
    assert await sequence(db) == Sequenced(600, 300, more=False)
    assert await check(db) == fsck.Report(600, 2, None)


async def test_a_second_runner_that_comes_too_late_writes_nothing(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(db, 10)
    real = asyncio.to_thread

    async def overtaken(*arguments: Any) -> object:  # passed through
        with monkeypatch.context() as patch:
            patch.setattr(asyncio, "to_thread", real)
            assert (await sequence(db)).added == 10
        return await real(*arguments)

    monkeypatch.setattr(asyncio, "to_thread", overtaken)
    assert await sequence(db) == Sequenced(10, 0, more=True)
    assert await check(db) == fsck.Report(10, 1, None)


async def test_sequencing_takes_the_same_few_statements_for_any_batch(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts: list[int] = []
    real = store.keep_head

    async def counting(tx: Transaction, head: store.SignedHead) -> None:
        await real(tx, head)
        counts.append(tx.statements)

    monkeypatch.setattr(store, "keep_head", counting)
    for first, count in ((0, 1), (1, 10_000), (10_001, 16_384)):
        await append(db, count, first)
        await sequence(db)
    assert counts == [4, 4, 4]


async def test_the_key_of_another_log_signs_nothing(db: Database) -> None:
    await append(db, 3)
    await sequence(db)
    await append(db, 3, 3)
    other = LogKey(KEY.origin, Ed25519PrivateKey.from_private_bytes(bytes(32)))
    with pytest.raises(Rotten, match="checkpoints 3"):
        await sequencer.run_once(db, other, NOW)
    assert (await head(db)).size == 3
