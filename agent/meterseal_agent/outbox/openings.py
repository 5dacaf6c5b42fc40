"""What was opened of committed days, and since when each tariff is known.

An opening is written before the bill leaves, never changed and never dropped: what was
told once is told for good, and decides what may still be told. Each names the one before
it. Every function takes the transaction or connection first.
"""

import sqlite3
from typing import Final

from meterseal_agent.outbox.model import Chain
from meterseal_proto.bill import BillStatement, ProvedBill

MAX_TARIFF_BYTES: Final = 1 << 19
"""Of all tariffs: one of 1.5 KB a month for decades. They stay for good, and an aggregator
that logs ever more of them must not fill the disk that records need."""


def has_room(tx: sqlite3.Connection, digest: bytes, document: bytes) -> bool:
    """Tell whether a tariff is known, or may be kept beside all the others."""
    ((others,),) = tx.execute(
        "SELECT coalesce(sum(length(document)), 0) FROM tariffs WHERE hash <> ?",
        (digest,),
    )
    known = tariff(tx, digest) is not None
    return known or int(others) + len(document) <= MAX_TARIFF_BYTES


def learn(tx: sqlite3.Connection, digest: bytes, document: bytes, now: int) -> None:
    """Keep a tariff's document and when it was first known, UTC Unix seconds."""
    tx.execute(
        "INSERT INTO tariffs (hash, document, learned_at) VALUES (?,?,?)"
        " ON CONFLICT (hash) DO NOTHING",
        (digest, document, now),
    )


def tariff(connection: sqlite3.Connection, digest: bytes) -> tuple[bytes, int] | None:
    """Return a tariff's document and when it was first known, None for an unknown one."""
    row = connection.execute(
        "SELECT document, learned_at FROM tariffs WHERE hash = ?", (digest,)
    ).fetchone()
    return None if row is None else (row[0], row[1])


def keep(
    tx: sqlite3.Connection, chain: int, bill: ProvedBill, number: int | None = None
) -> None:
    """Write an opening after all there are, or as row `number`, for their order is theirs.

    sqlite3.IntegrityError when another follows the same one.
    """
    said = bill.statement
    tx.execute(
        "INSERT INTO openings (id, chain, begin, end_at, tariff, amount, revision, headers,"
        " previous, proof, consent) VALUES (?,?,?,?,?,?,?,?,?,?,?)",
        (
            *(number, chain, said.begin, said.end, said.tariff, str(said.amount)),
            *(said.revision, b"".join(said.headers), said.previous),
            *(bill.proof, bill.consent),
        ),
    )


def of(
    connection: sqlite3.Connection, network: bytes, chain: Chain
) -> list[ProvedBill]:
    """Return a register's openings in the order of their chain."""
    rows = connection.execute(
        "SELECT begin, end_at, tariff, amount, revision, headers, previous, proof,"
        " consent FROM openings WHERE chain = ? ORDER BY id",
        (chain.id,),
    )
    found = []
    for begin, end, digest, amount, revision, headers, previous, *signed in rows:
        hashes = tuple(headers[at : at + 32] for at in range(0, len(headers), 32))
        statement = BillStatement(
            *(network, chain.meter, chain.register, begin, end, digest),
            *(int(amount), revision, hashes, previous),
        )
        found.append(ProvedBill(statement, *signed))
    return found
