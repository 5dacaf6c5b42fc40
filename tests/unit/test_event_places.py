"""A place in the stream of events is given once, also after its event was erased."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.identity import events
from meterseal_aggregator.identity.events import Told
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate
from tests.support.marketplace import NOW
from tests.support.migrated import open_before
from tests.support.pigeons import Post, a_post, email

PLACES = 46
"""The migration that keeps them."""


@pytest.fixture
async def post(tmp_path: Path) -> AsyncIterator[Post]:
    async with a_post(tmp_path) as opened:
        yield opened


async def tell(db: Database, member: int, times: int) -> None:
    async with db.transaction() as tx:
        told = [Told(member, "order", {"id": n}) for n in range(times)]
        await events.tell(tx, told, now=NOW)


async def erase(db: Database, member: int) -> None:
    """Take what a member was told, as erasure does."""
    async with db.transaction() as tx:
        await tx.rows("DELETE FROM member_events WHERE member_id = ?", (member,))


async def a_member(db: Database, name: str) -> int:
    async with db.transaction() as tx:
        ((found,),) = await tx.rows(
            "INSERT INTO members (name, created_at) VALUES (?, ?) RETURNING id",
            (name, NOW),
        )
    return int(found)


async def test_a_bill_that_is_told_after_an_erasure_becomes_a_notice(
    post: Post,
) -> None:
    ben = await a_member(post.db, "Ben")
    await post.wish(email())
    await tell(post.db, ben, 5)
    await post.run()
    await erase(post.db, ben)
    await post.bill()
    await tell(post.db, post.home.member, 6)
    await post.run()
    assert await post.states() == [("bill-issued", "sent", 1)]


async def test_who_goes_on_from_a_place_misses_nothing_that_came_after_an_erasure(
    post: Post,
) -> None:
    ben, ada = await a_member(post.db, "Ben"), post.home.member
    await tell(post.db, ben, 5)
    async with post.db.reading() as tx:
        place = await events.newest(tx)
    await erase(post.db, ben)
    async with post.db.reading() as tx:
        assert await events.newest(tx) == place
    await tell(post.db, ada, 3)
    await erase(post.db, ben)
    async with post.db.reading() as tx:
        found = await events.told(tx, ada, after=place, limit=9)
        assert [one.id for one in found] == [place + 1, place + 2, place + 3]
        assert await events.told_since(tx, place) == {ada: place + 3}


async def test_what_was_erased_before_places_were_kept_is_known_from_notices(
    tmp_path: Path,
) -> None:
    db = await open_before(tmp_path / "before.sqlite", lambda n: n < PLACES)
    ben = await a_member(db, "Ben")
    async with db.transaction() as tx:
        await tx.many(
            "INSERT INTO notice_cursors (source, position) VALUES (?, ?)",
            [("member-events", 7)],
        )
    assert "0046_event_places.sql" in await migrate(db)
    await tell(db, ben, 1)
    async with db.reading() as tx:
        assert await events.newest(tx) == 8
    await db.close()
