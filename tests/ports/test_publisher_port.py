"""Every publisher keeps one contract, and the job publishes each root once whatever stops it."""

import json
import sqlite3
from collections.abc import AsyncIterator, Callable
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from meterseal_aggregator.stacks.anchors import store
from meterseal_aggregator.stacks.anchors.file import WARNING, FilePublisher
from meterseal_aggregator.stacks.anchors.job import (
    OnItsWay,
    Publisher,
    Refused,
    anchor_once,
)
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog import store as log_store
from meterseal_aggregator.translog.sequencer import LogKey
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.bundle import file_reference
from meterseal_proto.errors import Unavailable
from tests.support.chain_publisher import chain_publisher
from tests.support.fakechain import FakeChain
from tests.support.fakenode import FakeNode
from tests.support.publisher import Board, MemoryPublisher

NOW = 1_800_000_000
KEY = LogKey("street.example/log", Ed25519PrivateKey.from_private_bytes(bytes(32)))
Reopen = Callable[[], Publisher]


def root(number: int) -> bytes:
    return sha256(b"%d" % number).digest()


@pytest.fixture(params=["file", "memory", "stacks"])
def reopen(request: pytest.FixtureRequest, db: Database, tmp_path: Path) -> Reopen:
    """Give a way to open the same publisher again, as after a restart."""
    board = Board()
    if request.param == "stacks":
        chain = FakeChain()
        return lambda: chain_publisher(db, FakeNode(chain), chain.mine)
    if request.param == "file":
        return lambda: FilePublisher(tmp_path / "anchors.jsonl")
    return lambda: MemoryPublisher(board)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    database = await Database.open(f"sqlite:///{tmp_path / 'log.db'}")
    await migrate(database)
    yield database
    await database.close()


async def grow(db: Database, count: int = 3) -> int:
    """Log entries and sign a checkpoint; returns its size."""
    async with db.transaction() as tx:
        await log_store.append(tx, [b"\x03\x01entry"] * count)
    return (await sequencer.run_once(db, KEY, NOW)).size


async def rows(db: Database) -> list[tuple[object, ...]]:
    async with db.reading() as tx:
        return await tx.rows("SELECT size, reference FROM anchors ORDER BY size")


async def test_what_was_published_is_found_after_a_restart(reopen: Reopen) -> None:
    reference = await reopen().publish(5, root(5))
    assert reference
    assert await reopen().find(5, root(5)) == reference


async def test_what_was_not_published_is_surely_not_found(reopen: Reopen) -> None:
    assert await reopen().find(5, root(5)) is None
    await reopen().publish(5, root(5))
    assert await reopen().find(6, root(6)) is None


async def test_publishing_again_gives_the_same_reference(reopen: Reopen) -> None:
    first = await reopen().publish(5, root(5))
    assert await reopen().publish(5, root(5)) == first


async def test_two_roots_have_two_references(reopen: Reopen) -> None:
    publisher = reopen()
    assert await publisher.publish(5, root(5)) != await publisher.publish(6, root(6))


async def test_a_size_that_does_not_grow_is_refused(reopen: Reopen) -> None:
    await reopen().publish(5, root(5))
    for size, other in ((4, root(4)), (5, root(6))):
        with pytest.raises(Refused):
            await reopen().publish(size, other)
        with pytest.raises(Refused):
            await reopen().find(size, other)
    assert await reopen().publish(6, root(6))


async def test_the_job_anchors_each_checkpoint_once(
    db: Database, reopen: Reopen
) -> None:
    assert await anchor_once(db, reopen(), NOW) is None
    size = await grow(db)
    anchored = await anchor_once(db, reopen(), NOW)
    assert anchored is not None
    assert (anchored.size, anchored.published_at) == (size, NOW)
    assert await anchor_once(db, reopen(), NOW) is None
    assert await rows(db) == [(size, anchored.reference)]


async def test_checkpoints_signed_meanwhile_are_anchored_by_the_largest(
    db: Database, reopen: Reopen
) -> None:
    sizes = [await grow(db) for _ in range(3)]
    size = sizes[-1]
    anchored = await anchor_once(db, reopen(), NOW)
    assert anchored is not None
    assert anchored.size == size
    async with db.reading() as tx:
        assert await store.covering(tx, 0) == anchored
        assert await store.covering(tx, size) is None


class PowerCut(Exception):
    """The process ends here."""


async def test_a_crash_before_publishing_leaves_an_intent_that_is_carried_out(
    db: Database, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = await grow(db)
    dying = reopen()

    async def crash(*_: object) -> str:
        raise PowerCut

    monkeypatch.setattr(dying, "publish", crash)
    with pytest.raises(PowerCut):
        await anchor_once(db, dying, NOW)
    assert await rows(db) == [(size, None)]
    async with db.reading() as tx:
        assert await store.pending(tx) == 1
    await grow(db)
    anchored = await anchor_once(db, reopen(), NOW)
    assert anchored is not None
    assert anchored.size == size
    async with db.reading() as tx:
        assert await store.pending(tx) == 0


async def test_an_anchor_that_waits_for_its_blocks_is_no_fault(db: Database) -> None:
    await grow(db)
    chain = FakeChain()
    publisher = chain_publisher(db, FakeNode(chain), None)
    for _ in range(3):
        with pytest.raises(OnItsWay):
            await anchor_once(db, publisher, NOW)
        chain.mine()
        async with db.reading() as tx:
            assert await store.pending(tx) == 0
    assert [reference for _, reference in await rows(db)] == [None]


async def test_a_crash_after_publishing_is_asked_for_and_not_repeated(
    db: Database, reopen: Reopen, monkeypatch: pytest.MonkeyPatch
) -> None:
    size = await grow(db)
    publisher = reopen()

    async def crash(*_: object, **__: object) -> None:
        raise PowerCut

    with monkeypatch.context() as patch:
        patch.setattr(store, "complete", crash)
        with pytest.raises(PowerCut):
            await anchor_once(db, publisher, NOW)
    reference = await publisher.find(size, root_of_latest := await latest_root(db))
    assert reference is not None
    again = reopen()

    async def never(*_: object) -> str:
        raise AssertionError("published a second time")

    monkeypatch.setattr(again, "publish", never)
    anchored = await anchor_once(db, again, NOW)
    assert anchored is not None
    assert (anchored.reference, anchored.root) == (reference, root_of_latest)


async def latest_root(db: Database) -> bytes:
    async with db.reading() as tx:
        head = await log_store.latest(tx)
    assert head is not None
    return head.root


async def test_a_lost_answer_and_an_absent_publisher_keep_the_intent(
    db: Database,
) -> None:
    size = await grow(db)
    publisher = MemoryPublisher(deaf=True)
    with pytest.raises(Unavailable):
        await anchor_once(db, publisher, NOW)
    publisher.down = True
    with pytest.raises(Unavailable):
        await anchor_once(db, publisher, NOW)
    assert await rows(db) == [(size, None)]
    publisher.down = publisher.deaf = False
    assert await anchor_once(db, publisher, NOW) is not None
    assert (publisher.board.acts, len(await rows(db))) == (1, 1)


async def test_a_log_restored_from_an_old_backup_is_refused_by_the_publisher(
    db: Database, reopen: Reopen
) -> None:
    await reopen().publish(1_000, root(1))
    await grow(db)
    with pytest.raises(Refused):
        await anchor_once(db, reopen(), NOW)


async def test_a_torn_line_is_finished_by_the_next_attempt(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    await FilePublisher(path).publish(5, root(5))
    await FilePublisher(path).publish(6, root(6))
    whole = path.read_bytes()
    start = whole.index(b"\n") + 1
    for cut in range(start, len(whole)):
        path.write_bytes(whole[:cut])
        assert await FilePublisher(path).find(6, root(6)) is None
        await FilePublisher(path).publish(6, root(6))
        assert path.read_bytes() == whole


async def test_a_torn_line_of_something_else_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "anchors.jsonl"
    path.write_bytes(b'{"proves": "everything", "size"')
    await FilePublisher(path).publish(6, root(6))
    assert await FilePublisher(path).find(6, root(6)) == file_reference(6, root(6))
    forged = json.dumps({"proves": WARNING, "root": "zz", "size": 9}).encode()
    path.write_bytes(path.read_bytes() + forged + b"\n[]\n")
    assert await FilePublisher(path).find(6, root(6)) == file_reference(6, root(6))


async def test_a_file_that_cannot_be_written_is_unavailable(tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        await FilePublisher(tmp_path).publish(5, root(5))
    with pytest.raises(Unavailable):
        await FilePublisher(tmp_path / "absent" / "file").publish(5, root(5))


async def test_file_and_log_say_loudly_that_nothing_is_proved(
    db: Database, tmp_path: Path
) -> None:
    size = await grow(db)
    path = tmp_path / "anchors.jsonl"
    with capture_logs() as logs:
        anchored = await anchor_once(db, FilePublisher(path), NOW)
    assert anchored is not None
    (event,) = logs
    assert (event["event"], event["log_level"]) == (
        "root_anchored_proving_nothing",
        "warning",
    )
    line = json.loads(path.read_text())
    assert line["proves"].startswith("NOTHING")
    assert line["reference"] == anchored.reference
    assert anchored.reference == file_reference(size, anchored.root)


INSERT = "INSERT INTO anchors (publisher, size, root, intended_at)"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE anchors SET reference = 'elsewhere'",
        "DELETE FROM anchors",
        f"{INSERT} VALUES ('memory', 3, zeroblob(32), 0)",
        f"{INSERT} VALUES ('memory', 999, zeroblob(32), 0)",
    ],
)
async def test_the_schema_refuses_to_change_or_shrink_anchors(
    db: Database, tmp_path: Path, statement: str
) -> None:
    await grow(db)
    await anchor_once(db, MemoryPublisher(), NOW)
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


async def test_an_anchor_whose_root_is_not_the_checkpoints_is_named(
    db: Database, tmp_path: Path
) -> None:
    await grow(db)
    await anchor_once(db, MemoryPublisher(), NOW)
    connection = sqlite3.connect(tmp_path / "log.db")
    connection.execute("DROP TRIGGER anchors_are_filled_in_once")
    connection.execute("UPDATE anchors SET root = zeroblob(32)")
    connection.commit()
    connection.close()
    async with db.reading() as tx:
        with pytest.raises(Rotten, match="anchors 1"):
            await store.last(tx, "memory")
