"""A device that cannot open its day yet is asked again; one that will never is not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.private import duty
from meterseal_aggregator.privacy.errands import store as errands
from meterseal_proto.errand import BillAsked, BillRefused, NoBill
from meterseal_proto.rating.components import Flat, Price
from meterseal_proto.rating.tariff import Commodity, Cycle, FullTariff, Rule, Split
from tests.support.devices import BEGAN_AT, GENESIS
from tests.support.privatebills import PrivateHome, a_home

DAY_S = 86_400
MIDNIGHT = BEGAN_AT + DAY_S
PIECES = 4
"""Seals that fill a day."""
TARIFF = FullTariff(
    "home", "EUR", "Etc/GMT-2", 0, Commodity.ELECTRICITY,
    (Flat("energy", Price(250_000)),), Rule.HALF_UP, Split.PROPORTION, cycle=Cycle.DAY,
)  # fmt: skip


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[PrivateHome]:
    async with a_home(tmp_path, PIECES, TARIFF) as found:
        await work(found, MIDNIGHT)
        yield found


async def work(home: PrivateHome, now: int) -> None:
    while await duty.run_once(home.desk.database, GENESIS.network, now):
        pass


async def refuse(home: PrivateHome, why: NoBill, now: int) -> None:
    """Let the device say no to the first day that it is asked for."""
    ((begin, end, tariff),) = await home.desk.rows(
        "SELECT from_at, to_at, tariff FROM bill_requests ORDER BY id LIMIT 1"
    )
    asked = BillAsked(home.device.meter, home.device.register, begin, end, tariff)
    async with home.desk.database.transaction() as tx:
        no = BillRefused(asked, why, bytes(64))
        assert await errands.refuse(tx, home.device.register_id, no, now)


async def waits(home: PrivateHome) -> bool:
    """Whether the device is asked for the first day, and said nothing yet."""
    ((why,),) = await home.desk.rows(
        "SELECT why FROM bill_requests ORDER BY id LIMIT 1"
    )
    return why is None


async def test_a_day_that_is_not_accepted_yet_is_asked_for_again_an_hour_later(
    home: PrivateHome,
) -> None:
    await refuse(home, NoBill.NOT_FILLED, MIDNIGHT)
    await work(home, MIDNIGHT + duty.AGAIN_S - 1)
    assert not await waits(home)
    await work(home, MIDNIGHT + duty.AGAIN_S)
    assert await waits(home)


async def test_after_the_fallbacks_bill_it_is_asked_once_a_day(
    home: PrivateHome,
) -> None:
    ((late,),) = await home.desk.rows("SELECT fallback_at FROM private_periods")
    await work(home, late)
    state = "SELECT state FROM private_periods ORDER BY id LIMIT 1"
    assert await home.desk.rows(state) == [("fallback",)]
    await refuse(home, NoBill.NOT_FILLED, late)
    await work(home, late + duty.LATE_AGAIN_S - 1)
    assert not await waits(home)
    await work(home, late + duty.LATE_AGAIN_S)
    assert await waits(home)


@pytest.mark.parametrize("why", [NoBill.TOO_FINE, NoBill.TARIFF_LATE, NoBill.OVERLAP])
async def test_what_a_device_will_never_open_is_not_asked_for_again(
    home: PrivateHome, why: NoBill
) -> None:
    await refuse(home, why, MIDNIGHT)
    await work(home, MIDNIGHT + 5 * DAY_S)
    assert not await waits(home)
