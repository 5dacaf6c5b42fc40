"""Offers at a fixed price: what may be offered, for how much, and what is taken back."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market.model import Cause
from meterseal_aggregator.market.offers.model import NewOffer
from meterseal_aggregator.parameters.model import Name
from tests.support.marketplace import (
    REAL,
    certify,
    make_home,
    make_member,
    make_point,
    set_parameter,
    slot,
)
from tests.support.stall import PRICE, Stall, open_stall, refused, slots


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        yield opened


async def test_an_offer_promises_its_energy_and_shows_it(stall: Stall) -> None:
    made = await stall.offer({3: 500, 4: 700})
    assert (made.id, made.seller, made.price) == (1, stall.seller, PRICE)
    assert await stall.left(made.id) == {3: 500, 4: 700}
    assert await stall.promised() == {3: 500, 4: 700}
    assert {one.length for one in made.slots.values()} == {900}


async def test_the_same_wish_under_one_key_is_one_offer(stall: Stall) -> None:
    first = await stall.offer({3: 500}, key="a")
    again = await stall.offer({3: 500}, key="a")
    assert again == first
    assert await stall.promised() == {3: 500}


@pytest.mark.parametrize(
    ("wish", "named"),
    [
        ({"price": 151_000, "wh": {3: 500}}, "price"),
        ({"price": PRICE, "wh": {3: 501}}, "slots"),
        ({"price": PRICE, "wh": {3: 500, 4: 1}}, "slots"),
    ],
)
async def test_another_wish_under_a_used_key_is_told_what_differs(
    stall: Stall, wish: dict[str, int], named: str
) -> None:
    await stall.offer({3: 500}, key="a")
    with refused(Cause.KEY_USED, named):
        await stall.offer(key="a", **wish)  # type: ignore[arg-type] # two kinds of value


async def test_another_sellers_key_is_his_own(stall: Stall) -> None:
    await stall.offer({3: 500}, key="a")
    async with stall.database.transaction() as tx:
        other = await make_member(tx, "Luna")
        point = await make_point(tx, other)
    made = await stall.place(NewOffer(other, "a", point, PRICE, slots({3: 500})))
    assert made.seller == other


PRICES = {
    79_000: "from 80000 to 250000",
    80_000: "",
    80_500: "multiple of 1000",
    250_000: "",
    251_000: "from 80000 to 250000",
    0: "from 80000",
    -80_000: "from 80000",
}


@pytest.mark.parametrize("price", PRICES)
async def test_a_price_lies_between_feed_in_and_retail(
    stall: Stall, price: int
) -> None:
    if PRICES[price]:
        with refused(Cause.PRICE, PRICES[price]):
            await stall.offer({3: 500}, price)
    else:
        assert (await stall.offer({3: 500}, price)).price == price


async def test_a_price_covers_the_fee(stall: Stall) -> None:
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.MARKET_FEE_MICRO, 90_000)
    with refused(Cause.PRICE, "from 90000"):
        await stall.offer({3: 500}, 89_000)
    await stall.offer({3: 500}, 90_000)


async def test_a_price_is_above_nothing_where_feed_in_pays_nothing(
    stall: Stall,
) -> None:
    async with stall.database.transaction() as tx:
        await set_parameter(tx, Name.FEED_IN_PRICE_MICRO, 0)
    with refused(Cause.PRICE, "from 1000"):
        await stall.offer({3: 500}, 0)


async def test_nothing_is_left_of_an_offer_that_is_refused(stall: Stall) -> None:
    with refused(Cause.TOO_LATE):
        await stall.offer({3: 500, -60: 1})
    assert await stall.promised() == {}


async def test_an_offer_above_the_trust_limit_is_refused(stall: Stall) -> None:
    await stall.offer({3: 499_999})
    with refused(Cause.ABOVE_TRUST, "1 Wh more"):
        await stall.offer({4: 2})
    await stall.offer({4: 1})


async def test_without_a_demo_a_point_without_a_meter_sells_nothing(
    stall: Stall,
) -> None:
    stall.rules = REAL
    with refused(Cause.NO_METER):
        await stall.offer({3: 500})


async def test_a_certified_meter_sells_what_its_capacity_gives(stall: Stall) -> None:
    stall.rules = REAL
    async with stall.database.transaction() as tx:
        await make_home(tx, stall.seller, stall.point)
    with refused(Cause.UNCERTIFIED):
        await stall.offer({3: 500})
    async with stall.database.transaction() as tx:
        await certify(tx, stall.point, capacity_w=4_000)
    await stall.offer({3: 600})
    with refused(Cause.ABOVE_CAP, "400 Wh are left"):
        await stall.offer({3: 401})
    await stall.offer({3: 400})


async def test_a_withdrawn_offer_gives_back_what_nobody_claimed(stall: Stall) -> None:
    made = await stall.offer({3: 500, 4: 700})
    order = await stall.bought(stall.buyers[0], made.id, {3: 200})
    gone = await stall.withdraw(made.id)
    assert gone.withdrawn_at == stall.now
    assert await stall.left(made.id) == {3: 0, 4: 0}
    assert await stall.promised() == {3: 200, 4: 0}
    assert (await stall.seen(order.id)).state.value == "confirmed"
    assert await stall.withdraw(made.id) == gone


async def test_a_stranger_withdraws_nothing(stall: Stall) -> None:
    made = await stall.offer({3: 500})
    with refused(Cause.UNKNOWN):
        await stall.withdraw(made.id, seller=stall.buyers[0])
    with refused(Cause.UNKNOWN):
        await stall.withdraw(99)


async def test_a_slot_that_has_begun_is_closed_with_what_was_not_claimed(
    stall: Stall,
) -> None:
    made = await stall.offer({3: 500, 4: 700})
    await stall.bought(stall.buyers[0], made.id, {3: 200})
    stall.now = slot(3) - 1
    assert await stall.expire() == 0
    stall.now = slot(3)
    assert await stall.expire() == 1
    assert await stall.expire() == 0
    assert await stall.left(made.id) == {3: 0, 4: 700}
    assert await stall.promised() == {3: 200, 4: 700}


async def test_what_nobody_bought_is_given_back_after_its_slot_was_settled(
    stall: Stall,
) -> None:
    made = await stall.offer({3: 500})
    waits = await stall.reserve(stall.buyers[0], made.id, {3: 200})
    stall.now = slot(9)
    async with stall.database.transaction() as tx:
        await tx.rows("UPDATE slot_sales SET settled_at = 1")
    assert await stall.expire() == 2
    assert await stall.promised() == {3: 0}
    assert (await stall.offered(made.id)).slots[slot(3)].claimed_wh == 0
    assert (await stall.seen(waits.id)).state.value == "expired"
