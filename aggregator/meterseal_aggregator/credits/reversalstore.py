"""The table of what edits took back of credits, and what it asks of edits and credits.

Reads `vee_values`, `vee_edits` (vee), `registers`, `meters` (registry); it must never write
any but its own. A batch of any size costs the same number of statements.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.daystore import MAX_VALUE_S

Place = tuple[int, int]
"""A slot: its register's row and its first second."""

_NEXT: Final = """
SELECT v.id, v.register_id, v.start, v.length, v.delta, f.through
FROM vee_edits e CROSS JOIN vee_values v ON v.id = e.value_id CROSS JOIN edits_followed f
WHERE e.value_id > (SELECT value_id FROM edits_followed) ORDER BY e.value_id LIMIT 1
"""
_STARTS: Final = """
SELECT DISTINCT start FROM credits
WHERE register_id = ? AND start >= ? AND start < ? ORDER BY start LIMIT ?
"""
_OVER: Final = """
SELECT v.id, v.register_id, v.start, v.length, v.delta
FROM json_each(?1) a CROSS JOIN vee_values v INDEXED BY vee_values_of_edits
  ON v.register_id = a.value AND v.source = 'edit'
  AND v.start > ?2 - ?4 AND v.start <= ?3 AND v.start + v.length > ?2
ORDER BY v.id
"""
# A slot's last revision, whose value is what its device sealed.
_HOLDINGS: Final = """
SELECT c.register_id, c.start, c.length, c.mint_id, c.member_id, c.revision, c.value_wh,
  (SELECT coalesce(sum(e.posted_wh), 0) FROM edit_reversals e
   WHERE e.register_id = c.register_id AND e.start = c.start)
FROM (VALUES {pairs}) p CROSS JOIN credits c
  ON c.register_id = p.column1 AND c.start = p.column2
WHERE NOT EXISTS (SELECT 1 FROM credits l WHERE l.register_id = c.register_id
  AND l.start = c.start AND l.revision > c.revision)
"""
_WRITE: Final = """
INSERT INTO edit_reversals (register_id, start, value_id, revision, mint_id, posted_wh,
  decided_at) VALUES (?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit: `delta` Wh of a register over `length` seconds from `start` on."""

    value_id: int
    register_id: int
    start: int
    length: int
    delta: int

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length


@dataclass(frozen=True, slots=True)
class Holding:
    """What a slot was credited with: `sealed_wh` by `revision`, less what edits took.

    `taken_wh` is the sum of edits' postings, 0 or below.
    """

    register_id: int
    start: int
    length: int
    mint_id: bytes
    member_id: int
    revision: int
    sealed_wh: int
    taken_wh: int

    @property
    def place(self) -> Place:
        """Which slot it is."""
        return self.register_id, self.start

    @property
    def worth_wh(self) -> int:
        """What its postings add up to; below 0 for the moment a lower seal was posted."""
        return self.sealed_wh + self.taken_wh


@dataclass(frozen=True, slots=True)
class Reversal:
    """`posted_wh` of a slot by an edit: below 0 taken back, above given back."""

    slot: Holding
    value_id: int
    posted_wh: int


async def next_edit(tx: Transaction) -> tuple[Edited, int] | None:
    """Return the first edit that was not followed, and from which second on it is to be."""
    rows = await tx.rows(_NEXT)
    return (Edited(*rows[0][:5]), rows[0][5]) if rows else None


async def credited_starts(
    tx: Transaction, edit: Edited, through: int, limit: int
) -> list[int]:
    """Return where an edit's credited slots start, from `through` on, in order."""
    row = (edit.register_id, max(through, edit.start), edit.end, limit)
    return [start for (start,) in await tx.rows(_STARTS, row)]


async def go_on(tx: Transaction, edit: Edited, through: int | None) -> None:
    """Note how far an edit was followed, None for all of it."""
    if through is not None:
        await tx.many("UPDATE edits_followed SET through = ?", [(through,)])
    else:
        row = (edit.value_id,)
        await tx.many("UPDATE edits_followed SET value_id = ?, through = 0", [row])


async def edits_over(
    tx: Transaction, places: Sequence[Place]
) -> dict[int, list[Edited]]:
    """Return the edits of these slots' registers in their time, as they were made."""
    if not places:
        return {}
    asked = json.dumps(sorted({register_id for register_id, _ in places}))
    starts = [start for _, start in places]
    row = (asked, min(starts), max(starts), MAX_VALUE_S)
    found: dict[int, list[Edited]] = defaultdict(list)
    for one in await tx.rows(_OVER, row):
        found[one[1]].append(Edited(*one))
    return found


async def holdings(tx: Transaction, places: Sequence[Place]) -> list[Holding]:
    """Return what slots were credited with, by register and start; none without a credit."""
    rows = await tx.rows_of_pairs(_HOLDINGS, places)
    return sorted((Holding(*row) for row in rows), key=lambda slot: slot.place)


async def write(tx: Transaction, rows: Sequence[Reversal], *, now: int) -> None:
    """Append what edits post, decided at `now`; the database refuses what would mint."""
    await tx.many(
        _WRITE,
        [
            (
                *row.slot.place, row.value_id, row.slot.revision, row.slot.mint_id,
                row.posted_wh, now,
            )
            for row in rows
        ],
    )  # fmt: skip
