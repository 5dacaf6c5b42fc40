"""A deed may run twice, the second time in vain: what the first did is heard before it counts.

A node that fell behind, a copy of the database put back, a key used twice: each has the
same transaction sent again, and its contract refuses what it did before.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.stacks.calls.token import Slot
from meterseal_aggregator.stacks.withdrawals import store
from meterseal_aggregator.stacks.withdrawals.model import State, Way
from tests.support.withdrawing import Street, open_street, owner

P1 = "producer:1"


@pytest.fixture
async def street(tmp_path: Path) -> AsyncIterator[Street]:
    async with open_street(tmp_path) as opened:
        yield opened
        await opened.is_well()


async def test_a_mint_refused_because_it_was_made_before_gives_nothing_back(
    street: Street,
) -> None:
    await street.credit(0, 100)
    made = await street.ask(0, 100)
    (part,) = await street.parts(made.id)
    place, share = part.place, part.share
    slot = Slot(place.meter_point, place.register, share.start, share.end)
    street.chain.mint(owner(0), slot, 100, street.txid())
    await street.chain.run(street.database)
    assert await street.work() == 0, "nobody heard yet what the chain told before"
    assert await street.held(P1) == 0
    await street.come_through()
    assert (await street.parts(made.id))[0].state is State.ARRIVED
    assert (await street.held(P1), await street.on_chain()) == (0, (0, 100))


async def test_an_epoch_refused_because_it_was_posted_before_stays_claimable(
    street: Street,
) -> None:
    await street.credit(0, 100)
    made = await street.ask(0, 100, Way.EPOCH)
    await street.work()
    async with street.database.reading() as tx:
        epoch = await store.posting(tx)
    assert epoch is not None
    said = (epoch.number, epoch.root, epoch.size, epoch.total)
    street.chain.post_epoch(*said, street.txid())
    await street.chain.run(street.database)
    assert await street.work() == 0, "nobody heard yet what the chain told before"
    await street.come_through()
    await street.claim(made.id)
    await street.come_through()
    assert (await street.held(P1), await street.on_chain()) == (0, (0, 100))


async def test_a_reversal_refused_because_it_was_done_before_is_done_once(
    street: Street,
) -> None:
    await street.credit(0, 100)
    made = await street.ask(0, 100)
    await street.come_through()
    await street.revise(0, 0, 0)
    await street.work()
    (part,) = await street.parts(made.id)
    assert part.share.mint_id is not None
    street.chain.reverse(part.share.mint_id, 100, street.txid())
    await street.chain.run(street.database)
    await street.come_through()
    assert (await street.owed(1), await street.on_chain()) == (0, (0, 0))
