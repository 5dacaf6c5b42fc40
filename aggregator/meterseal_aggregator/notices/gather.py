"""From what happened to notices: members' events by a durable cursor, and silent agents.

Reads the registry's meters, installations and tenancies, intake's seals and agents'
health records in one statement a look. This module must never tell anybody of what was
before he asked to be told: the first look begins where things stand.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

from meterseal_aggregator.identity import events
from meterseal_aggregator.identity.events import Event
from meterseal_aggregator.notices.model import Address, Kind
from meterseal_aggregator.notices.outbox import Draft, put
from meterseal_aggregator.notices.preferences import wishes
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction

BATCH: Final = 500
"""Events a transaction: a street's slot that settles at once."""
LOOK_S: Final = 300
"""Between two looks for silent agents: each reads the last seal of every register."""
MAX_SILENT: Final = 200
"""Agents a look: a broken broker silences all of them, and each is told of in turn."""
EVENTS: Final = "member-events"
SILENCE: Final = "silence"

_NAMED: Final = {"bill": "number", "trade": "id", "dispute": "dispute"}
"""What an event of a kind calls the thing it is about."""
_CURSOR: Final = "SELECT position FROM notice_cursors WHERE source = ?"
_MOVE: Final = """
INSERT INTO notice_cursors (source, position) VALUES (?, ?)
ON CONFLICT (source) DO UPDATE SET position = excluded.position
"""
_HEARD: Final = """
WITH heard AS (
  SELECT m.agent AS agent, max(max(m.enrolled_at), coalesce(max((
    SELECT s.received_at FROM seals s WHERE s.register_id = r.id ORDER BY s.seq DESC LIMIT 1
  )), 0)) AS sealed
  FROM meters m JOIN registers r ON r.meter_id = m.id
  WHERE m.removed_at IS NULL GROUP BY m.agent),
told AS (
  SELECT heard.agent AS agent, max(heard.sealed, coalesce(h.received_at, 0)) AS at
  FROM heard LEFT JOIN agent_health h ON h.agent = heard.agent)
SELECT agent, at FROM told
"""
_SILENT: Final = _HEARD + " WHERE at >= ? AND at < ? ORDER BY at, agent LIMIT ?"
_SILENT_SINCE: Final = _HEARD + " WHERE at < ?"
_TENANTS: Final = """
SELECT DISTINCT m.agent, t.member_id FROM meters m
JOIN installations i ON i.meter_id = m.id AND i.to_at IS NULL
JOIN tenancies t ON t.meter_point_id = i.meter_point_id
  AND t.from_at <= ? AND (t.to_at IS NULL OR t.to_at > ?)
WHERE m.removed_at IS NULL AND m.agent IN ({marks})
"""
assert SQLITE_MAX_VARIABLES > MAX_SILENT + 2


async def gather(
    tx: Transaction, operator: Sequence[Address], *, silent_after_s: int, now: int
) -> int:
    """Make notices of what is new; returns how many."""
    told = await _of_events(tx)
    silent = await _of_silence(tx, operator, now - silent_after_s, now)
    return await put(tx, [*told, *silent])


async def silent(tx: Transaction, since: int) -> int:
    """Count the agents in service that nothing was heard of since a second."""
    return len(await tx.rows(_SILENT_SINCE, (since,)))


async def _of_events(tx: Transaction) -> list[Draft]:
    place, newest = await _position(tx, EVENTS), await events.newest(tx)
    if place is None or place > newest:
        # The first look; or a database that was restored gives its places anew.
        await _move(tx, EVENTS, newest)
        return []
    found = await events.since(tx, after=place, limit=BATCH)
    if not found:
        return []
    await _move(tx, EVENTS, found[-1][1].id)
    known = [(member, event, _kind(event)) for member, event in found]
    wanted = await wishes(tx, [member for member, _, kind in known if kind])
    return [
        Draft(member, address.way, kind, _about(event), event.at, event.id)
        for member, event, kind in known
        if kind is not None
        for address in wanted[member].addresses
        if kind in address.kinds
    ]


async def _of_silence(
    tx: Transaction, operator: Sequence[Address], before: int, now: int
) -> list[Draft]:
    """Return drafts for agents whose silence passed its limit since the last look."""
    place = await _position(tx, SILENCE) or 0
    if before < place + LOOK_S:
        return []
    found = await tx.rows(_SILENT, (place, before, MAX_SILENT))
    # A full page may end within a second: that second is looked at again.
    await _move(tx, SILENCE, found[-1][1] if len(found) == MAX_SILENT else before)
    if not found:
        return []
    marks = ",".join("?" for _ in found)
    names = [row[0] for row in found]
    homes = await tx.rows(_TENANTS.format(marks=marks), (now, now, *names))
    wanted = await wishes(tx, [member for _, member in homes])
    drafts = []
    for agent, at in found:
        about = f"{agent}@{at}"
        told: list[tuple[int | None, Address]] = [(None, one) for one in operator]
        for name, member in homes:
            if name == agent:
                told += [(member, one) for one in wanted[member].addresses]
        drafts += [
            Draft(member, one.way, Kind.AGENT_SILENT, about, now)
            for member, one in told
            if Kind.AGENT_SILENT in one.kinds
        ]
    return drafts


async def _position(tx: Transaction, source: str) -> int | None:
    rows = await tx.rows(_CURSOR, (source,))
    return int(rows[0][0]) if rows else None


async def _move(tx: Transaction, source: str, position: int) -> None:
    await tx.many(_MOVE, [(source, position)])


def _kind(event: Event) -> Kind | None:
    body = _body(event)
    match event.kind, body.get("state"):
        case "bill", "overdue":
            return Kind.BILL_OVERDUE
        case "bill", None | "issued" if body.get("kind") == "bill":
            return Kind.BILL_ISSUED
        case "trade", "settled" if body.get("run") == 1:
            # Later runs post differences; what there is to tell was told.
            return Kind.TRADE_SETTLED
        case "dispute", "upheld" | "part-upheld" | "rejected":
            return Kind.DISPUTE_DECIDED
        case _:
            return None


def _about(event: Event) -> str:
    return str(_body(event)[_NAMED[event.kind]])


def _body(event: Event) -> Mapping[str, Any]:  # Any: JSON of our own
    found = json.loads(event.body)
    return found if isinstance(found, dict) else {}
