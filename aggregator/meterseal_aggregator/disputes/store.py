"""The tables of disputes. Whoever opened the transaction commits it.

This module must never decide anything, nor post.
"""

import json
from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.disputes.model import (
    Cause,
    Decided,
    Dispute,
    NotDisputed,
    Remedy,
    State,
    Subject,
)
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction

_DISPUTE: Final = """
SELECT id, member_id, subject, bill_id, trade_id, asset, claimed, frozen, held, lines,
  reason, evidence, state, opened_at, decide_by, ended_at
FROM disputes
"""
_ADD: Final = """
INSERT INTO disputes (id, member_id, subject, bill_id, trade_id, asset, claimed, frozen,
  held, lines, reason, evidence, request_key, state, opened_at, decide_by)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'open', ?, ?)
"""
_DECIDED: Final = """
SELECT dispute_id, verdict, remedy, amount, actor, reason, decided_at, salt, hash,
  log_entry_id
FROM dispute_decisions
"""
_CREDITED: Final = """
SELECT coalesce(sum(c.amount), 0) FROM disputes d
JOIN dispute_decisions c ON c.dispute_id = d.id AND c.remedy = 'credit' WHERE
"""
_DECIDE: Final = """
INSERT INTO dispute_decisions (dispute_id, verdict, remedy, amount, actor, reason,
  decided_at, salt, hash, log_entry_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_CHAIN: Final = """
WITH RECURSIVE
  back (id) AS (SELECT ? UNION ALL
    SELECT b.replaces_id FROM bills b JOIN back ON b.id = back.id
    WHERE b.replaces_id IS NOT NULL),
  chain (id) AS (SELECT min(id) FROM back UNION ALL
    SELECT b.id FROM bills b JOIN chain ON b.replaces_id = chain.id)
SELECT id FROM chain ORDER BY id
"""


async def chain_of(tx: Transaction, bill: int) -> list[int]:
    """Return the bills that stood in for one another with this one, the one that counts last.

    What is disputed of a bill goes over to the one in its place.
    """
    return [row[0] for row in await tx.rows(_CHAIN, (bill,))]


async def frozen_of(tx: Transaction, chain: Sequence[int], *, but: int = 0) -> int:
    """Return what open disputes, `but` one, froze of a chain of bills."""
    marks = ",".join("?" for _ in chain)
    ((total,),) = await tx.rows(
        "SELECT coalesce(sum(frozen), 0) FROM disputes WHERE state = 'open'"  # noqa: S608 - question marks only
        f" AND id <> ? AND bill_id IN ({marks})",
        (but, *chain),
    )
    return int(total)


async def credited_of(tx: Transaction, chain: Sequence[int]) -> int:
    """Return what was credited so far for a chain of bills."""
    marks = ",".join("?" for _ in chain)
    ((total,),) = await tx.rows(f"{_CREDITED} d.bill_id IN ({marks})", chain)
    return int(total)


async def credited_of_trade(tx: Transaction, found: Dispute) -> int:
    """Return what was credited so far to a dispute's member for its trade."""
    ((total,),) = await tx.rows(
        f"{_CREDITED} d.trade_id = ? AND d.member_id = ?", (found.trade, found.member)
    )
    return int(total)


async def dispute(tx: Transaction, number: int) -> Dispute:
    """Return a dispute; raises NotDisputed (UNKNOWN)."""
    found = await where(tx, "id = ?", (number,), limit=1)
    if not found:
        raise NotDisputed(Cause.UNKNOWN, f"there is no dispute {number}")
    return found[0]


async def where(
    tx: Transaction, condition: str, params: Sequence[object], *, limit: int
) -> list[Dispute]:
    """Return disputes under a condition of the room's own SQL, by id.

    The condition is a constant of the code; values only go in `params`.
    """
    rows = await tx.rows(
        f"{_DISPUTE} WHERE {condition} ORDER BY id LIMIT ?", (*params, limit)
    )
    return [_dispute(row) for row in rows]


async def next_id(tx: Transaction) -> int:
    """Return the number of the dispute that is opened next."""
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM disputes")
    return int(last) + 1


async def open_of(tx: Transaction, member: int) -> int:
    """Count a member's open disputes."""
    ((count,),) = await tx.rows(
        "SELECT count(*) FROM disputes WHERE member_id = ? AND state = 'open'",
        (member,),
    )
    return int(count)


async def by_key(tx: Transaction, member: int, key: str) -> Dispute | None:
    """Return the dispute that a key was used for, if there is one."""
    found = await where(tx, "member_id = ? AND request_key = ?", (member, key), limit=1)
    return found[0] if found else None


async def add(tx: Transaction, made: Dispute, key: str) -> None:
    """Keep a dispute that is opened."""
    row = (
        made.id, made.member, made.subject.value, made.bill, made.trade, made.asset,
        made.claimed, made.frozen, int(made.held), json.dumps(made.lines), made.reason,
        made.evidence, key, made.opened_at, made.decide_by,
    )  # fmt: skip
    await tx.many(_ADD, [row])


async def end(tx: Transaction, number: int, state: State, *, now: int) -> None:
    """End an open dispute."""
    await tx.many(
        "UPDATE disputes SET state = ?, ended_at = ? WHERE id = ? AND state = 'open'",
        [(state.value, now, number)],
    )


async def keep_decision(tx: Transaction, made: Decided) -> None:
    """Keep a decision."""
    row = (
        made.dispute, made.verdict.value, made.remedy.value, made.amount, made.actor,
        made.reason, made.decided_at, made.salt, made.hash, made.log_entry,
    )  # fmt: skip
    await tx.many(_DECIDE, [row])


async def decisions(tx: Transaction, disputes: Sequence[int]) -> dict[int, Decided]:
    """Return the decisions of disputes, by dispute."""
    marks = ",".join("?" for _ in disputes)
    rows = await tx.rows(f"{_DECIDED} WHERE dispute_id IN ({marks})", disputes)
    return {row[0]: _decided(row) for row in rows}


# Rows are typed Any by the driver; these two functions give them their types again.
def _dispute(row: Sequence[Any]) -> Dispute:
    number, member, subject, bill, trade, asset, claimed, frozen, held, lines = row[:10]
    reason, evidence, state, opened_at, decide_by, ended_at = row[10:]
    return Dispute(
        number, member, Subject(subject), bill, trade, Asset(asset), claimed, frozen,
        bool(held), tuple(json.loads(lines)), reason, evidence, State(state), opened_at,
        decide_by, ended_at,
    )  # fmt: skip


def _decided(row: Sequence[Any]) -> Decided:
    dispute, verdict, remedy, amount, *rest = row
    return Decided(dispute, State(verdict), Remedy(remedy), amount, *rest)
