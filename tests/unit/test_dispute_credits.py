"""What is made good once is not made good again, however often it is disputed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.disputes.decide import decide
from meterseal_aggregator.disputes.model import (
    Cause,
    Decision,
    Dispute,
    NotDisputed,
    Remedy,
    State,
    Wish,
)
from meterseal_aggregator.disputes.open import open_bill
from meterseal_aggregator.ledger.accounts import user
from tests.support.billinghouse import (
    DAY,
    JUNE,
    MAY,
    NETWORK,
    Home,
    Utility,
    a_utility,
)

NOW = JUNE + 2 * DAY
WRONG = Wish(0, "this is not my meter", "key-1")


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as found:
        yield found


async def billed(utility: Utility) -> tuple[Home, BillRow]:
    home = await utility.supply("Ada")
    await utility.use(home, MAY, JUNE, 250)
    (bill,) = await utility.bill(now=JUNE + DAY)
    return home, bill


async def opened(utility: Utility, bill: BillRow, wish: Wish) -> Dispute:
    async with utility.database.transaction() as tx:
        mine = replace(wish, member=bill.member)
        return await open_bill(tx, bill.number, mine, now=NOW)


async def credited(utility: Utility, number: int, amount: int) -> None:
    made = Decision(State.UPHELD, Remedy.CREDIT, amount, "token:op", "as it shows")
    async with utility.database.transaction() as tx:
        await decide(tx, number, made, now=NOW + 2 * DAY)


async def test_two_disputes_of_one_bill_are_credited_no_more_than_the_bill(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    first = await opened(utility, bill, WRONG)
    second = await opened(utility, bill, replace(WRONG, key="key-2"))
    await credited(utility, first.id, bill.amount)
    with pytest.raises(NotDisputed) as caught:
        await credited(utility, second.id, bill.amount)
    assert caught.value.cause is Cause.AMOUNT
    assert await utility.balance(user(home.member)) == bill.amount


async def test_what_a_correction_gave_back_is_not_credited_besides(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    made = await opened(utility, bill, WRONG)
    await utility.use(home, MAY, JUNE, 0, known_at=NOW + 60)
    while await affected.run_once(utility.database, NETWORK, NOW + DAY):
        pass
    *_, new = await utility.bills()
    assert new.amount < bill.amount
    with pytest.raises(NotDisputed) as caught:
        await credited(utility, made.id, bill.amount)
    assert caught.value.cause is Cause.AMOUNT
    assert await utility.balance(user(home.member)) == 0
