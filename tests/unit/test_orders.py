"""Orders: reserved whole or not at all, confirmed with money, released, and in time."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.market import trades
from meterseal_aggregator.market.delivery import Terms
from meterseal_aggregator.market.lifecycle import RESERVATION_S, Event, State
from meterseal_aggregator.market.model import Cause, TradeState
from meterseal_aggregator.market.offers import orders
from meterseal_aggregator.market.offers.model import NewOffer
from meterseal_aggregator.market.offers.order import MAX_RESERVED
from meterseal_aggregator.parameters.model import Name
from tests.support.marketplace import (
    make_member,
    make_point,
    set_parameter,
    slot,
)
from tests.support.stall import PRICE, PURSE, Stall, open_stall, refused, slots


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        yield opened


async def test_a_reservation_claims_and_a_confirmation_holds(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500, 4: 700})
    order = await stall.reserve(ada, offer.id, {3: 200, 4: 300})
    assert (order.state, order.wh) == (State.RESERVED, 500)
    assert await stall.left(offer.id) == {3: 300, 4: 400}
    assert await stall.purse(ada) == PURSE
    done = await stall.confirm(ada, order.id)
    assert (done.state, done.confirmed_at) == (State.CONFIRMED, stall.now)
    assert await stall.purse(ada) == PURSE - 500 * PRICE // 1_000
    assert await stall.left(offer.id) == {3: 300, 4: 400}
    assert await stall.promised() == {3: 500, 4: 700}


async def test_each_slot_of_an_order_is_one_trade_with_its_own_hold(
    stall: Stall,
) -> None:
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, 2_000)
        await set_parameter(tx, Name.MARKET_LOSSES_BP, 300)
    offer = await stall.offer({3: 500, 4: 700})
    order = await stall.bought(stall.buyers[0], offer.id, {3: 200, 4: 300})
    async with stall.database.transaction() as tx:
        made = await trades.where(tx, "order_id = ?", (order.id,))
    assert [(one.start, one.wh, one.state) for one in made] == [
        (slot(3), 200, TradeState.HELD), (slot(4), 300, TradeState.HELD),
    ]  # fmt: skip
    assert {one.terms for one in made} == {Terms(PRICE, 2_000, 300, 250_000)}
    assert await stall.open_holds() == 2


async def test_terms_are_those_of_the_confirmation(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, 3_000, stall.now + 10)
    stall.now += 10
    await stall.confirm(stall.buyers[0], order.id)
    async with stall.database.transaction() as tx:
        (made,) = await trades.where(tx, "order_id = ?", (order.id,))
    assert made.terms.fee == 3_000


async def test_a_fee_above_the_price_confirms_nothing(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, PRICE + 1_000)
    with refused(Cause.PRICE, "fee"):
        await stall.confirm(stall.buyers[0], order.id)


async def test_all_slots_or_none(stall: Stall) -> None:
    offer = await stall.offer({3: 500, 4: 100})
    with refused(Cause.SOLD_OUT, "100 Wh are left, not 101"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 500, 4: 101})
    assert await stall.left(offer.id) == {3: 500, 4: 100}
    with refused(Cause.SLOT, "no slot"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 500, 5: 1})
    with refused(Cause.SLOT):
        await stall.reserve(stall.buyers[0], offer.id, {})
    with refused(Cause.SLOT):
        await stall.reserve(stall.buyers[0], offer.id, {3: 0})
    with refused(Cause.SLOT):
        await stall.reserve(stall.buyers[0], offer.id, {3: -1})
    assert await stall.left(offer.id) == {3: 500, 4: 100}


async def test_no_wh_is_claimed_twice(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    await stall.reserve(stall.buyers[0], offer.id, {3: 300})
    with refused(Cause.SOLD_OUT, "200 Wh are left"):
        await stall.reserve(stall.buyers[1], offer.id, {3: 201})
    await stall.reserve(stall.buyers[1], offer.id, {3: 200})


async def test_the_same_wish_under_one_key_is_one_order(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    first = await stall.reserve(stall.buyers[0], offer.id, {3: 300}, key="a")
    assert await stall.reserve(stall.buyers[0], offer.id, {3: 300}, key="a") == first
    assert await stall.left(offer.id) == {3: 200}
    with refused(Cause.KEY_USED, "slots"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 301}, key="a")
    with refused(Cause.KEY_USED, "offer"):
        await stall.reserve(stall.buyers[0], 2, {3: 300}, key="a")
    await stall.reserve(stall.buyers[1], offer.id, {3: 200}, key="a")


async def test_a_retry_after_all_is_sold_is_told_of_its_order(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    first = await stall.reserve(stall.buyers[0], offer.id, {3: 500}, key="a")
    stall.now = slot(5)
    assert await stall.reserve(stall.buyers[0], offer.id, {3: 500}, key="a") == first


async def test_nobody_buys_from_himself(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    with refused(Cause.SELF_TRADE):
        await stall.reserve(stall.seller, offer.id, {3: 1})


async def test_who_sells_in_a_slot_does_not_buy_in_it(stall: Stall) -> None:
    offer, ada = await stall.offer({3: 500, 4: 500}), stall.buyers[0]
    async with stall.database.transaction() as tx:
        point = await make_point(tx, ada)
    hers = await stall.place(NewOffer(ada, "k", point, PRICE, slots({3: 100})))
    with refused(Cause.BOTH_SIDES):
        await stall.reserve(ada, offer.id, {3: 1, 4: 1})
    await stall.reserve(ada, offer.id, {4: 1})
    await stall.withdraw(hers.id, seller=ada)
    await stall.reserve(ada, offer.id, {3: 1})


async def test_who_buys_in_a_slot_does_not_sell_in_it(stall: Stall) -> None:
    offer, ada = await stall.offer({3: 500, 4: 500}), stall.buyers[0]
    async with stall.database.transaction() as tx:
        point = await make_point(tx, ada)
    order = await stall.reserve(ada, offer.id, {3: 1})
    wish = NewOffer(ada, "k", point, PRICE, slots({3: 100}))
    with refused(Cause.BOTH_SIDES):
        await stall.place(wish)
    await stall.confirm(ada, order.id)
    with refused(Cause.BOTH_SIDES):
        await stall.place(wish)
    await stall.cancel(ada, order.id)
    await stall.place(wish)


async def test_a_seller_below_two_tenths_of_trust_sells_nothing(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    await stall.set_score(stall.seller, 1_999)
    with refused(Cause.LOW_TRUST):
        await stall.reserve(stall.buyers[0], offer.id, {3: 1})
    await stall.set_score(stall.seller, 2_000)
    await stall.reserve(stall.buyers[0], offer.id, {3: 1})


async def test_nobody_orders_of_what_is_not_there(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    with refused(Cause.UNKNOWN):
        await stall.reserve(stall.buyers[0], 99, {3: 1})
    await stall.withdraw(offer.id)
    with refused(Cause.SOLD_OUT, "withdrawn"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 1})


async def test_a_slot_is_ordered_until_it_begins(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    stall.now = slot(3) - 1
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 1})
    stall.now = slot(3)
    with refused(Cause.TOO_LATE):
        await stall.reserve(stall.buyers[0], offer.id, {3: 1})
    with refused(Cause.TOO_LATE):
        await stall.confirm(stall.buyers[0], order.id)
    assert (await stall.seen(order.id)).state is State.RESERVED


@pytest.mark.parametrize(
    ("after_s", "confirmed"),
    [(RESERVATION_S - 1, True), (RESERVATION_S, True), (RESERVATION_S + 1, False)],
)
async def test_a_reservation_lasts_ten_minutes_to_the_second(
    stall: Stall, after_s: int, *, confirmed: bool
) -> None:
    assert RESERVATION_S == 600
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    stall.now += after_s
    assert await stall.expire() == (0 if confirmed else 1)
    if confirmed:
        await stall.confirm(stall.buyers[0], order.id)
        return
    assert await stall.left(offer.id) == {3: 500}
    with refused(Cause.EXPIRED):
        await stall.confirm(stall.buyers[0], order.id)
    with refused(Cause.STATE):
        await stall.release(stall.buyers[0], order.id)


async def test_a_reservation_is_over_though_no_duty_ran(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    stall.now += RESERVATION_S + 1
    with refused(Cause.EXPIRED):
        await stall.confirm(stall.buyers[0], order.id)
    assert await stall.open_holds() == 0


async def test_who_cannot_pay_keeps_his_reservation(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 60_000, 4: 60_000})
    order = await stall.reserve(ada, offer.id, {3: 40_000, 4: 40_000})
    with refused(Cause.FUNDS, "pay in"):
        await stall.confirm(ada, order.id)
    assert (await stall.seen(order.id)).state is State.RESERVED
    assert await stall.purse(ada) == PURSE
    assert await stall.open_holds() == 0
    assert await stall.left(offer.id) == {3: 20_000, 4: 20_000}


async def test_a_confirmation_twice_is_one(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    assert await stall.confirm(ada, order.id) == order
    assert await stall.open_holds() == 1


async def test_only_its_buyer_confirms_or_releases(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    for stranger in (stall.buyers[1], stall.seller):
        with refused(Cause.UNKNOWN):
            await stall.confirm(stranger, order.id)
        with refused(Cause.UNKNOWN):
            await stall.release(stranger, order.id)


async def test_a_released_reservation_is_for_sale_again(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.reserve(ada, offer.id, {3: 200})
    done = await stall.release(ada, order.id)
    assert (done.state, done.ended_at) == (State.RELEASED, stall.now)
    assert await stall.release(ada, order.id) == done
    assert await stall.left(offer.id) == {3: 500}
    with refused(Cause.STATE, "released"):
        await stall.confirm(ada, order.id)
    assert await stall.score(ada) == 3_000


async def test_what_is_confirmed_is_not_released(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    with refused(Cause.STATE, "confirmed"):
        await stall.release(ada, order.id)


async def test_a_reservation_ends_into_a_withdrawn_offer_without_a_trace(
    stall: Stall,
) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    await stall.withdraw(offer.id)
    assert await stall.promised() == {3: 200}
    await stall.release(stall.buyers[0], order.id)
    assert await stall.promised() == {3: 0}
    assert await stall.left(offer.id) == {3: 0}


async def test_a_reservation_may_be_confirmed_though_the_rest_was_withdrawn(
    stall: Stall,
) -> None:
    offer = await stall.offer({3: 500})
    order = await stall.reserve(stall.buyers[0], offer.id, {3: 200})
    await stall.withdraw(offer.id)
    done = await stall.confirm(stall.buyers[0], order.id)
    assert done.state is State.CONFIRMED


async def test_a_buyer_has_so_many_reservations_and_no_more(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    made = [await stall.reserve(ada, offer.id, {3: 1}) for _ in range(MAX_RESERVED)]
    with refused(Cause.FULL, "confirm or release"):
        await stall.reserve(ada, offer.id, {3: 1})
    await stall.reserve(stall.buyers[1], offer.id, {3: 1})
    await stall.confirm(ada, made[0].id)
    await stall.reserve(ada, offer.id, {3: 1})
    other = await stall.offer({3: 500})
    with refused(Cause.FULL, "confirm or release"):
        await stall.reserve(ada, other.id, {3: 1})
    stall.now += RESERVATION_S + 1
    await stall.reserve(ada, other.id, {3: 1})


async def test_an_order_nobody_could_ever_pay_is_refused(stall: Stall) -> None:
    most = (1 << 40) - 1
    stall.trusting(start=9_500)
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.RETAIL_PRICE_MICRO, most // 1_000 * 1_000)
        rich = await make_member(tx, "Rich")
        point = await make_point(tx, rich)
        await tx.rows(
            "INSERT INTO production_declarations (member_id, monthly_wh, declared_at)"
            " VALUES (?, ?, 1)", (rich, 1 << 50),
        )  # fmt: skip
    wish = NewOffer(rich, "k", point, most // 1_000 * 1_000, slots({3: most}))
    offer = await stall.place(wish)
    with refused(Cause.FUNDS):
        await stall.reserve(stall.buyers[0], offer.id, {3: most})
    assert replace(offer) == await stall.offered(offer.id)


async def test_both_sides_are_told_of_every_move_and_no_name(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    order = await stall.bought(ada, offer.id, {3: 200})
    await stall.cancel(ada, order.id)
    for member, side in ((ada, "buyer"), (stall.seller, "seller")):
        told = [json.loads(body) for body in await stall.told(member)]
        states = [one["state"] for one in told]
        assert states == ["reserved", "confirmed", "cancelled"]
        assert {(one["id"], one["side"], one["wh"]) for one in told} == {
            (order.id, side, 200)
        }
    assert await stall.told(stall.buyers[1]) == []


async def test_an_order_moves_once_from_the_state_it_was_seen_in(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 500})
    seen = await stall.reserve(ada, offer.id, {3: 200})
    await stall.release(ada, seen.id)
    async with stall.database.transaction() as tx:
        assert not await orders.move(tx, seen, Event.EXPIRE, now=stall.now)
    assert (await stall.seen(seen.id)).state is State.RELEASED
    assert len(await stall.told(ada)) == 2


async def test_what_fails_is_told_to_nobody(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({3: 400_000})
    order = await stall.reserve(ada, offer.id, {3: 400_000})
    with refused(Cause.FUNDS):
        await stall.confirm(ada, order.id)
    assert len(await stall.told(ada)) == 1
