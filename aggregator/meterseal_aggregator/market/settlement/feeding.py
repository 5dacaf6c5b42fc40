"""Slots in which nothing was sold, of producers who feed in what they do not sell.

    found = await unsold(tx, clock, limit=500)

A mark a producer and meter point says up to where his credits were looked through, so a
run reads only what is new. This module must never feed in a slot whose export is not final.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.settlement.model import How, Slot
from meterseal_aggregator.market.settlement.store import Clock, named
from meterseal_aggregator.market.slots import LONGEST_S, slot_of
from meterseal_aggregator.market.surplus import UNSAID, Choice
from meterseal_aggregator.parameters.model import PARAMETERS, Name, Value
from meterseal_aggregator.parameters.store import history
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.units import EXPORT

# Credits since the mark, of members who ever chose to feed in, where every register that
# stood there is minted through a slot's length from their start.
_NEW: Final = """
SELECT c.meter_point_id, c.member_id, c.start
FROM (SELECT member_id, min(from_at) AS since FROM surplus_choices
      WHERE choice = 'feed-in' GROUP BY member_id) f
CROSS JOIN tenancies t ON t.member_id = f.member_id
LEFT JOIN feed_in_marks k
  ON k.meter_point_id = t.meter_point_id AND k.member_id = f.member_id
CROSS JOIN installations i ON i.meter_point_id = t.meter_point_id
CROSS JOIN registers g ON g.meter_id = i.meter_id AND g.register = ?1 AND g.mode = 0
CROSS JOIN credits c ON c.register_id = g.id
  AND c.start >= max(f.since, coalesce(k.through, 0))
WHERE c.member_id = f.member_id AND c.meter_point_id = t.meter_point_id AND c.revision = 0
  AND NOT EXISTS (SELECT 1 FROM installations o
    JOIN registers h ON h.meter_id = o.meter_id AND h.register = ?1 AND h.mode = 0
    LEFT JOIN credit_marks w ON w.register_id = h.id
    WHERE o.meter_point_id = c.meter_point_id AND o.from_at < c.start + ?2
      AND (o.to_at IS NULL OR o.to_at > c.start)
      AND coalesce(w.minted_through, h.initial_at) < c.start + ?2)
GROUP BY c.meter_point_id, c.member_id, c.start
ORDER BY c.meter_point_id, c.member_id, c.start LIMIT ?3
"""
_SOLD: Final = f"""
SELECT v.meter_point_id, v.start FROM (SELECT column1 AS meter_point_id, column2 AS start
  FROM (VALUES {{pairs}})) v
WHERE EXISTS (SELECT 1 FROM slot_sales s WHERE s.meter_point_id = v.meter_point_id
  AND s.start > v.start - {LONGEST_S} AND s.start < v.start + {LONGEST_S}
  AND s.start + s.length > v.start)
"""  # noqa: S608 - a number of ours
_MARK: Final = """
INSERT INTO feed_in_marks (meter_point_id, member_id, through) VALUES (?, ?, ?)
ON CONFLICT (meter_point_id, member_id) DO UPDATE SET through = excluded.through
"""
_CHOICES: Final = """
SELECT member_id, from_at, choice FROM surplus_choices WHERE member_id IN ({marks})
ORDER BY member_id, from_at
"""


@dataclass(frozen=True, slots=True)
class Dated:
    """A parameter's values in time: asked as often as a batch needs, read once."""

    name: Name
    starts: list[int]
    values: list[Value]

    def at(self, second: int) -> Value:
        """Return what holds at a Unix second."""
        place = bisect_right(self.starts, second)
        return self.values[place - 1] if place else PARAMETERS[self.name].default


@dataclass(frozen=True, slots=True)
class Tariff:
    """What the utility gives for a kWh, and in which money."""

    prices: Dated
    assets: Dated

    def price(self, slot: Slot) -> int:
        """Return the feed-in price in force at a slot's start, micro-units per kWh."""
        return int(self.prices.at(slot.start))

    def asset(self, slot: Slot) -> Asset:
        """Return the asset of money it is paid in."""
        return Asset(str(self.assets.at(slot.start)))


@dataclass(frozen=True, slots=True)
class Choices:
    """What producers chose when, of those asked for."""

    made: dict[int, list[tuple[int, Choice]]]

    def feeds(self, member: int, at: int) -> bool:
        """Tell whether a producer feeds in what he has not sold of a slot."""
        chosen = UNSAID
        for since, choice in self.made.get(member, ()):
            if since <= at:
                chosen = choice
        return chosen is Choice.FEED_IN


@dataclass(frozen=True, slots=True)
class Unsold:
    """Slots to be fed in, and the marks (point, member, through) that pass them."""

    slots: list[Slot]
    marks: list[tuple[int, int, int]]


async def dated(tx: Transaction, name: Name) -> Dated:
    """Return a parameter's values in time."""
    changes = await history(tx, name)
    return Dated(name, [one.from_at for one in changes], [one.value for one in changes])


async def tariff(tx: Transaction) -> Tariff:
    """Return what the utility gives, as it ever was."""
    return Tariff(
        await dated(tx, Name.FEED_IN_PRICE_MICRO), await dated(tx, Name.MONEY_ASSET)
    )


async def choices(tx: Transaction, members: set[int]) -> Choices:
    """Return what these members chose when."""
    marks = ",".join("?" for _ in members)
    made: dict[int, list[tuple[int, Choice]]] = {}
    for member, since, choice in await tx.rows(
        _CHOICES.format(marks=marks), sorted(members)
    ):
        made.setdefault(member, []).append((since, Choice(choice)))
    return Choices(made)


async def unsold(tx: Transaction, clock: Clock, *, limit: int) -> Unsold:
    """Return final slots of new credits in which nothing was sold, and how far that reaches.

    Of `limit` credits at most; slots whose producer keeps are passed.
    """
    lengths = await dated(tx, Name.MARKET_SLOT_S)
    step = int(lengths.at(clock.now))
    rows = await tx.rows(_NEW, (int(EXPORT), step, limit))
    if not rows:
        return Unsold([], [])
    seen: dict[tuple[int, int, int], int] = {}
    for point, member, start in rows:
        length = int(lengths.at(start))
        seen[point, member, slot_of(start, length, clock.zone)] = length
    if len(rows) == limit and len(seen) > 1:
        # The last one's credits may go on behind the limit.
        seen.popitem()
    wanted = [
        (point, start, length, who) for (point, who, start), length in seen.items()
    ]
    sold = await tx.rows_of_pairs(_SOLD, [one[:2] for one in wanted])
    slots = await named(tx, clock, wanted)
    made = await choices(tx, {one.seller for one in slots})
    return _passed(slots, {(point, start) for point, start in sold}, made)


async def pass_marks(tx: Transaction, found: Unsold) -> None:
    """Note how far was looked."""
    await tx.many(_MARK, found.marks)


def _passed(slots: Sequence[Slot], sold: set[tuple[int, int]], made: Choices) -> Unsold:
    marks: dict[tuple[int, int], int] = {}
    feeding = []
    for slot in slots:
        place = (slot.meter_point, slot.seller)
        # One that is not told is passed by the next that is: its meter was taken away.
        if slot.how is not How.METER:
            continue
        marks[place] = slot.end
        if slot.key not in sold and made.feeds(slot.seller, slot.start):
            feeding.append(slot)
    return Unsold(feeding, [(*place, end) for place, end in marks.items()])
