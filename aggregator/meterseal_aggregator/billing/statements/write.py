"""Writing statements down: log entry, row, standing, acts, registers and netted Wh.

    places = await places_of(tx, moment, count)
    papers = [paper(draft, place) ...]
    await write(tx, papers, moment, actor="duty")

For `issue` and `correct` alone, which post in the same transaction. A constant number of
statements, however many papers. This module must never decide whether a bill may be.
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.model import Act, BillAct, BillRow, Standing
from meterseal_aggregator.billing.statements import store
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.billing.statements.lifecycle import after, begun
from meterseal_aggregator.billing.statements.number import numbers, year_of
from meterseal_aggregator.billing.usage import Bought
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.parameters.zone import zone_of
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog import store as log
from meterseal_proto.entry import bill_hash_entry
from meterseal_proto.rating.statement import SALT_BYTES, StatementKind, statement_hash

_LAST: Final = """
SELECT (SELECT coalesce(max(id), 0) FROM bills),
  (SELECT max(number) FROM bills WHERE number >= ? AND number < ?)
"""
_BILL: Final = """
INSERT INTO bills (id, number, kind, supply_id, member_id, from_at, to_at, asset, amount,
  corrects_id, replaces_id, private_bill_id, rail, known_at, issued_at, document, salt,
  hash, log_entry_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_STANDING: Final = """
INSERT INTO bill_standings (bill_id, state, due_at, paid, late_fees, disputed, given,
  looked_to)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
"""
_USAGE: Final = """
INSERT INTO bill_usage (bill_id, register_id, from_at, to_at) VALUES (?, ?, ?, ?)
"""
_NETTED: Final = """
INSERT INTO netted_slots (supply_id, start, length, wh, bill_id) VALUES (?, ?, ?, ?, ?)
"""
_END_WAIT: Final = "DELETE FROM bill_waits WHERE supply_id = ? AND from_at = ?"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a bill goes: its row id and its number."""

    id: int
    number: str


@dataclass(frozen=True, slots=True)
class Paper:
    """A statement to be written: its row (without a log entry yet) and what hangs on it.

    `first` are its acts; a credit note has none, nor a `due_at`.
    """

    row: BillRow
    due_at: int = 0
    rows: tuple[tuple[int, int, int], ...] = ()
    netted: tuple[Bought, ...] = ()
    first: tuple[tuple[Act, int, str], ...] = ()

    def standing(self) -> Standing:
        """Return where the bill stands after its first acts."""
        row = self.row
        found = begun(row.id, row.amount, due_at=self.due_at, known_at=row.known_at)
        for act, amount, _ in self.first:
            found = after(found, act, amount)
        return found


async def places_of(tx: Transaction, moment: Moment, count: int) -> list[Place]:
    """Return the places of the next bills, in order of their numbers."""
    where = zone_of(await text_at(tx, Name.ZONE, moment.issued_at))
    year = year_of(moment.issued_at, where)
    ((last_id, last),) = await tx.rows(_LAST, (f"{year:04}-", f"{year:04}."))
    return [
        Place(last_id + n, number)
        for n, number in enumerate(numbers(last, year, count), 1)
    ]


def sealed(document: bytes) -> tuple[bytes, bytes]:
    """Return a fresh salt, and the hash of a document with it."""
    salt = secrets.token_bytes(SALT_BYTES)
    return salt, statement_hash(salt, document)


async def write(
    tx: Transaction, papers: Sequence[Paper], moment: Moment, *, actor: str
) -> list[BillRow]:
    """Write papers down, log entries first; returns their rows, with those entries."""
    entries = await log.append(tx, [bill_hash_entry(one.row.hash) for one in papers])
    rows = [
        replace(one.row, log_entry=entry)
        for one, entry in zip(papers, entries, strict=True)
    ]
    await tx.many(_BILL, [_row(one) for one in rows])
    bills = [one for one in papers if one.row.kind is StatementKind.BILL]
    await tx.many(_STANDING, [_standing(one.standing()) for one in bills])
    now = moment.issued_at
    acts = [
        BillAct(one.row.id, act, amount, now, actor, note)
        for one in bills
        for act, amount, note in ((Act.ISSUED, one.row.amount, ""), *one.first)
    ]
    await store.keep_acts(tx, acts)
    await tx.many(_USAGE, [(one.row.id, *row) for one in bills for row in one.rows])
    netted = [
        (one.row.supply, slot.start, slot.length, slot.wh, one.row.id)
        for one in bills
        for slot in one.netted
    ]
    await tx.many(_NETTED, netted)
    await end_waits(tx, [one.row for one in bills])
    return rows


async def end_waits(tx: Transaction, bills: Sequence[BillRow]) -> None:
    """Forget why there was no bill, or no look at it: there is one now."""
    await tx.many(_END_WAIT, [(one.supply, one.begin) for one in bills])


def _row(one: BillRow) -> tuple[object, ...]:
    return (
        one.id, one.number, one.kind.value, one.supply, one.member, one.begin, one.end,
        one.asset, one.amount, one.corrects, one.replaces, one.private_bill,
        one.rail.value, one.known_at, one.issued_at, one.document, one.salt, one.hash,
        one.log_entry,
    )  # fmt: skip


def _standing(one: Standing) -> tuple[object, ...]:
    sums = (one.paid, one.late_fees, one.disputed, one.given)
    return (one.bill, one.state.value, one.due_at, *sums, one.looked_to)
