"""What the member's own page reads of the outbox: days with their answers, last records.

Every function takes the connection, reads a bounded piece, and must never write.
"""

import sqlite3
from typing import Final

from meterseal_agent.outbox import days
from meterseal_agent.outbox.model import Chain, KeptDay
from meterseal_agent.record import Record
from meterseal_proto.units import Quality

MAX_DAYS: Final = 80
"""Tellings in one reading: a month told twice, and a few more. A seal waits that long."""
MAX_RECORDS: Final = 1_000

Telling = tuple[KeptDay, int | None]
"""A day as it was told, and `seals.reason` of its answer; None while it waits."""


def told(
    connection: sqlite3.Connection, chain: Chain, begin: int, end: int
) -> list[Telling]:
    """Return the tellings of days that begin in [`begin`, `end`), oldest first."""
    rows = connection.execute(
        "SELECT seq, reason FROM days WHERE chain = ? AND first >= ? AND first < ?"
        " ORDER BY first, seq LIMIT ?",
        (chain.id, begin, end, MAX_DAYS),
    ).fetchall()
    found = [(days.find(connection, (chain.id, seq)), reason) for seq, reason in rows]
    return [(day, reason) for day, reason in found if day is not None]


def bounds(connection: sqlite3.Connection, chain: Chain) -> tuple[int, int] | None:
    """Return when the first and the last day that is kept begin; None without any."""
    first, last = connection.execute(
        "SELECT min(first), max(first) FROM days WHERE chain = ?", (chain.id,)
    ).fetchone()
    return None if first is None else (first, last)


def records(connection: sqlite3.Connection, chain: Chain, since: int) -> list[Record]:
    """Return the newest records that end after `since`, sealed or not, oldest first."""
    rows = connection.execute(
        "SELECT start, length, delta, value, quality FROM records"
        " WHERE chain = ? AND start + length > ? ORDER BY start DESC LIMIT ?",
        (chain.id, since, MAX_RECORDS),
    ).fetchall()
    return [
        Record(
            *(chain.meter, chain.register, start, length, delta, value),
            Quality(quality),
        )
        for start, length, delta, value, quality in reversed(rows)
    ]
