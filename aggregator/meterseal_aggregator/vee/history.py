"""A register's days with all their versions: what was believed, since when, and how good.

This module must never write.
"""

from collections import Counter
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.calendar import DAY_S
from meterseal_proto.rating.usage import unpacked

_VERSIONS: Final = """
SELECT d.day, d.version, d.first, d.step, d.deltas, d.qualities, d.known_at
FROM usage_days d WHERE d.register_id = ?1 AND d.day IN (
  SELECT DISTINCT l.day FROM usage_days l WHERE l.register_id = ?1
    AND l.day BETWEEN ?2 AND ?3 AND l.first >= ?4 AND l.first < ?5 ORDER BY l.day LIMIT ?6)
ORDER BY d.day, d.version
"""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a local day: `qualities` counts its slots by code, `total` is their sum."""

    day: int
    version: int
    first: int
    end: int
    step: int
    total: int
    qualities: dict[int, int]
    known_at: int


async def history(
    tx: Transaction, register_id: int, span: tuple[int, int], *, days: int
) -> list[Version]:
    """Return all versions of the first `days` days that begin in [begin, end), by day."""
    begin, end = span
    # A local date lies at most a day beside the UTC day of its first slot.
    near = (begin // DAY_S - 1, end // DAY_S + 1)
    rows = await tx.rows(_VERSIONS, (register_id, *near, begin, end, days))
    return [
        Version(
            day, version, first, first + step * len(codes), step, sum(unpacked(raw)),
            dict(Counter(codes)), known_at,
        )
        for day, version, first, step, raw, codes, known_at in rows
    ]  # fmt: skip
