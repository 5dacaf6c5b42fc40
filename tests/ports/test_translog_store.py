"""The log on a real database: it grows, signs, proves, survives crashes, and tells rot."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.translog import fsck, proofs, publish, sequencer, store
from meterseal_aggregator.translog.sequencer import LogKey, Sequenced
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto import merkle
from meterseal_proto.checkpoint import Checkpoint, open_note, sign_note

KEY = LogKey(
    "street.example/log", Ed25519PrivateKey.from_private_bytes(b"k".ljust(32, b"."))
)
NOW = 1_800_000_000


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path / 'log.db'}")
    await migrate(database)
    yield database
    await database.close()


def bodies(first: int, count: int) -> list[bytes]:
    return [b"\x03\x01%08d" % i for i in range(first, first + count)]


async def append(db: Database, count: int, first: int = 0) -> list[int]:
    async with db.transaction() as tx:
        return await store.append(tx, bodies(first, count))


async def sequence(db: Database) -> Sequenced:
    return await sequencer.run_once(db, KEY, NOW)


async def head(db: Database) -> store.SignedHead:
    async with db.reading() as tx:
        found = await store.latest(tx)
    assert found is not None
    return found


async def check(db: Database) -> fsck.Report:
    async with db.reading() as tx:
        return await fsck.check(tx, KEY.vkey)


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


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_entries SET body = x'0000' WHERE id = 1",
        "DELETE FROM log_entries WHERE id = 300",
        "UPDATE log_index SET entry_id = 900 WHERE idx = 0",
        "DELETE FROM log_index WHERE idx = 299",
        "INSERT INTO log_index (idx, entry_id) VALUES (301, 1)",
        "UPDATE log_tiles SET hashes = substr(hashes, 1, 32)",
        "UPDATE log_tiles SET level = 3",
        "DELETE FROM log_tiles",
        "UPDATE checkpoints SET signed_at = 0",
        "DELETE FROM checkpoints",
        "INSERT INTO checkpoints VALUES (299, zeroblob(32), '', 0)",
        "INSERT INTO checkpoints VALUES (300, zeroblob(32), '', 0)",
    ],
)
async def test_the_schema_refuses_to_change_what_was_logged(
    db: Database, tmp_path: Path, statement: str
) -> None:
    await append(db, 300)
    await sequence(db)
    with sqlite3.connect(tmp_path / "log.db") as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        with pytest.raises(sqlite3.IntegrityError):
            connection.execute(statement)
    connection.close()


ROT = [
    (
        "log_entries",
        "UPDATE log_entries SET body = x'0301FF' WHERE id = 7",
        "log_entries 7",
    ),
    (
        "log_entries",
        "UPDATE log_entries SET leaf_hash = zeroblob(32) WHERE id = 299",
        "log_entries 299",
    ),
    ("log_entries", "DELETE FROM log_entries WHERE id = 7", "log_index 6"),
    ("log_index", "DELETE FROM log_index WHERE idx = 100", "log_index 100"),
    (
        "log_tiles",
        "UPDATE log_tiles SET hashes = zeroblob(8192) WHERE level = 0 AND idx = 0",
        "log_tiles level 0 index 0",
    ),
    (
        "log_tiles",
        "UPDATE log_tiles SET digest = zeroblob(32) WHERE level = 1",
        "log_tiles level 1 index 0",
    ),
    ("log_tiles", "DELETE FROM log_tiles WHERE level = 1", "log_tiles level 1 index 0"),
    (
        "log_tiles",
        "INSERT INTO log_tiles VALUES (0, 2, zeroblob(32), zeroblob(32))",
        "log_tiles level 0 index 2",
    ),
    ("checkpoints", "UPDATE checkpoints SET root = zeroblob(32)", "checkpoints 300"),
    ("checkpoints", "UPDATE checkpoints SET size = 299", "checkpoints 299"),
    (
        "checkpoints",
        "UPDATE checkpoints SET note = replace(note, 'street', 'Street')",
        "checkpoints 300",
    ),
]


def rot(
    path: Path, table: str, statement: str, params: tuple[object, ...] = ()
) -> None:
    """Change a row as a failing disk would: past triggers and foreign keys."""
    with sqlite3.connect(path) as connection:
        triggers = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ?",
            (table,),
        ).fetchall()
        for (name,) in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        connection.execute(statement, params)
    connection.close()


@pytest.mark.parametrize(("table", "statement", "name"), ROT)
async def test_fsck_names_the_first_rotten_row(
    db: Database, tmp_path: Path, table: str, statement: str, name: str
) -> None:
    await append(db, 300)
    await sequence(db)
    assert (await check(db)).difference is None
    rot(tmp_path / "log.db", table, statement)
    difference = (await check(db)).difference
    assert difference is not None
    assert difference.startswith(name)


async def test_a_rotten_row_is_named_when_it_is_read_and_never_signed_over(
    db: Database, tmp_path: Path
) -> None:
    await append(db, 300)
    await sequence(db)
    await append(db, 5, 300)
    path = tmp_path / "log.db"
    rot(path, "log_entries", "UPDATE log_entries SET body = x'0301FF' WHERE id = 303")
    with pytest.raises(Rotten, match="log_entries 303"):
        await sequence(db)
    rot(path, "log_tiles", "UPDATE log_tiles SET hashes = zeroblob(1408) WHERE idx = 1")
    async with db.reading() as tx:
        with pytest.raises(Rotten, match="log_tiles level 0 index 1"):
            await proofs.include(tx, 299)
        with pytest.raises(Rotten, match="log_tiles level 0 index 1"):
            await publish.read(tx, "tile/entries/001.p/10")
    with pytest.raises(Rotten, match="log_tiles level 0 index 1"):
        await sequence(db)


async def test_a_tile_swapped_for_another_with_a_right_digest_is_still_found(
    db: Database, tmp_path: Path
) -> None:
    await append(db, 600)
    await sequence(db)
    swap = (
        "UPDATE log_tiles SET (hashes, digest) = (SELECT hashes, digest FROM"
        " log_tiles WHERE level = 0 AND idx = 1) WHERE level = 0 AND idx = 0"
    )
    rot(tmp_path / "log.db", "log_tiles", swap)
    async with db.reading() as tx:
        with pytest.raises(Rotten, match="index 3"):
            await proofs.include_at(tx, 3)
        with pytest.raises(Rotten, match="size 100"):
            await proofs.consist(tx, 100, 600)
        with pytest.raises(Rotten, match="bundle 0"):
            await publish.read(tx, "tile/entries/000")
    assert "log_tiles level 0 index 0" in str((await check(db)).difference)


async def test_a_wrong_edge_with_a_right_digest_is_never_signed_over(
    db: Database, tmp_path: Path
) -> None:
    await append(db, 10)
    await sequence(db)
    wrong = b"\x07" * 320
    change = "UPDATE log_tiles SET hashes = ?, digest = ?"
    rot(tmp_path / "log.db", "log_tiles", change, (wrong, sha256(wrong).digest()))
    await append(db, 1, 10)
    with pytest.raises(Rotten, match="edge is not that of checkpoint 10"):
        await sequence(db)
    assert (await head(db)).size == 10


async def test_an_index_that_ran_ahead_of_its_checkpoint_is_never_signed_over(
    db: Database, tmp_path: Path
) -> None:
    await append(db, 10)
    await sequence(db)
    await append(db, 2, 10)
    rot(tmp_path / "log.db", "log_index", "INSERT INTO log_index VALUES (10, 11)")
    with pytest.raises(Rotten, match="log_index"):
        await sequence(db)
    assert "log_index 10: no checkpoint" in str((await check(db)).difference)


async def test_a_checkpoint_that_is_not_its_note_is_never_given_away(
    db: Database, tmp_path: Path
) -> None:
    await append(db, 10)
    await sequence(db)
    change = "UPDATE checkpoints SET root = zeroblob(32)"
    rot(tmp_path / "log.db", "checkpoints", change)
    async with db.reading() as tx:
        with pytest.raises(Rotten, match="checkpoints 10"):
            await publish.checkpoint(tx)


@pytest.mark.parametrize(
    ("size", "name"),
    [(5, "checkpoints 5: the entries have another root"),
     (11, "checkpoints 11: the log has only 10")],
)  # fmt: skip
async def test_fsck_finds_a_well_signed_checkpoint_of_another_history(
    db: Database, tmp_path: Path, size: int, name: str
) -> None:
    await append(db, 10)
    await sequence(db)
    note = sign_note(Checkpoint(KEY.origin, size, bytes(32)), KEY.key)
    change = "INSERT INTO checkpoints VALUES (?, zeroblob(32), ?, 0)"
    rot(tmp_path / "log.db", "checkpoints", change, (size, note))
    assert str((await check(db)).difference).startswith(name)


async def test_fsck_finds_an_entry_that_was_passed_over(
    db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    await append(db, 10)
    real = store.unindexed

    async def forgetful(tx: Transaction, limit: int) -> list[store.Entry]:
        found = await real(tx, limit)
        return [entry for entry in found if entry.id != 4]

    monkeypatch.setattr(store, "unindexed", forgetful)
    assert (await sequence(db)).size == 9
    assert (await check(db)).difference == "log_index 3: entry 4 passed over"
