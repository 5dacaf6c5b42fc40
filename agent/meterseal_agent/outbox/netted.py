"""What was told of committed days' slots for netting: the Wh asked about, and one bit each.

A day is asked about once. The first asking is written before its answer leaves and never
changes: who could ask again with other Wh would find out the usage, Wh by Wh. It goes with
its day, after which nobody is told of it anyway. Every function takes the transaction or
connection first. This module must never hold a slot's usage.
"""

import sqlite3
import struct
from collections.abc import Iterable, Mapping
from typing import Final, TypeAlias

Told: TypeAlias = Mapping[int, tuple[int, bool]]
"""Of a day's slots that were asked about, by place: the Wh, and whether usage reached it."""

_SLOT: Final = struct.Struct(">BI?")


def of(
    connection: sqlite3.Connection, chain: int, begin: int, end: int
) -> dict[int, Told]:
    """Return what was told of days that begin in [`begin`, `end`), by their start."""
    rows = connection.execute(
        "SELECT first, slots FROM netted WHERE chain = ? AND first >= ? AND first < ?",
        (chain, begin, end),
    )
    return {
        first: {place: (wh, reached) for place, wh, reached in _SLOT.iter_unpack(slots)}
        for first, slots in rows
    }


def keep(tx: sqlite3.Connection, chain: int, days: Iterable[tuple[int, Told]]) -> None:
    """Write what is told of days, each by its start.

    sqlite3.IntegrityError for one of which something was told before.
    """
    tx.executemany(
        "INSERT INTO netted (chain, first, slots) VALUES (?,?,?)",
        [(chain, first, _packed(told)) for first, told in days],
    )


def drop(tx: sqlite3.Connection, *, before: int) -> None:
    """Drop what was told of days that began before a moment and are not here any more."""
    tx.execute(
        "DELETE FROM netted WHERE first < ? AND NOT EXISTS (SELECT 1 FROM days d"
        " WHERE d.chain = netted.chain AND d.first = netted.first)",
        (before,),
    )


def _packed(told: Told) -> bytes:
    rows = sorted(told.items())
    return b"".join(_SLOT.pack(place, wh, reached) for place, (wh, reached) in rows)
