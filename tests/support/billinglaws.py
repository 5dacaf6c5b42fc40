"""What holds of every billing history: each room's audit, and each bill by hand.

await check(years)        # after some steps
await check_end(years)    # once nothing waits any more
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, time
from functools import partial
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from meterseal_aggregator.billing import audit as payments_audit
from meterseal_aggregator.billing.evidence import bill as evidence
from meterseal_aggregator.billing.evidence.model import NotYet
from meterseal_aggregator.billing.receivables import audit as receivables_audit
from meterseal_aggregator.billing.statements import affected, due, gather, store
from meterseal_aggregator.billing.statements import audit as bills_audit
from meterseal_aggregator.billing.statements.correct import Why
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.billing.supplies import audit as supplies_audit
from meterseal_aggregator.billing.supplies import store as supplies
from meterseal_aggregator.credits import audit as credits_audit
from meterseal_aggregator.disputes import audit as disputes_audit
from meterseal_aggregator.identity import check as identity_check
from meterseal_aggregator.intake import check as intake_check
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.market.settlement import audit as settlement_audit
from meterseal_aggregator.registry import check as registry_check
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.translog import fsck
from meterseal_aggregator.vee import audit as vee_audit
from meterseal_aggregator.vee import editcheck, recount
from meterseal_proto.claims import Expectation, Verdict
from meterseal_proto.evidence.contents import pack
from meterseal_proto.verify import examine, zone_clock
from tests.support.billingmeters import HOUR
from tests.support.billingyears import KEY, NETWORK, Years
from tests.support.enrolling import GENESIS

Findings = Callable[[Transaction], Awaitable[list[Finding]]]
AUDITS: Final[Sequence[Findings]] = (
    vee_audit.findings,
    credits_audit.findings,
    registry_check.findings,
    ledger_check.findings,
    partial(editcheck.findings, network=NETWORK),
    settlement_audit.findings,
    payments_audit.findings,
    recount.findings,
    bills_audit.findings,
    receivables_audit.findings,
    disputes_audit.findings,
    supplies_audit.findings,
)
LAST: Final[Sequence[Findings]] = (
    partial(intake_check.findings, genesis=GENESIS),
    partial(identity_check.findings, genesis=GENESIS),
)
"""What every seal is hashed again for: once a history."""
SAMPLE: Final = 60
"""How many bills of a history have evidence that a stranger judges: all but for a few."""
KNOWN: Final = Expectation(network=GENESIS.network.hex(), clock=zone_clock)

_SUMS: Final = """
SELECT asset, sum(debits_posted) - sum(credits_posted),
  sum(debits_pending) - sum(credits_pending) FROM ledger_accounts GROUP BY asset
"""
_IN_FORCE: Final = """
SELECT b.supply_id, b.from_at, b.to_at FROM bills b JOIN bill_standings s
ON s.bill_id = b.id AND s.state <> 'corrected' AND b.kind = 'bill'
UNION ALL SELECT id, from_at, from_at FROM supplies
UNION ALL SELECT id, billed_to, billed_to FROM supplies
ORDER BY 1, 2, 3
"""
_OWED: Final = """
SELECT b.member_id, b.asset, sum(b.amount + s.late_fees + s.given - s.paid), (
  SELECT coalesce(sum(a.debits_posted - a.credits_posted), 0) FROM ledger_accounts a
  WHERE a.code = 'arrears:' || b.member_id AND a.asset = b.asset)
FROM bills b JOIN bill_standings s ON s.bill_id = b.id WHERE s.state <> 'corrected'
GROUP BY 1, 2
"""
_BILLS: Final = """
SELECT b.number FROM bills b JOIN bill_standings s ON s.bill_id = b.id
WHERE s.state <> 'corrected' AND b.kind = 'bill' ORDER BY b.from_at, b.id
"""
_WAITS: Final = "SELECT supply_id, from_at, cause, detail FROM bill_waits"
_ENDS: Final = {
    "bill": "SELECT state, count(*) FROM bill_standings GROUP BY 1"
    " UNION ALL SELECT 'final', count(*) FROM bills WHERE CAST(document AS TEXT) LIKE '%\"final\":true%'"
    " UNION ALL SELECT kind, count(*) FROM bills GROUP BY 1",
    "act": "SELECT act, count(*) FROM bill_acts GROUP BY 1",
    "paid by": "SELECT source, count(*) FROM bill_payments GROUP BY 1"
    " UNION ALL SELECT 'quote', count(*) FROM bill_payments WHERE quote_id IS NOT NULL",
    "reward": "SELECT state, count(*) FROM rewards GROUP BY 1"
    " UNION ALL SELECT 'taken back', count(*) FROM rewards WHERE taken_back > 0",
    "plan ended": "SELECT state, count(*) FROM instalment_plans GROUP BY 1",
    "usage": "SELECT source, count(*) FROM vee_values GROUP BY 1",
    "slot": "SELECT 'netted', count(*) FROM netted_slots"
    " UNION ALL SELECT 'netted late', count(*) FROM netted_slots n JOIN bills b"
    " ON b.id = n.bill_id AND b.replaces_id IS NOT NULL",
    "corrected for": "SELECT note, count(*) FROM bill_acts WHERE act = 'corrected' GROUP BY 1",
    "trade ended": "SELECT state, count(*) FROM trades GROUP BY 1",
    "notice": "SELECT kind || ' ' || state, count(*) FROM notices GROUP BY 1",
}
"""What became of things, counted."""


async def check(years: Years) -> None:
    """Hold every audit, and that bills meet."""
    await _audit(years, AUDITS)
    for asset, posted, pending in await years.rows(_SUMS):
        assert posted == pending == 0, f"{asset} is {posted} and {pending} apart"
    for (one, _, end), (other, begin, _) in pairwise(await years.rows(_IN_FORCE)):
        # Somebody came or left within an hour, which is his who had it first.
        assert one != other or 0 <= begin - end < HOUR, (one, end, begin)
    for member, asset, asked, owed in await years.rows(_OWED):
        assert asked == owed, (member, asset, asked, owed)


async def _audit(years: Years, audits: Sequence[Findings]) -> None:
    async with years.database.reading() as tx:
        for findings in audits:
            wrong = [one for one in await findings(tx) if not one.ok]
            assert not wrong, wrong


async def check_end(years: Years) -> None:
    """Hold that nothing waits, every bill says what is known, and evidence shows it."""
    await check(years)
    await _audit(years, LAST)
    async with years.database.reading() as tx:
        report = await fsck.check(tx, KEY.vkey)
    assert report.difference is None, report
    waits = await years.rows(_WAITS)
    late = [one for one in waits if not await _waits_rightly(years, one)]
    assert not late, late
    await _nothing_due(years)
    await _said_as_known(years)
    await years.duty("log")
    await _proved(years)
    for kind, statement in _ENDS.items():
        for how, count in await years.rows(statement):
            years.met[kind, str(how)] += count or 0


async def _waits_rightly(years: Years, wait: Row) -> bool:
    """Tell whether a bill waits for nothing but the end of a day, or of its cycle.

    Usage is packed when the network's day is over: who left today, or has a day by another
    clock, is billed tomorrow. Where a tariff got shorter cycles, the longer one that was
    begun is due by its own end.
    """
    number, from_at, cause, detail = wait
    if cause == "usage-incomplete":
        missing = re.search(r"has no value from (\d+) to", detail)
        return missing is not None and int(missing[1]) >= _midnight(years)
    if cause == "not-due":
        async with years.database.reading() as tx:
            supply = await supplies.supply(tx, number)
            _, end = await gather.cycle_around(tx, supply, from_at)
            return end > await due.final_second(tx, years.now)
    return False


def _midnight(years: Years) -> int:
    clock = ZoneInfo(years.zone)
    today = datetime.fromtimestamp(years.now, clock).date()
    return int(datetime.combine(today, time(), clock).timestamp())


async def _nothing_due(years: Years) -> None:
    async with years.database.reading() as tx:
        final = await due.final_second(tx, years.now)
        left = await due.due(tx, final, due.Look(years.now, 10))
    assert not left, left


async def _said_as_known(years: Years) -> None:
    """Rate every bill in force again: it must say the same, and net no more.

    What a seller's meter told long after a bill is netted without anybody asking.
    """
    moment = Moment.of(NETWORK, years.now)
    for (number,) in await years.rows(_BILLS):
        async with years.database.transaction() as tx:
            made = await affected.correct_now(tx, number, moment, Why("test", "again"))
        assert made is None, f"bill {number} was not what is known"
        years.met["bill", "said again"] += 1


async def _proved(years: Years) -> None:
    """Let a stranger judge some bills by their evidence."""
    numbers = [row[0] for row in await years.rows("SELECT number FROM bills")]
    some = years.chance.sample(numbers, min(SAMPLE, len(numbers)))
    for number in some:
        async with years.database.reading() as tx:
            bill = await store.bill(tx, number)
            try:
                found = await evidence.gather(tx, bill, GENESIS)
            except NotYet as error:
                assert not error.later, (number, error.detail)
                years.met["evidence", "erased"] += 1
                continue
        data = await asyncio.to_thread(pack, found.files)
        wrong = [
            claim for claim in examine(data, KNOWN) if claim.verdict is Verdict.FAIL
        ]
        assert not wrong, (number, wrong)
        years.met["evidence", "passed"] += 1
