"""The audit of bills: documents, log, ledger, standings and netted Wh say the same.

Reads its own tables, the log's, the ledger's and the retirements'. This module must never
write.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import (
    Act,
    BillAct,
    BillRow,
    BillState,
    Refused,
    Standing,
    micro,
)
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.carry import carry
from meterseal_aggregator.billing.statements.lifecycle import begun, replayed
from meterseal_aggregator.billing.statements.madegood import Credits, credits_of
from meterseal_aggregator.billing.statements.netting import retirement_id
from meterseal_aggregator.billing.statements.number import count_of
from meterseal_aggregator.billing.statements.posting import (
    PURPOSE,
    Difference,
    Money,
    corrected,
    difference,
    issued,
    shares,
)
from meterseal_aggregator.ledger.accounts import buyer
from meterseal_aggregator.ledger.model import Transfer, TransferId
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.errors import Malformed
from meterseal_proto.rating.statement import (
    Rail,
    Statement,
    StatementKind,
    statement_hash,
)
from meterseal_proto.rating.statement_json import read_statement

BILLS: Final = 19
"""The number of "a bill is its lines, its hash in the log, its entries and its acts"."""
NETTED: Final = 22
"""The number of "what bills net is retired, once"."""
PAGE: Final = 500
"""Bills looked at together."""

_LOGGED: Final = """
SELECT e.id, e.body FROM json_each(?) p CROSS JOIN log_entries e ON e.id = p.value
"""
_ACTS: Final = """
SELECT a.bill_id, a.act, a.amount, a.at, a.actor, a.note
FROM json_each(?) p CROSS JOIN bill_acts a ON a.bill_id = p.value ORDER BY a.id
"""
_POSTED: Final = """
SELECT t.id, d.code, c.code, t.amount, d.asset FROM ledger_transfers t
JOIN ledger_accounts d ON d.id = t.debit_id
JOIN ledger_accounts c ON c.id = t.credit_id
WHERE t.id IN ({marks})
"""
_ALL: Final = "SELECT count(*) FROM ledger_transfers WHERE purpose = ?"
_NETTED: Final = """
SELECT b.number, b.member_id, sum(n.wh) FROM netted_slots n
JOIN bills b ON b.id = n.bill_id GROUP BY b.id ORDER BY b.id
"""
_RETIRED: Final = """
SELECT r.transfer_id, r.holder, r.beneficiary, r.wh FROM retirements r
WHERE r.transfer_id IN ({marks})
"""
_NUMBERS: Final = "SELECT number FROM bills ORDER BY number"


class _Wrong(Exception):
    """What is wrong with a bill, in one sentence."""


@dataclass(frozen=True, slots=True)
class _Page:
    """Bills with the bills they stand in for, and what is said of them elsewhere."""

    bills: Sequence[BillRow]
    known: dict[int, BillRow]
    standings: dict[int, Standing]
    acts: dict[int, list[BillAct]]
    credited: Mapping[int, Credits]
    logged: dict[int, bytes]


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether bills hold together (19), and whether what they net is retired (22)."""
    return [await _bills(tx), await _netted(tx)]


async def _bills(tx: Transaction) -> Finding:
    count = entries = last = 0
    try:
        while page := await store.bills(tx, after_id=last, limit=PAGE):
            last, count = page[-1].id, count + len(page)
            entries += await _page(tx, page)
        await _check_numbers(tx)
    except _Wrong as wrong:
        return Finding(BILLS, ok=False, detail=str(wrong))
    ((posted,),) = await tx.rows(_ALL, (PURPOSE,))
    detail = (
        f"{count} bills and credit notes, {entries} entries, {posted} in the ledger"
    )
    return Finding(BILLS, ok=entries == posted, detail=detail)


async def _page(tx: Transaction, bills: Sequence[BillRow]) -> int:
    """Check some bills; returns how many entries of the ledger are theirs."""
    page = await _read(tx, bills)
    expected: list[Transfer] = []
    for bill in bills:
        statement = _check_document(bill)
        if page.logged.get(bill.log_entry) != bill_hash_entry(bill.hash):
            raise _Wrong(f"bill {bill.number} is not in the log by its hash")
        if bill.kind is StatementKind.CREDIT_NOTE:
            _check_note(page, bill, statement)
            continue
        _check_standing(page, bill)
        if bill.rail is Rail.LEDGER:
            expected += _entries(page, bill, statement)
    await _check_posted(tx, expected)
    return sum(one.purpose == PURPOSE for one in expected)


async def _read(tx: Transaction, bills: Sequence[BillRow]) -> _Page:
    before = [id_ for one in bills for id_ in (one.corrects, one.replaces) if id_]
    known = {one.id: one for one in bills} | await store.bills_by_id(tx, before)
    standings = await store.standings(tx, known)
    acts: dict[int, list[BillAct]] = defaultdict(list)
    for row in await tx.rows(_ACTS, (json.dumps([one.id for one in bills]),)):
        acts[row[0]].append(BillAct(row[0], Act(row[1]), *row[2:]))
    places = json.dumps([one.log_entry for one in bills])
    logged = {row[0]: row[1] for row in await tx.rows(_LOGGED, (places,))}
    credited = await credits_of(tx, [one.replaces for one in bills if one.replaces])
    return _Page(bills, known, standings, acts, credited, logged)


def _check_document(bill: BillRow) -> Statement:
    try:
        statement = read_statement(bill.document)
    except Malformed as error:
        raise _Wrong(f"bill {bill.number}: {error}") from None
    row = (
        bill.number,
        bill.kind,
        bill.member,
        bill.begin,
        bill.end,
        bill.asset,
        bill.rail,
    )
    told = (
        statement.number, statement.kind, statement.member, statement.begin,
        statement.end, statement.currency, statement.rail,
    )  # fmt: skip
    if row != told or bill.amount != micro(statement.total, statement.minor):
        raise _Wrong(f"bill {bill.number} is not what its document says")
    if bill.salt is not None and statement_hash(bill.salt, bill.document) != bill.hash:
        raise _Wrong(f"bill {bill.number}: its document has another hash")
    return statement


def _check_note(page: _Page, note: BillRow, statement: Statement) -> None:
    """A credit note takes back each line of its bill, and there is one in its place."""
    assert note.corrects is not None
    bill = page.known[note.corrects]
    taken = read_statement(bill.document)
    lines = [(one.component, one.part, -one.amount) for one in taken.lines]
    if lines != [(one.component, one.part, one.amount) for one in statement.lines]:
        raise _Wrong(f"credit note {note.number} is not {bill.number} taken back")
    if page.standings[bill.id].state is not BillState.CORRECTED:
        raise _Wrong(f"bill {bill.number} was taken back and asks on")


def _check_standing(page: _Page, bill: BillRow) -> None:
    standing = page.standings.get(bill.id)
    if standing is None:
        raise _Wrong(f"bill {bill.number} stands nowhere")
    acts = page.acts[bill.id]
    begins = begun(bill.id, bill.amount, due_at=standing.due_at, known_at=0)
    try:
        found = replayed(begins, acts)
    except Refused as error:
        raise _Wrong(f"bill {bill.number}: an act cannot be: {error}") from None
    sums = (found.state, found.paid, found.late_fees, found.disputed, found.given)
    if sums != (
        standing.state, standing.paid, standing.late_fees, standing.disputed,
        standing.given,
    ):  # fmt: skip
        raise _Wrong(f"bill {bill.number} does not stand where its acts lead")
    if [one for one in acts if one.act is Act.ISSUED] != acts[:1]:
        raise _Wrong(f"bill {bill.number} was not issued once")


def _entries(page: _Page, bill: BillRow, statement: Statement) -> list[Transfer]:
    """Return what a bill must have posted: all of it, or what is other than before."""
    money = Money(bill.member, bill.asset, bill.end)
    owed = shares(statement.lines, statement.minor)
    if bill.replaces is None:
        return issued(bill.number, money, owed)
    old = page.known[bill.replaces]
    before = shares(read_statement(old.document).lines, statement.minor)
    charged = page.credited[old.id].charged(old.amount, bill.amount)
    over = carry(page.standings[old.id], bill.amount, charged)
    found = Difference(difference(owed, before), over.now_given, over.again)
    return corrected(bill.number, money, found)


async def _check_posted(tx: Transaction, expected: Iterable[Transfer]) -> None:
    wanted = {one.id: one for one in expected}
    ids = list(wanted)
    posted = {}
    for at in range(0, len(ids), PAGE):
        some = ids[at : at + PAGE]
        marks = ",".join("?" for _ in some)
        for row in await tx.rows(_POSTED.format(marks=marks), some):
            posted[row[0]] = row[1:]
    for one in wanted.values():
        if posted.get(one.id) != (one.debit, one.credit, one.amount, one.asset):
            number = one.reference.decode()
            raise _Wrong(f"bill {number} is not in the ledger as its lines say")


async def _check_numbers(tx: Transaction) -> None:
    years: dict[int, int] = {}
    for (number,) in await tx.rows(_NUMBERS):
        try:
            year, count = count_of(number)
        except ValueError as error:
            raise _Wrong(str(error)) from None
        if count != years.get(year, 0) + 1:
            raise _Wrong(f"bill {number} does not follow the one before")
        years[year] = count


async def _netted(tx: Transaction) -> Finding:
    netted = {
        retirement_id(number): (buyer(member), str(member), wh)
        for number, member, wh in await tx.rows(_NETTED)
    }
    retired: dict[TransferId, tuple[str, str, int]] = {}
    numbers = [row[0] for row in await tx.rows(_NUMBERS)]
    for at in range(0, len(numbers), PAGE):
        ids = [retirement_id(number) for number in numbers[at : at + PAGE]]
        marks = ",".join("?" for _ in ids)
        for row in await tx.rows(_RETIRED.format(marks=marks), ids):
            retired[row[0]] = (row[1], row[2], row[3])
    whole = sum(wh for _, _, wh in netted.values())
    detail = f"{whole} Wh netted by {len(netted)} bills, {len(retired)} retirements"
    return Finding(NETTED, ok=netted == retired, detail=detail)
