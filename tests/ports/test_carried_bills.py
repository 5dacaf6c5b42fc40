"""Bills that follow one another prove what each carried to the next, corrected or not."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as billed
from meterseal_aggregator.billing.statements import affected, duty, store
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.vee import days, job
from meterseal_aggregator.vee.edit import EditWish, edit
from meterseal_aggregator.vee.values import place_of
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.evidence import contents as parts
from meterseal_proto.evidence.contents import numbered, pack
from meterseal_proto.evidence.sealedfile import read_seals
from meterseal_proto.rating.components import Base, Minimum, Price, SpanOf
from meterseal_proto.rating.statement_json import read_statement
from meterseal_proto.units import IMPORT
from meterseal_proto.verify import examine, zone_clock
from tests.support.billinghouse import (
    DAY,
    ENERGY,
    HOUR,
    MAY,
    STEP,
    Home,
    Utility,
    a_tariff,
    a_utility,
)
from tests.support.enrolling import GENESIS
from tests.support.sealedhouse import KEY, NOW, seal_all

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)
BEGIN, END = MAY - 6 * DAY, MAY + 6 * DAY
YEARLY = Minimum("least", Price(600_000_000), SpanOf.YEAR, Base.EXACT, ("energy",))


@pytest.fixture
async def utility(tmp_path: Path) -> AsyncIterator[Utility]:
    async with a_utility(tmp_path, a_tariff(ENERGY, YEARLY, code="yearly")) as opened:
        yield opened


async def a_billed_home(utility: Utility) -> Home:
    """Let a home be sealed and billed for the end of April and the beginning of May."""
    home = await utility.supply("ada", code="yearly", from_at=BEGIN, to_at=END)
    await seal_all(utility, home, begin=BEGIN)
    while await job.run_once(utility.database, NOW):
        pass
    while await days.run_once(utility.database, NOW - HOUR):
        pass
    while await duty.run_once(utility.database, GENESIS.network, NOW, 500):
        pass
    await sequence(utility)
    return home


async def sequence(utility: Utility) -> None:
    while (await sequencer.run_once(utility.database, KEY, NOW)).more:
        pass


async def evidence(utility: Utility, number: str) -> dict[str, bytes]:
    async with utility.database.reading() as tx:
        bill = await store.bill(tx, number)
        return (await billed.gather(tx, bill, GENESIS)).files


async def judged(utility: Utility, number: str) -> dict[str, Claim]:
    files = await evidence(utility, number)
    found = {one.name: one for one in examine(pack(files), KNOWN)}
    failed = {n: one for n, one in found.items() if one.verdict is Verdict.FAIL}
    assert not failed, (number, failed)
    return found


async def test_the_second_bill_begins_from_what_the_first_one_left(
    utility: Utility,
) -> None:
    await a_billed_home(utility)
    first, second = "2026-00000001", "2026-00000002"
    assert "first bill" in (await judged(utility, first))["carried"].text
    assert f"where {first} ended" in (await judged(utility, second))["carried"].text
    files = await evidence(utility, second)
    assert read_statement(files[parts.PREVIOUS]).number == first
    assert parts.PREVIOUS not in await evidence(utility, first)
    told = read_statement(files[parts.STATEMENT])
    assert told.segments[0].before.charged > 0


async def test_what_a_register_showed_at_a_later_bills_begin_is_shown_as_sealed(
    utility: Utility,
) -> None:
    await a_billed_home(utility)
    counts = []
    for number in ("2026-00000001", "2026-00000002"):
        files = await evidence(utility, number)
        seals = read_seals(files[numbered(parts.SEALS, 1)], GENESIS.network).seals
        counts.append((len(seals), seals[0].header.first < MAY - DAY))
    # Six days each; and the last one before of him who was billed for it too.
    assert counts == [(6, True), (7, False)]


async def test_a_first_bill_that_is_given_out_as_another_fails(
    utility: Utility,
) -> None:
    await a_billed_home(utility)
    files = await evidence(utility, "2026-00000002")
    del files[parts.PREVIOUS], files[parts.PREVIOUS_SALT]
    found = examine(pack(files), KNOWN)
    assert {one.name for one in found if one.verdict is Verdict.FAIL} == {"carried"}


async def test_after_a_correction_each_bill_shows_the_one_it_was_made_of(
    utility: Utility,
) -> None:
    home = await a_billed_home(utility)
    async with utility.database.transaction() as tx:
        ((meter,),) = await tx.rows(
            "SELECT m.meter FROM registers r JOIN meters m ON m.id = r.meter_id"
            " WHERE r.id = ?",
            (home.registers[IMPORT],),
        )
        wish = EditWish(
            await place_of(tx, meter, IMPORT), BEGIN, BEGIN + STEP, 2_000, "a photo",
            "token:op", "key-1",
        )  # fmt: skip
        await edit(tx, GENESIS.network, wish, now=NOW)
    while await days.run_once(utility.database, NOW + 10):
        pass
    for later in (1, 2, 3):
        while await affected.run_once(
            utility.database, GENESIS.network, NOW + later * HOUR
        ):
            pass
    await sequence(utility)
    before = {}
    async with utility.database.reading() as tx:
        numbers = [one.number for one in await store.bills(tx, limit=100)]
    assert len(numbers) == 6, "both bills were corrected, by a note and a bill each"
    for number in numbers:
        await judged(utility, number)
        files = await evidence(utility, number)
        if parts.PREVIOUS in files:
            before[number] = read_statement(files[parts.PREVIOUS]).number
    first, second, _, first_again, note, second_again = numbers
    assert before == {second: first, note: first, second_again: first_again}
