"""Netting: what neighbours delivered to a member is taken off his bill, slot by slot, once.

    pool = await delivered(tx, [(supply, member)], span)
    before, more = pool.take(supply, member, load)

A Wh is netted where the member both was delivered it and imported it in the market's slot
(SETTLED 3); the rest stays his, to sell or to give back. What is netted is retired with the
bill and never comes back: a correction may net more, and what is netted already counts for
the bill that replaces. This module must never net a Wh that the ledger does not hold for him.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from meterseal_aggregator.billing.usage import Bought, netted
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import buyer
from meterseal_aggregator.ledger.model import WH, TransferId
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.load import Load

# A mock's Wh were never minted, so they are in nobody's account.
_TRADES: Final = """
SELECT t.buyer_id, t.start, t.length, t.state, sum(t.delivered_wh)
FROM json_each(?) m
CROSS JOIN trades t ON t.buyer_id = m.value
  AND t.state IN ('held', 'settled') AND t.start >= ? AND t.start < ?
LEFT JOIN settled_slots z ON z.meter_point_id = t.meter_point_id AND z.start = t.start
WHERE coalesce(z.mocked, 0) = 0
GROUP BY t.buyer_id, t.start, t.length, t.state
ORDER BY t.buyer_id, t.start, t.length
"""
_NETTED: Final = """
SELECT s.member_id, s.id, n.start, n.length, sum(n.wh)
FROM json_each(?) m
CROSS JOIN supplies s ON s.member_id = m.value
JOIN netted_slots n ON n.supply_id = s.id AND n.start >= ? AND n.start < ?
GROUP BY s.member_id, s.id, n.start, n.length
ORDER BY s.id, n.start, n.length
"""


@dataclass(slots=True)
class Pool:
    """What members were delivered and no bill netted yet, within what they hold.

    `done` is what bills of a supply have netted in the span; `open` are the members for
    whom trades of it wait for a seller's meter.
    """

    slots: dict[int, list[Bought]] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    done: dict[int, list[Bought]] = field(default_factory=dict)
    open: frozenset[int] = frozenset()

    def has(self, supply: int, member: int) -> bool:
        """Tell whether there is anything to net for a supply."""
        return bool(self.done.get(supply) or self.slots.get(member))

    def take(
        self, supply: int, member: int, load: Load
    ) -> tuple[tuple[Bought, ...], tuple[Bought, ...]]:
        """Return what a load nets: of what is netted already, and more of the pool."""
        before = netted(load, self.done.get(supply, ()))
        slots = self.slots.get(member, [])
        # A slot is netted by the bill it begins in, whoever else is in the batch.
        wanted = [one for one in slots if one.start >= load.first]
        # What is netted already comes first in its slots; more is what both leave.
        both = netted(load, [*before, *wanted])[len(before) :]
        left, more = self.held.get(member, 0), []
        for one in both:
            wh = min(one.wh, left)
            left -= wh
            if wh:
                more.append(replace(one, wh=wh))
        self.held[member] = left
        used = {(one.start, one.length): one.wh for one in more}
        rest = [
            replace(one, wh=one.wh - used.get((one.start, one.length), 0))
            for one in slots
        ]
        self.slots[member] = [one for one in rest if one.wh]
        return tuple(before), tuple(more)


async def delivered(
    tx: Transaction, asked: Iterable[tuple[int, int]], span: tuple[int, int]
) -> Pool:
    """Return what members were delivered in slots that start in [begin, end).

    `asked` are supplies with their members. Three statements, however many; one where
    nobody bought anything.
    """
    who = json.dumps(sorted({member for _, member in asked}))
    rows = await tx.rows(_TRADES, (who, *span))
    if not rows:
        return Pool()
    done: dict[int, list[Bought]] = defaultdict(list)
    gone: dict[tuple[int, int, int], int] = defaultdict(int)
    for member, supply, start, length, wh in await tx.rows(_NETTED, (who, *span)):
        done[supply].append(Bought(start, length, wh))
        gone[member, start, length] += wh
    slots: dict[int, list[Bought]] = defaultdict(list)
    for member, start, length, state, wh in rows:
        left = wh - gone[member, start, length]
        if state == "settled" and left > 0:
            slots[member].append(Bought(start, length, left))
    accounts = await ledger.balances(tx, WH, (buyer(member) for member in slots))
    held = {code: one.held for code, one in accounts.items()}
    return Pool(
        slots=dict(slots),
        held={member: held.get(buyer(member), 0) for member in slots},
        done=dict(done),
        open=frozenset(row[0] for row in rows if row[3] == "held"),
    )


def retirement_id(number: str) -> TransferId:
    """Return the ledger id under which a bill's Wh are retired."""
    text = f"meterseal-billing/netted/{number}"
    return TransferId(hashlib.sha256(text.encode()).digest())
