"""The tables of followed blocks and of what our contracts printed in them.

Blocks above the settled height may be cut off and replaced; what is at it or below never
changes, and triggers of the schema hold whoever writes to that. Whoever opened the
transaction commits it. This module must never judge which chain counts.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.stacks.node.port import PrintedBlock
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction
from meterseal_proto.clarity import encode
from meterseal_proto.errors import Unavailable

_STATE: Final = "SELECT publisher, start, settled, tip, looked_at FROM chain_state"
_BEGIN: Final = """
INSERT INTO chain_state (id, publisher, start, settled, tip, looked_at)
VALUES (1, ?, ?, ?, ?, ?)
"""
_KEEP: Final = "INSERT INTO chain_blocks (height, block_id, parent_id) VALUES (?, ?, ?)"
_PRINTED: Final = """
INSERT INTO chain_events (height, position, txid, event_index, contract, value)
VALUES (?, ?, ?, ?, ?, ?)
"""
_KNOWN: Final = "SELECT txid, event_index FROM chain_events WHERE txid IN ({marks})"
_EVENTS: Final = """
SELECT e.height, e.position, b.block_id, e.txid, e.event_index, e.contract, e.value
FROM chain_events e JOIN chain_blocks b ON b.height = e.height
WHERE (e.height, e.position) > (?, ?) AND e.height <= ?
ORDER BY e.height, e.position LIMIT ?
"""
_ODD: Final = "UPDATE chain_events SET odd = 1 WHERE height = ? AND position = ?"
_BARE: Final = """
DELETE FROM chain_blocks WHERE height < ? AND NOT EXISTS (
  SELECT 1 FROM chain_events e WHERE e.height = chain_blocks.height
)
"""
_COUNT: Final = "SELECT count(*) FROM chain_events WHERE odd = 1"


@dataclass(frozen=True, slots=True)
class Following:
    """What is followed: the publisher's address, its first block, what is settled.

    `settled` is `start` - 1 before the first block is. The tip is what a node told last,
    at `looked_at` (Unix seconds).
    """

    publisher: str
    start: int
    settled: int
    tip: int
    looked_at: int


@dataclass(frozen=True, slots=True)
class KeptEvent:
    """An event as it is kept: the bare contract name, and the value's consensus bytes."""

    height: int
    position: int
    block_id: str
    txid: str
    index: int
    contract: str
    value: bytes


async def following(tx: Transaction) -> Following | None:
    """Give what is followed, or None where nothing is yet."""
    rows = await tx.rows(_STATE)
    return Following(*rows[0]) if rows else None


async def begin(tx: Transaction, first: Following) -> None:
    """Follow a publisher's contracts from now on; the schema takes one."""
    row = (first.publisher, first.start, first.settled, first.tip, first.looked_at)
    await tx.many(_BEGIN, [row])


async def ids(tx: Transaction, since: int) -> dict[int, str]:
    """Give the ids of the kept blocks from height `since` on, by height."""
    sql = "SELECT height, block_id FROM chain_blocks WHERE height >= ? ORDER BY height"
    return dict(await tx.rows(sql, (since,)))


async def top(tx: Transaction) -> int | None:
    """Give the height of the newest kept block."""
    ((height,),) = await tx.rows("SELECT max(height) FROM chain_blocks")
    return None if height is None else int(height)


async def cut(tx: Transaction, above: int) -> None:
    """Forget the blocks above a height, and what was printed in them."""
    await tx.many("DELETE FROM chain_events WHERE height > ?", [(above,)])
    await tx.many("DELETE FROM chain_blocks WHERE height > ?", [(above,)])


async def keep(
    tx: Transaction, fresh: Sequence[PrintedBlock], names: Collection[str]
) -> None:
    """Keep blocks with what the contracts of these names printed.

    Raises Unavailable where an event stands in two blocks, which no chain has.
    """
    rows = [
        (
            block.height,
            position,
            one.place.txid,
            one.place.index,
            one.contract.name,
            encode(one.value),
        )
        for block in fresh
        for position, one in enumerate(block.prints)
        if one.contract.name in names
    ]
    places = {(row[2], row[3]) for row in rows}
    if len(places) < len(rows) or places & await _known(tx, [row[2] for row in rows]):
        raise Unavailable("a node tells one event in two blocks")
    blocks = [(block.height, block.block_id, block.parent_id) for block in fresh]
    await tx.many(_KEEP, blocks)
    await tx.many(_PRINTED, rows)


async def _known(tx: Transaction, txids: Sequence[str]) -> set[tuple[str, int]]:
    alone = sorted(set(txids))
    found: set[tuple[str, int]] = set()
    for at in range(0, len(alone), SQLITE_MAX_VARIABLES):
        page = alone[at : at + SQLITE_MAX_VARIABLES]
        marks = ", ".join("?" * len(page))
        rows = await tx.rows(_KNOWN.format(marks=marks), page)
        found |= {(txid, index) for txid, index in rows}
    return found


async def events(
    tx: Transaction, after: tuple[int, int], up_to: int, limit: int
) -> list[KeptEvent]:
    """Give `limit` events in the chain's order, after a (height, position)."""
    rows = await tx.rows(_EVENTS, (*after, up_to, limit))
    return [KeptEvent(*row) for row in rows]


async def mark_odd(tx: Transaction, event: KeptEvent) -> None:
    """Mark an event that this release cannot read."""
    await tx.many(_ODD, [(event.height, event.position)])


async def odd(tx: Transaction) -> int:
    """Count the settled and unsettled events that could not be read."""
    ((count,),) = await tx.rows(_COUNT)
    return int(count)


async def settle(tx: Transaction, height: int) -> None:
    """Mark all up to a height as settled, and forget blocks below it that hold nothing."""
    await tx.many("UPDATE chain_state SET settled = ?", [(height,)])
    await tx.many(_BARE, [(height,)])


async def look(tx: Transaction, tip: int, now: int) -> None:
    """Note where a node says the chain is, at Unix second `now`."""
    await tx.many("UPDATE chain_state SET tip = ?, looked_at = ?", [(tip, now)])
