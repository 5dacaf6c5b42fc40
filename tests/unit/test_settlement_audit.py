"""The audit of trades finds what is wrong, and names where."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.ledger.store import post
from meterseal_aggregator.market.model import Trade, transfer_id
from meterseal_aggregator.market.settlement.audit import (
    ENERGY,
    MONEY,
    TRUST,
    findings,
)
from meterseal_aggregator.market.settlement.model import BooksDiffer
from meterseal_aggregator.market.trades import by_id, void
from meterseal_aggregator.storage.finding import Finding
from tests.support.marketplace import XTS, a_market
from tests.support.settling import World, a_world, slot


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        world = await a_world(database)
        made = await world.sell(world.buyers[0], 0, 500)
        assert made.id == 1
        await world.tell(400, 900)
        await world.run()
        yield world


async def test_a_settled_street_is_well(world: World) -> None:
    assert [(one.invariant, one.ok) for one in await asked(world)] == [
        (ENERGY, True),
        (MONEY, True),
        (TRUST, True),
    ]


@pytest.mark.parametrize(
    ("number", "statement", "says"),
    [
        (
            ENERGY,
            "INSERT INTO slot_runs VALUES (1, ?1, 2, 401, 401, 0, 0, 0, 9)",
            "more was used of a slot",
        ),
        (
            ENERGY,
            "INSERT INTO slot_runs VALUES (1, ?1, 2, 400, 399, 0, 1, 0, 9)",
            "not what its trades were delivered",
        ),
        (
            ENERGY,
            "INSERT INTO slot_runs VALUES (1, ?1, 2, 401, 400, 1, 0, 0, 9)",
            "more was used of a slot",
        ),
        (
            ENERGY,
            "INSERT INTO slot_runs VALUES (1, ?1 + 900, 2, 900, 0, 5, 895, 0, 9)",
            "5 Wh were fed in by the slots, 0 Wh are retired",
        ),
        (
            MONEY,
            "INSERT INTO trade_runs VALUES (1, 2, 400, 400, 0, 0, 0, 0, 0, 0, 0, 0, ?1)",
            "its last run is 2, not 1",
        ),
        (
            MONEY,
            "UPDATE trades SET run = 2, delivered_wh = 401, ended_at = ?1",
            "its last run is 1, not 2",
        ),
        (TRUST, "UPDATE trust_scores SET score = 9999 WHERE ?1 > 0", "a score is not"),
    ],
)
async def test_what_was_written_by_somebody_else_is_found(
    world: World, number: int, statement: str, says: str
) -> None:
    async with world.database.transaction() as tx:
        await tx.rows(statement, (slot(0),))
    (wrong,) = [
        one for one in await asked(world) if not one.ok and one.invariant == number
    ]
    assert says in wrong.detail


async def test_money_that_stays_in_an_escrow_is_found(world: World) -> None:
    trade = await first(world)
    stray = Transfer(
        id=transfer_id("stray"), amount=1, debit=user(trade.buyer),
        credit=trade.escrow, purpose="stray", asset=XTS,
    )  # fmt: skip
    async with world.database.transaction() as tx:
        (result,) = await post(tx, [stray], now=world.now)
    assert result.entered
    (wrong,) = [one for one in await asked(world) if not one.ok]
    assert wrong == Finding(
        MONEY, ok=False, detail="escrow:trade-1 does not hold what its trade says"
    )


async def test_entries_that_are_not_in_a_trades_runs_are_found(world: World) -> None:
    trade = await first(world)
    stray = Transfer(
        id=transfer_id("stray"), amount=1, debit=user(trade.buyer),
        credit=user(trade.seller), purpose="sale", asset=XTS,
        reference=trade.id.to_bytes(8),
    )  # fmt: skip
    async with world.database.transaction() as tx:
        (result,) = await post(tx, [stray], now=world.now)
    assert result.entered
    (wrong,) = [one for one in await asked(world) if not one.ok]
    assert wrong.detail == "trade 1: its entries of sale are not what its runs say"


async def test_a_hold_that_somebody_else_ended_stops_the_run_and_changes_nothing(
    world: World,
) -> None:
    made = await world.sell(world.buyers[0], 1, 500)
    async with world.database.transaction() as tx:
        await void(tx, [made], now=world.now)
        # As if its trade had not been told.
        await tx.rows("DROP TRIGGER trades_keep_their_terms")
        await tx.rows("UPDATE trades SET state = 'held', ended_at = NULL WHERE id = 2")
        await tx.rows("DROP TRIGGER slot_sales_keep_their_terms")
        await tx.rows(
            "UPDATE slot_sales SET settled_at = NULL WHERE start = ?", (slot(1),)
        )
    with pytest.raises(BooksDiffer):
        await world.settle()
    assert (await world.trade(made)).run == 0


async def first(world: World) -> Trade:
    """The trade that was settled."""
    async with world.database.reading() as tx:
        found = await by_id(tx, 1)
    assert found is not None
    return found


async def asked(world: World) -> list[Finding]:
    async with world.database.reading() as tx:
        return await findings(tx)
