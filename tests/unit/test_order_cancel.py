"""Cancelling: until when, how much, what it costs in trust, and what comes back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.freeze import freeze_hold
from meterseal_aggregator.ledger.model import TransferId
from meterseal_aggregator.market import trades
from meterseal_aggregator.market.lifecycle import State
from meterseal_aggregator.market.model import Cause, TradeState
from tests.support.marketplace import slot
from tests.support.stall import PURSE, Stall, open_stall, refused

START = 3_000
"""Everybody's trust at first."""
WINDOW_S = 30 * 60


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        yield opened


async def test_a_cancelled_order_gives_everything_back(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 700})
    order = await stall.bought(ada, offer.id, {3: 200, 4: 300})
    stall.now += 60
    done = await stall.cancel(ada, order.id)
    assert (done.state, done.ended_at) == (State.CANCELLED, stall.now)
    assert await stall.purse(ada) == PURSE
    assert await stall.open_holds() == 0
    assert await stall.left(offer.id) == {3: 500, 4: 700}
    assert await stall.promised() == {3: 500, 4: 700}
    assert await stall.score(ada) == START - 500
    assert await stall.score(stall.seller) == START


@pytest.mark.parametrize(
    ("after_s", "may"), [(WINDOW_S - 1, True), (WINDOW_S, True), (WINDOW_S + 1, False)]
)
async def test_a_buyer_may_cancel_for_half_an_hour_to_the_second(
    stall: Stall, after_s: int, *, may: bool
) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.reserve(ada, offer.id, {3: 200})
    stall.now += 500
    await stall.confirm(ada, order.id)
    stall.now += after_s
    if may:
        await stall.cancel(ada, order.id)
        return
    with refused(Cause.TOO_LATE, "30 minutes"):
        await stall.cancel(ada, order.id)
    assert await stall.score(ada) == START
    assert await stall.open_holds() == 1


async def test_a_buyer_may_cancel_until_the_slot_begins(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    stall.now = slot(3) - 60
    first = await stall.bought(ada, offer.id, {3: 100})
    second = await stall.bought(ada, offer.id, {3: 100})
    stall.now = slot(3) - 1
    await stall.cancel(ada, first.id)
    stall.now = slot(3)
    with refused(Cause.TOO_LATE, "begun"):
        await stall.cancel(ada, second.id)
    with refused(Cause.TOO_LATE, "begun"):
        await stall.cancel(ada, second.id, 3)


async def test_parts_together_cost_exactly_what_the_whole_does(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer(dict.fromkeys(range(7), 100))
    order = await stall.bought(ada, offer.id, dict.fromkeys(range(7), 7))
    for number in range(7):
        assert (await stall.seen(order.id)).state is State.CONFIRMED
        await stall.cancel(ada, order.id, number)
        gone = 7 * (number + 1)
        assert await stall.score(ada) == START - round(500 * gone / 49)
    assert (await stall.seen(order.id)).state is State.CANCELLED
    assert await stall.score(ada) == START - 500
    assert await stall.purse(ada) == PURSE


async def test_a_part_cancelled_leaves_the_rest_held(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 500, 5: 500})
    order = await stall.bought(ada, offer.id, {3: 100, 4: 100, 5: 200})
    done = await stall.cancel(ada, order.id, 3, 4)
    assert (done.state, done.ended_at) == (State.CONFIRMED, None)
    assert await stall.left(offer.id) == {3: 500, 4: 500, 5: 300}
    assert await stall.purse(ada) == PURSE - 200 * 150
    assert await stall.score(ada) == START - 250
    with refused(Cause.STATE, "cancelled or settled"):
        await stall.cancel(ada, order.id, 3)
    with refused(Cause.STATE, "cancelled or settled"):
        await stall.cancel(ada, order.id, 4, 5)
    with refused(Cause.SLOT):
        await stall.cancel(ada, order.id, 5, 6)


async def test_cancelling_without_slots_takes_all_that_has_not_begun(
    stall: Stall,
) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 500, 5: 500})
    stall.now = slot(3) - 10
    order = await stall.bought(ada, offer.id, {3: 100, 4: 100, 5: 200})
    stall.now = slot(3)
    await stall.expire()
    done = await stall.cancel(ada, order.id)
    assert done.state is State.CONFIRMED
    assert await stall.promised() == {3: 100, 4: 500, 5: 500}
    assert await stall.score(ada) == START - 375


async def test_a_seller_pays_more_once_the_buyer_counts_on_him(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    orders = [await stall.bought(ada, offer.id, {3: 100}) for _ in range(3)]
    stall.now += WINDOW_S
    await stall.cancel(stall.seller, orders[0].id)
    assert await stall.score(stall.seller) == START - 500
    stall.now += 1
    await stall.cancel(stall.seller, orders[1].id)
    assert await stall.score(stall.seller) == START - 1_500
    stall.now = slot(3)
    with refused(Cause.TOO_LATE):
        await stall.cancel(stall.seller, orders[2].id)
    assert await stall.score(ada) == START
    assert await stall.purse(ada) == PURSE - 100 * 150


async def test_a_seller_cancels_all_or_nothing(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 500})
    order = await stall.bought(ada, offer.id, {3: 100, 4: 100})
    with refused(Cause.SLOT, "seller"):
        await stall.cancel(stall.seller, order.id, 3)
    await stall.cancel(ada, order.id, 3)
    done = await stall.cancel(stall.seller, order.id)
    assert done.state is State.CANCELLED
    assert await stall.score(ada) == START - 250
    assert await stall.score(stall.seller) == START - 500


async def test_what_a_withdrawn_offer_sold_goes_back_to_its_seller(
    stall: Stall,
) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    await stall.withdraw(offer.id)
    await stall.cancel(ada, order.id)
    assert await stall.promised() == {3: 0}
    assert await stall.left(offer.id) == {3: 0}
    await stall.offer({3: 500})


async def test_a_cancelled_order_is_not_cancelled_again(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    await stall.cancel(ada, order.id)
    for member in (ada, stall.seller):
        with refused(Cause.STATE, "cancelled"):
            await stall.cancel(member, order.id)
    with refused(Cause.STATE):
        await stall.confirm(ada, order.id)
    assert await stall.score(ada) == START - 500


async def test_a_retry_is_told_the_same_and_costs_nothing(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 500})
    order = await stall.bought(ada, offer.id, {3: 200, 4: 200})
    first = await stall.cancel(ada, order.id, 3, key="a")
    assert await stall.cancel(ada, order.id, 3, key="a") == first
    assert await stall.score(ada) == START - 250
    with refused(Cause.KEY_USED, "starts"):
        await stall.cancel(ada, order.id, 4, key="a")
    other = await stall.bought(ada, offer.id, {3: 1})
    with refused(Cause.KEY_USED, "order"):
        await stall.cancel(ada, other.id, 3, key="a")
    last = await stall.cancel(ada, order.id, key="b")
    stall.now = slot(9)
    assert await stall.cancel(ada, order.id, key="b") == last


async def test_a_reservation_is_released_not_cancelled(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.reserve(ada, offer.id, {3: 200})
    for member in (ada, stall.seller):
        with refused(Cause.STATE, "release it"):
            await stall.cancel(member, order.id)


async def test_a_settled_order_is_not_cancelled(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 500})
    order = await stall.bought(ada, offer.id, {3: 200, 4: 200})
    async with stall.database.transaction() as tx:
        await tx.rows(
            "UPDATE trades SET state = 'settled', metered_wh = 1, delivered_wh = 1,"
            " run = 1, ended_at = 1 WHERE start = ?", (slot(3),),
        )  # fmt: skip
    with refused(Cause.STATE, "settled"):
        await stall.cancel(ada, order.id, 3)
    async with stall.database.transaction() as tx:
        await tx.rows("UPDATE orders SET state = 'delivered', ended_at = 1")
    for member in (ada, stall.seller):
        with refused(Cause.STATE, "delivered"):
            await stall.cancel(member, order.id)


async def test_what_a_dispute_holds_is_not_cancelled(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    async with stall.database.transaction() as tx:
        (trade,) = await trades.where(tx, "order_id = ?", (order.id,))
        named = TransferId(bytes(32))
        stop = freeze_hold(named, trade.hold, why="dispute", reference=b"dispute 1")
        (done,) = await ledger.post(tx, [stop], now=stall.now)
    assert done.refusal is None
    with refused(Cause.FROZEN):
        await stall.cancel(ada, order.id)
    assert (await stall.seen(order.id)).state is State.CONFIRMED
    assert await stall.score(ada) == START
    assert trade.state is TradeState.HELD


async def test_a_stranger_cancels_nothing(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.bought(stall.buyers[0], offer.id, {3: 200})
    with refused(Cause.UNKNOWN):
        await stall.cancel(stall.buyers[1], order.id)
    with refused(Cause.UNKNOWN):
        await stall.cancel(stall.buyers[0], 99)


async def test_the_window_and_the_price_of_cancelling_are_configured(
    stall: Stall,
) -> None:
    stall.trusting(cancel_window_s=60, cancel=100, cancel_late=2_000)
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    orders = [await stall.bought(ada, offer.id, {3: 100}) for _ in range(2)]
    stall.now += 60
    await stall.cancel(ada, orders[0].id)
    assert await stall.score(ada) == START - 100
    stall.now += 1
    with refused(Cause.TOO_LATE, "1 minute"):
        await stall.cancel(ada, orders[1].id)
    await stall.cancel(stall.seller, orders[1].id)
    assert await stall.score(stall.seller) == START - 2_000
