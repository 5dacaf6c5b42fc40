"""What neighbours sold: netted slot by slot, once, retired with the bill, corrected with it."""

from array import array
from collections.abc import AsyncIterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.supplies.store import begin
from meterseal_aggregator.billing.tariffs.store import publish
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer, retired
from meterseal_aggregator.ledger.model import AccountCode, Transfer, TransferId
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_aggregator.market.terms import MarketRules, Mock
from meterseal_proto.rating.components import Export, Flat, Netting, Price, Wheeling
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from meterseal_proto.units import EXPORT, IMPORT
from tests.support.billinghouse import DAY, HOUR, add_meter, pack
from tests.support.lanes import Producer
from tests.support.marketplace import make_member, make_point
from tests.support.nettingstreet import NOW, Street, a_street, figures
from tests.support.settling import slot
from tests.support.street import BEGIN


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with a_street(tmp_path) as opened:
        yield opened


async def test_delivered_wh_are_netted_where_they_were_imported_and_the_rest_stays(
    street: Street,
) -> None:
    world = street.world
    for number in (0, 1):
        await world.sell(street.ada, number, 500)
    await world.tell(500, 400)
    await world.run()
    await street.used(300, 1_000, 700)
    (bill,) = await street.bill()
    # 300 of 500 in the first slot, the 400 that came in the second.
    assert figures(bill) == {"energy": Fraction(1_300, 1_000), "lines": Fraction(7, 10)}
    assert await world.energy(retired(str(street.ada))) == 700
    assert await world.energy(buyer(street.ada)) == 200
    rows = await world.rows("SELECT start, wh FROM netted_slots ORDER BY start")
    assert rows == [(slot(0), 300), (slot(1), 400)]
    assert await street.bill() == [bill]


async def test_a_bill_waits_for_trades_whose_sellers_meter_is_silent_but_not_for_ever(
    street: Street,
) -> None:
    await street.world.sell(street.ada, 0, 500)
    await street.used(300)
    assert await street.bill() == []
    rows = await street.world.rows("SELECT cause FROM bill_waits")
    assert rows == [("trades-open",)]
    bills = await street.bill(BEGIN + 4 * DAY + HOUR)
    assert figures(bills[0])["energy"] == Fraction(3, 10)


async def test_a_correction_upwards_nets_more_of_what_the_member_still_holds(
    street: Street,
) -> None:
    await street.world.sell(street.ada, 0, 500)
    await street.world.tell(500)
    await street.world.run()
    await street.used(300)
    await street.bill()
    await street.used(450, known_at=NOW)
    *_, new = await street.bill(NOW + DAY)
    assert figures(new) == {"energy": 0, "lines": Fraction(45, 100)}
    assert await street.world.energy(buyer(street.ada)) == 50
    rows = await street.world.rows("SELECT wh FROM netted_slots ORDER BY bill_id")
    assert rows == [(300,), (150,)]


async def test_a_correction_downwards_brings_no_retired_wh_back(street: Street) -> None:
    await street.world.sell(street.ada, 0, 500)
    await street.world.tell(500)
    await street.world.run()
    await street.used(300)
    await street.bill()
    await street.used(100, known_at=NOW)
    *_, new = await street.bill(NOW + DAY)
    assert figures(new) == {"energy": 0, "lines": Fraction(1, 10)}
    assert await street.world.energy(retired(str(street.ada))) == 300
    # Told again as it was: what is retired already counts.
    await street.used(300, known_at=NOW + DAY)
    *_, last = await street.bill(NOW + 2 * DAY)
    assert figures(last)["lines"] == Fraction(3, 10)
    assert await street.world.energy(retired(str(street.ada))) == 300


async def test_wh_that_were_sold_on_are_not_netted(street: Street) -> None:
    await street.world.sell(street.ada, 0, 500)
    await street.world.tell(500)
    await street.world.run()
    async with street.world.database.transaction() as tx:
        gone = Transfer(
            TransferId(bytes(32)), 400, buyer(street.ada), AccountCode("escrow:else"),
            "listing", NOW,
        )  # fmt: skip
        (result,) = await ledger.post(tx, [gone], now=NOW)
        assert result.entered
    await street.used(300)
    (bill,) = await street.bill()
    assert figures(bill) == {"energy": Fraction(2, 10), "lines": Fraction(1, 10)}


async def test_what_a_certified_producer_exports_is_credits_and_no_part_of_his_bill(
    street: Street,
) -> None:
    world = street.world
    seller = world.producers[0]
    async with world.database.transaction() as tx:
        ((meter,),) = await tx.rows(
            "SELECT meter_id FROM installations WHERE meter_point_id = ? LIMIT 1",
            (seller.point,),
        )
        await tx.rows(
            "INSERT INTO registers (id, meter_id, register, step, capacity_w,"
            " initial_value, initial_at, enrolment_hash)"
            " VALUES (777, ?, ?, 900, 9000, 0, ?, ?)",
            (meter, IMPORT, BEGIN, bytes([7]) * 32),
        )
        wish = NewSupply(
            MemberId(seller.member), seller.point, Terms("daily"), BEGIN, BEGIN + DAY
        )
        made = await begin(tx, wish)
        row = array("I", [10] * 96)
        for register in (777, seller.home.register_id if seller.home else 0):
            day = (BEGIN // DAY, (BEGIN, 900, row, bytes([17]) * 96))
            await pack(tx, register, *day, BEGIN + DAY + HOUR)
    bills = [one for one in await street.bill() if one.supply == made.id]
    statement = read_statement(bills[0].document)
    assert [one.register for one in statement.usage] == [IMPORT]
    assert bills[0].amount == 960 * 300


async def test_a_seller_whose_reading_is_corrected_keeps_his_bill_and_moves_in_trust(
    street: Street,
) -> None:
    world = street.world
    await world.sell(street.ada, 0, 500)
    await world.tell(250)
    await world.run()
    await street.used(300)
    (bill,) = await street.bill()
    before = await world.trust()
    await world.revise(0, 500, 1)
    world.now = due_at(Run.LAST, slot(0) + 900, "UTC") + 1
    await world.run()
    assert len(await world.trust()) > len(before)
    assert await world.energy(buyer(street.ada)) == 250
    assert await street.bill(world.now) == [bill]
    assert await world.well()


async def test_a_slot_is_netted_by_the_supply_it_began_in_whoever_shares_the_batch(
    street: Street,
) -> None:
    world, late = street.world, BEGIN + 300
    async with world.database.transaction() as tx:
        point = await make_point(tx, street.ada)
        found = await add_meter(tx, point, (IMPORT,), from_at=BEGIN, step=300)
        await begin(tx, NewSupply(MemberId(street.ada), point, Terms("daily"), late))
    for number in (0, 1):
        await world.sell(street.ada, number, 500)
    await world.tell(500, 500)
    await world.run()
    await street.used(0)

    async def used(*wh: int, known_at: int) -> None:
        row = array("I", [*wh, *[0] * (288 - len(wh))])
        day = (BEGIN // DAY, (BEGIN, 300, row, bytes([17]) * 288))
        async with world.database.transaction() as tx:
            await pack(tx, found[IMPORT], *day, known_at)

    # Of the first slot he has ten minutes, of the second all.
    await used(0, 100, 100, 100, 100, 100, known_at=BEGIN + DAY + HOUR)
    bills = await street.bill()
    (his,) = [one for one in bills if one.begin == late]
    assert figures(his) == {"energy": Fraction(2, 10), "lines": Fraction(3, 10)}
    # Rated again alone, it is the same but for what is known otherwise.
    await used(0, 100, 100, 100, 100, 100, 50, known_at=NOW)
    *_, new = await street.bill(NOW + DAY)
    assert figures(new) == {"energy": Fraction(25, 100), "lines": Fraction(3, 10)}
    assert await world.energy(retired(str(street.ada))) == 300


async def test_what_a_demos_mock_verified_is_netted_from_nothing_else(
    street: Street,
) -> None:
    world = street.world
    world.rules = MarketRules(mock=Mock(success_bp=10_000))
    async with world.database.transaction() as tx:
        member = await make_member(tx, "Bare")
        point = await make_point(tx, member)
    world.producers.append(Producer(member, point, None))
    await world.sell(street.ada, 0, 500, seller=1)
    await world.sell(street.ada, 1, 500)
    await world.tell(0, 500)
    await world.run()
    assert await world.rows("SELECT mocked FROM settled_slots WHERE start = ?", slot(0)) == [(1,)]  # fmt: skip
    await street.used(300)
    (bill,) = await street.bill()
    assert figures(bill) == {"energy": Fraction(3, 10), "lines": 0}
    assert await world.energy(buyer(street.ada)) == 500


async def test_a_slot_gives_bills_no_more_than_it_was_delivered_whatever_else_he_holds(
    street: Street,
) -> None:
    world = street.world
    async with world.database.transaction() as tx:
        point = await make_point(tx, street.ada)
        rows = await add_meter(tx, point, (IMPORT,), from_at=BEGIN)
        await begin(tx, NewSupply(MemberId(street.ada), point, Terms("daily"), BEGIN))
    other = replace(street, register=rows[IMPORT])
    for number in (0, 1):
        await world.sell(street.ada, number, 500)
    await world.tell(500, 500)
    await world.run()
    await street.used(300)
    await other.used(200)
    assert len(await street.bill()) == 2
    # All of the first slot is netted; what he holds is of the second.
    await street.used(450, known_at=NOW)
    *_, new = await street.bill(NOW + DAY)
    assert figures(new) == {"energy": Fraction(15, 100), "lines": Fraction(3, 10)}
    assert await world.energy(buyer(street.ada)) == 500


async def test_where_export_is_netted_slot_by_slot_the_rest_of_import_nets_neighbours_wh(
    street: Street,
) -> None:
    world = street.world
    slotwise = FullTariff(
        "slotwise", "XTS", "UTC", BEGIN, Commodity.ELECTRICITY,
        (
            Flat("energy", Price(300_000)),
            Wheeling("lines", Price(50_000)),
            Export("feed-in", Netting.SLOT, Price(80_000)),
        ),
        Rule.HALF_EVEN, Split.PROPORTION, minor=6, cycle=Cycle.DAY,
    )  # fmt: skip
    async with world.database.transaction() as tx:
        await publish(tx, slotwise.document(), now=BEGIN)
        point = await make_point(tx, street.ada)
        rows = await add_meter(tx, point, (IMPORT, EXPORT), from_at=BEGIN)
        who = MemberId(street.ada)
        made = await begin(tx, NewSupply(who, point, Terms("slotwise"), BEGIN))
    await world.sell(street.ada, 0, 500)
    await world.tell(500)
    await world.run()
    await street.used(0)
    await replace(street, register=rows[IMPORT]).used(300)
    await replace(street, register=rows[EXPORT]).used(200)
    (bill,) = [one for one in await street.bill() if one.supply == made.id]
    assert figures(bill) == {"energy": 0, "lines": Fraction(1, 10)}
    assert await world.energy(retired(str(street.ada))) == 100
