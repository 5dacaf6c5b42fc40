"""Correcting bills: a credit note of the whole bill, a bill in its place, one chain between.

    made = await replace_all(tx, [(bill, draft)], moment, Why("billing", "a later reading"))

A bill never changes (`issue`). What is posted is the difference only; what was paid on the
old bill counts for the new one (`carry`). Wh that the old bill netted are netted still. This
module must never take a bill back without another in its place.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.model import (
    Act,
    BillAct,
    BillRow,
    BillState,
    Cause,
    Refused,
    Standing,
)
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.carry import Carry, carry
from meterseal_aggregator.billing.statements.draft import Draft, Moment, on_the_year
from meterseal_aggregator.billing.statements.issue import (
    check_assets,
    post_all,
    retire_netted,
    told,
)
from meterseal_aggregator.billing.statements.madegood import Credits, credits_of
from meterseal_aggregator.billing.statements.posting import (
    Difference,
    Money,
    corrected,
    difference,
    shares,
)
from meterseal_aggregator.billing.statements.write import (
    Paper,
    Place,
    places_of,
    sealed,
    write,
)
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.following import LONGEST_CYCLE_S
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.identity.events import tell
from meterseal_aggregator.ledger.model import Transfer
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.line import Line
from meterseal_proto.rating.statement import (
    Rail,
    Segment,
    Statement,
    StatementKind,
)
from meterseal_proto.rating.statement_json import read_statement, write_statement

# The next bill of a supply was made of what this one left: it is looked at again.
_FOLLOWING: Final = """
UPDATE bill_standings SET looked_to = 0
WHERE state <> 'corrected' AND bill_id IN (
  SELECT n.id FROM json_each(?) p
  CROSS JOIN bills n ON n.supply_id = json_extract(p.value, '$[0]')
    AND n.from_at = json_extract(p.value, '$[1]')
  WHERE n.kind = 'bill' AND NOT EXISTS (SELECT 1 FROM private_periods v
    WHERE v.supply_id = n.supply_id AND v.from_at = n.from_at))
"""


@dataclass(frozen=True, slots=True)
class Why:
    """Who corrects, and in a few words why (at most 200 characters)."""

    actor: str
    note: str


@dataclass(frozen=True, slots=True)
class Correction:
    """What a correction made: the bill taken back, the credit note, the bill in its place."""

    old: BillRow
    note: BillRow
    bill: BillRow


@dataclass(frozen=True, slots=True)
class _Case:
    """One correction with all it needs."""

    old: BillRow
    taken: Statement
    draft: Draft
    over: Carry
    places: tuple[Place, Place]


async def replace_all(
    tx: Transaction,
    pairs: Sequence[tuple[BillRow, Draft]],
    moment: Moment,
    why: Why,
) -> list[Correction]:
    """Take bills back and issue drafts in their places, all or none.

    A constant number of statements, however many. Raises Refused: STATE for a bill that was
    taken back already, CURRENCY where the draft's is another.
    """
    if not pairs:
        return []
    ids = [old.id for old, _ in pairs]
    standings, credited = await store.standings(tx, ids), await credits_of(tx, ids)
    await check_assets(tx, [draft for _, draft in pairs])
    places = await places_of(tx, moment, 2 * len(pairs))
    cases = [
        _case(
            old,
            draft,
            (standings[old.id], credited[old.id]),
            (places[2 * n], places[2 * n + 1]),
        )
        for n, (old, draft) in enumerate(pairs)
    ]
    acts = [
        BillAct(one.old.id, Act.CORRECTED, 0, moment.issued_at, why.actor, why.note)
        for one in cases
    ]
    await store.act(tx, acts)
    papers = [paper for one in cases for paper in _papers(one, moment)]
    rows = await write(tx, papers, moment, actor=why.actor)
    made = [
        Correction(one.old, rows[2 * n], rows[2 * n + 1]) for n, one in enumerate(cases)
    ]
    await post_all(tx, [t for one in cases for t in _chain(one)], now=moment.issued_at)
    bills = [(one.draft, new.bill) for one, new in zip(cases, made, strict=True)]
    await retire_netted(tx, bills, now=moment.issued_at)
    await _look_again(tx, cases)
    said = [
        told(row, one.draft.due_at)
        for one, new in zip(cases, made, strict=True)
        for row in (new.note, new.bill)
    ]
    await tell(tx, said, now=moment.issued_at)
    return made


def _case(
    old: BillRow,
    draft: Draft,
    stood: tuple[Standing, Credits],
    places: tuple[Place, Place],
) -> _Case:
    standing, credited = stood
    if standing.state is BillState.CORRECTED:
        raise Refused(
            Cause.STATE,
            f"bill {old.number} was taken back already: correct the last one",
        )
    if draft.asset != old.asset:
        raise Refused(
            Cause.CURRENCY,
            f"bill {old.number} is in {old.asset}, and would be corrected in"
            f" {draft.asset}: publish a tariff of its currency",
        )
    charged = credited.charged(old.amount, draft.amount)
    over = carry(standing, draft.amount, charged)
    return _Case(old, read_statement(old.document), draft, over, places)


def _papers(case: _Case, moment: Moment) -> list[Paper]:
    old, draft, (note_at, bill_at) = case.old, case.draft, case.places
    note = replace(
        case.taken,
        number=note_at.number,
        kind=StatementKind.CREDIT_NOTE,
        issued_at=moment.issued_at,
        due_at=moment.issued_at,
        segments=tuple(_taken_back(one) for one in case.taken.segments),
        corrects=old.number,
        replaces="",
    )
    common = replace(old, issued_at=moment.issued_at, log_entry=0)
    documents = write_statement(note), draft.numbered(bill_at.number)
    seals = [sealed(one) for one in documents]
    taken_back = replace(
        common,
        id=note_at.id,
        number=note_at.number,
        kind=StatementKind.CREDIT_NOTE,
        amount=-old.amount,
        corrects=old.id,
        replaces=None,
        private_bill=None,
        document=documents[0],
        salt=seals[0][0],
        hash=seals[0][1],
    )
    instead = replace(
        common,
        id=bill_at.id,
        number=bill_at.number,
        begin=draft.begin,
        end=draft.end,
        amount=draft.amount,
        replaces=old.id,
        private_bill=draft.private_bill,
        known_at=moment.known_at,
        document=documents[1],
        salt=seals[1][0],
        hash=seals[1][1],
    )
    # The chain's contract knows what was paid there.
    first = case.over.acts(old.number) if old.rail is Rail.LEDGER else ()
    paper = Paper(instead, draft.due_at, draft.rows, draft.netted, first)
    return [Paper(taken_back), paper]


def _chain(case: _Case) -> list[Transfer]:
    if case.old.rail is not Rail.LEDGER:
        return []
    draft, bill_at = case.draft, case.places[1]
    before = shares(case.taken.lines, case.taken.minor)
    money = Money(draft.supply.member, draft.asset, draft.end)
    over = case.over
    found = Difference(difference(draft.owed, before), over.now_given, over.again)
    return corrected(bill_at.number, money, found)


async def _look_again(tx: Transaction, cases: Sequence[_Case]) -> None:
    """Have the next bills looked at, where what is carried to them is other than it was."""
    changed, of_the_year = list[tuple[int, int]](), defaultdict(list)
    for one in cases:
        before, after = one.taken.segments[-1].after, one.draft.after
        next_one = (one.old.supply, one.old.end)
        if before == after:
            continue
        if one.draft.yearly or replace(before, charged=after.charged) != after:
            changed.append(next_one)
        else:
            code = one.draft.supply.terms.tariff_code
            of_the_year[code, one.old.end].append(next_one)
    for (code, end), next_ones in of_the_year.items():
        if await _asks_the_year(tx, code, end):
            changed += next_ones
    if changed:
        await tx.rows(_FOLLOWING, (json.dumps(changed),))


async def _asks_the_year(tx: Transaction, code: str, at: int) -> bool:
    """Tell whether a cycle from then on may have a line that hangs on the year's cost."""
    try:
        found = await tariffs.versions(tx, code, at, at + LONGEST_CYCLE_S)
    except NotPublished:
        # Where a code ends, a look says what the last of it is.
        return True
    return any(on_the_year(one) for _, _, one in found)


def _taken_back(segment: Segment) -> Segment:
    return replace(segment, lines=tuple(_negated(line) for line in segment.lines))


def _negated(line: Line) -> Line:
    quantity = None if line.quantity is None else -line.quantity
    return replace(line, quantity=quantity, exact=-line.exact, amount=-line.amount)
