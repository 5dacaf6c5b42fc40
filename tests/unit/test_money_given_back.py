"""Money and tokens that go back, and money that is asked about again: only what is due."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing import payments
from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.payments import Direction, Payment, Towards
from meterseal_aggregator.billing.receivables import rewards
from meterseal_aggregator.billing.receivables.audit import findings
from meterseal_aggregator.billing.receivables.duty import run_batch
from meterseal_aggregator.billing.receivables.model import Wish
from meterseal_aggregator.billing.receivables.pay import pay
from meterseal_aggregator.billing.receivables.refunds import check_refund
from meterseal_aggregator.billing.receivables.rewards import State
from meterseal_aggregator.billing.receivables.topup import take_in
from meterseal_aggregator.billing.statements.store import standings
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, user
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.market.model import transfer_id
from meterseal_aggregator.storage.database import Database, Transaction
from tests.support.billed import (
    BY,
    CENT,
    DAY,
    MSU,
    XTS,
    Household,
    a_household,
    billed,
    corrected,
)
from tests.support.marketplace import NOW, a_market


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened
        async with opened.reading() as tx:
            assert [one for one in await findings(tx) if not one.ok] == []


async def goes_out(
    tx: Transaction, home: Household, cents: int, bill: str, key: str
) -> Payment:
    """Record that so much of a bill is given back in cash."""
    wish = payments.Wish(
        home.member, Direction.OUT, cents * CENT, payments.Way.CASH, key, key, XTS,
        bill=bill,
    )  # fmt: skip
    made = await payments.record(tx, wish, BY, now=NOW)
    await check_refund(tx, made, now=NOW)
    return made


@pytest.mark.parametrize("bill", ["B-1", "B-2"])
async def test_what_was_paid_on_a_bill_or_the_one_in_its_place_goes_back_by_either(
    db: Database, bill: str
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx, cents=9_000)
        first = await billed(tx, ada, 1_000)
        await corrected(tx, ada, first, 800)
        await pay(tx, Wish(ada.member, 800 * CENT, "k", XTS), now=NOW)
        await goes_out(tx, ada, 300, bill, "a")
        with pytest.raises(Refused) as caught:
            await goes_out(tx, ada, 501, bill, "b")
    assert caught.value.cause is Cause.STATE


async def test_a_payment_that_is_asked_for_again_pays_no_bill_that_came_since(
    db: Database,
) -> None:
    async with db.transaction() as tx:
        ada = await a_household(tx)
        whole = payments.Wish(
            ada.member, Direction.IN, 500 * CENT, payments.Way.CASH, "r", "k", XTS,
            Towards.BILLS,
        )  # fmt: skip
        made = await payments.record(tx, whole, BY, now=NOW)
        assert await take_in(tx, made, now=NOW) is None
        bill = await billed(tx, ada, 400)
        again = await payments.record(tx, whole, BY, now=NOW + DAY)
        assert again == made
        assert await take_in(tx, again, now=NOW + DAY) is None
        assert (await standings(tx, [bill]))[bill].paid == 0


async def test_a_reward_that_waits_and_shrinks_takes_no_tokens_from_its_member(
    db: Database,
) -> None:
    async def tokens() -> int:
        found = await ledger.balances(tx, MSU, [user(ada.member)])
        return found[user(ada.member)].held

    async with db.transaction() as tx:
        ada = await a_household(tx, cents=5_000)
        await declare(tx, MSU, now=NOW)
        own = Transfer(
            transfer_id("own"), 700_000, CASH, user(ada.member), "payment", NOW, MSU
        )
        assert (await ledger.post(tx, [own], now=NOW))[0].entered
        bill = await billed(tx, ada, 1_000)
        await pay(tx, Wish(ada.member, 1_000 * CENT, "k", XTS), now=NOW)
        await corrected(tx, ada, bill, 400)
        while await run_batch(tx, now=NOW + 1):
            pass
        (one,) = await rewards.rewards(tx, member=ada.member, after=0, limit=5)
        assert (one.state, one.net) == (State.WAITING, 80_000)
        assert await tokens() == 700_000
