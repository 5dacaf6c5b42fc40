"""The tables of certification: applications, the trail of acts, certificates.

    asked = await ask(tx, wish, key, limits, now=now)
    await approve(tx, asked.id, certifier, When(None, minted_until, now))

Every function takes the transaction first; whoever opened it commits it. `minted_until` is
what the credits say of the meter point in the same transaction. This module must never
write a certificate without its line in the trail.
"""

from dataclasses import dataclass, replace
from typing import Any, Final

from meterseal_aggregator.registry.certification import (
    STATE_AFTER,
    Act,
    Certifier,
    Entry,
    Ground,
    Limits,
    Source,
    State,
    Wish,
    after,
    begins_at,
    check_decider,
    check_wish,
    ends_at,
)
from meterseal_aggregator.registry.model import Refused, Trouble
from meterseal_aggregator.registry.write import insert
from meterseal_aggregator.storage.database import Transaction

OPERATOR_LEVEL: Final = 3
"""An operator may all that a certifier may."""

_APPLICATION: Final = """
SELECT a.id, a.member_id, a.meter_point_id, a.capacity_w, a.monthly_production_wh,
  a.source, a.fee_micro, a.applied_at, d.number, d.act, d.reason, c.from_at, c.to_at
FROM certification_applications a
JOIN certification_acts d ON d.application_id = a.id AND d.number =
  (SELECT max(e.number) FROM certification_acts e WHERE e.application_id = a.id)
LEFT JOIN certifications c ON c.application_id = a.id
"""
_ENTRY: Final = (
    "SELECT id, application_id, act, actor, level, effective_at, reason, at"
    " FROM certification_acts"
)


@dataclass(frozen=True, slots=True)
class Application:
    """An application, and its certificate once there is one; see the state machine.

    `member`, `monthly_production_wh` and `source` are None where an operator certified
    whoever holds the meter point. `acts` counts its lines in the trail, `reason` is the
    last one's.
    """

    id: int
    member: int | None
    meter_point_id: int
    capacity_w: int
    monthly_production_wh: int | None
    source: Source | None
    fee_micro: int
    applied_at: int
    acts: int
    state: State
    reason: str | None
    from_at: int | None
    to_at: int | None


@dataclass(frozen=True, slots=True)
class When:
    """A moment of the network: when something shall begin or end, and what is minted.

    `wanted` None is as soon as it may.
    """

    wanted: int | None
    minted_until: int
    now: int


@dataclass(frozen=True, slots=True)
class Grant:
    """What an operator certifies by himself: whoever holds a meter point, from a second on."""

    meter_point_id: int
    capacity_w: int
    from_at: int


async def ask(
    tx: Transaction, wish: Wish, key: str, limits: Limits, *, now: int
) -> Application:
    """Apply to be certified; the same wish under the same key is the same application.

    Raises Refused: KEY_USED, NOT_FOUND for a meter point he does not hold, LIMITS, or
    STATE where an application for it waits.
    """
    known = await tx.rows(
        "SELECT id FROM certification_applications"
        " WHERE member_id = ? AND request_key = ?",
        (wish.member, key),
    )
    if known:
        return await _same(tx, known[0][0], wish)
    await _check_holds(tx, wish.member, wish.meter_point_id, now)
    check_wish(wish, limits)
    if await _waiting(tx, wish):
        raise Refused(
            Trouble.STATE, "an application for this meter point waits already"
        )
    ((number,),) = await tx.rows(
        "INSERT INTO certification_applications (member_id, meter_point_id, capacity_w,"
        " monthly_production_wh, source, fee_micro, request_key, applied_at)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        (
            wish.member, wish.meter_point_id, wish.capacity_w,
            wish.monthly_production_wh, wish.source.value, limits.fee_micro, key, now,
        ),
    )  # fmt: skip
    actor = f"member {wish.member}"
    await _note(tx, 1, Entry(0, number, Act.APPLY, actor, None, None, None, now))
    return await application(tx, number)


async def approve(
    tx: Transaction, application_id: int, who: Certifier, when: When
) -> Application:
    """Certify the applicant; a certificate open there ends where this one begins.

    Raises Refused: NOT_FOUND also where he holds the meter point no more, OWN, LEVEL,
    STATE, BAD_REQUEST or OVERLAP for the time.
    """
    found = await _decidable(tx, application_id, Act.APPROVE, who)
    assert found.member is not None, "only members apply"
    await _check_holds(tx, found.member, found.meter_point_id, when.now)
    open_ones = await tx.rows(
        "SELECT id, application_id, from_at FROM certifications"
        " WHERE meter_point_id = ? AND to_at IS NULL",
        (found.meter_point_id,),
    )
    opened = open_ones[0][2] if open_ones else None
    ground = Ground(found.applied_at, when.now, when.minted_until, opened)
    start = begins_at(when.wanted, ground)
    for row_id, replaced, _ in open_ones:
        if replaced is not None:
            former = await application(tx, replaced)
            line = _line(former, Act.REPLACE, who, when.now)
            reason = f"application {found.id} was approved"
            line = replace(line, effective_at=start, reason=reason)
            await _note(tx, former.acts + 1, line)
        await _end(tx, row_id, start)
    line = replace(_line(found, Act.APPROVE, who, when.now), effective_at=start)
    await _note(tx, found.acts + 1, line)
    await _begin(tx, found, start)
    return await application(tx, found.id)


async def refuse(
    tx: Transaction, application_id: int, who: Certifier, reason: str, *, now: int
) -> Application:
    """Turn an application down. Raises Refused: NOT_FOUND, OWN, LEVEL, STATE."""
    found = await _decidable(tx, application_id, Act.REFUSE, who)
    line = replace(_line(found, Act.REFUSE, who, now), reason=reason)
    await _note(tx, found.acts + 1, line)
    return await application(tx, found.id)


async def revoke(
    tx: Transaction, application_id: int, who: Certifier, reason: str, when: When
) -> Application:
    """End a certificate. Raises Refused: NOT_FOUND, OWN, LEVEL, STATE, MINTED, BAD_REQUEST."""
    found = await _decidable(tx, application_id, Act.REVOKE, who)
    ((row_id, from_at),) = await tx.rows(
        "SELECT id, from_at FROM certifications WHERE application_id = ?", (found.id,)
    )
    until = ends_at(
        when.wanted, from_at=from_at, minted_until=when.minted_until, now=when.now
    )
    line = _line(found, Act.REVOKE, who, when.now)
    await _note(
        tx, found.acts + 1, replace(line, effective_at=until, reason=reason)
    )  # fmt: skip
    await _end(tx, row_id, until)
    return await application(tx, found.id)


async def grant(tx: Transaction, wish: Grant, actor: str, *, now: int) -> int:
    """Certify whoever holds a meter point, as an operator; returns the certificate's number.

    It counts at that point only: the other points of the home are other meters. Raises
    Refused (OVERLAP, NOT_FOUND, BAD_REQUEST).
    """
    sql = (
        "INSERT INTO certification_applications (meter_point_id, capacity_w, fee_micro,"
        " applied_at) VALUES (?, ?, 0, ?) RETURNING id"
    )
    row = (wish.meter_point_id, wish.capacity_w, now)
    number = await insert(tx, sql, row, "the meter point is certified already")
    begun = wish.from_at
    line = Entry(0, number, Act.GRANT, actor, OPERATOR_LEVEL, begun, None, now)
    await _note(tx, 1, line)
    return await _begin(tx, await application(tx, number), begun)


async def open_at(tx: Transaction, meter_point_id: int) -> Application:
    """Return whose certificate of a meter point is open; raises Refused (NOT_FOUND)."""
    rows = await tx.rows(
        _APPLICATION + " WHERE a.meter_point_id = ?"
        " AND c.id IS NOT NULL AND c.to_at IS NULL",
        (meter_point_id,),
    )
    if not rows:
        raise Refused(Trouble.NOT_FOUND, "the meter point has no open certificate")
    return _application(rows[0])


async def application(tx: Transaction, application_id: int) -> Application:
    """Return one application; raises Refused (NOT_FOUND)."""
    rows = await tx.rows(_APPLICATION + " WHERE a.id = ?", (application_id,))
    if not rows:
        raise Refused(Trouble.NOT_FOUND, "there is no such application")
    return _application(rows[0])


async def applications(
    tx: Transaction,
    *,
    after: int,
    limit: int,
    member: int | None = None,
    state: State | None = None,
) -> list[Application]:
    """Return a page of applications, of one member or in one state, by number."""
    acts = [act.value for act, left in STATE_AFTER.items() if state in (None, left)]
    marks = ",".join("?" for _ in acts)
    rows = await tx.rows(
        _APPLICATION + " WHERE a.id > ? AND (? IS NULL OR a.member_id = ?)"
        f" AND d.act IN ({marks}) ORDER BY a.id LIMIT ?",
        (after, member, member, *acts, limit),
    )
    return [_application(row) for row in rows]


async def trail(tx: Transaction, *, after: int, limit: int) -> list[Entry]:
    """Return a page of the audit trail, in its order."""
    rows = await tx.rows(_ENTRY + " WHERE id > ? ORDER BY id LIMIT ?", (after, limit))
    return [Entry(row[0], row[1], Act(row[2]), *row[3:]) for row in rows]


async def monthly_production_wh(tx: Transaction, member: int, at: int) -> int | None:
    """Return the Wh a month a member is certified for at `at`; None where none says.

    It is the sum over the meter points he holds then, and what limits his promises.
    """
    ((total,),) = await tx.rows(
        "SELECT sum(a.monthly_production_wh) FROM certifications c"
        " JOIN certification_applications a ON a.id = c.application_id"
        " JOIN tenancies t ON t.meter_point_id = c.meter_point_id"
        " AND t.member_id = c.member_id"
        " WHERE c.member_id = ? AND c.from_at <= ? AND (c.to_at IS NULL OR c.to_at > ?)"
        " AND t.from_at <= ? AND (t.to_at IS NULL OR t.to_at > ?)",
        (member, at, at, at, at),
    )
    return None if total is None else int(total)


async def _same(tx: Transaction, number: int, wish: Wish) -> Application:
    found = await application(tx, number)
    assert found.member is not None
    assert found.monthly_production_wh is not None
    assert found.source is not None
    before = Wish(
        found.member, found.meter_point_id, found.capacity_w,
        found.monthly_production_wh, found.source,
    )  # fmt: skip
    if before != wish:
        raise Refused(
            Trouble.KEY_USED, "this key belongs to another application; take a new one"
        )
    return found


async def _check_holds(tx: Transaction, member: int, point: int, now: int) -> None:
    held = await tx.rows(
        "SELECT 1 FROM tenancies WHERE member_id = ? AND meter_point_id = ?"
        " AND from_at <= ? AND (to_at IS NULL OR to_at > ?)",
        (member, point, now, now),
    )
    if not held:
        raise Refused(
            Trouble.NOT_FOUND, "the applicant holds no such meter point now"
        )  # fmt: skip


async def _waiting(tx: Transaction, wish: Wish) -> bool:
    rows = await tx.rows(
        "SELECT 1 FROM certification_applications a"
        " WHERE a.member_id = ? AND a.meter_point_id = ? AND NOT EXISTS ("
        " SELECT 1 FROM certification_acts d WHERE d.application_id = a.id"
        " AND d.number > 1) LIMIT 1",
        (wish.member, wish.meter_point_id),
    )
    return bool(rows)


async def _decidable(
    tx: Transaction, application_id: int, act: Act, who: Certifier
) -> Application:
    found = await application(tx, application_id)
    check_decider(act, found.capacity_w, found.member, who)
    after(found.state, act)
    return found


def _line(found: Application, act: Act, who: Certifier, now: int) -> Entry:
    return Entry(0, found.id, act, who.name, who.level, None, None, now)


async def _note(tx: Transaction, number: int, line: Entry) -> None:
    await tx.many(
        "INSERT INTO certification_acts (application_id, number, act, actor, level,"
        " effective_at, reason, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                line.application_id, number, line.act.value, line.actor, line.level,
                line.effective_at, line.reason, line.at,
            )
        ],
    )  # fmt: skip


async def _begin(tx: Transaction, found: Application, from_at: int) -> int:
    sql = (
        "INSERT INTO certifications (meter_point_id, capacity_w, from_at, application_id,"
        " member_id) VALUES (?, ?, ?, ?, ?) RETURNING id"
    )
    point = found.meter_point_id
    row = (point, found.capacity_w, from_at, found.id, found.member)
    detail = "the meter point is certified already; end that certification first"
    return await insert(tx, sql, row, detail)


async def _end(tx: Transaction, row_id: int, at: int) -> None:
    await tx.many("UPDATE certifications SET to_at = ? WHERE id = ?", [(at, row_id)])


def _application(row: tuple[Any, ...]) -> Application:  # the driver's types
    number, member, point, capacity_w, monthly_wh, source, fee, asked, *rest = row
    acts, act, reason, from_at, to_at = rest
    return Application(
        id=number,
        member=member,
        meter_point_id=point,
        capacity_w=capacity_w,
        monthly_production_wh=monthly_wh,
        source=None if source is None else Source(source),
        fee_micro=fee,
        applied_at=asked,
        acts=acts,
        state=STATE_AFTER[Act(act)],
        reason=reason,
        from_at=from_at,
        to_at=to_at,
    )
