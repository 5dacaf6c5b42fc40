"""Wh leave the ledger for the chain and come back: on one rail at every moment."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.credits.mint import run_once as mint_once
from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger.model import AccountCode, TransferId
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.stacks.outbox import deeds
from meterseal_aggregator.stacks.withdrawals import store
from meterseal_aggregator.stacks.withdrawals.ask import withdraw
from meterseal_aggregator.stacks.withdrawals.model import (
    Moment,
    NotMade,
    Place,
    State,
    Trouble,
    Way,
    Wish,
)
from meterseal_aggregator.storage.migrate import migrate
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.intervals import Interval
from meterseal_proto.units import EXPORT
from tests.support.migrated import open_before
from tests.support.street import settle_in
from tests.support.withdrawing import (
    LATER,
    NETWORK,
    TELLER,
    Street,
    open_street,
    owner,
    refused,
    states,
)

P1 = "producer:1"
WITHDRAWALS = 23


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(tmp_path) as opened:
        yield opened
        await opened.is_well()


async def test_whole_slots_leave_at_once_and_arrive_by_their_mints(
    street: Street,
) -> None:
    await street.credit(0, 100, 200, 400)
    made = await street.ask(0, 350)
    assert made.way is Way.DIRECT
    assert [part.share.wh for part in await street.parts(made.id)] == [100, 200]
    assert (await street.held(P1), await street.on_chain()) == (400, (300, 0))
    await street.is_well()
    await street.come_through()
    assert await states(street, made.id) == [State.ARRIVED] * 2
    assert (await street.held(P1), await street.on_chain()) == (400, (0, 300))
    assert street.chain.balances == {owner(0): 300}
    again = await street.ask(0, 400)
    await street.come_through()
    assert [part.share.wh for part in await street.parts(again.id)] == [400]
    assert street.chain.supply == 700


async def test_the_same_wish_is_the_same_withdrawal_and_its_key_no_other(
    street: Street,
) -> None:
    await street.credit(0, 100, 100)
    wish = street.wish(0, 100)
    assert await street.grant(wish) == await street.grant(wish)
    assert await street.held(P1) == 100
    for other in (
        replace(wish, wh=300),
        replace(wish, way=Way.EPOCH),
        replace(wish, owner=owner(1)),
        replace(wish, place=replace(wish.place, meter_point=2)),
    ):
        with pytest.raises(NotMade) as caught:
            await street.grant(other)
        assert caught.value.trouble is Trouble.KEY_USED
    assert (await street.grant(replace(wish, key="other"))).id == 2


async def test_nothing_leaves_that_is_not_held_credited_and_the_members_own(
    street: Street,
) -> None:
    await refused(street, Trouble.NOTHING, 0, 100)
    await street.credit(0, 100, 200)
    await refused(street, Trouble.TOO_LITTLE, 0, 99)
    stranger = replace(street.wish(1, 300), place=street.wish(0, 1).place)
    with pytest.raises(NotMade) as caught:
        await street.grant(stranger)
    assert caught.value.trouble is Trouble.NOTHING
    await street.ask(0, 10_000)
    await refused(street, Trouble.NOTHING, 0, 100)
    assert await street.held(P1) == 0


async def test_a_producer_with_a_debt_repays_first(street: Street) -> None:
    await street.credit(0, 100, 200)
    await street.ask(0, 100)
    await street.revise(0, 0, 0)
    assert (await street.held(P1), await street.owed(1)) == (100, 0)
    await street.revise(0, 1, 20)
    assert (await street.held(P1), await street.owed(1)) == (0, 80)
    await refused(street, Trouble.DEBT, 0, 20)


async def test_a_mint_its_contract_refused_returns_to_the_producer_and_may_be_asked_again(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    street.chain.uncertified.add(owner(0))
    made = await street.ask(0, 300)
    await street.come_through()
    assert await states(street, made.id) == [State.REFUSED] * 2
    assert (await street.held(P1), await street.on_chain()) == (300, (0, 0))
    street.chain.uncertified.clear()
    again = await street.ask(0, 300, Way.EPOCH)
    await street.come_through()
    await street.claim(again.id)
    await street.come_through()
    assert street.chain.balances == {owner(0): 300}


async def test_a_slot_refused_before_one_that_was_minted_stays_on_the_ledger(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    street.chain.uncertified.add(owner(0))
    await street.ask(0, 300)
    await street.chain.run(street.database, most=1)
    street.chain.uncertified.clear()
    await street.come_through()
    assert (await street.held(P1), await street.on_chain()) == (100, (0, 200))
    await refused(street, Trouble.NOTHING, 0, 100)


async def test_no_member_fills_the_outbox_with_mints(street: Street) -> None:
    await street.credit(0, *[10] * 100)
    await street.ask(0, 500)
    made = await street.ask(0, 1_000)
    assert len(await street.parts(made.id)) == 96 - 50
    await refused(street, Trouble.BUSY, 0, 10)
    await street.come_through()
    await street.ask(0, 10)


async def test_mints_that_were_refused_count_for_a_day(street: Street) -> None:
    await street.credit(0, *[10] * 96)
    street.chain.uncertified.add(owner(0))
    await street.ask(0, 960)
    await street.come_through()
    await refused(street, Trouble.BUSY, 0, 10)
    later = Moment(LATER + 2 * 86_400, LATER)
    street.chain.uncertified.clear()
    await street.grant(street.wish(0, 10), later)
    await street.come_through()
    assert street.chain.supply == 10


async def test_two_deeds_and_two_parts_never_have_one_slot(street: Street) -> None:
    await street.credit(0, 100)
    made = await street.ask(0, 100)
    (part,) = await street.parts(made.id)
    other = replace(street.wish(0, 100), key="other")
    with pytest.raises(sqlite3.IntegrityError, match="was withdrawn"):
        async with street.database.transaction() as tx:
            number = await store.add(tx, other, Way.DIRECT, now=LATER)
            await store.add_parts(tx, number, part.place, [part.share])
    async with street.database.reading() as tx:
        found = await deeds.outcome(tx, "mint 1/0")
        assert found is not None
    await street.come_through()
    with pytest.raises(sqlite3.IntegrityError, match="settles once"):
        async with street.database.transaction() as tx:
            await store.refuse(tx, [part], now=LATER)


async def test_a_database_from_before_gets_withdrawals_of_what_was_credited_before(
    tmp_path: Path,
) -> None:
    database = await open_before(tmp_path / "old.db", lambda n: n != WITHDRAWALS)
    try:
        async with database.transaction() as tx:
            await record(tx, Change(Name.FINALITY_DELAY_S, 0, 0, 0, "test"))
        home = await settle_in(database, 1)
        async with database.transaction() as tx:
            await home.tell(tx, 100)
        await until_idle(lambda: assess_once(database, LATER))
        await until_idle(lambda: mint_once(database, NETWORK, LATER))
        assert "0023_withdrawals.sql" in await migrate(database)
        wish = Wish(1, "first", Place(1, EXPORT), 100, owner(0))
        async with database.transaction() as tx:
            made, _ = await withdraw(tx, TELLER, wish, Moment(LATER, LATER))
            (part,) = await store.parts(tx, [made.id])
        assert part.share.wh == 100
    finally:
        await database.close()


async def test_what_is_promised_to_a_neighbour_stays_until_its_slot_is_settled(
    street: Street,
) -> None:
    await street.credit(0, 100, 200, 400)
    await _promise(street, 1, 150)
    made = await street.ask(0, 700)
    # The slot in which something was sold is passed over, the others leave.
    assert [part.share.wh for part in await street.parts(made.id)] == [100, 400]
    assert await street.held(P1) == 200


async def test_wh_promised_of_another_slot_are_not_held_for_the_chain(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    await _promise(street, 1, 150)
    # What the producer has beside the promise was used up some other way.
    async with street.database.transaction() as tx:
        wish = Retirement(
            TransferId(bytes(16)), AccountCode(P1), "1", Interval(0, 900), 120
        )
        assert (await retire(tx, wish, now=LATER)).entered
    await refused(street, Trouble.TOO_LITTLE, 0, 300)


async def _promise(street: Street, slot: int, wh: int) -> None:
    """Note that a seller promised Wh of the slot of a credit, in its own place."""
    async with street.database.transaction() as tx:
        ((point, start, member),) = await tx.rows(
            "SELECT meter_point_id, start, member_id FROM credits ORDER BY start"
            " LIMIT 1 OFFSET ?",
            (slot,),
        )
        row = (point, start, 900, member, 1_000, wh)
        await tx.rows(
            "INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh,"
            " promised_wh) VALUES (?, ?, ?, ?, ?, ?)",
            row,
        )
