"""The values of committed days: beside their seals, because no seal has them.

Each is written in the transaction that reserves its seal, and stays when the seal goes:
bills are made of it, and the member's own page. Every function takes the transaction or
connection first. A day takes as many bytes as the longest has. It must never change a
day's values, and nothing in here is told to anybody.
"""

import sqlite3
import struct
from typing import Final

from meterseal_agent.outbox.model import KeptDay, SealKey
from meterseal_proto.errors import Reason
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import Quality

KEEP_S: Final = 400 * 86_400
"""Corrections reach back 400 days, and a year's bill is looked at once more."""
_SLOTS: Final = struct.Struct(f">H{MAX_RECORDS}Q{MAX_RECORDS}B")
_COLUMNS: Final = "chain, seq, first, step, leaves_at, slots, untold, hash"


def keep(tx: sqlite3.Connection, day: KeptDay) -> None:
    """Write a day; sqlite3.IntegrityError when its seal has values already."""
    tx.execute(
        f"INSERT INTO days ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?)",  # noqa: S608
        (
            *(day.chain, day.seq, day.first, day.step, day.leaves_at),
            *(_packed(day), day.untold, day.hash),
        ),
    )


def find(connection: sqlite3.Connection, seal: SealKey) -> KeptDay | None:
    """Return the values of a seal, None where it has none."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM days WHERE chain = ? AND seq = ?",  # noqa: S608
        seal,
    ).fetchone()
    if row is None:
        return None
    chain, seq, first, step, leaves_at, slots, untold, digest = row
    values, qualities = _unpacked(slots)
    return KeptDay(
        chain, seq, first, step, leaves_at, values, qualities, untold, digest
    )


def tellings(
    connection: sqlite3.Connection, chain: int, first: int
) -> list[int | None]:
    """Return the answers to the days told from `first` on, in the order told."""
    rows = connection.execute(
        "SELECT reason FROM days WHERE chain = ? AND first = ? ORDER BY seq",
        (chain, first),
    )
    return [reason for (reason,) in rows]


def early(connection: sqlite3.Connection, now: int) -> frozenset[SealKey]:
    """Return the unanswered seals that may leave later than `now` only."""
    rows = connection.execute(
        "SELECT chain, seq FROM days WHERE reason IS NULL AND leaves_at > ?", (now,)
    )
    return frozenset((chain, seq) for chain, seq in rows)


def answered(tx: sqlite3.Connection, seal: SealKey, told: int) -> None:
    """Note how a seal was answered, as `seals.reason` does; nothing for an open one."""
    tx.execute("UPDATE days SET reason = ? WHERE chain = ? AND seq = ?", (told, *seal))


def between(
    connection: sqlite3.Connection, chain: int, begin: int, end: int
) -> list[KeptDay]:
    """Return the accepted days that begin in [`begin`, `end`), in order of time."""
    rows = connection.execute(
        "SELECT chain, seq FROM days WHERE chain = ? AND first >= ? AND first < ?"
        " AND reason = 0 ORDER BY first",
        (chain, begin, end),
    ).fetchall()
    found = [find(connection, (number, seq)) for number, seq in rows]
    return [day for day in found if day is not None]


def revision(connection: sqlite3.Connection, day: KeptDay) -> int:
    """Return a day's revision: how many tellings before it had a proof that failed."""
    ((count,),) = connection.execute(
        "SELECT count(*) FROM days WHERE chain = ? AND first = ? AND seq < ?"
        " AND reason = ?",
        (day.chain, day.first, day.seq, int(Reason.PROOF)),
    )
    return int(count)


def fail(tx: sqlite3.Connection, seal: SealKey, digest: bytes) -> bool:
    """Note that an accepted day's proof did not hold; tell whether there is such a day."""
    return bool(
        tx.execute(
            "UPDATE days SET reason = ? WHERE chain = ? AND seq = ? AND hash = ?"
            " AND reason IN (?1, 0)",
            (int(Reason.PROOF), *seal, digest),
        ).rowcount
    )


def failed(connection: sqlite3.Connection) -> list[SealKey]:
    """Return the days whose proof did not hold and that were not told again, oldest first.

    Those of chains with an unanswered seal wait for its answer.
    """
    rows = connection.execute(
        "SELECT chain, seq FROM days d WHERE reason = ? AND NOT EXISTS"
        " (SELECT 1 FROM days n WHERE n.chain = d.chain AND n.first = d.first"
        "  AND n.seq > d.seq) AND chain NOT IN"
        " (SELECT chain FROM seals WHERE answered_at IS NULL) ORDER BY first, chain",
        (int(Reason.PROOF),),
    )
    return [(chain, seq) for chain, seq in rows]


def drop(tx: sqlite3.Connection, *, before: int) -> None:
    """Drop days that began before a moment and are answered."""
    tx.execute("DELETE FROM days WHERE first < ? AND reason IS NOT NULL", (before,))


def _packed(day: KeptDay) -> bytes:
    count = len(day.values)
    rest = [0] * (MAX_RECORDS - count)
    values = [value or 0 for value in day.values]
    return _SLOTS.pack(count, *values, *rest, *day.qualities, *rest)


def _unpacked(slots: bytes) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    count, *rest = _SLOTS.unpack(slots)
    qualities = tuple(rest[MAX_RECORDS : MAX_RECORDS + count])
    values = tuple(
        None if quality == Quality.MISSING else value
        for value, quality in zip(rest[:count], qualities, strict=True)
    )
    return values, qualities
