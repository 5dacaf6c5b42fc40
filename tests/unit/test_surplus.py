"""What becomes of unsold export: what its producer chose by the slot's start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.market.surplus import Choice, choice_at, choose
from meterseal_aggregator.storage.database import Database
from tests.support.migrated import open_migrated

NOW = 1_790_000_100


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    opened = await open_migrated(tmp_path / "surplus.db")
    async with opened.transaction() as tx:
        for name in ("Ada", "Bo"):
            await identity.add_member(tx, name, now=NOW)
    yield opened
    await opened.close()


async def test_who_never_chose_keeps_what_he_made(db: Database) -> None:
    async with db.transaction() as tx:
        await choose(tx, 2, Choice.FEED_IN, NOW)
        assert await choice_at(tx, 1, NOW + 10_000) is Choice.KEEP


async def test_a_choice_holds_from_its_second_and_not_before(db: Database) -> None:
    async with db.transaction() as tx:
        assert await choose(tx, 1, Choice.FEED_IN, NOW) == NOW
        assert await choose(tx, 1, Choice.KEEP, NOW + 900) == NOW + 900
        seconds = (NOW - 1, NOW, NOW + 899, NOW + 900)
        found = [await choice_at(tx, 1, second) for second in seconds]
    assert found == [Choice.KEEP, Choice.FEED_IN, Choice.FEED_IN, Choice.KEEP]


async def test_choosing_the_same_again_changes_nothing(db: Database) -> None:
    async with db.transaction() as tx:
        for later in range(3):
            assert await choose(tx, 1, Choice.FEED_IN, NOW + later) == NOW
        ((kept,),) = await tx.rows("SELECT count(*) FROM surplus_choices")
    assert kept == 1


async def test_who_changes_his_mind_within_a_second_is_heard_a_second_later(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        await choose(tx, 1, Choice.FEED_IN, NOW)
        assert await choose(tx, 1, Choice.KEEP, NOW) == NOW + 1
        assert await choice_at(tx, 1, NOW) is Choice.FEED_IN
        assert await choice_at(tx, 1, NOW + 1) is Choice.KEEP
