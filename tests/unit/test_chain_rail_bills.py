"""Bills on the chain's rail: a document and a hash here, and nothing of money."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Act, BillAct
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.ledger.accounts import arrears, user
from meterseal_proto.rating.statement import Rail
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    FED_IN,
    HOUR,
    JUNE,
    MAY,
    Utility,
    a_tariff,
    a_utility,
    at,
)

LATER = at(2026, 9, 3, 12)


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path, a_tariff(ENERGY, FED_IN)) as opened:
        yield opened


async def acts(utility: Utility, bill: int) -> list[Act]:
    """What was done to a bill."""
    async with utility.database.reading() as tx:
        return [one.act for one in await store.acts_of(tx, bill)]


async def transfers(utility: Utility) -> int:
    """How many entries the ledger has."""
    async with utility.database.reading() as tx:
        ((count,),) = await tx.rows("SELECT count(*) FROM ledger_transfers")
    return int(count)


async def test_a_negative_bill_of_the_chains_rail_gives_nothing_here(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", registers=(IMPORT, EXPORT), rail=Rail.STACKS)
    await utility.use(home, MAY, JUNE, 0)
    await utility.use(home, MAY, JUNE, 1_000, register=EXPORT)
    (bill,) = await utility.bill(now=JUNE + 6 * HOUR)
    assert bill.amount < 0
    assert await acts(utility, bill.id) == [Act.ISSUED]
    assert (await utility.standing(bill)).given == 0
    assert await utility.balance(user(home.member)) == 0
    assert await transfers(utility) == 0


async def test_what_was_paid_on_the_chain_is_not_carried_over_by_a_correction_here(
    utility: Utility,
) -> None:
    home = await utility.supply("Ada", rail=Rail.STACKS)
    await utility.use(home, MAY, JUNE, 1_000)
    (bill,) = await utility.bill(now=JUNE + 6 * HOUR)
    async with utility.database.transaction() as tx:
        held = BillAct(bill.id, Act.DISPUTED, 5_000_000, JUNE + DAY, "chain")
        await store.act(tx, [held])
    await utility.use(home, MAY, MAY + DAY, 2_000, known_at=LATER - HOUR)
    _, _, new = await utility.correct(now=LATER)
    assert new.amount > bill.amount
    assert await acts(utility, new.id) == [Act.ISSUED]
    assert (await utility.standing(new)).outstanding == new.amount
    assert await utility.balance(arrears(home.member)) == 0
    assert await transfers(utility) == 0
