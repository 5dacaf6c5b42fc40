"""Intake's tables as other rooms read them, and what the rules ask before a batch.

Readings lie by time, so a register's history is found by naming its grid starts: a
reader gives the register's `step`. A seal's rows are hashed again whenever a bundle is
made of them; what does not fit is named (`Rotten`) and never served. This module must
never write: `keep` does.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from meterseal_aggregator.intake.accept import Link
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import leaf_of, seal_entry
from meterseal_proto.errors import Reason
from meterseal_proto.intervals import Interval
from meterseal_proto.seal import Head, Header, OpenRecord, Seal, record_root
from meterseal_proto.units import MeterId, RegisterId

MAX_PAGE: Final = 5_000
"""Rows a page: fifty days of quarter hours, about half a megabyte in Python."""

_HEADS: Final = """
SELECT register_id, seq, hash, end_at, value FROM heads WHERE register_id IN ({marks})
"""
_LINKS: Final = """
WITH asked (register_id, seq) AS (VALUES {pairs})
SELECT s.register_id, s.seq, s.hash, NULL, s.first, s.first + s.step * s.count
FROM asked a JOIN seals s ON s.seq = a.seq AND s.register_id = a.register_id
UNION ALL
SELECT q.register_id, q.seq, q.hash, q.reason, 0, 0
FROM asked a JOIN quarantine q
  ON q.chained = 1 AND q.seq = a.seq AND q.register_id = a.register_id
"""
_READINGS: Final = """
WITH RECURSIVE grid (start) AS (
  SELECT ? UNION ALL SELECT start + ? FROM grid WHERE start + ? < ?)
SELECT r.register_id, r.start, r.length, r.revision, r.delta, r.value, r.quality, r.seal_id
FROM grid CROSS JOIN readings r ON r.start = grid.start AND r.register_id = ?
ORDER BY r.start, r.revision
"""
_ARRIVED: Final = """
WITH RECURSIVE slot (seal_id, register_id, start, step, until) AS (
  SELECT id, register_id, first, step, first + step * count
    FROM (SELECT * FROM seals WHERE id > ? ORDER BY id LIMIT ?)
  UNION ALL
  SELECT seal_id, register_id, start + step, step, until FROM slot
    WHERE start + step < until)
SELECT r.register_id, r.start, r.length, r.revision, r.delta, r.value, r.quality, r.seal_id
FROM slot CROSS JOIN readings r ON r.start = slot.start AND r.register_id = slot.register_id
  AND r.seal_id = slot.seal_id
ORDER BY r.seal_id, r.start
"""
_SEAL: Final = """
SELECT s.id, s.register_id, s.hash, s.log_entry_id, s.received_at, e.leaf_hash,
  m.meter, r.register, s.first, s.step, s.count, s.seq, s.prev, s.root, s.signature
FROM seals s JOIN log_entries e ON e.id = s.log_entry_id
  JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id
"""
_RECORDS: Final = """
WITH RECURSIVE slot (seal_id, register_id, start, step, until) AS (
  SELECT id, register_id, first, step, first + step * count FROM seals
    WHERE id IN ({marks})
  UNION ALL
  SELECT seal_id, register_id, start + step, step, until FROM slot
    WHERE start + step < until)
SELECT d.seal_id, d.start, d.length, d.delta, d.value, d.quality, d.revision, t.salt
FROM slot CROSS JOIN readings d ON d.start = slot.start
  AND d.register_id = slot.register_id AND d.seal_id = slot.seal_id
LEFT JOIN salts t
  ON t.start = d.start AND t.register_id = d.register_id AND t.revision = d.revision
ORDER BY d.seal_id, d.start
"""
_EVIDENCE: Final = """
SELECT id, register_id, agent, seq, chained, reason, detail, payload, hash, received_at
FROM quarantine WHERE id > ? ORDER BY id LIMIT ?
"""
_REFUSALS: Final = """
SELECT day, agent, reason, seen, kept FROM refusals WHERE (day, agent, reason) > (?, ?, ?)
ORDER BY day, agent, reason LIMIT ?
"""


# A row of the driver has the types of its table's columns.
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Reading:
    """One accepted interval: `delta` Wh (or litres) from `start` for `length` s.

    `value` is the register at its end, `quality` what the device said of it, `seal_id`
    the row of the seal it came in.
    """

    register_id: int
    start: int
    length: int
    revision: int
    delta: int
    value: int
    quality: int
    seal_id: int


@dataclass(frozen=True, slots=True)
class StoredSeal:
    """An accepted seal as kept: `seal` verified against `digest`, its header hash.

    `erased` tells that the salts were erased: then `seal` has no records and proves only
    that something was sealed.
    """

    id: int
    register_id: int
    digest: bytes
    log_entry_id: int
    received_at: int
    seal: Seal
    erased: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """A message that was not accepted; `payload` as it came, or its beginning.

    A chained one's payload is, beyond the day's limit, a log entry: header and signature.
    """

    id: int
    register_id: int | None
    agent: str
    seq: int | None
    chained: bool
    reason: Reason
    detail: str
    payload: bytes
    hash: bytes
    received_at: int


@dataclass(frozen=True, slots=True)
class RefusalCount:
    """How often an agent was refused on a day (days since 1970), and how much was kept."""

    day: int
    agent: str
    reason: Reason
    seen: int
    kept: int


async def heads(tx: Transaction, register_ids: Sequence[int]) -> dict[int, Head]:
    """Return where each register's chain stands; none for one without a seal."""
    found: dict[int, Head] = {}
    for at in range(0, len(register_ids), SQLITE_MAX_VARIABLES):
        page = register_ids[at : at + SQLITE_MAX_VARIABLES]
        marks = ", ".join("?" * len(page))
        rows = await tx.rows(_HEADS.format(marks=marks), page)
        found.update((row[0], Head(*row[1:])) for row in rows)
    return found


async def links(
    tx: Transaction, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Link]:
    """Return the links of chains at (register_id, seq) `places`; one statement a page."""
    found: dict[tuple[int, int], Link] = {}
    for register_id, seq, digest, reason, first, until in await tx.rows_of_pairs(
        _LINKS, places
    ):
        why = None if reason is None else Reason(reason)
        found[register_id, seq] = Link(digest, why, first, until)
    return found


async def readings(
    tx: Transaction, register_id: int, span: Interval, step: int
) -> list[Reading]:
    """Return a register's readings that start in `span`, by start; `step` is its interval.

    Raises ValueError for a span of more than MAX_PAGE steps: ask for one page at a time.
    """
    first = span.start + -span.start % step
    if span.length > MAX_PAGE * step:
        raise ValueError(f"ask for at most {MAX_PAGE} intervals at a time")
    if first >= span.end:
        return []
    rows = await tx.rows(_READINGS, (first, step, step, span.end, register_id))
    return [Reading(*row) for row in rows]


async def arrived(
    tx: Transaction, after_seal: int, *, seals: int = 1_000
) -> list[Reading]:
    """Return the readings of the next `seals` seals after row `after_seal`, as they arrived.

    Go on with the last one's `seal_id`; none means all were seen.
    """
    rows = await tx.rows(_ARRIVED, (after_seal, seals))
    return [Reading(*row) for row in rows]


async def seal(
    tx: Transaction, register_id: int, seq: int, genesis: Genesis
) -> StoredSeal | None:
    """Return an accepted seal by its place in the chain, verified, for a bundle.

    A receipt names register, seq and hash: compare the hash with `digest`.
    """
    where = "WHERE s.register_id = ? AND s.seq = ?"
    return await _one_seal(tx, where, (register_id, seq), genesis)


async def seal_row(
    tx: Transaction, seal_id: int, genesis: Genesis
) -> StoredSeal | None:
    """Return an accepted seal by the `seal_id` of a reading, verified."""
    return await _one_seal(tx, "WHERE s.id = ?", (seal_id,), genesis)


async def quarantined(
    tx: Transaction, *, after: int = 0, limit: int = 100
) -> list[Evidence]:
    """Return evidence by row, `limit` (at most MAX_PAGE) after row `after`."""
    rows = await tx.rows(_EVIDENCE, (after, min(limit, MAX_PAGE)))
    return [_evidence(row) for row in rows]


async def refusal_counts(
    tx: Transaction, *, after: tuple[int, str, int], limit: int
) -> list[RefusalCount]:
    """Return counts by day, agent and reason: `limit` of them after the place `after`."""
    rows = await tx.rows(_REFUSALS, (*after, min(limit, MAX_PAGE)))
    return [
        RefusalCount(day, agent, Reason(reason), seen, kept)
        for day, agent, reason, seen, kept in rows
    ]


async def seal_hashes(tx: Transaction, seal_ids: Sequence[int]) -> dict[int, bytes]:
    """Return the header hashes of accepted seals, which receipts name, by row."""
    marks = ", ".join("?" * len(seal_ids))
    rows = await tx.rows(
        f"SELECT id, hash FROM seals WHERE id IN ({marks})",  # noqa: S608 - question marks only
        seal_ids,
    )
    return {row[0]: row[1] for row in rows}


def _evidence(row: Row) -> Evidence:
    row_id, register_id, agent, seq, chained, reason, *rest = row
    return Evidence(
        row_id, register_id, agent, seq, bool(chained), Reason(reason), *rest
    )


async def seal_rows(
    tx: Transaction, genesis: Genesis, *, after: int, limit: int = 500
) -> list[StoredSeal]:
    """Return accepted seals by row, `limit` after row `after`, verified."""
    where = "WHERE s.id > ? ORDER BY s.id LIMIT ?"
    return await _seals(tx, where, (after, limit), genesis)


async def seals_named(
    tx: Transaction, seal_ids: Sequence[int], genesis: Genesis
) -> list[StoredSeal]:
    """Return accepted seals by the `seal_id` of readings, by row, verified.

    Two statements for up to SQLITE_MAX_VARIABLES of them.
    """
    found: list[StoredSeal] = []
    for at in range(0, len(seal_ids), SQLITE_MAX_VARIABLES):
        some = seal_ids[at : at + SQLITE_MAX_VARIABLES]
        marks = ", ".join("?" * len(some))
        where = f"WHERE s.id IN ({marks}) ORDER BY s.id"
        found += await _seals(tx, where, some, genesis)
    return found


async def _one_seal(
    tx: Transaction, where: str, params: Sequence[object], genesis: Genesis
) -> StoredSeal | None:
    found = await _seals(tx, where, params, genesis)
    return found[0] if found else None


async def _seals(
    tx: Transaction, where: str, params: Sequence[object], genesis: Genesis
) -> list[StoredSeal]:
    """Return the seals of rows, with their records, all hashed again: two statements."""
    rows = await tx.rows(_SEAL + where, params)
    records: dict[int, list[Row]] = {}
    if rows:
        marks = ", ".join("?" * len(rows))
        for row in await tx.rows(_RECORDS.format(marks=marks), [r[0] for r in rows]):
            records.setdefault(row[0], []).append(row[1:])
    return [_rebuilt(row, records.get(row[0], []), genesis) for row in rows]


def _rebuilt(row: Row, records: Sequence[Row], genesis: Genesis) -> StoredSeal:
    """Return a seal of its rows; raises Rotten where they are not what was sealed."""
    seal_id, register_id, digest, entry, received_at, leaf, meter, register, *rest = row
    first, step, count, seq, prev, root, signature = rest
    header = Header(
        genesis.network, MeterId(meter), RegisterId(register),
        first, step, count, seq, prev, root,
    )  # fmt: skip
    if header.digest(genesis.chain_id) != digest:
        raise Rotten(f"seals {seal_id}: the header does not hash to its hash")
    if leaf_of(seal_entry(header, signature)) != leaf:
        raise Rotten(f"seals {seal_id}: it is not what its log entry {entry} says")
    if [record[0] for record in records] != [first + step * n for n in range(count)]:
        raise Rotten(f"seals {seal_id}: a reading of it is missing")
    salts = tuple(record[6] for record in records)
    told = tuple(OpenRecord(r[0], *r[2:6]) for r in records)
    erased = None in salts
    if {r[1] for r in records} != {step} or (
        not erased and record_root(told, salts) != root
    ):
        raise Rotten(f"seals {seal_id}: its readings are not what was sealed")
    kept = Seal(header, signature, () if erased else told, () if erased else salts)
    return StoredSeal(seal_id, register_id, digest, entry, received_at, kept, erased)
