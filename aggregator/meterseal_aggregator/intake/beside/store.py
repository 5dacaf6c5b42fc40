"""The SQL of what is told beside: telemetry by meter and time, the last health of an agent.

A function takes the transaction; whoever opened it commits it. This module must never
delete what is younger than the window unless a meter holds more than its share.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.spans import Span
from meterseal_proto.telemetry import Batch, decode_batch

KEEP_S: Final = 7 * 86_400
"""The window of telemetry, in the network's seconds: last week beside this one."""
MAX_BATCHES: Final = 2 * 7 * 1440
"""Batches kept of a meter: two a minute for a week; agents send one."""
DELETED_AT_ONCE: Final = 5000
"""Rows a transaction deletes: it holds the writer for some milliseconds, not more."""


@dataclass(frozen=True, slots=True)
class KeptBatch:
    """A batch and its bytes as they came."""

    batch: Batch
    payload: bytes


@dataclass(frozen=True, slots=True)
class KeptHealth:
    """A health record as it came, of the moment `at`; times are the network's."""

    agent: str
    at: int
    received_at: int
    payload: bytes


async def keep_batches(tx: Transaction, batches: Sequence[KeptBatch]) -> None:
    """Keep batches; one that is here already, or says less of its time, changes nothing."""
    await tx.many(
        "INSERT INTO telemetry (meter, begin_at, end_at, samples, payload)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (meter, end_at, begin_at) DO UPDATE SET"
        " samples = excluded.samples, payload = excluded.payload"
        " WHERE excluded.samples > telemetry.samples",
        [
            (
                *(one.batch.meter, one.batch.span.begin, one.batch.span.end),
                *(len(one.batch.rows), one.payload),
            )
            for one in batches
        ],
    )


async def keep_health(tx: Transaction, records: Sequence[KeptHealth]) -> None:
    """Keep the latest record of each agent; an older one, or the same once more, changes
    nothing: a pipe that repeats a record must not make a dead agent look alive."""
    await tx.many(
        "INSERT INTO agent_health (agent, at, received_at, payload) VALUES (?, ?, ?, ?)"
        " ON CONFLICT (agent) DO UPDATE SET at = excluded.at,"
        " received_at = excluded.received_at, payload = excluded.payload"
        " WHERE excluded.at > agent_health.at",
        [(r.agent, r.at, r.received_at, r.payload) for r in records],
    )


async def batches(tx: Transaction, meter: bytes, span: Span, limit: int) -> list[Batch]:
    """Return up to `limit` batches that touch a span, those that end first first."""
    rows = await tx.rows(
        "SELECT payload FROM telemetry WHERE meter = ? AND end_at > ? AND begin_at < ?"
        " AND samples > 0 ORDER BY end_at, begin_at LIMIT ?",
        (meter, span.begin, span.end, limit),
    )
    return [decode_batch(payload) for (payload,) in rows]


async def last_batch(tx: Transaction, meter: bytes, until: int) -> Batch | None:
    """Return the latest batch with samples that begins before the second `until`."""
    rows = await tx.rows(
        "SELECT payload FROM telemetry WHERE meter = ? AND begin_at < ? AND samples > 0"
        " ORDER BY end_at DESC LIMIT 1",
        (meter, until),
    )
    return decode_batch(rows[0][0]) if rows else None


async def covered(tx: Transaction, meter: bytes, span: Span) -> list[Span]:
    """Return the times, touching `span`, of which a meter's telemetry is complete."""
    rows = await tx.rows(
        "SELECT begin_at, end_at FROM telemetry"
        " WHERE meter = ? AND end_at > ? AND begin_at < ?",
        (meter, span.begin, span.end),
    )
    return [Span(begin, end) for begin, end in rows]


async def first_told(tx: Transaction, meter: bytes) -> int | None:
    """Return the second from which on anything is known of a meter, None without any."""
    rows = await tx.rows(
        "SELECT min(begin_at) FROM telemetry WHERE meter = ?", (meter,)
    )
    first: int | None = rows[0][0]
    return first


async def last_health(tx: Transaction, agent: str) -> KeptHealth | None:
    """Return the last health record of an agent."""
    rows = await tx.rows(
        "SELECT agent, at, received_at, payload FROM agent_health WHERE agent = ?",
        (agent,),
    )
    return KeptHealth(*rows[0]) if rows else None


async def prune(tx: Transaction, now: int) -> int:
    """Delete telemetry that has left the window, or a meter's share; returns how many."""
    old = await tx.rows(
        "DELETE FROM telemetry WHERE (meter, end_at, begin_at) IN (SELECT meter,"
        " end_at, begin_at FROM telemetry WHERE end_at < ? LIMIT ?) RETURNING 1",
        (now - KEEP_S, DELETED_AT_ONCE),
    )
    much = await tx.rows(
        "DELETE FROM telemetry WHERE (meter, end_at, begin_at) IN (SELECT meter,"
        " end_at, begin_at FROM (SELECT meter, end_at, begin_at, row_number() OVER"
        " (PARTITION BY meter ORDER BY end_at DESC) AS n FROM telemetry WHERE meter IN"
        " (SELECT meter FROM telemetry GROUP BY meter HAVING count(*) > ?))"
        " WHERE n > ? LIMIT ?) RETURNING 1",
        (MAX_BATCHES, MAX_BATCHES, DELETED_AT_ONCE),
    )
    return len(old) + len(much)
