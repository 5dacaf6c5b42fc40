"""The evidence of a bill over hidden usage: the device's own proofs stand for readings."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from meterseal_aggregator.billing.evidence import bill as billed
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.privacy.bills import KeptBill
from meterseal_aggregator.translog import sequencer
from meterseal_aggregator.translog import store as log
from meterseal_aggregator.web.private_files import bill_file
from meterseal_proto.claims import Claim, Expectation, Verdict
from meterseal_proto.entry import tariff_entry
from meterseal_proto.evidence.contents import pack
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.hidden import plan_of
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import OpenedPeriod, rate_opened
from meterseal_proto.rating.statement import Rail
from meterseal_proto.verify import examine, zone_clock
from tests.support.devices import GENESIS
from tests.support.enrolling import LOG_KEY
from tests.support.privatebills import PrivateHome, a_home, keep_bill

KNOWN = Expectation(network=GENESIS.network.hex(), clock=zone_clock)


@pytest.fixture
async def home(tmp_path: Path) -> AsyncIterator[PrivateHome]:
    async with a_home(tmp_path) as opened:
        async with opened.desk.database.transaction() as tx:
            document = opened.tariff.document()
            (entry,) = await log.append(tx, [tariff_entry(document)])
            await tx.rows("UPDATE full_tariffs SET log_entry_id = ?", (entry,))
        yield opened


async def files(home: PrivateHome, kept: KeptBill) -> dict[str, bytes]:
    database = home.desk.database
    statement = home.statement(kept, Rail.STACKS)
    (segment,) = statement.segments
    clock = zone_clock(home.tariff.zone)
    cycle = cycle_of(home.tariff, home.period.begin, clock)
    period = Period(home.period.begin, home.period.end, *cycle)
    opened = OpenedPeriod(period, 900, (kept.bill.statement.amount,))
    rated = rate_opened(home.tariff, plan_of(home.tariff), opened, clock)
    billed_part = replace(
        segment, cycle_begin=cycle[0], cycle_end=cycle[1], lines=rated.lines,
        after=rated.carried,
    )  # fmt: skip
    whole = replace(statement, segments=(billed_part,))
    async with database.transaction() as tx:
        await keep_bill(tx, whole, home.supply, kept)
        bill = await bills.bill(tx, whole.number)
    name = GENESIS.log_key.partition("+")[0]
    await sequencer.run_once(database, sequencer.LogKey(name, LOG_KEY), home.period.end)
    async with database.reading() as tx:
        found = await billed.gather(tx, bill, GENESIS)
        (hidden,) = found.hidden
        file = await bill_file(tx, kept, GENESIS)
    return {**found.files, f"private-{hidden.number}.json": file}


def judged(found: dict[str, bytes]) -> dict[str, Claim]:
    return {claim.name: claim for claim in examine(pack(found), KNOWN)}


async def test_a_private_bill_is_proved_by_what_its_device_opened(
    home: PrivateHome,
) -> None:
    found = judged(await files(home, await home.opened()))
    wrong = {n: c for n, c in found.items() if c.verdict is Verdict.FAIL}
    # This home's network has no log key, and its device was enrolled without an entry.
    assert set(wrong) <= {"checkpoint", "private-1.checkpoint", "private-1.key"}, wrong
    assert found["private-1"].verdict is Verdict.PASS
    for name in ("ranges", "commitments", "days", "tariff"):
        assert found[f"private-1.{name}"].verdict is Verdict.PASS
    assert found["lines"].verdict is Verdict.PASS
    assert found["usage"].verdict is found["ledger"].verdict is Verdict.UNCHECKED


async def test_without_the_devices_own_file_the_bill_is_not_proved(
    home: PrivateHome,
) -> None:
    whole = await files(home, await home.opened())
    del whole["private-1.json"]
    found = judged(whole)
    assert found["private-1"].verdict is Verdict.FAIL
