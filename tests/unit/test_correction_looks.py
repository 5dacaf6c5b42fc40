"""Which bills a correcting look names, once each: what comes late, waits or need not be."""

from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.statements import affected
from meterseal_aggregator.billing.statements.affected import correct_now
from meterseal_aggregator.billing.statements.draft import Draft, Moment, Wish
from meterseal_aggregator.billing.statements.duty import rate_here
from meterseal_proto.rating.components import (
    Bank,
    Count,
    NetMetering,
    PayoutOf,
    Price,
)
from meterseal_proto.rating.statement import StatementKind
from meterseal_proto.units import EXPORT, IMPORT, Quality
from tests.support.billedmay import BILLED, LATER, TENTH, WHY, may
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    FED_IN,
    HOUR,
    JULY,
    JUNE,
    MAY,
    NETWORK,
    Utility,
    a_tariff,
    a_utility,
    at,
)


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path, a_tariff(ENERGY, FED_IN)) as opened:
        yield opened


async def test_a_private_homes_bill_after_a_corrected_one_waits_for_its_device(
    tmp_path: Path,
) -> None:
    bank = NetMetering("roof", Bank.ONE, Count(12), Price(0), PayoutOf.BANK)
    async with a_utility(tmp_path, a_tariff(ENERGY, bank)) as utility:
        home = await utility.supply("Ada", registers=(IMPORT, EXPORT))
        for begin, end, given in ((MAY, JUNE, 1_500), (JUNE, JULY, 0)):
            await utility.use(home, begin, end, 1_000)
            await utility.use(home, begin, end, given, register=EXPORT)
        await utility.bill(now=at(2026, 7, 1, 6))
        async with utility.database.transaction() as tx:
            await tx.rows(
                "INSERT INTO private_periods (supply_id, register_id, from_at, to_at,"
                " tariff, asked_at, fallback_at, state, bill_id) SELECT b.supply_id, ?,"
                " b.from_at, b.to_at, t.hash, b.to_at, b.to_at, 'fallback', b.id"
                " FROM bills b, full_tariffs t WHERE b.from_at = ?",
                (home.registers[IMPORT], JUNE),
            )
        known = LATER - HOUR
        await utility.use(home, MAY, JUNE, 1_250, register=EXPORT, known_at=known)
        found = await utility.correct(now=LATER)
        assert [one.begin for one in found if one.replaces] == [MAY]
        assert await utility.waits() == []


async def test_a_bill_that_somebody_corrects_while_it_is_rated_again_is_corrected_once(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER - HOUR)

    async def slow(wishes: Sequence[Wish], moment: Moment) -> list[Draft | Refused]:
        async with utility.database.transaction() as tx:
            assert await correct_now(tx, bill.number, moment, WHY) is not None
        return await rate_here(wishes, moment)

    assert await affected.run_once(utility.database, NETWORK, LATER, rater=slow) == 1
    assert [one.kind for one in await utility.correct(now=LATER)] == [
        StatementKind.BILL, StatementKind.CREDIT_NOTE, StatementKind.BILL,
    ]  # fmt: skip


async def test_a_look_that_waited_and_finds_the_lines_the_same_waits_no_more(
    utility: Utility,
) -> None:
    home, bill = await may(utility)
    await utility.use(
        home, TENTH, TENTH + DAY, 0, known_at=LATER - HOUR, quality=Quality.MISSING
    )
    assert await utility.correct(now=LATER) == [bill]
    assert len(await utility.waits()) == 1
    await utility.use(home, TENTH, TENTH + DAY, 1_000, known_at=LATER)
    assert await utility.correct(now=LATER + DAY) == [bill]
    assert await utility.waits() == []


async def test_a_day_written_down_late_is_found_though_a_later_one_was_looked_at(
    utility: Utility,
) -> None:
    home, _ = await may(utility)
    other = await utility.supply("Ben")
    await utility.use(other, MAY, JUNE, 1_000)
    assert len(await utility.bill(now=BILLED)) == 2
    await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER)
    assert len(await utility.correct(now=LATER + HOUR)) == 4
    await utility.use(other, TENTH, TENTH + DAY, 2_000, known_at=LATER - 1_800)
    assert len(await utility.correct(now=LATER + 2 * HOUR)) == 6


async def test_what_only_the_years_cost_makes_other_has_no_later_bill_looked_at(
    utility: Utility,
) -> None:
    home, _ = await may(utility)
    await utility.use(home, JUNE, JULY, 1_000)
    _, june = await utility.bill(now=at(2026, 7, 1, 6))
    before = (await utility.standing(june)).looked_to
    await utility.use(home, TENTH, TENTH + DAY, 2_000, known_at=LATER - HOUR)
    assert len(await utility.correct(now=LATER)) == 4
    assert (await utility.standing(june)).looked_to == before
