"""Epochs of claims: one root for many, each paid once, and nothing lost that is not claimed."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.withdrawals.duty import Gathering, run_once
from meterseal_aggregator.stacks.withdrawals.model import (
    Moment,
    State,
    Trouble,
    Way,
)
from tests.support.energychain import Refused
from tests.support.street import BEGIN
from tests.support.withdrawing import (
    LATER,
    TELLER,
    Street,
    open_street,
    refused,
    states,
)

P1 = "producer:1"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(tmp_path) as opened:
        yield opened
        await opened.is_well()


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
