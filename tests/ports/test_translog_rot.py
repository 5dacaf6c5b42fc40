"""What was logged cannot be changed unseen: the schema refuses, reading and fsck tell."""

import random
import sqlite3
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database, Transaction
from meterseal_aggregator.translog import proofs, publish, store
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.checkpoint import Checkpoint, sign_note
from meterseal_proto.errors import Unavailable
from tests.support.translog import KEY, append, check, head, open_log, sequence


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_log(tmp_path / "log.db") as database:
        yield database


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


FLIPS = 100
CORRUPT = (sqlite3.DatabaseError, Unavailable)


def contents(path: Path) -> list[list[tuple[object, ...]]] | None:
    """Give everything the log vouches for, or None where SQLite cannot read it."""
    queries = (
        "SELECT id, leaf_hash, body FROM log_entries ORDER BY id",
        "SELECT idx, entry_id FROM log_index ORDER BY idx",
        "SELECT level, idx, hashes, digest FROM log_tiles ORDER BY level, idx",
        "SELECT size, root, note FROM checkpoints ORDER BY size",
    )
    connection = sqlite3.connect(path)
    try:
        return [connection.execute(query).fetchall() for query in queries]
    except (sqlite3.DatabaseError, OverflowError, UnicodeDecodeError):
        return None
    finally:
        connection.close()


def pages_of_the_log(path: Path) -> list[int]:
    """Name the pages of the log's tables and indices, and fold the WAL into the file."""
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    try:
        rows = connection.execute(
            "SELECT pageno FROM dbstat WHERE name LIKE '%log_%' OR name = 'checkpoints'"
        ).fetchall()
    except sqlite3.OperationalError:
        pytest.skip("this SQLite was built without dbstat")
    finally:
        connection.close()
    return [number for (number,) in rows]


async def verdict(path: Path) -> str | None:
    """Give what fsck, or SQLite before it, says about a database file."""
    try:
        async with open_log(path) as database:
            return (await check(database)).difference
    except CORRUPT as error:
        return str(error)


async def test_a_flipped_bit_on_any_page_of_the_log_is_named_or_changes_nothing(
    tmp_path: Path,
) -> None:
    path, copy = tmp_path / "log.db", tmp_path / "copy.db"
    async with open_log(path) as database:
        for first in (0, 300):
            await append(database, 300, first)
            await sequence(database)
    pages = pages_of_the_log(path)
    chance = random.Random(9162)
    sound, whole = contents(path), path.read_bytes()
    named = 0
    for _ in range(FLIPS):
        at = (chance.choice(pages) - 1) * 4096 + chance.randrange(4096)
        flipped = bytearray(whole)
        flipped[at] ^= 1 << chance.randrange(8)
        copy.write_bytes(flipped)
        difference = await verdict(copy)
        named += difference is not None
        assert difference is not None or contents(copy) == sound, f"byte {at}"
        for leftover in tmp_path.glob("copy.db-*"):
            leftover.unlink()
    assert named > FLIPS // 3
