"""The tables about trustees: deposits to send, rosters to propose, what each one said.

Every function takes the transaction first; whoever opened it commits it. A trustee's
signature that is kept stands for ever; a refusal stands until the trustee says otherwise.
This module must never decide whether an answer counts.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from meterseal_aggregator.privacy.trustees.model import Said
from meterseal_aggregator.privacy.wholedays import AbsentDay
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_proto.keys import Algorithm, PublicKey
from meterseal_proto.reporting import Act, Roster
from meterseal_proto.seedbox import BOX_BYTES, Deposit
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId, RegisterId

_HELD: Final = SEEDS - 1
_SIGNATURE: Final = 64

_SAY: Final = """
INSERT INTO trustee_answers (act, subject, trustee, signature, content, why, detail, said_at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (act, subject, trustee) DO UPDATE SET signature = excluded.signature,
  content = excluded.content, why = excluded.why, detail = excluded.detail,
  said_at = excluded.said_at
WHERE trustee_answers.signature IS NULL
"""
_UNSENT: Final = """
SELECT d.id, m.meter, k.algorithm, k.public, d.boxes, d.signatures
FROM seed_deposits d JOIN meters m ON m.id = d.meter_id JOIN meter_keys k ON k.id = d.key_id
LEFT JOIN trustee_answers a ON a.act = ? AND a.subject = d.id AND a.trustee = ?
WHERE a.subject IS NULL OR (a.signature IS NULL AND a.said_at <= ?)
ORDER BY d.id LIMIT ?
"""
# A member stands in the roster under the key of its first deposit (trustee/README, rule 1).
_MEMBERS: Final = """
SELECT m.meter, r.register, k.algorithm, k.public,
  (SELECT count(*) FROM trustee_answers a
   WHERE a.act = ? AND a.subject = d.id AND a.signature IS NOT NULL)
FROM cell_members c JOIN registers r ON r.id = c.register_id
JOIN meters m ON m.id = r.meter_id
LEFT JOIN seed_deposits d ON d.id = (SELECT min(id) FROM seed_deposits WHERE meter_id = m.id)
LEFT JOIN meter_keys k ON k.id = d.key_id
WHERE c.cell = ? AND c.quarter = ?
"""
_CELLS: Final = """
SELECT c.cell, c.quarter, count(*), s.id, s.hash,
  (SELECT count(*) FROM trustee_answers a
   WHERE a.act = ? AND a.subject = s.id AND a.signature IS NOT NULL)
FROM cell_members c LEFT JOIN rosters s ON s.cell = c.cell AND s.quarter = c.quarter
WHERE c.quarter >= ? GROUP BY c.cell, c.quarter ORDER BY c.quarter, c.cell
"""
# A set that never gets its total is not asked about before those that may.
_UNFINISHED: Final = """
SELECT r.id, r.cell, r.day FROM reporting_sets r
LEFT JOIN totals t ON t.set_id = r.id LEFT JOIN closed_sets c ON c.set_id = r.id
LEFT JOIN trustee_answers a ON a.subject = r.id AND a.act IN (?, ?, ?)
WHERE t.set_id IS NULL AND c.set_id IS NULL
GROUP BY r.id, r.cell, r.day ORDER BY coalesce(max(a.said_at), 0), r.id
"""


class Members:
    """A cell's members with the keys of their first deposits; `lacking` have none with all."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.registers = {row[1] for row in rows}
        self.lacking = [MeterId(row[0]) for row in rows if row[4] < SEEDS]
        self.keys: Mapping[MeterId, PublicKey] = {
            MeterId(row[0]): PublicKey(Algorithm(row[2]), row[3])
            for row in rows
            if row[2] is not None
        }

    def roster(self, network: bytes, cell: str, quarter: int) -> Roster:
        """Return the roster of a cell none of whose members is lacking."""
        (register,) = self.registers
        return Roster(network, cell, quarter, RegisterId(register), self.keys)


async def say(tx: Transaction, answers: Iterable[Said]) -> None:
    """Keep what trustees said; what one of them signed before stands as it is."""
    rows = [
        (
            one.act, one.subject, one.trustee, one.signature,
            one.content or None, one.why or None, one.detail if one.why else None, one.at,
        )
        for one in answers
    ]  # fmt: skip
    await tx.many(_SAY, rows)


async def said(tx: Transaction, act: Act, subject: int) -> dict[int, Said]:
    """Return what the trustees said to an act of a subject, by trustee."""
    rows = await tx.rows(
        "SELECT trustee, said_at, signature, content, why, detail FROM trustee_answers"
        " WHERE act = ? AND subject = ?",
        (act, subject),
    )
    return {
        row[0]: Said(
            act, subject, row[0], row[1], row[2], row[3] or b"", row[4] or "", row[5] or ""
        )
        for row in rows
    }  # fmt: skip


async def unsent(
    tx: Transaction, trustee: int, *, refused_before: int, limit: int
) -> list[tuple[int, Deposit]]:
    """Return deposits a trustee has not signed, oldest first, with their rows."""
    asked = (Act.DEPOSIT, trustee, refused_before, limit)
    found = []
    for row_id, meter, algorithm, public, boxes, signatures in await tx.rows(
        _UNSENT, asked
    ):
        key = PublicKey(Algorithm(algorithm), public)
        at = trustee * _HELD * BOX_BYTES
        held = tuple(
            boxes[at + n * BOX_BYTES : at + (n + 1) * BOX_BYTES] for n in range(_HELD)
        )
        signature = signatures[trustee * _SIGNATURE : (trustee + 1) * _SIGNATURE]
        found.append((row_id, Deposit(MeterId(meter), key, held, signature)))
    return found


async def deposits_at(tx: Transaction, trustee: int) -> tuple[int, int]:
    """Return how many deposits a trustee has signed, and how many there are."""
    ((signed, there),) = await tx.rows(
        "SELECT (SELECT count(*) FROM trustee_answers WHERE act = ? AND trustee = ?"
        " AND signature IS NOT NULL), (SELECT count(*) FROM seed_deposits)",
        (Act.DEPOSIT, trustee),
    )
    return signed, there


async def refused_deposits(
    tx: Transaction, trustee: int, limit: int
) -> list[tuple[MeterId, Said]]:
    """Return deposits that a trustee refuses, with its words, the latest first."""
    rows = await tx.rows(
        "SELECT m.meter, a.subject, a.said_at, a.why, a.detail FROM trustee_answers a"
        " JOIN seed_deposits d ON d.id = a.subject JOIN meters m ON m.id = d.meter_id"
        " WHERE a.act = ? AND a.trustee = ? AND a.signature IS NULL"
        " ORDER BY a.said_at DESC, a.subject LIMIT ?",
        (Act.DEPOSIT, trustee, limit),
    )
    return [
        (
            MeterId(row[0]),
            Said(Act.DEPOSIT, row[1], trustee, row[2], None, b"", row[3], row[4]),
        )
        for row in rows
    ]


async def cells(tx: Transaction, since: int) -> list[tuple[str, int, int, int, int]]:
    """Return (cell, quarter, members, roster row or 0, signatures) from a quarter on."""
    rows = await tx.rows(_CELLS, (Act.ROSTER, since))
    return [(row[0], row[1], row[2], row[3] or 0, row[5]) for row in rows]


async def members(tx: Transaction, cell: str, quarter: int) -> Members:
    """Return a cell's members of a quarter."""
    return Members(await tx.rows(_MEMBERS, (Act.DEPOSIT, cell, quarter)))


async def keep_roster(tx: Transaction, roster: Roster, now: int) -> int:
    """Keep a roster before it is proposed; returns its row. Rotten where another one stands."""
    standing = await tx.rows(
        "SELECT id, hash FROM rosters WHERE cell = ? AND quarter = ?",
        (roster.cell, roster.quarter),
    )
    digest = roster.hash()
    if standing:
        if standing[0][1] != digest:
            raise Rotten(f"rosters {standing[0][0]}: the cell's members make another")
        return int(standing[0][0])
    row = (roster.cell, roster.quarter, roster.register, digest, now)
    found = await tx.rows(
        "INSERT INTO rosters (cell, quarter, register, hash, proposed_at)"
        " VALUES (?, ?, ?, ?, ?) RETURNING id",
        row,
    )
    return int(found[0][0])


async def unfinished(tx: Transaction) -> list[tuple[int, str, int]]:
    """Return (row, cell, day) of the sets that have no total yet, and may have one.

    Those of which a trustee spoke longest ago, or never, come first.
    """
    rows = await tx.rows(_UNFINISHED, (Act.SET, Act.MASKS, Act.BLAME))
    return [(row[0], row[1], row[2]) for row in rows]


async def absent(tx: Transaction, set_id: int) -> list[AbsentDay]:
    """Return the receipted days that a set leaves out."""
    rows = await tx.rows(
        "SELECT a.seal_id, m.meter, a.why FROM absent_days a"
        " JOIN committed_seals s ON s.id = a.seal_id"
        " JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id"
        " WHERE a.set_id = ? ORDER BY a.seal_id",
        (set_id,),
    )
    return [AbsentDay(row[0], MeterId(row[1]), row[2]) for row in rows]


async def blamed(tx: Transaction, set_id: int) -> list[MeterId]:
    """Return the meters that are to blame for a set without a total."""
    rows = await tx.rows(
        "SELECT m.meter FROM blamed_days b JOIN committed_seals s ON s.id = b.seal_id"
        " JOIN registers r ON r.id = s.register_id JOIN meters m ON m.id = r.meter_id"
        " WHERE b.set_id = ? ORDER BY b.seal_id",
        (set_id,),
    )
    return [MeterId(row[0]) for row in rows]


async def counts(tx: Transaction) -> tuple[int, int, int]:
    """Return how many sets wait for their total, have none for good, and days are absent."""
    ((waiting, closed, absent_days),) = await tx.rows(
        "SELECT (SELECT count(*) FROM reporting_sets r WHERE NOT EXISTS (SELECT 1 FROM"
        " totals t WHERE t.set_id = r.id)) - (SELECT count(*) FROM closed_sets),"
        " (SELECT count(*) FROM closed_sets), (SELECT count(*) FROM absent_days)"
    )
    return waiting, closed, absent_days


async def close_set(
    tx: Transaction, set_id: int, why: str, blamed: Iterable[int], now: int
) -> None:
    """Say that a set has no total, and which days (seal rows) are to blame; again is the same."""
    await tx.many(
        "INSERT INTO closed_sets (set_id, why, closed_at) VALUES (?, ?, ?)"
        " ON CONFLICT (set_id) DO NOTHING",
        [(set_id, why, now)],
    )
    await tx.many(
        "INSERT INTO blamed_days (seal_id, set_id) VALUES (?, ?)"
        " ON CONFLICT (seal_id) DO NOTHING",
        [(seal_id, set_id) for seal_id in blamed],
    )


async def hear(
    tx: Transaction, back: Iterable[int], gone: Mapping[int, str], now: int
) -> None:
    """Keep which trustees answer again, and which do not any more and what came instead."""
    await tx.many(
        "DELETE FROM silent_trustees WHERE trustee = ?", [(one,) for one in back]
    )
    await tx.many(
        "INSERT INTO silent_trustees (trustee, since, why) VALUES (?, ?, ?)",
        [(trustee, now, why) for trustee, why in gone.items()],
    )


async def silent(tx: Transaction) -> dict[int, tuple[int, str]]:
    """Return since when each silent trustee has not answered, and what came instead."""
    rows = await tx.rows("SELECT trustee, since, why FROM silent_trustees")
    return {row[0]: (row[1], row[2]) for row in rows}
