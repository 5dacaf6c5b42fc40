"""The tables of bills: what was issued, where it stands, what was done to it.

    found = await bill(tx, "2026-00000012")
    await act(tx, [BillAct(found.id, Act.PAID, 5_000_000, now, "token:ab12")])

Other rooms of billing do things to a bill by `act` alone: it checks each by `lifecycle` and
keeps it. Whoever opened the transaction commits it, and posts to the ledger in it. This
module must never post, nor change a bill.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from meterseal_aggregator.billing.model import (
    Act,
    BillAct,
    BillRow,
    BillState,
    Cause,
    Refused,
    Standing,
    WaitRow,
)
from meterseal_aggregator.billing.statements.lifecycle import after
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.statement import Rail, StatementKind
from meterseal_proto.units import RegisterId

MAX_NAMED: Final = 10_000
"""Bills one call names: a statement binds at most 30,000 parameters."""

_BILL: Final = """
SELECT b.id, b.number, b.kind, b.supply_id, b.member_id, b.from_at, b.to_at, b.asset,
  b.amount, b.corrects_id, b.replaces_id, b.private_bill_id, b.rail, b.known_at,
  b.issued_at, b.document, b.salt, b.hash, b.log_entry_id
FROM bills b
"""
_STANDING: Final = """
SELECT s.bill_id, b.amount, s.state, s.due_at, s.paid, s.late_fees, s.disputed, s.given,
  s.looked_to
FROM bill_standings s JOIN bills b ON b.id = s.bill_id
"""
_NUMBERS: Final = "SELECT id, number FROM bills WHERE id IN ({marks})"
_KEEP: Final = """
UPDATE bill_standings SET state = ?, paid = ?, late_fees = ?, disputed = ?, given = ?
WHERE bill_id = ?
"""
_ACT: Final = """
INSERT INTO bill_acts (bill_id, act, amount, at, actor, note) VALUES (?, ?, ?, ?, ?, ?)
"""


async def bill(tx: Transaction, number: str) -> BillRow:
    """Return a bill or credit note by its number; raises Refused (UNKNOWN)."""
    found = await bills_where(tx, "b.number = ?", (number,), limit=1)
    if not found:
        raise Refused(Cause.UNKNOWN, f"there is no bill {number}")
    return found[0]


async def bills_by_id(tx: Transaction, ids: Iterable[int]) -> dict[int, BillRow]:
    """Return bills by their row ids, at most MAX_NAMED."""
    wanted = sorted(set(ids))
    found = await bills_where(tx, f"b.id IN ({_marks(wanted)})", wanted)
    return {one.id: one for one in found}


async def bills(
    tx: Transaction, *, after_id: int = 0, limit: int, member: int | None = None
) -> list[BillRow]:
    """Return a page of bills and credit notes, all or one member's, in order of issue."""
    condition = "b.id > ? AND (? IS NULL OR b.member_id = ?)"
    return await bills_where(tx, condition, (after_id, member, member), limit=limit)


async def bills_where(
    tx: Transaction,
    condition: str,
    params: Sequence[object],
    *,
    limit: int = MAX_NAMED,
) -> list[BillRow]:
    """Return bills `b` under a condition of billing's own SQL, by id.

    The condition is a constant of the code; values only go in `params`.
    """
    rows = await tx.rows(
        f"{_BILL} WHERE {condition} ORDER BY b.id LIMIT ?", (*params, limit)
    )
    return [_bill(row) for row in rows]


async def standings(tx: Transaction, bill_ids: Iterable[int]) -> dict[int, Standing]:
    """Return where bills stand, by row id, at most MAX_NAMED; credit notes stand nowhere."""
    wanted = sorted(set(bill_ids))
    found = await standings_where(tx, f"s.bill_id IN ({_marks(wanted)})", wanted)
    return {one.bill: one for one in found}


async def standings_where(
    tx: Transaction,
    condition: str,
    params: Sequence[object],
    *,
    limit: int = MAX_NAMED,
) -> list[Standing]:
    """Return standings `s` of bills `b` under a condition of billing's own SQL, by bill."""
    rows = await tx.rows(
        f"{_STANDING} WHERE {condition} ORDER BY s.bill_id LIMIT ?", (*params, limit)
    )
    return [_standing(row) for row in rows]


async def open_of(tx: Transaction, member: int) -> list[Standing]:
    """Return a member's bills of which something is outstanding, the first due first."""
    found = await standings_where(
        tx,
        "b.member_id = ? AND s.state IN ('issued', 'part-paid', 'overdue')",
        (member,),
    )
    return sorted(found, key=lambda one: (one.due_at, one.bill))


async def counted(tx: Transaction) -> dict[str, int]:
    """Count bills by where they stand: every state, also those of none."""
    rows = await tx.rows("SELECT state, count(*) FROM bill_standings GROUP BY state")
    return {state.value: 0 for state in BillState} | dict(rows)


async def acts_of(tx: Transaction, bill_id: int) -> list[BillAct]:
    """Return what was done to a bill, in order."""
    rows = await tx.rows(
        "SELECT bill_id, act, amount, at, actor, note FROM bill_acts"
        " WHERE bill_id = ? ORDER BY id",
        (bill_id,),
    )
    return [BillAct(row[0], Act(row[1]), *row[2:]) for row in rows]


async def numbers_of(tx: Transaction, ids: Iterable[int]) -> dict[int, str]:
    """Return the numbers of bills by their row ids; what is no row's is left out."""
    wanted = sorted(set(ids))
    rows = await tx.rows(_NUMBERS.format(marks=_marks(wanted)), wanted)
    return {row[0]: row[1] for row in rows}


async def usage_of(
    tx: Transaction, bill_id: int
) -> list[tuple[int, RegisterId, int, int]]:
    """Return the registers a bill stands on: row id, register, from, to, in order."""
    rows = await tx.rows(
        "SELECT u.register_id, r.register, u.from_at, u.to_at FROM bill_usage u"
        " JOIN registers r ON r.id = u.register_id WHERE u.bill_id = ?"
        " ORDER BY r.register, u.from_at",
        (bill_id,),
    )
    return [(row[0], RegisterId(row[1]), row[2], row[3]) for row in rows]


async def waits(tx: Transaction, *, after: int, limit: int) -> list[WaitRow]:
    """Return what waits to be billed or corrected, in the order in which it first did."""
    rows = await tx.rows(
        "SELECT id, supply_id, from_at, cause, detail, at, again_at FROM bill_waits"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [WaitRow(*row) for row in rows]


async def act(tx: Transaction, acts: Sequence[BillAct]) -> dict[int, Standing]:
    """Do acts to bills, in order, all or none; returns where those bills stand then.

    Three statements, however many. Raises Refused: UNKNOWN for a bill that stands nowhere,
    STATE for an act that is not possible.
    """
    found = await standings(tx, (one.bill for one in acts))
    for one in acts:
        if one.bill not in found:
            raise Refused(Cause.UNKNOWN, f"bill {one.bill} stands nowhere")
        found[one.bill] = after(found[one.bill], one.act, one.amount)
    await tx.many(_KEEP, [_kept(one) for one in found.values()])
    await keep_acts(tx, acts)
    return found


async def keep_acts(tx: Transaction, acts: Sequence[BillAct]) -> None:
    """Append acts as they are: for whoever wrote the standings they lead to."""
    rows = [(a.bill, a.act.value, a.amount, a.at, a.actor, a.note) for a in acts]
    await tx.many(_ACT, rows)


def _kept(one: Standing) -> tuple[object, ...]:
    sums = (one.paid, one.late_fees, one.disputed, one.given)
    return (one.state.value, *sums, one.bill)


def _marks(values: Sequence[object]) -> str:
    return ",".join("?" for _ in values)


# Rows are typed Any by the driver; these two functions give them their types again.
def _bill(row: Sequence[Any]) -> BillRow:
    number, kind, supply, member, begin, end, asset, amount = row[1:9]
    corrects, replaces, private_bill, rail, *rest = row[9:]
    return BillRow(
        row[0], number, StatementKind(kind), supply, member, begin, end, Asset(asset),
        amount, corrects, replaces, private_bill, Rail(rail), *rest,
    )  # fmt: skip


def _standing(row: Sequence[Any]) -> Standing:
    bill_id, amount, state, *rest = row
    return Standing(bill_id, amount, BillState(state), *rest)
