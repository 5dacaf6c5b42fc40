"""What members tried in order to sell or order more than is theirs, and could not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.market import sales
from meterseal_aggregator.market.lifecycle import RESERVATION_S
from meterseal_aggregator.market.model import Cause
from meterseal_aggregator.market.offers.order import MAX_LET_GO
from meterseal_aggregator.market.offers.place import DAY_S, MAX_A_DAY
from meterseal_aggregator.market.terms import terms_at
from meterseal_aggregator.registry import certificates, write
from meterseal_aggregator.registry.certificates import When
from meterseal_aggregator.registry.certification import (
    Certifier,
    Level,
    Limits,
    Source,
    Wish,
)
from meterseal_aggregator.registry.model import Tenancy
from meterseal_aggregator.storage.database import Database
from tests.support.marketplace import (
    NOW,
    REAL,
    a_market,
    certify,
    declare,
    make_home,
    make_member,
    make_point,
    slot,
)
from tests.support.stall import Stall, open_stall, refused


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    async with a_market(tmp_path) as opened:
        yield opened


@pytest.fixture
async def stall(tmp_path: Path) -> AsyncIterator[Stall]:
    async with open_stall(tmp_path) as opened:
        yield opened


async def test_a_certificate_of_this_month_bounds_what_is_declared(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        eve = await make_member(tx, "Eve")
        point = await make_point(tx, eve)
        await make_home(tx, eve, point)
        wish = Wish(eve, point, 9_000, 300_000, Source.SOLAR)
        asked = await certificates.ask(tx, wish, "k", Limits(1, 10**9, 0), now=NOW)
        await certificates.approve(
            tx, asked.id, Certifier("certifier", Level(2)), When(None, 0, NOW)
        )
        await declare(tx, eve, 1 << 40)
        terms = await terms_at(tx, NOW)
        # A tenth of 300 kWh is hers in this month, though its first second had no word.
        wh = {slot(n): 2_000 for n in range(16)}
        with refused(Cause.ABOVE_TRUST):
            await sales.promise(tx, REAL, sales.Selling(eve, point, wh), terms, now=NOW)


async def test_nobody_orders_of_who_moved_out(stall: Stall) -> None:
    offer = await stall.offer({3: 500, 40: 500})
    async with stall.database.transaction() as tx:
        await write.end_tenancy(tx, stall.point, at=slot(20))
    ada, bob = stall.buyers
    with refused(Cause.SOLD_OUT, f"the slot at {slot(40)}"):
        await stall.reserve(ada, offer.id, {3: 100, 40: 100})
    await stall.bought(bob, offer.id, {3: 100})


async def test_nobody_orders_of_who_lost_his_certificate(stall: Stall) -> None:
    async with stall.database.transaction() as tx:
        await make_home(tx, stall.seller, stall.point)
        await certify(tx, stall.point)
    offer = await stall.offer({3: 500})
    async with stall.database.transaction() as tx:
        await tx.rows("UPDATE certifications SET to_at = ?", (slot(2),))
    with refused(Cause.SOLD_OUT, "no longer deliver"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 100})


async def test_a_demo_that_becomes_real_sells_nothing_unmetered(stall: Stall) -> None:
    offer = await stall.offer({3: 500})
    stall.rules = REAL
    with refused(Cause.SOLD_OUT, "no longer deliver"):
        await stall.reserve(stall.buyers[0], offer.id, {3: 100})


async def test_nobody_keeps_an_offer_to_himself_without_paying(stall: Stall) -> None:
    eve, bob = stall.buyers
    offer = await stall.offer({40: 500})
    for n in range(MAX_LET_GO):
        await stall.expire()
        made = await stall.reserve(eve, offer.id, {40: 400})
        if n % 2:
            await stall.release(eve, made.id)
        else:
            stall.now += RESERVATION_S + 1
    # Also where the duty that ends the last one has not come yet.
    with refused(Cause.FULL, "let go"):
        await stall.reserve(eve, offer.id, {40: 100})
    await stall.expire()
    with refused(Cause.FULL, "let go"):
        await stall.reserve(eve, offer.id, {40: 400})
    other = await stall.offer({41: 500})
    await stall.bought(eve, other.id, {41: 500})
    await stall.bought(bob, offer.id, {40: 500})


async def test_what_is_confirmed_is_not_let_go(stall: Stall) -> None:
    ada, _ = stall.buyers
    offer = await stall.offer({40: 500})
    for _ in range(MAX_LET_GO + 1):
        await stall.bought(ada, offer.id, {40: 10})


async def test_nor_by_paying_and_taking_it_back(stall: Stall) -> None:
    eve, bob = stall.buyers
    offer = await stall.offer({40: 500, 41: 500})
    for _ in range(MAX_LET_GO):
        made = await stall.bought(eve, offer.id, {40: 400, 41: 1})
        await stall.cancel(eve, made.id, 40)
    with refused(Cause.FULL, "let go"):
        await stall.reserve(eve, offer.id, {40: 100})
    await stall.bought(bob, offer.id, {40: 500})


async def test_what_its_seller_cancels_is_not_the_buyers_doing(stall: Stall) -> None:
    ada, offer = stall.buyers[0], await stall.offer({40: 500})
    for _ in range(MAX_LET_GO + 1):
        made = await stall.bought(ada, offer.id, {40: 400})
        await stall.cancel(stall.seller, made.id)
        await stall.set_score(stall.seller, 5_000)


async def test_nobody_fills_the_tables_with_offers_he_takes_back(stall: Stall) -> None:
    async with stall.database.transaction() as tx:
        await tx.many(
            "INSERT INTO offers (seller_id, meter_point_id, price, rail, request_key,"
            " made_at, withdrawn_at) VALUES (?, ?, 150000, 'ledger', ?, ?, ?)",
            [
                (stall.seller, stall.point, f"o{n}", stall.now, stall.now)
                for n in range(MAX_A_DAY - 1)
            ],
        )
    offer = await stall.offer({3: 1}, key="last")
    with refused(Cause.FULL, "offers in 24 hours"):
        await stall.offer({4: 1})
    assert (await stall.offer({3: 1}, key="last")).id == offer.id
    stall.now += DAY_S
    await stall.offer({100: 1})


async def test_what_a_tenant_took_back_the_next_one_may_promise(
    database: Database,
) -> None:
    async with database.transaction() as tx:
        eve, bob = await make_member(tx, "Eve"), await make_member(tx, "Bob")
        point = await make_point(tx, eve)
        await make_home(tx, eve, point)
        await certify(tx, point)
        terms = await terms_at(tx, NOW)
        for who in (eve, bob):
            await declare(tx, who, 300_000)
        wh = {slot(3): 100}
        await sales.promise(tx, REAL, sales.Selling(eve, point, wh), terms, now=NOW)
        await write.end_tenancy(tx, point, at=NOW + 1)
        await write.begin_tenancy(tx, Tenancy(bob, point, NOW + 1, None))
        bobs = sales.Selling(bob, point, wh)
        with refused(Cause.NOT_YOURS):
            await sales.promise(tx, REAL, bobs, terms, now=NOW + 2)
        await sales.release(tx, {(point, slot(3)): 100})
        await sales.promise(tx, REAL, bobs, terms, now=NOW + 2)
        rows = await tx.rows("SELECT seller_id, promised_wh FROM slot_sales")
    assert rows == [(bob, 100)]
