"""Lane C: minted Wh change hands at once, at the community's price, and may be given back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.identity.events import told
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, buyer, producer
from meterseal_aggregator.ledger.chart import DISPUTES
from meterseal_aggregator.ledger.model import (
    WH,
    AccountCode,
    Freeze,
    Phase,
    Transfer,
    TransferId,
)
from meterseal_aggregator.market.listings.model import HOUSE, REFUNDS, Kind, listed
from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.registry.certificates import When, open_at, revoke
from meterseal_aggregator.registry.certification import Certifier, Level
from tests.support.lanec import MADE_WH, PAID_IN, Lane, a_lane, findings, move, promise
from tests.support.marketplace import (
    NOW,
    XTS,
    a_market,
    fund,
    make_member,
    set_parameter,
)

# 150,000 micro-units a kWh, 5 % commission and 90 % back are the defaults.
PRICE, COMMISSION, BACK = 150, 15_000, 135


@pytest.fixture
async def lane(tmp_path: Path) -> AsyncIterator[Lane]:
    async with a_market(tmp_path) as database:
        yield await a_lane(database)


async def _set(lane: Lane, name: Name, value: int, at: int = 0) -> None:
    async with lane.database.transaction() as tx:
        await set_parameter(tx, name, value, at)


async def test_wh_for_sale_wait_in_escrow_and_come_back(lane: Lane) -> None:
    added = await lane.do(Kind.ADD, lane.ada, 6_000)
    assert (added.left_wh, added.amount) == (6_000, 0)
    assert await lane.wh(lane.ada) == (4_000, 6_000, 0)
    removed = await lane.do(Kind.REMOVE, lane.ada, 2_500)
    assert removed.left_wh == 3_500
    assert await lane.wh(lane.ada) == (6_500, 3_500, 0)
    assert await findings(lane) == []


async def test_a_buyer_pays_the_price_to_the_seller_and_the_commission_on_top(
    lane: Lane,
) -> None:
    await lane.do(Kind.ADD, lane.ada, 3_000)
    deed = await lane.do(Kind.BUY, lane.cleo, 2_000, lane.ada, 315_000)
    assert (deed.amount, deed.commission) == (300_000, 15_000)
    assert (deed.left_wh, deed.bought_wh) == (1_000, 2_000)
    assert await lane.money(lane.ada) == 300_000
    assert await lane.money(lane.cleo) == PAID_IN - 315_000
    assert await lane.fund() == 15_000
    assert await lane.wh(lane.cleo) == (0, 0, 2_000)
    assert await findings(lane) == []


async def test_a_commission_is_rounded_down_as_the_contract_does(lane: Lane) -> None:
    await _set(lane, Name.LISTED_PRICE_MICRO, 1_000)
    await lane.do(Kind.ADD, lane.ada, 50)
    deed = await lane.do(Kind.BUY, lane.cleo, 39, lane.ada)
    assert (deed.amount, deed.commission) == (39, 1)
    deed = await lane.do(Kind.BUY, lane.cleo, 1, lane.ada)
    assert (deed.amount, deed.commission) == (1, 0)
    assert await lane.fund() == 1


async def test_a_refund_is_rounded_down_even_to_nothing(lane: Lane) -> None:
    await _set(lane, Name.LISTED_PRICE_MICRO, 1_000)
    await lane.do(Kind.ADD, lane.ada, 400)
    await lane.do(Kind.BUY, lane.cleo, 400, lane.ada)
    assert (await lane.do(Kind.REFUND, lane.cleo, 19)).amount == 17
    assert (await lane.do(Kind.REFUND, lane.cleo, 1)).amount == 0
    assert await lane.fund() == 20 - 17
    assert await findings(lane) == []


async def test_one_micro_unit_above_the_most_is_declined(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 3_000)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.BUY, lane.cleo, 2_000, lane.ada, 314_999)
    assert declined.value.cause is Cause.PRICE
    assert "315000" in declined.value.detail
    assert await lane.money(lane.cleo) == PAID_IN


async def test_a_refund_is_the_rate_of_todays_price_and_the_house_sells_on(
    lane: Lane,
) -> None:
    await lane.do(Kind.ADD, lane.ada, 4_000)
    await lane.do(Kind.BUY, lane.cleo, 4_000, lane.ada)
    await _set(lane, Name.LISTED_PRICE_MICRO, 100_000, NOW)
    deed = await lane.do(Kind.REFUND, lane.cleo, 300, bound=27_000)
    assert (deed.amount, deed.left_wh, deed.bought_wh) == (27_000, 300, 3_700)
    assert await lane.fund() == 30_000 - 27_000
    assert await lane.held(listed(HOUSE)) == 300
    bought = await lane.do(Kind.BUY, lane.dan, 300, HOUSE)
    assert (bought.amount, bought.commission) == (30_000, 1_500)
    assert await lane.fund() == 3_000 + 31_500
    assert await lane.wh(lane.dan) == (0, 0, 300)
    assert await findings(lane) == []


async def test_a_refund_that_the_fund_cannot_pay_in_full_is_declined_with_figures(
    lane: Lane,
) -> None:
    await lane.do(Kind.ADD, lane.ada, 1_000)
    await lane.do(Kind.BUY, lane.cleo, 1_000, lane.ada)
    assert await lane.fund() == 7_500
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.REFUND, lane.cleo, 56)
    assert declined.value.cause is Cause.RESERVE
    assert "7500 of the 7560" in declined.value.detail
    assert (await lane.do(Kind.REFUND, lane.cleo, 55)).amount == 55 * BACK


async def test_a_refund_below_the_buyers_least_is_declined(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 1_000)
    await lane.do(Kind.BUY, lane.cleo, 1_000, lane.ada)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.REFUND, lane.cleo, 10, bound=1_351)
    assert declined.value.cause is Cause.PRICE
    assert (await lane.do(Kind.REFUND, lane.cleo, 10, bound=1_350)).amount == 1_350


async def test_only_what_was_bought_here_is_refunded(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    await lane.do(Kind.BUY, lane.cleo, 200, lane.ada)
    async with lane.database.transaction() as tx:
        # Of a trade: bought, but not here.
        await move(tx, producer(lane.bo), buyer(lane.cleo), 700, WH)
        await move(tx, CASH, REFUNDS, 1_000_000, XTS)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.REFUND, lane.cleo, 201)
    assert declined.value.cause is Cause.STATE
    assert "200 Wh here" in declined.value.detail
    await lane.do(Kind.REFUND, lane.cleo, 200)
    with pytest.raises(Declined):
        await lane.do(Kind.REFUND, lane.cleo, 1)


async def test_what_is_used_up_is_not_refunded(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 5_000)
    await lane.do(Kind.BUY, lane.cleo, 5_000, lane.ada)
    async with lane.database.transaction() as tx:
        gone = AccountCode(f"retired:{lane.cleo}")
        await move(tx, buyer(lane.cleo), gone, 4_990, WH)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.REFUND, lane.cleo, 11)
    assert declined.value.cause is Cause.STATE
    await lane.do(Kind.REFUND, lane.cleo, 10)


async def test_a_seller_does_not_buy_of_himself(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    async with lane.database.transaction() as tx:
        await fund(tx, lane.ada, 1_000_000, now=NOW)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.BUY, lane.ada, 100, lane.ada)
    assert declined.value.cause is Cause.SELF_TRADE


async def test_nobody_buys_or_takes_back_more_than_is_for_sale(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    for kind, member, seller in (
        (Kind.BUY, lane.cleo, lane.ada),
        (Kind.BUY, lane.cleo, lane.bo),
        (Kind.BUY, lane.cleo, HOUSE),
        (Kind.BUY, lane.cleo, 999),
        (Kind.REMOVE, lane.ada, 0),
        (Kind.REMOVE, lane.bo, 0),
    ):
        with pytest.raises(Declined) as declined:
            await lane.do(kind, member, 501, seller)
        assert declined.value.cause is Cause.SOLD_OUT


async def test_a_buyer_without_the_money_is_declined(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.BUY, lane.bo, 1, lane.ada)
    assert declined.value.cause is Cause.FUNDS
    assert "157 micro-units and you have 0" in declined.value.detail


async def test_the_reserves_bind_who_adds_to_the_wh(lane: Lane) -> None:
    await _set(lane, Name.LISTED_USER_RESERVE_WH, 1_000)
    await _set(lane, Name.LISTED_RESERVE_WH, 1_500)
    await lane.do(Kind.ADD, lane.ada, 1_000)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.ada, 1)
    assert declined.value.cause is Cause.RESERVE
    assert "you may put up 0 Wh more" in declined.value.detail
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.bo, 501)
    assert "the community may put up 500 Wh more" in declined.value.detail
    await lane.do(Kind.ADD, lane.bo, 500)
    await lane.do(Kind.REMOVE, lane.ada, 10)
    await lane.do(Kind.ADD, lane.bo, 10)


async def test_a_refund_is_not_refused_because_the_reserve_is_full(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 1_000)
    await lane.do(Kind.BUY, lane.cleo, 1_000, lane.ada)
    await lane.do(Kind.ADD, lane.bo, 1_000)
    await _set(lane, Name.LISTED_RESERVE_WH, 1_000)
    deed = await lane.do(Kind.REFUND, lane.cleo, 50)
    assert deed.left_wh == 50


async def test_wh_that_are_promised_in_unsettled_slots_are_not_put_up(
    lane: Lane,
) -> None:
    point = lane.points[lane.ada]
    async with lane.database.transaction() as tx:
        await promise(tx, lane.ada, point, NOW - 1_800, 7_000)
        await promise(tx, lane.ada, point, NOW + 1_800, 9_000)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.ada, 3_001)
    assert declined.value.cause is Cause.RESERVE
    assert "3000" in declined.value.detail
    await lane.do(Kind.ADD, lane.ada, 3_000)
    async with lane.database.transaction() as tx:
        await tx.rows(
            "UPDATE slot_sales SET settled_at = ? WHERE start < ?", (NOW, NOW)
        )
    await lane.do(Kind.ADD, lane.ada, MADE_WH - 3_000)


async def test_more_promised_than_held_leaves_nothing_free_and_never_less(
    lane: Lane,
) -> None:
    async with lane.database.transaction() as tx:
        await promise(tx, lane.ada, lane.points[lane.ada], NOW - 900, 50_000)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.ada, 1)
    assert "you made 0 are" in declined.value.detail


async def test_only_a_certified_producer_puts_up_and_others_still_take_back(
    lane: Lane,
) -> None:
    await lane.do(Kind.ADD, lane.ada, 400)
    async with lane.database.transaction() as tx:
        found = await open_at(tx, lane.points[lane.ada])
        by = Certifier("test", Level.REVOKE)
        await revoke(tx, found.id, by, "gone", When(NOW + 1, NOW, NOW))
    await lane.do(Kind.ADD, lane.ada, 1)
    lane.now = NOW + 1
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.ada, 1)
    assert declined.value.cause is Cause.UNCERTIFIED
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.cleo, 1)
    assert declined.value.cause is Cause.UNCERTIFIED
    await lane.do(Kind.BUY, lane.cleo, 1, lane.ada)
    await lane.do(Kind.REMOVE, lane.ada, 400)


async def test_a_certificate_where_he_no_longer_lives_is_not_his(lane: Lane) -> None:
    async with lane.database.transaction() as tx:
        await tx.rows(
            "UPDATE tenancies SET to_at = ? WHERE member_id = ?", (NOW, lane.ada)
        )
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.ADD, lane.ada, 1)
    assert declined.value.cause is Cause.UNCERTIFIED


async def test_the_same_wish_under_the_same_key_is_done_once(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 5_000)
    fill = lane.wish(Kind.BUY, lane.cleo, 2_000, lane.ada)
    first = await lane.grant(fill)
    await lane.do(Kind.BUY, lane.cleo, 1_000, lane.ada)
    await _set(lane, Name.LISTED_PRICE_MICRO, 200_000, NOW)
    assert await lane.grant(fill) == first
    give = lane.wish(Kind.REFUND, lane.cleo, 20)
    assert await lane.grant(give) == await lane.grant(give)
    add = lane.wish(Kind.ADD, lane.ada, 10)
    assert await lane.grant(add) == await lane.grant(add)
    take = lane.wish(Kind.REMOVE, lane.ada, 7)
    assert await lane.grant(take) == await lane.grant(take)
    assert await lane.wh(lane.ada) == (MADE_WH - 5_003, 2_003, 0)
    assert await lane.wh(lane.cleo) == (0, 0, 2_980)
    assert await findings(lane) == []


async def test_another_wish_under_a_used_key_names_the_field(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 5_000)
    used = lane.wish(Kind.BUY, lane.cleo, 100, lane.ada, 20_000)
    await lane.grant(used)
    for other, name in (
        (replace(used, wh=101), "wh"),
        (replace(used, seller=lane.bo), "seller"),
        (replace(used, bound=20_001), "most_micro"),
        (replace(used, kind=Kind.REFUND, seller=HOUSE), "kind"),
    ):
        with pytest.raises(Declined) as declined:
            await lane.grant(other)
        assert declined.value.cause is Cause.KEY_USED
        assert f"different {name}," in declined.value.detail
    # The key of one member is not another's.
    await lane.grant(replace(used, member=lane.dan))


async def test_buyer_and_seller_are_told_and_nobody_else(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    await lane.do(Kind.BUY, lane.cleo, 100, lane.ada)
    async with lane.database.reading() as tx:
        news = {
            who: [one.body for one in await told(tx, who, after=0, limit=10)]
            for who in lane.members
        }
    assert news[lane.cleo] == ['{"id":2,"kind":"buy","wh":100,"amount_micro":15750}']
    assert news[lane.ada][1] == (
        '{"id":2,"kind":"sold","wh":100,"amount_micro":15000,"left_wh":400}'
    )
    assert news[lane.bo] == news[lane.dan] == []


async def test_a_disputed_account_stops_its_own_wishes_only(lane: Lane) -> None:
    await lane.do(Kind.ADD, lane.ada, 500)
    await lane.do(Kind.ADD, lane.bo, 500)
    freeze = Transfer(
        TransferId(b"f" * 32), 0, listed(lane.ada), DISPUTES, "dispute", NOW,
        phase=Phase.HOLD, freezes=Freeze.DEBIT,
    )  # fmt: skip
    async with lane.database.transaction() as tx:
        (result,) = await ledger.post(tx, [freeze], now=NOW)
    assert result.entered
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.BUY, lane.cleo, 1, lane.ada)
    assert declined.value.cause is Cause.FROZEN
    assert await lane.money(lane.cleo) == PAID_IN
    await lane.do(Kind.BUY, lane.cleo, 1, lane.bo)


async def test_a_stranger_with_no_account_sees_zero_and_buys_nothing(
    lane: Lane,
) -> None:
    async with lane.database.transaction() as tx:
        eve = await make_member(tx, "Eve")
    await lane.do(Kind.ADD, lane.ada, 500)
    with pytest.raises(Declined) as declined:
        await lane.do(Kind.BUY, eve, 1, lane.ada)
    assert declined.value.cause is Cause.FUNDS
