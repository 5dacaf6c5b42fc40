"""Lane C's books stay as they are written, and its audit sees where they do not agree."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import producer, user
from meterseal_aggregator.ledger.model import WH
from meterseal_aggregator.market.listings.model import REFUNDS, Kind, listed
from tests.support.lanec import Lane, a_lane, findings, move
from tests.support.marketplace import XTS, a_market


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    async with a_market(tmp_path) as database:
        yield await a_lane(database)


async def test_the_schema_keeps_deeds_for_ever(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    for sql in (
        "UPDATE listing_deeds SET wh = 1",
        "DELETE FROM listing_deeds",
        "DELETE FROM listings",
        "UPDATE listings SET wh = -1",
    ):
        with pytest.raises(sqlite3.IntegrityError):
            async with lane.database.transaction() as tx:
                await tx.rows(sql)


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("UPDATE listings SET wh = wh + 1", "by the book"),
        ("UPDATE listing_buyers SET wh = wh + 1", "by the book"),
        ("INSERT INTO listings (seller, wh) VALUES (77, 5)", "by the book"),
    ],
)
async def test_the_audit_sees_a_book_that_was_tampered_with(
    lane: Lane, sql: str, where: str
) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    await lane.do(Kind.BUY, lane.cleo, 100, lane.ada)
    assert await findings(lane) == []
    async with lane.database.transaction() as tx:
        await tx.rows(sql)
    (found,) = await findings(lane)
    assert where in found


async def test_the_audit_sees_what_moved_without_a_deed(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    await lane.do(Kind.BUY, lane.cleo, 100, lane.ada)
    async with lane.database.transaction() as tx:
        await move(tx, producer(lane.ada), listed(lane.ada), 3, WH)
        await move(tx, producer(lane.bo), listed(lane.bo), 3, WH)
        await move(tx, REFUNDS, user(lane.dan), 1, XTS)
    energy, money = await findings(lane)
    assert "400 Wh by deeds, 400 by the book, 403 in the ledger" in energy
    assert "no refund" in money
