"""What waits in the outbox: records for a seal, seals for an answer, and how many of each.

Every function takes the connection first. This module must never write.
"""

import sqlite3
from typing import Final

from meterseal_agent.outbox.model import (
    CHAIN_COLUMNS,
    Chain,
    Depth,
    Stored,
    read_chain,
)
from meterseal_agent.record import Record
from meterseal_proto.errors import Reason
from meterseal_proto.seal import MAX_RECORDS
from meterseal_proto.units import Quality

_READY: Final = f"""
SELECT {CHAIN_COLUMNS}, (SELECT min(start) FROM records WHERE chain = id AND seq IS NULL)
  AS oldest
FROM chains WHERE oldest IS NOT NULL
  AND id NOT IN (SELECT chain FROM seals WHERE answered_at IS NULL)
ORDER BY oldest, id
"""  # noqa: S608 - our own columns
_PENDING: Final = """
SELECT start, length, delta, value, quality FROM records
WHERE chain = ? AND seq IS NULL ORDER BY start LIMIT ?
"""
_UNANSWERED: Final = """
SELECT chain, seq, first, hash, payload, signed FROM seals
WHERE answered_at IS NULL ORDER BY first, chain
"""
_DOUBTFUL: Final = """
SELECT s.chain, s.seq, s.first, s.hash, s.payload, s.signed FROM seals w
JOIN chains c ON c.id = w.chain
JOIN seals s ON s.chain = w.chain AND s.seq > c.seq AND s.reason = ?
WHERE w.answered_at IS NULL AND w.reason = ? ORDER BY s.first, s.chain
"""
_DEPTHS: Final = f"""
SELECT {CHAIN_COLUMNS},
  (SELECT count(*) FROM records WHERE chain = id AND seq IS NULL),
  (SELECT min(start) FROM records WHERE chain = id AND seq IS NULL),
  (SELECT count(*) FROM seals WHERE chain = chains.id AND answered_at IS NULL),
  (SELECT reason FROM seals WHERE chain = chains.id AND answered_at IS NULL)
FROM chains ORDER BY id
"""  # noqa: S608 - our own columns
_CHAIN: Final = len(CHAIN_COLUMNS.split(","))


def ready(connection: sqlite3.Connection) -> list[Chain]:
    """Return chains with records to seal and no seal unanswered, oldest record first."""
    return [read_chain(row[:_CHAIN]) for row in connection.execute(_READY)]


def pending(connection: sqlite3.Connection, chain: Chain) -> list[Record]:
    """Return the oldest records not sealed yet, at most a seal's worth and one."""
    rows = connection.execute(_PENDING, (chain.id, MAX_RECORDS + 1))
    return [
        Record(
            *(chain.meter, chain.register, start, length, delta, value),
            Quality(quality),
        )
        for start, length, delta, value, quality in rows
    ]


def unanswered(connection: sqlite3.Connection) -> list[Stored]:
    """Return every seal without an answer, oldest first across registers."""
    return [Stored(*row) for row in connection.execute(_UNANSWERED)]


def doubtful(connection: sqlite3.Connection) -> list[Stored]:
    """Return refused seals that may have been taken since, of chains that are stuck.

    A chain's waiting seal is out of order: then the aggregator's head is not ours, and
    only a seal refused as too old, while a clock was wrong, can have moved it. Sent
    again, it is answered as what it became.
    """
    reasons = int(Reason.TIME_WINDOW), int(Reason.OUT_OF_ORDER)
    return [Stored(*row) for row in connection.execute(_DOUBTFUL, reasons)]


def depths(connection: sqlite3.Connection) -> list[Depth]:
    """Return what waits, register by register."""
    found = []
    for row in connection.execute(_DEPTHS):
        records, oldest, seals, reason = row[_CHAIN:]
        chain = read_chain(row[:_CHAIN])
        held_back = None if reason is None else Reason(reason)
        found.append(Depth(chain, records, oldest, seals, held_back=held_back))
    return found
