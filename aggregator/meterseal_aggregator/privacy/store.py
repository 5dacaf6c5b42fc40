"""The room's tables: days go in with a handful of statements, and come out hashed again.

Every function takes the transaction first; whoever opened it commits it. A day that is
read is compared with its hash, its root, its sum and its leaf in the log; what does not
fit is named (`Rotten`) and never used. This module must never decide what is acceptable,
nor give a proof another verdict than the one it was given.
"""

import asyncio
from collections.abc import Collection, Iterable, Sequence
from typing import Any, Final, NamedTuple

from meterseal_aggregator.privacy.model import (
    DayLink,
    KeptDay,
    NewDay,
    ProofState,
    Telling,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.commitment import COMMITMENT_BYTES, total
from meterseal_proto.committed import CommittedRecord, committed_root, masked_bytes
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import leaf_of, seal_entry
from meterseal_proto.seal import MODE_COMMITTED, Header
from meterseal_proto.units import MeterId, RegisterId

_SEALS: Final = """
INSERT INTO committed_seals (id, register_id, seq, hash, first, step, count, revision, bits,
  signature, prev, root, sum, received_at, log_entry_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_COMMITMENTS: Final = (
    "INSERT INTO commitments (seal_id, points, qualities) VALUES (?, ?, ?)"
)
_PROOFS: Final = """
INSERT INTO range_proofs (seal_id, proof, envelope, state) VALUES (?, ?, ?, 'pending')
"""
_BACKUPS: Final = "INSERT INTO backups (seal_id, backup) VALUES (?, ?)"
_MASKED: Final = (
    "INSERT INTO masked_openings (seal_id, value, blinding) VALUES (?, ?, ?)"
)
_LINKS: Final = """
WITH asked (register_id, seq) AS (VALUES {pairs})
SELECT s.register_id, s.seq, s.hash, s.first, s.first + s.step * s.count
FROM asked a JOIN committed_seals s
  ON s.seq = a.seq AND s.register_id = a.register_id
"""
_TELLINGS: Final = """
WITH asked (register_id, first) AS (VALUES {pairs})
SELECT s.register_id, s.first, s.count, s.revision, p.state = 'failed'
FROM asked a
JOIN committed_seals s ON s.first = a.first AND s.register_id = a.register_id
JOIN range_proofs p ON p.seal_id = s.id
ORDER BY s.revision
"""
_DAY: Final = """
SELECT s.id, s.register_id, m.agent, s.hash, e.leaf_hash, m.meter, r.register, s.first,
  s.step, s.count, s.seq, s.prev, s.root, s.bits, s.sum, s.revision, s.signature,
  c.points, c.qualities, p.proof, p.state
FROM committed_seals s
JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id
JOIN log_entries e ON e.id = s.log_entry_id
JOIN commitments c ON c.seal_id = s.id JOIN range_proofs p ON p.seal_id = s.id
"""
_WAITING: Final = """
FROM range_proofs p JOIN committed_seals s ON s.id = p.seal_id
JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id
WHERE p.state = 'pending'
"""
_PENDING: Final = f"""
SELECT seal_id FROM (SELECT p.seal_id,
  row_number() OVER (PARTITION BY m.agent ORDER BY p.seal_id) AS place
  {_WAITING} AND m.agent NOT IN ({{marks}})) AS waiting
WHERE place <= ? ORDER BY seal_id LIMIT ?
"""  # noqa: S608 - our own words
_OLDEST: Final = f"""
SELECT min(p.seal_id) {_WAITING} AND m.agent IN ({{marks}})
GROUP BY m.agent ORDER BY 1 LIMIT ?
"""
_WRONG: Final = """
SELECT m.agent, count(*)
FROM range_proofs p JOIN committed_seals s ON s.id = p.seal_id
JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id
WHERE p.state = 'failed' AND p.checked_at > ? GROUP BY m.agent
"""
_JUDGE: Final = """
UPDATE range_proofs SET state = ?, checked_at = ? WHERE seal_id = ? AND state = 'pending'
"""

# A row of the driver has the types of its table's columns.
Row = tuple[Any, ...]


class Share(NamedTuple):
    """How many `days` are read at most, and how many of them of one agent."""

    days: int
    of_one: int


async def keep_days(
    tx: Transaction, days: Sequence[NewDay], entry_ids: Sequence[int], now: int
) -> None:
    """Keep accepted days under the ids of their log entries: at most five statements."""
    seals, points, proofs, backups, masked = [], [], [], [], []
    for day, seal_id in zip(days, entry_ids, strict=True):
        seal, h, parcel = day.seal, day.seal.header, day.seal.envelope.parcel
        seals.append(
            (seal_id, day.register_id, h.seq, day.digest, h.first, h.step, h.count,
             seal.revision, h.bits, seal.signature, h.prev, h.root, h.sum, now, seal_id)
        )  # fmt: skip
        joined = b"".join([record.commitment for record in seal.records])
        points.append((seal_id, joined, bytes([r.quality for r in seal.records])))
        proofs.append((seal_id, parcel.proof, seal.envelope.signature))
        backups.append((seal_id, parcel.backup))
        if parcel.masked is not None:
            masked.append((seal_id, *masked_bytes(parcel.masked)))
    await tx.many(_SEALS, seals)
    await tx.many(_COMMITMENTS, points)
    await tx.many(_PROOFS, proofs)
    await tx.many(_BACKUPS, backups)
    await tx.many(_MASKED, masked)


async def links(
    tx: Transaction, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], DayLink]:
    """Return the accepted days at (register_id, seq) `places`; one statement a page."""
    rows = await tx.rows_of_pairs(_LINKS, places)
    return {(row[0], row[1]): DayLink(*row[2:]) for row in rows}


async def tellings(
    tx: Transaction, places: Sequence[tuple[int, int]]
) -> dict[tuple[int, int], Telling]:
    """Return the latest tellings of days at (register_id, first) `places`."""
    rows = await tx.rows_of_pairs(_TELLINGS, places)
    return {
        (row[0], row[1]): Telling(row[2], row[3], failed=bool(row[4])) for row in rows
    }


async def pending(
    tx: Transaction,
    genesis: Genesis,
    most: Share,
    apart: Collection[str],
    *,
    loud: bool,
) -> list[KeptDay]:
    """Return the next days whose proof nobody has checked yet, oldest first.

    Those of the agents `apart` are left out. A day whose rows are rotten waits, and the
    others do not wait for it; once only such days are left, the first of them is raised
    where that is to be `loud`.
    """
    marks = ", ".join("?" * (len(apart) + 1))
    rows = await tx.rows(
        f"{_DAY}WHERE s.id IN ({_PENDING.format(marks=marks)}) ORDER BY s.id",
        ("", *apart, most.of_one, most.days),
    )
    return _readable(rows, genesis, loud=loud)


async def pending_of(
    tx: Transaction, genesis: Genesis, agents: Sequence[str], limit: int
) -> list[KeptDay]:
    """Return the oldest unchecked day of each of these agents, `limit` of them at most."""
    if not agents:
        return []
    marks = ", ".join("?" * len(agents))
    rows = await tx.rows(
        f"{_DAY}WHERE s.id IN ({_OLDEST.format(marks=marks)}) ORDER BY s.id",
        (*agents, limit),
    )
    return _readable(rows, genesis, loud=False)


async def wrong_since(tx: Transaction, since: int) -> dict[str, int]:
    """Return how many proofs of each agent were found wrong after a Unix second."""
    return dict(await tx.rows(_WRONG, (since,)))


def _readable(rows: Sequence[Row], genesis: Genesis, *, loud: bool) -> list[KeptDay]:
    """Return the days that are as they were sealed; Rotten when none is and it is `loud`."""
    found, trouble = [], None
    for row in rows:
        try:
            found.append(_kept(row, genesis))
        except Rotten as error:
            trouble = trouble or error
    if trouble is not None and loud and not found:
        raise trouble
    return found


async def every_day(
    tx: Transaction, genesis: Genesis, *, after: int, limit: int = 100
) -> list[KeptDay]:
    """Return days by row, `limit` after row `after`."""
    rows = await tx.rows(f"{_DAY}WHERE s.id > ? ORDER BY s.id LIMIT ?", (after, limit))
    return await _hashed(rows, genesis)


async def days_of(
    tx: Transaction, register_id: int, begin: int, end: int, genesis: Genesis
) -> list[KeptDay]:
    """Return a register's verified days that lie in [`begin`, `end`), by start."""
    rows = await tx.rows(
        f"{_DAY}WHERE s.register_id = ? AND s.first >= ?"
        " AND s.first + s.step * s.count <= ? AND p.state = 'verified'"
        " ORDER BY s.first",
        (register_id, begin, end),
    )
    return await _hashed(rows, genesis)


async def days_from(
    tx: Transaction, register_id: int, begin: int, limit: int, genesis: Genesis
) -> list[KeptDay]:
    """Return a register's next `limit` days that start at `begin` or later, however they stand."""
    rows = await tx.rows(
        f"{_DAY}WHERE s.register_id = ? AND s.first >= ?"
        " ORDER BY s.first, s.revision LIMIT ?",
        (register_id, begin, limit),
    )
    return await _hashed(rows, genesis)


async def days_after(
    tx: Transaction, register_id: int, after: int, limit: int, genesis: Genesis
) -> list[KeptDay]:
    """Return a register's next `limit` days whose rows are above `after`, by row."""
    rows = await tx.rows(
        f"{_DAY}WHERE s.register_id = ? AND s.id > ? ORDER BY s.id LIMIT ?",
        (register_id, after, limit),
    )
    return await _hashed(rows, genesis)


async def days_by_id(
    tx: Transaction, seal_ids: Sequence[int], genesis: Genesis
) -> list[KeptDay]:
    """Return days by their rows, in the order of their registers."""
    marks = ", ".join("?" * len(seal_ids))
    rows = await tx.rows(
        f"{_DAY}WHERE s.id IN ({marks}) ORDER BY s.register_id",
        seal_ids,
    )
    return await _hashed(rows, genesis)


async def day_at(
    tx: Transaction, register_id: int, seq: int, genesis: Genesis
) -> KeptDay | None:
    """Return a day by its place in the register's chain, or None."""
    rows = await tx.rows(
        f"{_DAY}WHERE s.register_id = ? AND s.seq = ?",
        (register_id, seq),
    )
    return _kept(rows[0], genesis) if rows else None


async def judge(
    tx: Transaction, verdicts: Iterable[tuple[int, ProofState]], now: int
) -> None:
    """Give pending proofs, by seal row, their verdict, for good."""
    rows = [(state.value, now, seal_id) for seal_id, state in verdicts]
    await tx.many(_JUDGE, rows)


async def backup_of(tx: Transaction, seal_id: int) -> bytes | None:
    """Return the backup of a day, which its device alone opens."""
    rows = await tx.rows("SELECT backup FROM backups WHERE seal_id = ?", (seal_id,))
    return bytes(rows[0][0]) if rows else None


async def _hashed(rows: Sequence[Row], genesis: Genesis) -> list[KeptDay]:
    """Return days of their rows, hashed in a thread: a set's take half a second."""

    def hashed() -> list[KeptDay]:
        return [_kept(row, genesis) for row in rows]

    return await asyncio.to_thread(hashed)


def _kept(row: Row, genesis: Genesis) -> KeptDay:
    """Return a day of its rows; raises Rotten where they are not what was sealed."""
    seal_id, register_id, agent, digest, leaf, meter, register, *rest = row
    first, step, count, seq, prev, root, bits, whole, revision, signature, *beside = (
        rest
    )
    points, qualities, proof, state = beside
    header = Header(
        genesis.network, MeterId(meter), RegisterId(register), first, step, count, seq,
        prev, root, MODE_COMMITTED, bits, whole,
    )  # fmt: skip
    if header.digest(genesis.chain_id) != digest:
        raise Rotten(f"committed_seals {seal_id}: the header does not hash to its hash")
    if leaf_of(seal_entry(header, signature)) != leaf:
        raise Rotten(f"committed_seals {seal_id}: it is not what its log entry says")
    cut = range(0, len(points), COMMITMENT_BYTES)
    commitments = [points[at : at + COMMITMENT_BYTES] for at in cut]
    records = tuple(
        CommittedRecord(first + n * step, commitment, qualities[n], revision)
        for n, commitment in enumerate(commitments)
    )
    if len(records) != count or committed_root(records) != root:
        raise Rotten(f"commitments {seal_id}: they are not what was sealed")
    return KeptDay(
        seal_id, register_id, agent, digest, header, signature, records, proof,
        ProofState(state),
    )  # fmt: skip


def sum_is_right(day: KeptDay) -> bool:
    """Tell whether a day's header holds the sum of its commitments."""
    try:
        return total([r.commitment for r in day.records]) == day.header.sum
    except ValueError:
        return False
