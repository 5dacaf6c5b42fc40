"""Invariant 18: packed days are what readings and values say, byte for byte, and sum alike.

Every last version is made again from `readings` (intake) and `vee_values`; days that wait to
be packed are left out. A register of which nobody said anything twice, device or person, moved
over its days what its readings say. This module must never write.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding
from meterseal_aggregator.vee.daystore import Packed, Reach, known
from meterseal_proto.rating.usage import unpacked

INVARIANT: Final = 18
"""The number of the packed days' invariant in ARCHITECTURE, "What must always hold"."""
PAGE: Final = 512
"""Days made again at a time: of one register a year and a half."""
MAX_WINDOW_S: Final = 62 * 86_400
"""A page's time: what is read of every register of it."""

_REACH: Final = "SELECT seal_id, value_id FROM usage_progress"
_DAYS: Final = """
SELECT d.register_id, d.day, d.version, d.first, d.step, d.deltas, d.qualities, d.known_at,
  EXISTS (SELECT 1 FROM usage_due w WHERE w.day = d.day AND w.register_id = d.register_id)
FROM usage_days d WHERE (d.register_id, d.day) > (?, ?)
  AND d.version = (SELECT max(l.version) FROM usage_days l
    WHERE l.register_id = d.register_id AND l.day = d.day)
ORDER BY d.register_id, d.day LIMIT ?
"""
_TOLD: Final = """
SELECT r.register_id, sum(r.delta) FROM readings r
WHERE r.seal_id <= ?
  AND r.register_id NOT IN (SELECT register_id FROM vee_values)
  AND r.register_id NOT IN (SELECT register_id FROM usage_due)
GROUP BY r.register_id HAVING max(r.revision) = 0
"""


@dataclass(slots=True)
class _Recount:
    """What was seen so far: how many days, the first that differs, sums by register."""

    days: int = 0
    wrong: str = ""
    sums: dict[int, int] = field(default_factory=dict)


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether all packed days are what readings and values make of them."""
    reach = Reach(*(await tx.rows(_REACH))[0])
    count, place = _Recount(), (0, -1)
    while page := await tx.rows(_DAYS, (*place, PAGE)):
        place = (page[-1][0], page[-1][1])
        for part in _windows(page):
            await _recount(tx, part, reach, count)
    if not count.wrong:
        count.wrong = _unlike(count.sums, await tx.rows(_TOLD, (reach.seal_id,)))
    if count.wrong:
        return [Finding(INVARIANT, ok=False, detail=count.wrong)]
    detail = f"{count.days} days of {len(count.sums)} registers made again, all alike"
    return [Finding(INVARIANT, ok=True, detail=detail)]


def _windows(page: Sequence[Row]) -> Iterator[list[Row]]:
    """Cut a page where its days lie too far apart to be read together."""
    part: list[Row] = []
    for row in page:
        firsts = [one[3] for one in part]
        apart = firsts and max(*firsts, row[3]) - min(*firsts, row[3]) > MAX_WINDOW_S
        if apart:
            yield part
            part = []
        part.append(row)
    yield part


async def _recount(
    tx: Transaction, rows: Sequence[Row], reach: Reach, count: _Recount
) -> None:
    days = [(Packed(*row[:8]), bool(row[8])) for row in rows]
    steps = {day.register_id: day.step for day, _ in days}
    begin = min(day.first for day, _ in days)
    books = await known(tx, steps, begin, max(day.end for day, _ in days), reach)
    for day, waits in days:
        count.days += 1
        number = day.register_id
        count.sums[number] = count.sums.get(number, 0) + sum(unpacked(day.deltas))
        part = books[number].part(day.first, day.end)
        if not waits and not count.wrong and part[1:] != (day.deltas, day.qualities):
            count.wrong = (
                f"day {day.day} of register {number}, version {day.version}, is not what"
                " its readings and values say"
            )


def _unlike(sums: dict[int, int], told: Sequence[Row]) -> str:
    for register_id, total in told:
        found = sums.get(register_id, 0)
        if found != total:
            return (
                f"the packed days of register {register_id} have {found}, its readings"
                f" {total}"
            )
    return ""
