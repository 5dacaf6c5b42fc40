"""What a member does to his own account stops nobody else's trades from being settled."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.market import stakes
from meterseal_aggregator.market.model import Cause, Declined, TradeState
from meterseal_aggregator.market.stakes import Wish
from tests.support.marketplace import a_market
from tests.support.settling import World, a_world

MUCH = 1 << 58
"""A hundred billion of a currency, or a thousand times a hundred million."""


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with a_market(tmp_path) as database:
        yield await a_world(database)


async def churn(world: World, member: int) -> None:
    """Stake money and take it back for as long as that goes, then with ever less."""
    amount, n = MUCH, 0
    while amount:
        n += 1
        try:
            async with world.database.transaction() as tx:
                wishes = (
                    Wish(member, amount, f"in-{n}"),
                    Wish(member, amount, f"out-{n}"),
                )
                await stakes.stake_in(tx, wishes[0], now=world.now)
                await stakes.release(tx, wishes[1], now=world.now)
        except Declined as why:
            assert why.cause is Cause.RESERVE
            amount //= 2


async def test_who_stakes_to_and_fro_for_ever_stops_no_settlement(
    world: World,
) -> None:
    seller = world.producers[0].member
    await world.pay_in(user(seller), MUCH)
    await churn(world, seller)
    made = await world.sell(world.buyers[0], 0, 1_000)
    await world.tell(1_000)
    await world.run()
    assert (await world.trade(made)).state is TradeState.SETTLED
    assert await world.well()
