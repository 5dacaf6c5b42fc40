"""What neighbours delivered after a bill was issued: netted by a bill in its place, once."""

from collections.abc import AsyncIterator
from fractions import Fraction
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Act, BillState
from meterseal_aggregator.billing.statements import affected, store
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.billing.statements.touched import (
    SETTLING_S,
    Reason,
    passed,
    touched,
)
from meterseal_aggregator.billing.supplies.model import NewSupply, Terms
from meterseal_aggregator.billing.supplies.store import begin, end
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer, retired
from meterseal_aggregator.ledger.model import AccountCode, Transfer, TransferId
from meterseal_aggregator.market.settlement.runs import Run, due_at
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import IMPORT
from tests.support.billinghouse import DAY, HOUR, NETWORK, add_meter
from tests.support.explained import Explained
from tests.support.marketplace import make_point
from tests.support.nettingstreet import NOW, Street, a_street, figures
from tests.support.settling import slot
from tests.support.street import BEGIN

LATE = BEGIN + 9 * DAY
"""When the seller's meter tells at last, days after the buyer's bill."""
NOTHING = {"energy": 0, "lines": 0}


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with a_street(tmp_path) as opened:
        yield opened


async def settled(street: Street, *wh: int, at: int = LATE) -> None:
    """Let the seller's meter tell of its next slots, and they be settled."""
    await street.world.tell(*wh)
    street.world.now = at
    await street.world.run()


async def billed(street: Street, *used: int, sold: int = 500) -> None:
    """Sell the first slot to Ada and bill her before anybody knows what came of it."""
    await street.world.sell(street.ada, 0, sold)
    await street.used(*used)
    assert len(await street.bill(NOW + 4 * DAY)) == 1


async def looks(street: Street, now: int) -> dict[int, Reason]:
    """Return which bills would be looked at, and why."""
    async with street.world.database.reading() as tx:
        return await touched(tx, Moment.of(NETWORK, now))


async def give_away(street: Street, wh: int) -> None:
    """Let Ada sell Wh on."""
    gone = Transfer(
        TransferId(bytes(32)), wh, buyer(street.ada), AccountCode("escrow:else"),
        "listing", LATE,
    )  # fmt: skip
    async with street.world.database.transaction() as tx:
        (result,) = await ledger.post(tx, [gone], now=LATE)
    assert result.entered


async def test_what_is_settled_after_the_bill_corrects_it_once(street: Street) -> None:
    await billed(street, 300)
    await settled(street, 500)
    old, note, new = await street.bill(LATE + HOUR)
    assert figures(old) == {"energy": Fraction(3, 10), "lines": 0}
    assert (note.kind, note.corrects) == (StatementKind.CREDIT_NOTE, old.id)
    assert (new.replaces, figures(new)) == (old.id, {"energy": 0, "lines": Fraction(3, 10)})  # fmt: skip
    assert await street.world.energy(retired(str(street.ada))) == 300
    assert await street.world.energy(buyer(street.ada)) == 200
    async with street.world.database.reading() as tx:
        act = (await store.acts_of(tx, old.id))[-1]
        standing = (await store.standings(tx, [old.id]))[old.id]
    assert standing.state is BillState.CORRECTED
    assert (act.act, act.actor, act.note) == (
        Act.CORRECTED, "billing", "neighbours' Wh were delivered after it was made",
    )  # fmt: skip
    for now in (LATE + HOUR, LATE + 3 * HOUR, LATE + DAY):
        assert await looks(street, now) == {}
        assert await street.bill(now) == [old, note, new]
    assert await street.world.energy(retired(str(street.ada))) == 300


async def test_what_a_later_run_delivers_is_netted_beside_what_was(
    street: Street,
) -> None:
    world = street.world
    await world.sell(street.ada, 0, 500)
    await settled(street, 250, at=world.now)
    await street.used(400)
    (first,) = await street.bill()
    assert figures(first) == {"energy": Fraction(15, 100), "lines": Fraction(25, 100)}
    await world.revise(0, 500, 1)
    world.now = due_at(Run.MONTH, slot(0), "UTC") + 1
    await world.run()
    *_, new = await street.bill(world.now + HOUR)
    assert figures(new) == {"energy": 0, "lines": Fraction(4, 10)}
    rows = await world.rows("SELECT bill_id, wh FROM netted_slots ORDER BY bill_id")
    assert rows == [(first.id, 250), (new.id, 150)]
    assert await world.energy(buyer(street.ada)) == 100
    # The last run finds nothing more, and says so by no run at all.
    world.now = due_at(Run.LAST, slot(0), "UTC") + 1
    await world.run()
    assert len(await street.bill(world.now + HOUR)) == 3


async def test_what_was_not_imported_in_its_slot_changes_no_bill(
    street: Street,
) -> None:
    await billed(street, 0, 300)
    (bill,) = await street.bill(NOW + 4 * DAY)
    await settled(street, 500)
    assert await looks(street, LATE + HOUR) == {bill.id: Reason.DELIVERED}
    assert await street.bill(LATE + HOUR) == [bill]
    assert await looks(street, LATE + HOUR) == {}
    assert await street.world.energy(buyer(street.ada)) == 500


async def test_a_later_run_that_delivers_no_more_touches_no_bill(
    street: Street,
) -> None:
    world = street.world
    await world.sell(street.ada, 0, 500)
    await settled(street, 500, at=world.now)
    await street.used(300)
    await street.bill()
    await world.revise(0, 250, 1)
    world.now = due_at(Run.MONTH, slot(0), "UTC") + 1
    await world.run()
    rows = await world.rows(
        "SELECT metered_wh, delivered_wh FROM trade_runs ORDER BY run"
    )
    assert rows == [(500, 500), (250, 500)]
    assert await looks(street, world.now + HOUR) == {}


async def test_a_slot_of_which_nothing_came_touches_no_bill(street: Street) -> None:
    await billed(street, 300)
    await settled(street, 0)
    assert await street.world.rows("SELECT delivered_wh FROM trade_runs") == [(0,)]
    assert await looks(street, LATE + HOUR) == {}


async def test_wh_that_he_sold_on_before_the_look_are_not_netted(
    street: Street,
) -> None:
    await billed(street, 300)
    await settled(street, 500)
    await give_away(street, 400)
    *_, new = await street.bill(LATE + HOUR)
    assert figures(new) == {"energy": Fraction(2, 10), "lines": Fraction(1, 10)}
    assert await street.world.energy(retired(str(street.ada))) == 100


async def test_a_bill_stays_where_he_sold_on_all_that_came(street: Street) -> None:
    await billed(street, 300)
    await settled(street, 500)
    await give_away(street, 500)
    assert len(await street.bill(LATE + HOUR)) == 1
    assert await looks(street, LATE + HOUR) == {}


async def test_the_final_bill_of_who_moved_out_nets_what_came_later(
    street: Street,
) -> None:
    async with street.world.database.transaction() as tx:
        await end(tx, street.supply, at=BEGIN + DAY)
    await billed(street, 300)
    await settled(street, 500)
    old, _, new = await street.bill(LATE + HOUR)
    assert figures(new) == {"energy": 0, "lines": Fraction(3, 10)}
    assert read_statement(old.document).final
    assert read_statement(new.document).final


async def test_two_supplies_of_a_member_share_what_came_later_and_net_it_once(
    street: Street,
) -> None:
    async with street.world.database.transaction() as tx:
        point = await make_point(tx, street.ada)
        rows = await add_meter(tx, point, (IMPORT,), from_at=BEGIN)
        await begin(tx, NewSupply(MemberId(street.ada), point, Terms("daily"), BEGIN))
    await street.world.sell(street.ada, 0, 500)
    await street.used(300)
    await Street(street.world, street.ada, 0, rows[IMPORT]).used(400)
    assert len(await street.bill(NOW + 4 * DAY)) == 2
    await settled(street, 500)
    found = await street.bill(LATE + HOUR)
    assert [figures(one) for one in found if one.replaces] == [
        {"energy": 0, "lines": Fraction(3, 10)},
        {"energy": Fraction(2, 10), "lines": Fraction(2, 10)},
    ]
    assert await street.world.energy(retired(str(street.ada))) == 500
    assert await street.bill(LATE + DAY) == found


async def test_a_bill_that_netted_all_that_came_that_very_minute_is_not_rated_again(
    street: Street,
) -> None:
    await street.world.sell(street.ada, 0, 300)
    await settled(street, 300, at=NOW)
    await street.used(300)
    (bill,) = await street.bill(NOW)
    assert bill.known_at < NOW
    assert await looks(street, NOW + HOUR) == {}


async def test_what_waited_to_be_written_while_the_bill_was_issued_is_found(
    street: Street,
) -> None:
    await billed(street, 300)
    issued = NOW + 4 * DAY
    await settled(street, 500, at=issued - 30)
    assert await looks(street, issued) == {}
    assert len(await street.bill(issued + HOUR)) == 3


@pytest.mark.parametrize("state", ["opened", "fallback", "corrected"])
async def test_a_private_homes_bill_is_left_alone_also_where_it_is_an_estimate(
    street: Street, state: str
) -> None:
    await billed(street, 300)
    async with street.world.database.transaction() as tx:
        await tx.rows(
            "INSERT INTO private_periods (supply_id, register_id, from_at, to_at, tariff,"
            " asked_at, fallback_at, state, bill_id) SELECT b.supply_id, ?, b.from_at,"
            " b.to_at, t.hash, b.to_at, b.to_at, ?, b.id FROM bills b, full_tariffs t",
            (street.register, state),
        )
    await settled(street, 500)
    assert await looks(street, LATE + HOUR) == {}


async def test_a_look_reads_what_was_delivered_since_the_last_and_nothing_else(
    street: Street,
) -> None:
    moment = Moment.of(NETWORK, LATE)
    async with street.world.database.reading() as tx:
        await tx.rows("SELECT 1")
        explained = Explained(tx)
        await touched(explained, moment)
        await passed(explained, moment)
    assert "SEARCH r USING INDEX trade_runs_delivered (at>? AND at<?)" in explained.plan
    assert (
        "SEARCH b USING INDEX bills_by_supply (supply_id=? AND from_at<?)"
        in explained.plan
    )
    # Nothing is read as a whole but the one row of marks, and what is to be looked at.
    scans = {one for one in explained.plan if one.startswith("SCAN")}
    assert scans == {
        "SCAN correction_marks", "SCAN m", "SCAN s USING INDEX bill_standings_to_look_at",
    }  # fmt: skip


async def test_where_nothing_was_settled_a_look_is_two_statements_and_no_write(
    street: Street,
) -> None:
    await billed(street, 300)
    database = street.world.database
    before = database.waits
    assert await affected.run_once(database, NETWORK, LATE) == 0
    assert database.waits == before
    async with database.reading() as tx:
        await touched(tx, Moment.of(NETWORK, LATE))
        await passed(tx, Moment.of(NETWORK, LATE))
        assert tx.statements == 2


async def test_ten_minutes_later_nothing_that_was_settled_is_read_again(
    street: Street,
) -> None:
    await billed(street, 300)
    await settled(street, 500)
    mark = "SELECT delivered_to FROM correction_marks"
    await street.bill(LATE + SETTLING_S + 59)
    assert await street.world.rows(mark) == [(0,)]
    await street.bill(LATE + SETTLING_S + 60)
    assert await street.world.rows(mark) == [(LATE,)]
    before = street.world.database.waits
    assert await affected.run_once(street.world.database, NETWORK, LATE + DAY) == 0
    assert street.world.database.waits == before
