"""What is made good once is not made good again, however often it is disputed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.model import BillRow
from meterseal_aggregator.billing.payments import Actor, Direction, Towards, Way
from meterseal_aggregator.billing.receivables.topup import take_in
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.disputes.decide import decide
from meterseal_aggregator.disputes.model import (
    Cause,
    Decision,
    NotDisputed,
    Remedy,
    State,
)
from meterseal_aggregator.ledger.accounts import arrears, user
from tests.support.billinghouse import (
    DAY,
    EUR,
    JUNE,
    MAY,
    NETWORK,
    Home,
    Utility,
    a_utility,
)
from tests.support.disputing import NOW, WRONG, billed, opened


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as found:
        yield found


async def credited(utility: Utility, number: int, amount: int) -> None:
    made = Decision(State.UPHELD, Remedy.CREDIT, amount, "token:op", "as it shows")
    async with utility.database.transaction() as tx:
        await decide(tx, number, made, now=NOW + 2 * DAY, real_now=NOW)


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


async def corrected(utility: Utility, home: Home, delta: int, known_at: int) -> BillRow:
    """Let May's usage be known otherwise, and be billed so; returns the bill in force."""
    await utility.use(home, MAY, JUNE, delta, known_at=known_at)
    while await affected.run_once(utility.database, NETWORK, known_at + DAY):
        pass
    return (await utility.bills())[-1]


async def pay(utility: Utility, home: Home, bill: BillRow) -> None:
    """Record money of a member's that pays a bill of his."""
    wish = payments.Wish(
        home.member, Direction.IN, bill.amount, Way.BANK, "FT-1", "key-p", EUR,
        Towards.BILLS, bill.number,
    )  # fmt: skip
    async with utility.database.transaction() as tx:
        made = await payments.record(tx, wish, Actor("token:op", NOW), now=NOW)
        assert await take_in(tx, made, now=NOW)


async def worth(utility: Utility, home: Home) -> int:
    """Return what a member has, beyond what he owes."""
    owed = await utility.balance(arrears(home.member))
    return await utility.balance(user(home.member)) + owed


@pytest.mark.parametrize("paid", [False, True])
async def test_what_was_credited_is_not_given_back_by_a_correction_besides(
    utility: Utility, paid: bool
) -> None:
    home, bill = await billed(utility)
    if paid:
        await pay(utility, home, bill)
    before = await worth(utility, home) + (0 if paid else bill.amount)
    made = await opened(utility, bill, WRONG)
    await credited(utility, made.id, bill.amount)
    new = await corrected(utility, home, 0, NOW + 3 * DAY)
    assert 0 < new.amount < bill.amount
    # All of it was credited, so nothing more is to be made good.
    assert await worth(utility, home) == before + (bill.amount if paid else 0)
    standing = await utility.standing(new)
    assert standing.given == bill.amount - new.amount
    assert await utility.balance(arrears(home.member)) == -standing.outstanding


async def test_what_a_correction_makes_good_beyond_a_credit_is_the_members(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    made = await opened(utility, bill, replace(WRONG, amount=1_000_000))
    await credited(utility, made.id, 1_000_000)
    new = await corrected(utility, home, 0, NOW + 3 * DAY)
    assert await worth(utility, home) == -new.amount
    assert (await utility.standing(new)).outstanding == new.amount + 1_000_000


async def test_a_credit_counts_again_once_the_correction_was_wrong(
    utility: Utility,
) -> None:
    home, bill = await billed(utility)
    made = await opened(utility, bill, WRONG)
    await credited(utility, made.id, bill.amount)
    await corrected(utility, home, 100, NOW + 3 * DAY)
    low = await corrected(utility, home, 0, NOW + 5 * DAY)
    assert await worth(utility, home) == 0
    back = await corrected(utility, home, 250, NOW + 7 * DAY)
    assert back.amount == bill.amount > low.amount
    assert await worth(utility, home) == 0
    assert (await utility.standing(back)).given == 0


async def test_a_key_of_a_part_is_not_answered_to_whoever_disputes_all(
    utility: Utility,
) -> None:
    _, bill = await billed(utility)
    part = await opened(utility, bill, replace(WRONG, amount=1_000_000))
    assert await opened(utility, bill, replace(WRONG, amount=1_000_000)) == part
    with pytest.raises(NotDisputed) as caught:
        await opened(utility, bill, WRONG)
    assert caught.value.cause is Cause.KEY_USED
    whole = await opened(utility, bill, replace(WRONG, key="key-2"))
    assert await opened(utility, bill, replace(WRONG, key="key-2")) == whole
