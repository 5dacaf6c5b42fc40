"""Which committed days a reporting set is of, and which it leaves out, with the reason.

A day counts when it is a whole local day, its proof is verified, its opening came masked,
and its register is in no set of that day. Of a cell these are its members'; the set `late`
is of all members of signed rosters who are in no other set, at the register most of them
have. This module must never leave a day out of a set without a reason that is kept.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Final, NamedTuple

from meterseal_aggregator.privacy.model import ProofState
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.reporting import LATE, Act, Place, quarter_of
from meterseal_proto.totals import SEEDS
from meterseal_proto.units import MeterId

MAX_MEMBERS: Final = 2_000
"""Members of a set: as many as a trustee takes."""
LEFT_OUT: Final = "left-out"
"""The reason for a day that should be in its set: there is none, and that wakes somebody."""

_IN_A_SET: Final = """
EXISTS (SELECT 1 FROM committed_seals t JOIN set_members x ON x.seal_id = t.id
  WHERE t.first = s.first AND t.register_id = s.register_id)
"""
_WHOLE: Final = f"""
JOIN committed_seals s ON s.register_id = c.register_id AND s.first = ?
JOIN range_proofs p ON p.seal_id = s.id AND p.state = 'verified'
JOIN masked_openings o ON o.seal_id = s.id
WHERE c.quarter = ? AND s.first + s.step * s.count = ? AND NOT {_IN_A_SET}
  AND NOT EXISTS (SELECT 1 FROM committed_seals n JOIN range_proofs q ON q.seal_id = n.id
    WHERE n.first = s.first AND n.register_id = s.register_id AND n.revision > s.revision
      AND q.state = 'verified')
"""  # noqa: S608 - our own words
_OF_CELL: Final = f"""
SELECT s.id FROM cell_members c {_WHOLE} AND c.cell = ? ORDER BY s.register_id
"""  # noqa: S608 - our own words
_LATE: Final = f"""
SELECT r.register, s.id FROM cell_members c JOIN registers r ON r.id = c.register_id
JOIN rosters k ON k.cell = c.cell AND k.quarter = c.quarter
{_WHOLE} AND (SELECT count(*) FROM trustee_answers a WHERE a.act = ? AND a.subject = k.id
  AND a.signature IS NOT NULL) = ?
ORDER BY s.register_id
"""  # noqa: S608 - our own words
_PENDING: Final = """
SELECT count(*) FROM cell_members c
JOIN committed_seals s ON s.register_id = c.register_id AND s.first = ?
JOIN range_proofs p ON p.seal_id = s.id AND p.state = 'pending'
WHERE c.quarter = ? AND (c.cell = ? OR ?)
"""
_ABSENT: Final = f"""
SELECT s.id, m.meter, p.state, o.seal_id IS NOT NULL, s.first = ? AND
  s.first + s.step * s.count = ?
FROM cell_members c JOIN registers r ON r.id = c.register_id
JOIN meters m ON m.id = r.meter_id
JOIN committed_seals s ON s.register_id = c.register_id AND s.first >= ? AND s.first < ?
JOIN range_proofs p ON p.seal_id = s.id LEFT JOIN masked_openings o ON o.seal_id = s.id
WHERE c.cell = ? AND c.quarter = ? AND s.received_at <= ? AND NOT {_IN_A_SET}
  AND NOT EXISTS (SELECT 1 FROM committed_seals n WHERE n.first = s.first
    AND n.register_id = s.register_id AND n.revision > s.revision AND n.received_at <= ?)
ORDER BY s.id
"""  # noqa: S608 - our own words


class Span(NamedTuple):
    """A local day in Unix seconds, half-open: 23 to 25 hours."""

    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class AbsentDay:
    """A receipted day that is in no set, by its seal's row, and `why`."""

    seal_id: int
    meter: MeterId
    why: str


async def reportable(tx: Transaction, place: Place, span: Span) -> list[int]:
    """Return the seal rows that a set of this place would be of, by register."""
    asked = (span.begin, quarter_of(place.day), span.end)
    if place.cell != LATE:
        rows = await tx.rows(_OF_CELL, (*asked, place.cell))
        return [row[0] for row in rows][:MAX_MEMBERS]
    by_register: dict[int, list[int]] = defaultdict(list)
    for register, seal_id in await tx.rows(_LATE, (*asked, Act.ROSTER, SEEDS)):
        by_register[register].append(seal_id)
    return max(by_register.values(), key=len, default=[])[:MAX_MEMBERS]


async def pending(tx: Transaction, place: Place, span: Span) -> int:
    """Count the days of this place whose proofs are still to be checked."""
    asked = (span.begin, quarter_of(place.day), place.cell, place.cell == LATE)
    ((count,),) = await tx.rows(_PENDING, asked)
    return int(count)


async def absent(
    tx: Transaction, place: Place, span: Span, fixed_at: int
) -> list[AbsentDay]:
    """Return what members of a cell told of a day until `fixed_at` and no set of it holds."""
    quarter = quarter_of(place.day)
    asked = (span.begin, span.end, span.begin, span.end, place.cell, quarter)
    rows = await tx.rows(_ABSENT, (*asked, fixed_at, fixed_at))
    return [
        AbsentDay(seal_id, MeterId(meter), _reason(state, masked=masked, whole=whole))
        for seal_id, meter, state, masked, whole in rows
    ]


def _reason(state: str, *, masked: int, whole: int) -> str:
    if not whole:
        return "part-of-a-day"
    if state != ProofState.VERIFIED:
        return f"proof-{state}"
    return LEFT_OUT if masked else "no-masked-opening"
