"""What a member is told as it happens: a stream he may go on with from anywhere.

    await tell(tx, [Told(7, "order", {"id": 12, "state": "confirmed"})], now=now)

Told in the transaction of what happened, so nothing is told that did not happen. This
module must never hold a reading: a stream is kept by whoever listens; nor give a place
twice, not even one whose event was erased.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Transaction

_NEWEST: Final = """
SELECT max(p.last, coalesce((SELECT max(id) FROM member_events), 0)) FROM event_places p
"""
_TELL: Final = f"""
INSERT INTO member_events (id, member_id, kind, body, at)
VALUES (({_NEWEST}) + 1, ?, ?, ?, ?)
"""  # noqa: S608 - constants of this module


@dataclass(frozen=True, slots=True)
class Told:
    """Something that happened to a member: `kind` as "order" or "trade", and what changed."""

    member: int
    kind: str
    body: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """What was told, with its place in the stream; `body` is a JSON object."""

    id: int
    kind: str
    body: str
    at: int


async def tell(tx: Transaction, events: Sequence[Told], *, now: int) -> None:
    """Append to the streams of members.

    The schema refuses a body of more than 2,000 characters: an event names what changed,
    and the API has the rest.
    """
    rows = [
        (one.member, one.kind, json.dumps(one.body, separators=(",", ":")), now)
        for one in events
    ]
    await tx.many(_TELL, rows)


async def told(tx: Transaction, member: int, *, after: int, limit: int) -> list[Event]:
    """Return what a member was told after a place in the stream, in order."""
    rows = await tx.rows(
        "SELECT id, kind, body, at FROM member_events"
        " WHERE member_id = ? AND id > ? ORDER BY id LIMIT ?",
        (member, after, limit),
    )
    return [Event(*row) for row in rows]


async def since(tx: Transaction, *, after: int, limit: int) -> list[tuple[int, Event]]:
    """Return what anybody was told after a place, in order, each with whose it is."""
    rows = await tx.rows(
        "SELECT member_id, id, kind, body, at FROM member_events"
        " WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [(row[0], Event(*row[1:])) for row in rows]


async def newest(tx: Transaction) -> int:
    """Return the last place that was given, 0 where nobody was told anything.

    Its event may have been erased since.
    """
    ((last,),) = await tx.rows(_NEWEST)
    return int(last)


async def told_since(tx: Transaction, after: int) -> dict[int, int]:
    """Return who was told something after a place, and where his last event stands."""
    # The plus keeps SQLite from grouping by the index, which would read every event ever.
    rows = await tx.rows(
        "SELECT member_id, max(id) FROM member_events WHERE id > ? GROUP BY +member_id",
        (after,),
    )
    return {row[0]: row[1] for row in rows}
