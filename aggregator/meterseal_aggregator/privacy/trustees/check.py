"""The audit of sets: nobody was left out in silence, and trustees signed what is kept.

A set leaves out days for reasons that stand in the tables (SETTLED 23). A day that was
receipted before its set was fixed, is whole, proved and masked, and is in no set, was left
out by whoever fixed it. This module must never write.
"""

from typing import Final

from meterseal_aggregator.privacy import wholedays
from meterseal_aggregator.privacy.check import TOLD
from meterseal_aggregator.privacy.trustees import store
from meterseal_aggregator.privacy.trustees.pinned import pinned
from meterseal_aggregator.privacy.wholedays import LEFT_OUT, Span
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.enrolment import Genesis
from meterseal_proto.reporting import LATE, Act, Place, signed

_SETS: Final = """
SELECT r.id, r.cell, r.day, r.statement, r.fixed_at, min(s.first),
  min(s.first + s.step * s.count)
FROM reporting_sets r JOIN set_members m ON m.set_id = r.id
JOIN committed_seals s ON s.id = m.seal_id
WHERE r.id > ? GROUP BY r.id ORDER BY r.id LIMIT 100
"""


async def findings(tx: Transaction, genesis: Genesis) -> list[Finding]:
    """Look at every set: who is absent from it without a reason, and who signed it."""
    count, last = 0, 0
    while page := await tx.rows(_SETS, (last,)):
        last = page[-1][0]
        for set_id, cell, day, stated, *times in page:
            count += 1
            place = Place(genesis.network, cell, day)
            fixed_at, begin, end = times
            wrong = await _unsigned(tx, set_id, stated)
            if cell != LATE and not wrong:
                wrong = await _left_out(tx, place, Span(begin, end), fixed_at)
            if wrong:
                detail = f"the set of cell {cell} on day {day} {wrong}"
                return [Finding(TOLD, ok=False, detail=detail)]
    detail = f"{count} sets leave out no receipted day without its reason"
    return [Finding(TOLD, ok=True, detail=detail)]


async def _left_out(tx: Transaction, place: Place, span: Span, fixed_at: int) -> str:
    # What came in the second the set was fixed in may have come after it.
    for one in await wholedays.absent(tx, place, span, fixed_at - 1):
        reason = await tx.rows(
            "SELECT why FROM absent_days WHERE seal_id = ?", (one.seal_id,)
        )
        if one.why == LEFT_OUT and reason in ([], [(LEFT_OUT,)]):
            return f"leaves out the receipted day {one.seal_id}"
    return ""


async def _unsigned(tx: Transaction, set_id: int, stated: bytes) -> str:
    trustees = await pinned(tx)
    for number, said in (await store.said(tx, Act.SET, set_id)).items():
        assert trustees is not None
        key, given = trustees.keys[number].sign, said.signature
        if given is not None and not signed(key, Act.SET, stated, given):
            return f"is not signed by trustee {number}"
    return ""
