"""What devices are asked to net, and how each request stands: its SQL.

    await ask(tx, period, wants, now=now)                   # once a register and period
    for agent, request in await unsent(tx, look, resting=away, limit=50): ...   # to be told
    if await settle(tx, request.id, proved, now=now): ...   # its one answer, checked before

Every function takes the transaction first; whoever opened it commits it. Reads
`committed_seals`. This module must never change what was asked: a device that was asked
twice about a slot would tell more of it than one bit.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.netting import NettedDay, Netting, ProvedNetting
from meterseal_proto.units import MeterId, RegisterId

_REQUESTS: Final = """
SELECT q.id, q.register_id, m.meter, r.register, q.from_at, q.to_at, q.asked_at,
  q.waits_until, q.sent_at, q.not_taken, q.answered_at, q.consent, m.agent
FROM netting_requests q JOIN registers r ON r.id = q.register_id
JOIN meters m ON m.id = r.meter_id
"""
_UNSENT: Final = """
WHERE q.answered_at IS NULL AND q.waits_until > ? AND (q.sent_at IS NULL OR q.sent_at <= ?)
  AND m.removed_at IS NULL AND m.agent NOT IN (SELECT value FROM json_each(?))
ORDER BY q.waits_until, q.id LIMIT ?
"""
_SLOTS: Final = """
SELECT n.request_id, s.hash, s.first, s.step, n.place, n.wh, n.netted, n.start, n.length
FROM json_each(?) p CROSS JOIN netting_slots n ON n.request_id = p.value
JOIN committed_seals s ON s.id = n.seal_id
ORDER BY n.request_id, s.first, n.place
"""
_ASK: Final = """
INSERT INTO netting_requests (register_id, from_at, to_at, asked_at, waits_until)
VALUES (?, ?, ?, ?, ?) RETURNING id
"""
_WANT: Final = """
INSERT INTO netting_slots (request_id, seal_id, place, wh, start, length)
VALUES (?, ?, ?, ?, ?, ?)
"""
_NET: Final = """
UPDATE netting_slots SET netted = 1 WHERE request_id = ? AND place = ?
  AND seal_id = (SELECT id FROM committed_seals WHERE hash = ?)
"""
_PROOF: Final = """
INSERT INTO netting_proofs (request_id, seal_id, proof)
VALUES (?, (SELECT id FROM committed_seals WHERE hash = ?), ?)
"""
_PROOFS: Final = """
SELECT p.proof FROM netting_proofs p JOIN committed_seals s ON s.id = p.seal_id
WHERE p.request_id = ? ORDER BY s.first
"""


@dataclass(frozen=True, slots=True)
class Want:
    """Wh of a slot that are asked about: a day's row and the slot's place in it.

    `start` and `length` are those of the market's slot they were traded in.
    """

    seal: int
    place: int
    wh: int
    start: int
    length: int


@dataclass(frozen=True, slots=True)
class Period:
    """A register's row and its period [begin, end), Unix seconds, that is asked about.

    The bill waits for the answer until `waits_until`.
    """

    register_id: int
    begin: int
    end: int
    waits_until: int


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot that was asked about: when it starts, its Wh, whether the device netted them.

    `traded` is the market's slot, its start and length.
    """

    start: int
    wh: int
    netted: bool
    traded: tuple[int, int]


@dataclass(frozen=True, slots=True)
class NettingRequest:
    """A netting that is asked for; times in Unix seconds of the network.

    `asked` has all slots that are asked about; `slots` the same with what came of each.
    `not_taken` is the cause for which an answer was not taken; `answered_at` and `consent`
    (the seal key's signature) are there once one was.
    """

    id: int
    period: Period
    asked: Netting
    slots: tuple[Slot, ...]
    asked_at: int
    sent_at: int | None
    not_taken: str | None
    answered_at: int | None
    consent: bytes | None

    @property
    def netted(self) -> tuple[Slot, ...]:
        """The slots that the device netted."""
        return tuple(one for one in self.slots if one.netted)

    @property
    def answer(self) -> Netting | None:
        """What the device netted, None until it said so."""
        if self.answered_at is None:
            return None
        kept = {one.start for one in self.netted}
        days = [_of_day(day, kept) for day in self.asked.days]
        asked = self.asked
        return Netting(
            asked.network, asked.meter, asked.register, asked.begin, asked.end,
            tuple(day for day in days if day is not None),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """A look for what is to be sent at a second of a network (its id, 32 bytes).

    What was sent after `before` rests.
    """

    network: bytes
    now: int
    before: int


async def ask(
    tx: Transaction, period: Period, wants: Iterable[Want], *, now: int
) -> None:
    """Ask at Unix second `now`; a period that was asked about raises a constraint's error."""
    whole = (period.register_id, period.begin, period.end, now, period.waits_until)
    ((request,),) = await tx.rows(_ASK, whole)
    rows = [
        (request, one.seal, one.place, one.wh, one.start, one.length) for one in wants
    ]
    await tx.many(_WANT, rows)


async def of_period(
    tx: Transaction, network: bytes, period: tuple[int, int, int]
) -> NettingRequest | None:
    """Return what was asked of a (register's row, begin, end), or None."""
    where = "WHERE q.register_id = ? AND q.from_at = ? AND q.to_at = ?"
    rows = await tx.rows(_REQUESTS + where, period)
    found = await _requests(tx, network, rows)
    return found[0] if found else None


async def of_register(
    tx: Transaction, network: bytes, register_id: int, *, after: int, limit: int
) -> list[NettingRequest]:
    """Return a page of a register's requests with ids above `after`, by id."""
    where = "WHERE q.register_id = ? AND q.id > ? ORDER BY q.id LIMIT ?"
    rows = await tx.rows(_REQUESTS + where, (register_id, after, limit))
    return await _requests(tx, network, rows)


async def unsent(
    tx: Transaction, look: Look, *, resting: Collection[str], limit: int
) -> list[tuple[str, NettingRequest]]:
    """Return requests that bills wait for, with their agents, the most pressing first."""
    names = json.dumps(sorted(resting))
    rows = await tx.rows(_REQUESTS + _UNSENT, (look.now, look.before, names, limit))
    found = await _requests(tx, look.network, rows)
    return [(row[-1], one) for row, one in zip(rows, found, strict=True)]


async def note_sent(tx: Transaction, requests: Sequence[int], now: int) -> None:
    """Note that agents were asked."""
    await tx.many(
        "UPDATE netting_requests SET sent_at = ? WHERE id = ?",
        [(now, request) for request in requests],
    )


async def note_not_taken(tx: Transaction, request: int, cause: str) -> None:
    """Note why an answer was not taken; one that was is not touched."""
    await tx.many(
        "UPDATE netting_requests SET not_taken = ? WHERE id = ? AND answered_at IS NULL",
        [(cause, request)],
    )


async def settle(
    tx: Transaction, request: int, proved: ProvedNetting, *, now: int
) -> bool:
    """Keep a checked answer at Unix second `now`; False when one was kept before."""
    ((answered,),) = await tx.rows(
        "SELECT answered_at FROM netting_requests WHERE id = ?", (request,)
    )
    if answered is not None:
        return False
    days = proved.netting.days
    await tx.many(
        _NET, [(request, place, day.header) for day in days for place, _ in day.slots]
    )
    rows = zip(days, proved.proofs, strict=True)
    await tx.many(_PROOF, [(request, day.header, proof) for day, proof in rows])
    await tx.many(
        "UPDATE netting_requests SET answered_at = ?, consent = ?, not_taken = NULL"
        " WHERE id = ?",
        [(now, proved.consent, request)],
    )
    return True


async def proved(tx: Transaction, request: NettingRequest) -> ProvedNetting | None:
    """Return the answer to a request with its proofs, None until there is one."""
    answer = request.answer
    if answer is None or request.consent is None:
        return None
    proofs = await tx.rows(_PROOFS, (request.id,))
    return ProvedNetting(answer, tuple(row[0] for row in proofs), request.consent)


async def _requests(
    tx: Transaction, network: bytes, rows: Sequence[Row]
) -> list[NettingRequest]:
    if not rows:
        return []
    slots: dict[int, list[Row]] = {row[0]: [] for row in rows}
    for row in await tx.rows(_SLOTS, (json.dumps(list(slots)),)):
        slots[row[0]].append(row[1:])
    return [_request(network, row, slots[row[0]]) for row in rows]


# Rows are typed Any by the driver; this function gives them their types again.
def _request(network: bytes, row: Row, slots: Sequence[Row]) -> NettingRequest:
    request, register_id, meter, register, begin, end, asked_at, until, *rest = row
    sent_at, not_taken, answered_at, consent, _agent = rest
    days: dict[tuple[bytes, int, int], list[tuple[int, int]]] = {}
    for digest, first, step, place, wh, *_ in slots:
        days.setdefault((digest, first, step), []).append((place, wh))
    asked = Netting(
        network, MeterId(meter), RegisterId(register), begin, end,
        tuple(NettedDay(*day, tuple(found)) for day, found in days.items()),
    )  # fmt: skip
    return NettingRequest(
        request,
        Period(register_id, begin, end, until),
        asked,
        tuple(
            Slot(first + place * step, wh, bool(netted), (start, length))
            for _, first, step, place, wh, netted, start, length in slots
        ),
        asked_at, sent_at, not_taken, answered_at, consent,
    )  # fmt: skip


def _of_day(day: NettedDay, starts: Collection[int]) -> NettedDay | None:
    """Return a day with those of its slots alone that start at given seconds, if any."""
    slots = tuple(one for one in day.slots if day.first + one[0] * day.step in starts)
    return NettedDay(day.header, day.first, day.step, slots) if slots else None
