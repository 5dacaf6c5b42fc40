"""What this disk may have forgotten: since when it is sure to know what was opened.

A device that takes over, and a disk that comes back after a pause, may not know openings
that were made meanwhile. `since` closes the periods that began before it, until the log
was read: a tariff too many over a period tells what one alone does not. A record that
spans a long time is how a disk that lay still is noticed, a snapshot as well as a power
cut, and it is kept in that record's own transaction. Every function takes the transaction
or connection first. This module must never open a period again that is not `checked`.
"""

import sqlite3
from dataclasses import dataclass
from typing import Final

HOLE_S: Final = 86_400
"""A disk that lay still for longer may be an old one; power cuts mostly end within a day."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bills over periods that begin before `since` wait for a check of the log, 0 for none.

    `opening` is the digest the next opening names; None where the outbox knows it itself,
    or, while `since` is set, where nobody does. `checked` is up to when the log
    was read, UTC Unix seconds.
    """

    since: int = 0
    opening: bytes | None = None
    checked: int = 0


def of(connection: sqlite3.Connection, chain: int) -> Memory:
    """Return what a chain's openings are known of."""
    row = connection.execute(
        "SELECT since, opening, checked FROM memories WHERE chain = ?", (chain,)
    ).fetchone()
    return Memory(*row) if row else Memory()


def begin(tx: sqlite3.Connection, chain: int, since: int, opening: bytes) -> None:
    """Note that a chain goes on from another device's at `since`, after `opening`."""
    tx.execute(
        "INSERT INTO memories (chain, since, opening) VALUES (?,?,?)",
        (chain, since, opening),
    )


def noticed(tx: sqlite3.Connection, chain: int, start: int, end: int) -> None:
    """Take notice of a record: after a long one nothing older is known for sure.

    A short one, as nearly all are, asks nothing of the disk.
    """
    if end - start <= HOLE_S:
        return
    known = of(tx, chain)
    if end - max(start, known.checked) > HOLE_S and end > known.since:
        tx.execute(
            "INSERT INTO memories (chain, since) VALUES (?1,?2) ON CONFLICT (chain)"
            " DO UPDATE SET since = ?2, opening = NULL",
            (chain, end),
        )


def hold(tx: sqlite3.Connection, chain: int, since: int) -> None:
    """Note that periods from before `since` are in doubt, however far back they were."""
    tx.execute(
        "INSERT INTO memories (chain, since) VALUES (?1,?2) ON CONFLICT (chain)"
        " DO UPDATE SET since = max(since, ?2)",
        (chain, since),
    )


def check(tx: sqlite3.Connection, chain: int, opening: bytes, at: int) -> None:
    """Note that all openings before `at` were found in the log and kept.

    `opening` is what the first of all names: who has none yet names it.
    """
    tx.execute(
        "INSERT INTO memories (chain, since, opening, checked) VALUES (?1,0,?2,?3)"
        " ON CONFLICT (chain) DO UPDATE SET since = 0, opening = ?2, checked = ?3",
        (chain, opening, at),
    )
