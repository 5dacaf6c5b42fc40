"""Nobody is erased while money of his is on its way to him."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.erasure.obstacles import obstacles
from meterseal_aggregator.ledger.accounts import REWARD_POOL
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import Household, a_household, billed
from tests.support.marketplace import NOW, a_market


@pytest.fixture
async def market(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as db:
        yield db


async def against(tx: Transaction, home: Household) -> str:
    return "; ".join(await obstacles(tx, home.member, now=NOW))


async def test_what_a_prepaid_supply_drew_and_did_not_settle_is_in_the_way(
    market: Database,
) -> None:
    async with market.transaction() as tx:
        home = await a_household(tx, prepaid=True, cents=0)
        assert "prepaid" not in await against(tx, home)
        await tx.many(
            "INSERT INTO prepaid_standings (supply_id, charged_to, drawn_from, cost,"
            " next_at, low) VALUES (?, ?, ?, 0, ?, 0)",
            [(home.supply, NOW, NOW - 5, NOW)],
        )
        assert "prepaid supplies hold money" in await against(tx, home)


async def test_a_reward_that_waits_for_its_pool_is_in_the_way(market: Database) -> None:
    async with market.transaction() as tx:
        home = await a_household(tx, cents=0)
        assert "reward" not in await against(tx, home)
        bill = await billed(tx, home, 500)
        await tx.many(
            "INSERT INTO rewards (bill_id, stands_on, member_id, asset, amount, bp, state,"
            " earned_at, next_at) VALUES (?, ?, ?, 'UTIL', 5, 1, 'waiting', ?, ?)",
            [(bill, bill, home.member, NOW, NOW)],
        )
        assert f"fill {REWARD_POOL}" in await against(tx, home)
