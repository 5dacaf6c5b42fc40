"""What comes back from the chain: corrections, deposits, and what nobody can explain."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.ledger.model import AccountCode
from meterseal_aggregator.stacks.calls.token import Slot
from meterseal_aggregator.stacks.events.energy import EpochPosted
from meterseal_aggregator.stacks.withdrawals.rules import again_at, home
from meterseal_proto.units import EXPORT
from tests.support.edits import edit_span
from tests.support.street import BEGIN
from tests.support.withdrawing import (
    LATER,
    Street,
    open_street,
    owner,
)

P1 = "producer:1"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(tmp_path) as opened:
        yield opened
        await opened.is_well()


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


async def test_an_operators_edit_burns_what_is_held_there_and_gives_back_here(
    street: Street,
) -> None:
    await street.credit(0, 100, 200)
    await street.ask(0, 300)
    await street.come_through()
    span, meter = (BEGIN + 900, BEGIN + 1_800), street.homes[0].meter
    await edit_span(street.database, meter, span, 150, now=LATER)
    await street.mint()
    assert await street.owed(1) == 50
    await street.come_through()
    assert (street.chain.balances[owner(0)], await street.owed(1)) == (250, 0)
    # What a later edit gives back is credited here: nothing is minted there again.
    await edit_span(street.database, meter, span, 180, now=LATER)
    await street.mint()
    await street.come_through()
    assert (await street.held(P1), await street.on_chain()) == (30, (0, 250))


async def test_a_withdrawal_takes_no_more_than_an_edit_left(street: Street) -> None:
    await street.credit(0, 100, 200)
    meter = street.homes[0].meter
    await edit_span(street.database, meter, (BEGIN, BEGIN + 900), 30, now=LATER)
    await street.mint()
    made = await street.ask(0, 230)
    assert [part.share.wh for part in await street.parts(made.id)] == [30, 200]
    await street.come_through()


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
