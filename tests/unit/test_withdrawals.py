"""Wh leave the ledger for the chain and come back: on one rail at every moment."""

import sqlite3
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.credits.mint import run_once as mint_once
from meterseal_aggregator.jobs import until_idle
from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import Change, record
from meterseal_aggregator.stacks import deeds
from meterseal_aggregator.stacks.calls.token import Slot
from meterseal_aggregator.stacks.events.energy import EpochPosted
from meterseal_aggregator.stacks.withdrawals import store
from meterseal_aggregator.stacks.withdrawals.ask import withdraw
from meterseal_aggregator.stacks.withdrawals.duty import Gathering, run_once
from meterseal_aggregator.stacks.withdrawals.model import (
    Moment,
    NotMade,
    Place,
    State,
    Trouble,
    Way,
    Wish,
)
from meterseal_aggregator.stacks.withdrawals.rules import again_at, home
from meterseal_aggregator.storage.database import Database
from meterseal_aggregator.storage.migrate import migrate, migrations, statements
from meterseal_aggregator.vee.job import run_once as assess_once
from meterseal_proto.units import EXPORT
from tests.support.energychain import Refused
from tests.support.street import BEGIN, settle_in
from tests.support.withdrawing import (
    LATER,
    NETWORK,
    TELLER,
    Street,
    open_street,
    owner,
)

P1 = "producer:1"
WITHDRAWALS = 23


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(tmp_path) as opened:
        yield opened
        await opened.is_well()


async def states(street: Street, withdrawal: int) -> list[State]:
    return [part.state for part in await street.parts(withdrawal)]


async def refused(street: Street, trouble: Trouble, who: int, *asked: object) -> None:
    with pytest.raises(NotMade) as caught:
        await street.ask(who, *asked)  # type: ignore[arg-type]  # as each test has them
    assert caught.value.trouble is trouble


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


async def test_one_epoch_serves_many_and_each_claims_its_own_once(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    await street.credit(1, 50)
    first = await street.ask(0, 300, Way.EPOCH)
    second = await street.ask(1, 300, Way.EPOCH)
    await street.come_through()
    assert len(street.chain.epochs) == 1
    assert (street.chain.supply, await street.on_chain()) == (0, (350, 0))
    await street.claim(second.id)
    with pytest.raises(Refused, match="311"):
        await street.claim(second.id)
    await street.come_through()
    assert await states(street, first.id) == [State.LEAVING]
    assert (await street.parts(second.id))[0].paid == 50
    assert await street.on_chain() == (300, 50)
    await street.claim(first.id)
    await street.come_through()
    assert await street.on_chain() == (0, 350)


async def test_a_claim_waits_before_the_next_of_its_register(street: Street) -> None:
    await street.credit(0, 100)
    made = await street.ask(0, 100, Way.EPOCH)
    await street.credit(0, 200)
    await refused(street, Trouble.CLAIM_FIRST, 0, 200, None)
    await street.come_through()
    await refused(street, Trouble.OTHER_WAY, 0, 200, Way.DIRECT)
    await street.claim(made.id)
    await street.come_through()
    assert (await street.ask(0, 200, None)).way is Way.EPOCH


async def test_a_claim_that_the_next_tenant_passed_over_returns_to_its_producer(
    street: Street,
) -> None:
    await street.credit(0, 100)
    old = await street.ask(0, 100, Way.EPOCH)
    async with street.database.transaction() as tx:
        await tx.rows(
            "UPDATE tenancies SET to_at = ? WHERE member_id = 1", (BEGIN + 900,)
        )
        await tx.rows(
            "INSERT INTO tenancies (member_id, meter_point_id, from_at) VALUES (2, 1, ?)",
            (BEGIN + 900,),
        )
    await street.credit(0, 70)
    new = await street.grant(replace(street.wish(1, 70, None), place=old.place))
    assert new.way is Way.EPOCH
    await street.come_through()
    await street.claim(new.id)
    await street.come_through()
    assert await states(street, old.id) == [State.REFUSED]
    assert (await street.held(P1), street.chain.supply) == (100, 70)
    with pytest.raises(Refused, match="306"):
        await street.claim(old.id)


async def test_unasked_the_chain_is_told_one_sum(street: Street) -> None:
    await street.credit(0, 100, 200)
    assert (await street.ask(0, 300, None)).way is Way.EPOCH


async def test_no_member_fills_the_outbox_with_mints(street: Street) -> None:
    await street.credit(0, *[10] * 100)
    await street.ask(0, 500)
    made = await street.ask(0, 1_000)
    assert len(await street.parts(made.id)) == 96 - 50
    await refused(street, Trouble.BUSY, 0, 10)
    await street.come_through()
    await street.ask(0, 10)


async def test_an_epoch_its_contract_refused_returns_every_claim(
    street: Street,
) -> None:
    await street.credit(0, 100)
    await street.credit(1, 50)
    made = [await street.ask(n, 300, Way.EPOCH) for n in (0, 1)]
    street.chain.paused = True
    await street.come_through()
    assert [await states(street, one.id) for one in made] == [[State.REFUSED]] * 2
    assert await street.held(P1) == 100
    street.chain.paused = False
    again = await street.ask(0, 300, Way.EPOCH)
    await street.come_through()
    await street.claim(again.id)
    await street.come_through()
    assert street.chain.supply == 100


async def test_an_epoch_waits_until_many_share_its_fee(street: Street) -> None:
    await street.credit(0, 100)
    await street.ask(0, 100, Way.EPOCH)
    for wait, due in ((0, 0), (3_599, 0), (3_600, 1)):
        moment = Moment(LATER + wait, LATER)
        assert await run_once(street.database, TELLER, Gathering(), moment) == due


async def test_a_correction_burns_what_is_held_there_and_the_books_owe_it_once(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    await street.ask(0, 300)
    await street.come_through()
    await street.revise(0, 1, 150)
    assert await street.owed(1) == 50
    await street.come_through()
    assert (street.chain.balances[owner(0)], await street.owed(1)) == (250, 0)
    assert await street.on_chain() == (0, 250)


async def test_a_reversal_that_was_refused_is_tried_again_and_not_at_once(
    street: Street,
) -> None:
    await street.credit(0, 100)
    await street.ask(0, 100)
    await street.come_through()
    await street.revise(0, 0, 40)
    street.chain.paused = True
    await street.come_through()
    street.chain.paused = False
    assert (await street.work(), await street.on_chain()) == (0, (0, 100))
    await street.come_through()
    assert (await street.owed(1), await street.on_chain()) == (0, (0, 40))


def test_a_reversal_waits_longer_each_time_and_a_day_at_most() -> None:
    assert again_at(0, None) == 0
    waits = [again_at(tries, 1_000) - 1_000 for tries in (1, 2, 3, 11, 1_000)]
    assert waits == [120, 240, 480, 86_400, 86_400]


async def test_a_correction_of_what_was_sold_there_is_owed_and_repaid_by_the_next_mint(
    street: Street,
) -> None:
    await street.credit(0, 100)
    await street.ask(0, 100)
    await street.come_through()
    street.chain.transfer(100, owner(0), owner(1), street.txid())
    await street.revise(0, 0, 40)
    await street.come_through()
    assert street.chain.debts[owner(0)] == 60
    assert (await street.owed(1), await street.on_chain()) == (60, (0, 100))
    await street.credit(0, 300)
    assert (await street.owed(1), await street.held(P1)) == (0, 240)
    await street.credit(0, 60)
    await street.ask(0, 300)
    await street.come_through()
    # 340 were credited in all: 100 are the buyer's, 240 there, nothing is here twice.
    assert street.chain.balances[owner(0)] + await street.held(P1) == 300
    assert street.chain.supply + await street.held(P1) == 400


async def test_a_retirement_under_a_deposits_name_comes_home_and_every_other_is_used_up(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    await street.ask(0, 300)
    await street.come_through()
    name = await street.open_deposit(0)
    street.chain.retire(owner(0), 120, name, street.txid())
    street.chain.retire(owner(0), 30, bytes(32), street.txid())
    street.chain.retire(owner(0), 1, name, street.txid())
    await street.come_through()
    assert await street.held(P1) == 121
    assert await street.held(f"retired:{bytes(32).hex()}") == 30
    assert await street.on_chain() == (0, 149)
    await street.is_well()


async def test_what_was_bought_there_is_deposited_by_its_buyer(street: Street) -> None:
    await street.credit(0, 100)
    await street.ask(0, 100)
    await street.come_through()
    street.chain.transfer(70, owner(0), owner(1), street.txid())
    street.chain.retire(owner(1), 70, await street.open_deposit(1), street.txid())
    await street.come_through()
    assert (await street.held("producer:2"), await street.on_chain()) == (70, (0, 30))


async def test_what_comes_home_repays_a_debt_first() -> None:
    debt, holds = AccountCode("debt:7"), AccountCode("producer:7")
    assert home(10, 0, 7) == [(holds, 10)]
    assert home(10, 4, 7) == [(debt, 4), (holds, 6)]
    assert home(10, 30, 7) == [(debt, 10)]


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


async def test_what_nobody_withdrew_alarms_and_nothing_comes_back_from_then_on(
    tmp_path: Path,
) -> None:
    async with open_street(tmp_path) as street:
        await street.credit(0, 100)
        await street.ask(0, 100)
        await street.come_through()
        slot = Slot(2, EXPORT, BEGIN, BEGIN + 900)
        street.chain.mint(owner(1), slot, (1 << 62), street.txid())
        name = await street.open_deposit(1)
        street.chain.retire(owner(1), 100, name, street.txid())
        street.chain.retire(owner(1), 100, bytes(32), street.txid())
        street.chain.tell(street.txid(), EpochPosted(1, bytes(32), 1, 5))
        await street.come_through()
        assert (await street.held("producer:2"), await street.on_chain()) == (
            0,
            (0, 100),
        )
        bad = [one for one in await street.audit() if not one.ok]
        assert [one.invariant for one in bad] == [7, 7]
        assert "4 events on the chain are no withdrawal's" in bad[0].detail
        assert "the supply there is" in bad[1].detail
        assert "energy-minted of 4611686018427387904 Wh" in bad[0].detail


async def test_a_mint_told_twice_or_otherwise_than_it_was_wanted_is_no_arrival(
    tmp_path: Path,
) -> None:
    async with open_street(tmp_path) as street:
        await street.credit(0, 100, 200)
        await street.ask(0, 300)
        await street.chain.run(street.database)
        first, second = street.chain.told
        told = replace(second.told, amount=201)  # type: ignore[call-arg]  # a mint
        street.chain.told[:] = [
            first,
            replace(first, txid="f" * 64),
            replace(second, told=told),
        ]
        await street.hear()
        assert await street.on_chain() == (200, 100)
        assert not all(one.ok for one in await street.audit())


async def test_an_epoch_number_that_somebody_else_used_is_not_used_again(
    tmp_path: Path,
) -> None:
    async with open_street(tmp_path) as street:
        await street.credit(0, 100)
        made = await street.ask(0, 100, Way.EPOCH)
        street.chain.post_epoch(1, bytes(32), 1, 5, street.txid())
        await street.work()
        await street.come_through()
        assert await states(street, made.id) == [State.REFUSED]
        again = await street.ask(0, 100, Way.EPOCH)
        await street.work()
        await street.come_through()
        await street.claim(again.id)
        await street.come_through()
        assert street.chain.supply == 100


async def test_a_database_from_before_gets_withdrawals_of_what_was_credited_before(
    tmp_path: Path,
) -> None:
    database = await Database.open(f"sqlite:///{tmp_path / 'old.db'}")
    try:
        async with database.transaction() as tx:
            await tx.rows(
                "CREATE TABLE migrations (number INTEGER PRIMARY KEY,"
                " name TEXT NOT NULL, sha256 TEXT NOT NULL) STRICT"
            )
            for one in (m for m in migrations() if m.number < WITHDRAWALS):
                for statement in statements(one.sql):
                    await tx.rows(statement)
                row = (one.number, one.name, one.sha256)
                await tx.rows("INSERT INTO migrations VALUES (?, ?, ?)", row)
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
