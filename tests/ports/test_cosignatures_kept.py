"""Cosignatures on a real database: only true ones are kept, and only those are served."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.translog import cosignatures, publish, store
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.checkpoint import Signature, open_note, parse_note
from meterseal_proto.cosignature import cosign, cosigned_at
from meterseal_proto.errors import Rejected
from tests.support.translog import KEY, NOW, append, check, head, open_log, sequence
from tests.support.witnessing import (
    FIRST,
    SECOND,
    THIRD,
    WITNESSES,
    cosign_head,
    cosigner,
)


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_log(tmp_path / "log.db") as database:
        for count in (3, 4, 5):
            await append(database, count)
            await sequence(database)
        yield database


async def test_the_checkpoint_is_served_with_the_cosignatures_there_are(
    db: Database,
) -> None:
    async with db.reading() as tx:
        assert await publish.checkpoint(tx) == (await head(db)).note
    await cosign_head(db, NOW, FIRST, SECOND)
    async with db.reading() as tx:
        note = await publish.checkpoint(tx)
    assert note is not None
    assert open_note(note, KEY.vkey).size == 12
    for name in (FIRST, SECOND):
        assert cosigned_at(parse_note(note), cosigner(name)) == NOW
    assert (await check(db)).difference is None


async def test_a_witnesss_first_word_for_a_checkpoint_stands(db: Database) -> None:
    await cosign_head(db, NOW)
    await cosign_head(db, NOW + 60)
    async with db.reading() as tx:
        note = await cosignatures.note(tx, await head(db))
    assert cosigned_at(parse_note(note), cosigner()) == NOW


async def test_a_line_of_another_key_or_checkpoint_is_not_kept(db: Database) -> None:
    async with db.transaction() as tx:
        newest, older = await head(db), await store.head_at(tx, 7)
        assert older is not None
        elsewhere = cosign(parse_note(older.note).body, FIRST, WITNESSES[FIRST], NOW)
        for key, line in (
            (cosigner(), elsewhere),
            (cosigner(SECOND), elsewhere),
            (cosigner(), Signature(FIRST, cosigner().key_id, bytes(72))),
        ):
            with pytest.raises(Rejected):
                await cosignatures.keep(tx, newest, key, line)
        assert await cosignatures.note(tx, newest) == newest.note


async def test_what_a_witness_cosigned_last_is_its_largest_size(db: Database) -> None:
    await cosign_head(db, NOW, FIRST)
    await cosign_head(db, NOW, FIRST, SECOND, size=7)
    async with db.reading() as tx:
        sizes = [await cosignatures.last_size(tx, cosigner(n)) for n in WITNESSES]
    assert sizes == [12, 7, 0]


async def test_an_entry_is_covered_by_what_most_witnesses_cosigned(
    db: Database,
) -> None:
    async def covering(index: int) -> int | None:
        async with db.reading() as tx:
            found = await cosignatures.covering(tx, index)
        return found.size if found else None

    assert await covering(0) is None
    await cosign_head(db, NOW, FIRST, SECOND, size=7)
    await cosign_head(db, NOW, THIRD, size=12)
    assert [await covering(n) for n in (0, 6, 7, 11, 12)] == [7, 7, 12, 12, None]
    await cosign_head(db, NOW, SECOND, size=12)
    assert [await covering(n) for n in (0, 6, 7, 11, 12)] == [12, 12, 12, 12, None]


async def test_a_changed_cosignature_is_named_and_not_served(
    db: Database, tmp_path: Path
) -> None:
    await cosign_head(db, NOW)
    with sqlite3.connect(tmp_path / "log.db") as other:
        for change in ("UPDATE cosignatures SET raw = zeroblob(72)",
                       "DELETE FROM cosignatures"):  # fmt: skip
            with pytest.raises(sqlite3.IntegrityError, match="never"):
                other.execute(change)
        other.execute("DROP TRIGGER cosignatures_are_never_changed")
        other.execute("UPDATE cosignatures SET raw = zeroblob(72)")
    other.close()
    async with db.reading() as tx:
        with pytest.raises(Rotten, match=r"cosignatures 12 of witness\.example/w1"):
            await publish.checkpoint(tx)
    found = (await check(db)).difference
    assert found is not None
    assert found.startswith("cosignatures 12 of witness.example/w1")
