"""No tariff begins or ends in what is billed, though somebody set the clock back."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.tariffs.model import Cause, NotPublished
from meterseal_aggregator.billing.tariffs.store import end, publish
from meterseal_proto.rating.components import Flat, Price
from tests.support.billinghouse import (
    CODE,
    DAY,
    JUNE,
    MAY,
    Utility,
    a_tariff,
    a_utility,
)

DEARER = a_tariff(Flat("energy", Price(900_000)))
BEFORE_THAT = MAY + 9 * DAY


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path) as found:
        home = await found.supply("Ada")
        await found.use(home, MAY, JUNE)
        assert await found.bill(now=JUNE + DAY)
        yield found


async def test_a_version_begins_where_nothing_is_billed(utility: Utility) -> None:
    early = replace(DEARER, valid_from=JUNE - 1)
    async with utility.database.transaction() as tx:
        with pytest.raises(NotPublished, match=str(JUNE)) as caught:
            await publish(tx, early.document(), now=BEFORE_THAT)
        assert caught.value.cause is Cause.RETROACTIVE
        later = replace(DEARER, valid_from=JUNE)
        assert (await publish(tx, later.document(), now=BEFORE_THAT)).begin == JUNE


async def test_a_code_ends_where_nothing_is_billed(utility: Utility) -> None:
    async with utility.database.transaction() as tx:
        with pytest.raises(NotPublished, match=str(JUNE)) as caught:
            await end(tx, CODE, JUNE - 1, now=BEFORE_THAT)
        assert caught.value.cause is Cause.RETROACTIVE
        assert (await end(tx, CODE, JUNE, now=BEFORE_THAT)).end == JUNE


async def test_another_code_is_not_held_up_by_this_ones_bills(
    utility: Utility,
) -> None:
    other = replace(DEARER, id="other", valid_from=MAY + 10 * DAY)
    async with utility.database.transaction() as tx:
        made = await publish(tx, other.document(), now=BEFORE_THAT)
    assert made.begin == MAY + 10 * DAY
