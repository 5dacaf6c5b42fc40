"""The table of meter documents: taken before they are read, answered once.

A store function takes the transaction; whoever opened it commits it. This module must
never keep a document or a word of its text.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.market.documents.model import (
    DAY_S,
    Document,
    Reading,
    Source,
    Verdict,
)
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.units import EXPORT

EVENT: Final = "document"
"""What a document that counts is called among a meter's trust events."""

_DOCUMENT: Final = """
SELECT d.id, m.meter, d.sha256, d.sent_at, d.verdict, d.source, d.monthly_wh,
  d.declared_wh, d.change
FROM meter_documents d JOIN meters m ON m.id = d.meter_id
"""
_HELD: Final = """
SELECT m.id, EXISTS (SELECT 1 FROM registers g WHERE g.meter_id = m.id AND g.register = ?)
FROM meters m
JOIN installations i ON i.meter_id = m.id AND i.from_at <= ?
  AND (i.to_at IS NULL OR i.to_at > ?)
JOIN tenancies t ON t.meter_point_id = i.meter_point_id AND t.member_id = ?
  AND t.from_at <= ? AND (t.to_at IS NULL OR t.to_at > ?)
WHERE m.meter = ?
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A document as it was taken: `meter_id` is the meter's number in the registry."""

    id: int
    meter_id: int


async def meter_held(
    tx: Transaction, member: int, meter: bytes, *, now: int
) -> tuple[int, bool] | None:
    """Return a meter's number, and whether it counts export, if the member holds it now."""
    row = (EXPORT, now, now, member, now, now, meter)
    rows = await tx.rows(_HELD, row)
    return (rows[0][0], bool(rows[0][1])) if rows else None


async def sent_today(tx: Transaction, member: int, *, now: int) -> int:
    """Return how many documents a member sent in the last 24 hours."""
    ((found,),) = await tx.rows(
        "SELECT count(*) FROM meter_documents WHERE member_id = ? AND sent_at > ?",
        (member, now - DAY_S),
    )
    return int(found)


async def is_spent(tx: Transaction, meter_id: int, sha256: bytes) -> bool:
    """Tell whether a document of this meter counted, or this one for any meter."""
    rows = await tx.rows(
        "SELECT 1 FROM trust_events WHERE subject = ? AND event = ? UNION ALL"
        " SELECT 1 FROM meter_documents WHERE sha256 = ? AND verdict IN ('good', 'fair')",
        (subject(meter_id), EVENT, sha256),
    )
    return bool(rows)


async def counted(
    tx: Transaction, member: int, meter_id: int, sha256: bytes
) -> Document | None:
    """Return the document if it is the one that counted, for this member's meter."""
    rows = await tx.rows(
        _DOCUMENT + " WHERE d.member_id = ? AND d.meter_id = ? AND d.sha256 = ?"
        " AND d.verdict IN ('good', 'fair')",
        (member, meter_id, sha256),
    )
    return _document(rows[0]) if rows else None


async def take(
    tx: Transaction, member: int, meter_id: int, sha256: bytes, *, now: int
) -> Taken:
    """Note that a document came, before it is read."""
    ((number,),) = await tx.rows(
        "INSERT INTO meter_documents (meter_id, member_id, sha256, sent_at, verdict)"
        " VALUES (?, ?, ?, ?, ?) RETURNING id",
        (meter_id, member, sha256, now, Verdict.READING.value),
    )
    return Taken(number, meter_id)


async def close(tx: Transaction, taken: Taken, verdict: Verdict) -> None:
    """Write down that nothing came of a document."""
    await tx.many(
        "UPDATE meter_documents SET verdict = ? WHERE id = ?",
        [(verdict.value, taken.id)],
    )


async def forget(tx: Transaction, taken: Taken) -> None:
    """Take back that a document came: it was not our sender's fault that none read it."""
    await tx.many("DELETE FROM meter_documents WHERE id = ?", [(taken.id,)])


async def answer(
    tx: Transaction,
    taken: Taken,
    verdict: Verdict,
    reading: Reading,
    *,
    declared_wh: int,
    change: int,
) -> Document:
    """Write down what came of a document that had a figure."""
    row = (
        verdict.value, reading.source.value, reading.monthly_wh, declared_wh, change,
        taken.id,
    )  # fmt: skip
    await tx.many(
        "UPDATE meter_documents SET verdict = ?, source = ?, monthly_wh = ?,"
        " declared_wh = ?, change = ? WHERE id = ?",
        [row],
    )
    rows = await tx.rows(_DOCUMENT + " WHERE d.id = ?", (taken.id,))
    return _document(rows[0])


async def of_member(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[Document]:
    """Return a page of what a member sent, oldest first."""
    where = " WHERE d.member_id = ? AND d.id > ? ORDER BY d.id LIMIT ?"
    return [
        _document(row)
        for row in await tx.rows(_DOCUMENT + where, (member, after, limit))
    ]


def subject(meter_id: int) -> str:
    """Return what a trust event of a meter is about."""
    return f"meter {meter_id}"


def _document(row: Row) -> Document:
    number, meter, sha256, sent_at, verdict, source, *figures = row
    picked = None if source is None else Source(source)
    return Document(number, meter, sha256, sent_at, Verdict(verdict), picked, *figures)
