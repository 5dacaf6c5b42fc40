"""Who may certify producers: members an operator authorised, each with a level.

Times are real Unix seconds, as of every credential. This module must never change a level:
it ends one authorisation and begins another.
"""

from dataclasses import dataclass

from meterseal_aggregator.registry.certification import Level
from meterseal_aggregator.registry.write import insert
from meterseal_aggregator.storage.database import Transaction


@dataclass(frozen=True, slots=True)
class Authorised:
    """A member's authorisation; `to_at` None is in force."""

    id: int
    member: int
    level: Level
    from_at: int
    to_at: int | None


async def authorise(tx: Transaction, member: int, level: Level, *, now: int) -> int:
    """Let a member certify; returns the authorisation's number.

    Raises Refused: OVERLAP where he may already, NOT_FOUND where there is no such member.
    """
    sql = "INSERT INTO certifiers (member_id, level, from_at) VALUES (?, ?, ?) RETURNING id"
    detail = "this member is a certifier already; end that authorisation first"
    return await insert(tx, sql, (member, level.value, now), detail)


async def deauthorise(tx: Transaction, number: int, *, now: int) -> bool:
    """End an authorisation now; False when none of that number is in force."""
    rows = await tx.rows(
        "UPDATE certifiers SET to_at = max(from_at, ?) WHERE id = ? AND to_at IS NULL"
        " RETURNING id",
        (now, number),
    )
    return bool(rows)


async def level_of(tx: Transaction, member: int) -> Level | None:
    """Return what a member may certify now, None where nothing."""
    rows = await tx.rows(
        "SELECT level FROM certifiers WHERE member_id = ? AND to_at IS NULL", (member,)
    )
    return Level(rows[0][0]) if rows else None


async def authorised(tx: Transaction, *, after: int, limit: int) -> list[Authorised]:
    """Return a page of authorisations, ended ones too, by number."""
    rows = await tx.rows(
        "SELECT id, member_id, level, from_at, to_at FROM certifiers"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [Authorised(row[0], row[1], Level(row[2]), *row[3:]) for row in rows]
