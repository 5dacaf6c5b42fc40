"""The errands' SQL: what is asked of devices, what they were told, what they said.

Every function takes the transaction first; whoever opened it commits it. Agents that are
resting are left out by their names, so those that are away never keep others waiting.
This module must never change what was asked.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any, Final

from meterseal_aggregator.privacy.errands.model import BillRequest
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.errand import BillAsked, BillRefused, NoBill
from meterseal_proto.units import MeterId, RegisterId

_REQUESTS: Final = """
SELECT q.id, q.register_id, m.meter, r.register, q.from_at, q.to_at, q.tariff, q.asked_at,
  q.sent_at, q.why, q.said_at, q.not_taken, q.bill_id, m.agent
FROM bill_requests q JOIN registers r ON r.id = q.register_id
JOIN meters m ON m.id = r.meter_id
"""
_UNSENT: Final = """
JOIN tariffs_told t ON t.agent = m.agent AND t.tariff = q.tariff
WHERE q.bill_id IS NULL AND q.why IS NULL AND (q.sent_at IS NULL OR q.sent_at <= ?)
  AND m.removed_at IS NULL AND m.agent NOT IN (SELECT value FROM json_each(?))
ORDER BY q.id LIMIT ?
"""
_ASK: Final = """
INSERT INTO bill_requests (register_id, from_at, to_at, tariff, asked_at, bill_id)
VALUES (?, ?, ?, ?, ?, (SELECT id FROM private_bills WHERE register_id = ?1
  AND from_at = ?2 AND to_at = ?3 AND tariff = ?4))
ON CONFLICT (register_id, from_at, to_at, tariff) DO UPDATE SET asked_at = excluded.asked_at,
  sent_at = NULL, why = NULL, said_at = NULL, signature = NULL, not_taken = NULL
WHERE bill_requests.bill_id IS NULL
  AND (bill_requests.why IS NOT NULL OR bill_requests.not_taken IS NOT NULL)
"""
# Tariffs are for ever and agents are many: only who lacks one is held against each.
_UNTOLD: Final = """
WITH private AS (
  SELECT m.agent, max((SELECT max(y.enrolled_at) FROM meter_keys y WHERE y.meter_id = m.id))
    AS keyed_at
  FROM meters m WHERE m.removed_at IS NULL
    AND m.agent NOT IN (SELECT value FROM json_each(?2))
    AND EXISTS (SELECT 1 FROM registers r WHERE r.meter_id = m.id AND r.mode = 1)
  GROUP BY m.agent
), behind AS MATERIALIZED (
  SELECT agent, keyed_at FROM private p
  WHERE (SELECT count(*) FROM tariffs) > (SELECT count(*) FROM tariffs_told k
    WHERE k.agent = p.agent AND k.known_at >= p.keyed_at)
)
SELECT b.agent, t.hash FROM behind b CROSS JOIN tariffs t
LEFT JOIN tariffs_told k ON k.agent = b.agent AND k.tariff = t.hash
WHERE k.tariff IS NULL OR (k.known_at IS NULL AND k.told_at <= ?1)
  OR k.known_at < b.keyed_at
ORDER BY t.log_entry_id, b.agent LIMIT ?3
"""
_TOLD: Final = """
INSERT INTO tariffs_told (agent, tariff, told_at) VALUES (?, ?, ?)
ON CONFLICT (agent, tariff) DO UPDATE SET told_at = excluded.told_at, known_at = NULL
"""
_HEARD: Final = """
INSERT INTO seeds_heard (meter_id, heard_at) SELECT id, ? FROM meters WHERE meter = ?
ON CONFLICT (meter_id) DO UPDATE SET heard_at = excluded.heard_at, told_at = NULL
"""
_UNCONFIRMED: Final = """
SELECT s.meter_id, m.meter, m.agent FROM seeds_heard s JOIN meters m ON m.id = s.meter_id
WHERE s.told_at IS NULL AND s.meter_id > ? AND m.removed_at IS NULL
  AND m.agent NOT IN (SELECT value FROM json_each(?))
ORDER BY s.meter_id LIMIT ?
"""
_REFUSE: Final = """
UPDATE bill_requests SET why = ?, said_at = ?, signature = ?
WHERE register_id = ? AND from_at = ? AND to_at = ? AND tariff = ?
  AND bill_id IS NULL AND why IS NULL
RETURNING id
"""
_BILLED: Final = """
UPDATE bill_requests SET bill_id = ?, not_taken = NULL
WHERE register_id = ? AND from_at = ? AND to_at = ? AND tariff = ? AND bill_id IS NULL
"""
_NOT_TAKEN: Final = """
UPDATE bill_requests SET not_taken = ?
WHERE register_id = ? AND from_at = ? AND to_at = ? AND tariff = ? AND bill_id IS NULL
"""


async def ask(
    tx: Transaction, register_id: int, asked: BillAsked, now: int
) -> BillRequest:
    """Ask for a bill, or once more for one that was refused; returns how it stands."""
    place = _place(register_id, asked)
    await tx.many(_ASK, [(*place, now)])
    (found,) = await tx.rows(
        f"{_REQUESTS}WHERE q.register_id = ? AND q.from_at = ? AND q.to_at = ?"
        " AND q.tariff = ?",
        place,
    )
    return _request(found)


async def of_register(
    tx: Transaction, register_id: int, *, after: int, limit: int
) -> list[BillRequest]:
    """Return a page of a register's requests with ids above `after`, by id."""
    rows = await tx.rows(
        f"{_REQUESTS}WHERE q.register_id = ? AND q.id > ? ORDER BY q.id LIMIT ?",
        (register_id, after, limit),
    )
    return [_request(row) for row in rows]


async def unsent(
    tx: Transaction, *, before: int, resting: Collection[str], limit: int
) -> list[tuple[str, BillRequest]]:
    """Return open requests, with their agents, not sent since `before`, oldest first.

    Those whose agent has not been sent the tariff yet wait for that.
    """
    rows = await tx.rows(_REQUESTS + _UNSENT, (before, _names(resting), limit))
    return [(row[-1], _request(row)) for row in rows]


async def note_sent(tx: Transaction, requests: Sequence[int], now: int) -> None:
    """Note that agents were asked."""
    await tx.many(
        "UPDATE bill_requests SET sent_at = ? WHERE id = ?",
        [(now, request) for request in requests],
    )


async def refuse(
    tx: Transaction, register_id: int, refused: BillRefused, now: int
) -> bool:
    """Note a device's no; False when nobody asks, or it was noted before."""
    said = int(refused.why), now, refused.signature
    return bool(await tx.rows(_REFUSE, (*said, *_place(register_id, refused.asked))))


async def settle(
    tx: Transaction, register_id: int, asked: BillAsked, bill_id: int
) -> None:
    """Note the bill of a request, if anybody asked."""
    await tx.many(_BILLED, [(bill_id, *_place(register_id, asked))])


async def note_not_taken(
    tx: Transaction, register_id: int, asked: BillAsked, cause: str
) -> None:
    """Note why a bill that came was not taken, if anybody asked for it."""
    await tx.many(_NOT_TAKEN, [(cause, *_place(register_id, asked))])


async def untold(
    tx: Transaction, *, before: int, resting: Collection[str], limit: int
) -> list[tuple[str, bytes]]:
    """Return agents of private meters, each with a tariff it does not know.

    The oldest tariffs come first; one that was told since `before` rests. What a device
    knew before its meter got another key, the next one may never have heard.
    """
    rows = await tx.rows(_UNTOLD, (before, _names(resting), limit))
    return [(agent, digest) for agent, digest in rows]


async def note_told(
    tx: Transaction, told: Sequence[tuple[str, bytes]], now: int
) -> None:
    """Note that agents were sent tariffs."""
    await tx.many(_TOLD, [(agent, digest, now) for agent, digest in told])


async def note_known(tx: Transaction, agent: str, digest: bytes, now: int) -> bool:
    """Note that an agent knows a tariff; False when it was not told, or said so before."""
    rows = await tx.rows(
        "UPDATE tariffs_told SET known_at = ? WHERE agent = ? AND tariff = ?"
        " AND known_at IS NULL RETURNING 1",
        (now, agent, digest),
    )
    return bool(rows)


async def note_heard(tx: Transaction, meter: MeterId, now: int) -> None:
    """Note that a meter's seeds came: its agent wants to hear that they are kept."""
    await tx.many(_HEARD, [(now, meter)])


async def unconfirmed(
    tx: Transaction, *, after: int, resting: Collection[str], limit: int
) -> list[tuple[int, MeterId, str]]:
    """Return (row, meter, agent) of deposits nobody has been told about, by row."""
    rows = await tx.rows(_UNCONFIRMED, (after, _names(resting), limit))
    return [(row, MeterId(meter), agent) for row, meter, agent in rows]


async def note_confirmed(tx: Transaction, meter_rows: Sequence[int], now: int) -> None:
    """Note that agents were told that seeds are kept."""
    await tx.many(
        "UPDATE seeds_heard SET told_at = ? WHERE meter_id = ?",
        [(now, row) for row in meter_rows],
    )


def _names(agents: Collection[str]) -> str:
    return json.dumps(sorted(agents))


def _place(register_id: int, asked: BillAsked) -> tuple[int, int, int, bytes]:
    return register_id, asked.begin, asked.end, asked.tariff


def _request(row: tuple[Any, ...]) -> BillRequest:
    """Read a row of _REQUESTS; Any because a driver's row has no types."""
    request, register_id, meter, register, begin, end, tariff, *rest = row
    asked_at, sent_at, why, said_at, not_taken, bill, _agent = rest
    return BillRequest(
        request, register_id,
        BillAsked(MeterId(meter), RegisterId(register), begin, end, tariff),
        asked_at, sent_at, None if why is None else NoBill(why), said_at, not_taken, bill,
    )  # fmt: skip
