"""The table of erasures, and who is erased. Whoever opened the transaction commits it.

This module must never erase anything itself.
"""

from collections.abc import Sequence
from typing import Any, Final

from meterseal_aggregator.erasure.model import Erasure, Why
from meterseal_aggregator.storage.database import Transaction

_ERASURE: Final = """
SELECT member_id, why, actor, asked_at, expires_at, done_at, scrubbed_at FROM erasures
"""
_KEEP: Final = """
INSERT INTO erasures (member_id, why, actor, code, asked_at, expires_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (member_id) DO UPDATE SET why = excluded.why, actor = excluded.actor,
  code = excluded.code, asked_at = excluded.asked_at, expires_at = excluded.expires_at
"""

_WITHIN: Final = """
SELECT 1 FROM registers r JOIN installations i ON i.meter_id = r.meter_id
  AND i.from_at < ?1 AND coalesce(i.to_at, ?1) > ?2
JOIN tenancies t ON t.meter_point_id = i.meter_point_id
  AND t.from_at < min(?1, coalesce(i.to_at, ?1))
  AND coalesce(t.to_at, ?1) > max(?2, i.from_at)
JOIN erasures e ON e.member_id = t.member_id AND e.done_at IS NOT NULL
WHERE r.id = ?3 LIMIT 1
"""


async def keep(tx: Transaction, asked: Erasure, code: bytes) -> None:
    """Keep what was asked for, in place of an earlier asking."""
    row = (
        asked.member, asked.why.value, asked.actor, code, asked.asked_at,
        asked.expires_at,
    )  # fmt: skip
    await tx.many(_KEEP, [row])


async def asked(tx: Transaction, member: int, code: bytes) -> Erasure | None:
    """Return what was asked for under a code and is not done."""
    rows = await tx.rows(
        f"{_ERASURE} WHERE member_id = ? AND code = ? AND done_at IS NULL",
        (member, code),
    )
    return _erasure(rows[0]) if rows else None


async def erasure(tx: Transaction, member: int) -> Erasure | None:
    """Return a member's erasure, asked for or done."""
    rows = await tx.rows(f"{_ERASURE} WHERE member_id = ?", (member,))
    return _erasure(rows[0]) if rows else None


async def erased(tx: Transaction, member: int) -> bool:
    """Tell whether a member was erased: his bills are then for operators with a reason."""
    found = await erasure(tx, member)
    return found is not None and found.done_at is not None


async def erased_within(tx: Transaction, register: int, begin: int, end: int) -> bool:
    """Tell whether anybody was erased whose a register was in some second of [begin, end)."""
    return bool(await tx.rows(_WITHIN, (end, begin, register)))


async def done(tx: Transaction, member: int, actor: str, *, now: int) -> None:
    """Write down that a member was erased."""
    await tx.many(
        "UPDATE erasures SET done_at = ?, done_by = ? WHERE member_id = ?",
        [(now, actor, member)],
    )


async def unscrubbed(tx: Transaction) -> list[int]:
    """Return the members whose data may still stand in the file's free space."""
    rows = await tx.rows(
        "SELECT member_id FROM erasures"
        " WHERE done_at IS NOT NULL AND scrubbed_at IS NULL ORDER BY member_id"
    )
    return [row[0] for row in rows]


async def scrubbed(tx: Transaction, members: Sequence[int], *, now: int) -> None:
    """Write down that the file was written anew."""
    await tx.many(
        "UPDATE erasures SET scrubbed_at = ? WHERE member_id = ?",
        [(now, member) for member in members],
    )


def _erasure(row: Sequence[Any]) -> Erasure:  # rows are typed Any by the driver
    member, why, *rest = row
    return Erasure(member, Why(why), *rest)
