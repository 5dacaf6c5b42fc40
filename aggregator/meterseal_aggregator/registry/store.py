"""The registry's questions: claims of a batch, what a member may see, points and meters.

Every function takes the transaction first; whoever opened it commits it. This module
must never write (`registry.write` does) and never ask more than one statement for a
batch of any size that fits one statement.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any, Final

from meterseal_aggregator.registry.model import (
    Claim,
    KeyValidity,
    Meter,
    MeterPoint,
    MeterRegister,
    Refused,
    Span,
    Tenancy,
    Trouble,
)
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction
from meterseal_proto.keys import Algorithm, PublicKey
from meterseal_proto.units import MeterId, RegisterId

FOR_EVER: Final = (1 << 63) - 1
"""Later than any time: how SQL compares a span that is still open."""

_CLAIMS: Final = """
SELECT m.meter, r.register, r.id, m.agent, r.step, r.capacity_w, r.enrolment_hash,
  r.initial_value, r.initial_at, r.mode, r.bits,
  k.algorithm, k.public, s.from_seq, s.to_seq
FROM meters m
JOIN registers r ON r.meter_id = m.id
JOIN key_spans s ON s.register_id = r.id
JOIN meter_keys k ON k.id = s.key_id
WHERE m.meter IN ({marks})
ORDER BY r.id, s.id
"""
_ROTATED: Final = """
SELECT max(c.real_at) FROM rekeyings c JOIN meters m ON m.id = c.meter_id
WHERE c.kind = 'rotation' AND m.meter IN ({marks})
"""
_USED: Final = """
SELECT n.serial FROM meters n
JOIN meters m ON m.profile = n.profile AND m.serial = n.serial
JOIN meter_keys k ON k.meter_id = m.id AND k.public = ?
WHERE n.meter IN ({marks}) LIMIT 1
"""
_METERS: Final = """
SELECT m.meter, m.serial, m.profile, m.agent, i.meter_point_id, i.from_at, i.to_at
FROM installations i JOIN meters m ON m.id = i.meter_id
"""
_SPANS: Final = """
SELECT r.id, m.meter, r.register, max(i.from_at, t.from_at),
  min(coalesce(i.to_at, ?), coalesce(t.to_at, ?))
FROM tenancies t
JOIN installations i ON i.meter_point_id = t.meter_point_id
  AND i.from_at < coalesce(t.to_at, ?) AND t.from_at < coalesce(i.to_at, ?)
JOIN meters m ON m.id = i.meter_id
JOIN registers r ON r.meter_id = m.id
WHERE t.member_id = ?
ORDER BY r.id, 4
"""


async def claims(
    tx: Transaction, meters: Iterable[bytes]
) -> dict[tuple[MeterId, RegisterId], Claim]:
    """Return the claims of every register of `meters`; an unknown meter has none.

    One statement for up to SQLITE_MAX_VARIABLES meters. A removed meter keeps its
    claims, so that what it sealed before is still judged by its keys.
    """
    wanted = list(dict.fromkeys(meters))
    found: dict[tuple[MeterId, RegisterId], Claim] = {}
    for first in range(0, len(wanted), SQLITE_MAX_VARIABLES):
        part = wanted[first : first + SQLITE_MAX_VARIABLES]
        rows = await tx.rows(_CLAIMS.format(marks=_marks(part)), part)
        for row in rows:
            claim = _claim(row)
            earlier = found.get((claim.meter, claim.register))
            if earlier is not None:
                claim = replace(claim, keys=earlier.keys + claim.keys)
            found[claim.meter, claim.register] = claim
    return found


async def spans(tx: Transaction, member_id: int) -> list[Span]:
    """Return the registers whose readings are the member's, each with from and to.

    A reading belongs to whoever held the meter point during all of it, so neither a
    predecessor's nor a successor's is inside (SETTLED 4).
    """
    end = FOR_EVER
    rows = await tx.rows(_SPANS, (end, end, end, end, member_id))
    return [
        Span(
            register_id, MeterId(meter), RegisterId(register), start,
            None if stop == FOR_EVER else stop,
        )
        for register_id, meter, register, start, stop in rows
    ]  # fmt: skip


async def all_spans(tx: Transaction, meter: bytes) -> list[Span]:
    """Return every register of a meter with the time it has been installed somewhere."""
    rows = await tx.rows(
        "SELECT r.id, m.meter, r.register, min(i.from_at), max(coalesce(i.to_at, ?))"
        " FROM meters m JOIN registers r ON r.meter_id = m.id"
        " JOIN installations i ON i.meter_id = m.id"
        " WHERE m.meter = ? GROUP BY r.id ORDER BY r.id",
        (FOR_EVER, meter),
    )
    return [
        Span(row[0], MeterId(row[1]), RegisterId(row[2]), row[3],
             None if row[4] == FOR_EVER else row[4])
        for row in rows
    ]  # fmt: skip


async def meter_points(tx: Transaction, *, after: int, limit: int) -> list[MeterPoint]:
    """Return a page of meter points with ids above `after`, by id."""
    rows = await tx.rows(
        "SELECT id, name FROM meter_points WHERE id > ? ORDER BY id LIMIT ?",
        (after, limit),
    )
    return [MeterPoint(*row) for row in rows]


async def meter_point(tx: Transaction, meter_point_id: int) -> MeterPoint:
    """Return one meter point; raises Refused (NOT_FOUND)."""
    rows = await tx.rows(
        "SELECT id, name FROM meter_points WHERE id = ?", (meter_point_id,)
    )
    if not rows:
        raise Refused(
            Trouble.NOT_FOUND, f"there is no meter point number {meter_point_id}"
        )
    return MeterPoint(*rows[0])


async def home_points(tx: Transaction, meter_point_id: int) -> list[int]:
    """Return all meter points of the home of one, the first first; none when unknown."""
    rows = await tx.rows(
        "SELECT p.id FROM meter_points n JOIN meter_points p"
        " ON p.id = coalesce(n.home_id, n.id) OR p.home_id = coalesce(n.home_id, n.id)"
        " WHERE n.id = ? ORDER BY p.home_id IS NOT NULL, p.id",
        (meter_point_id,),
    )
    return [row[0] for row in rows]


async def meter_point_named(tx: Transaction, name: str) -> MeterPoint | None:
    """Return the meter point of that name, if there is one."""
    rows = await tx.rows("SELECT id, name FROM meter_points WHERE name = ?", (name,))
    return MeterPoint(*rows[0]) if rows else None


async def certified_w(
    tx: Transaction, meter_point_id: int, member_id: int | None = None
) -> int | None:
    """Return the capacity a meter point is certified for and still is, or None.

    With a member, only a certificate that is his, or of whoever holds the point.
    """
    rows = await tx.rows(
        "SELECT capacity_w FROM certifications"
        " WHERE meter_point_id = ? AND to_at IS NULL"
        " AND (? IS NULL OR member_id IS NULL OR member_id = ?)",
        (meter_point_id, member_id, member_id),
    )
    return rows[0][0] if rows else None


async def tenancies(
    tx: Transaction, *, member_id: int | None = None, meter_point_id: int | None = None
) -> list[Tenancy]:
    """Return the tenancies of a member, of a meter point, or of both, oldest first."""
    rows = await tx.rows(
        "SELECT member_id, meter_point_id, from_at, to_at FROM tenancies"
        " WHERE (? IS NULL OR member_id = ?) AND (? IS NULL OR meter_point_id = ?)"
        " ORDER BY from_at, id",
        (member_id, member_id, meter_point_id, meter_point_id),
    )
    return [Tenancy(*row) for row in rows]


async def meters(
    tx: Transaction, *, after: bytes, limit: int, meter_points: Sequence[int] | None
) -> list[Meter]:
    """Return a page of installed meters above the id `after`, by id.

    With `meter_points` only meters that are, or were, at one of those.
    """
    where = " WHERE m.meter > ?"
    params: list[bytes | int] = [after]
    if meter_points is not None:
        where += f" AND i.meter_point_id IN ({_marks(meter_points)})"
        params += meter_points
    rows = await tx.rows(
        f"{_METERS}{where} ORDER BY m.meter, i.from_at LIMIT ?", (*params, limit)
    )
    return [Meter(MeterId(row[0]), *row[1:]) for row in rows]


async def installations(tx: Transaction, meter: bytes) -> list[Meter]:
    """Return where a meter is and was installed, oldest first; none when unknown."""
    rows = await tx.rows(f"{_METERS} WHERE m.meter = ? ORDER BY i.from_at", (meter,))
    return [Meter(MeterId(row[0]), *row[1:]) for row in rows]


async def registers(tx: Transaction, meter: bytes) -> list[MeterRegister]:
    """Return the registers of a meter; none when it is unknown."""
    rows = await tx.rows(
        "SELECT r.id, m.meter, r.register, r.step, r.capacity_w, r.mode, r.bits"
        " FROM registers r JOIN meters m ON m.id = r.meter_id WHERE m.meter = ? ORDER BY r.register",
        (meter,),
    )
    return [MeterRegister(*row) for row in rows]


async def agent_serves(tx: Transaction, agent: str) -> bool:
    """Tell whether an agent serves a meter now, anywhere."""
    rows = await tx.rows(
        "SELECT 1 FROM meters WHERE agent = ? AND removed_at IS NULL LIMIT 1", (agent,)
    )
    return bool(rows)


async def agent_keys(tx: Transaction, agent: str) -> tuple[str, set[bytes]]:
    """Return an agent's last certificate, PEM, and the seal keys in force on its meters.

    The agent must have been enrolled.
    """
    ((pem,),) = await tx.rows(
        "SELECT json_extract(answer, '$.certificate_pem') FROM enrolments"
        " WHERE agent = ? ORDER BY id DESC LIMIT 1",
        (agent,),
    )
    rows = await tx.rows(
        "SELECT k.public FROM meters m JOIN meter_keys k ON k.meter_id = m.id"
        " JOIN key_spans s ON s.key_id = k.id AND s.to_seq IS NULL"
        " WHERE m.agent = ? AND m.removed_at IS NULL",
        (agent,),
    )
    return str(pem), {row[0] for row in rows}


async def agent_meters(
    tx: Transaction, agent: str, meter_point_id: int
) -> dict[str, MeterId]:
    """Return all meters an agent serves now, by serial number.

    None where it serves none at `meter_point_id`: it is no agent of that home.
    """
    rows = await tx.rows(
        "SELECT m.serial, m.meter FROM meters m"
        " WHERE m.agent = ? AND m.removed_at IS NULL AND EXISTS ("
        "SELECT 1 FROM meters n JOIN installations i ON i.meter_id = n.id"
        " WHERE n.agent = m.agent AND i.meter_point_id = ? AND i.to_at IS NULL)"
        " ORDER BY m.id",
        (agent, meter_point_id),
    )
    return {serial: MeterId(meter) for serial, meter in rows}


async def rotated_at(tx: Transaction, meters: Iterable[MeterId]) -> int | None:
    """Return the latest real second at which one of `meters` rotated its key, or None."""
    wanted = list(meters)
    ((latest,),) = await tx.rows(_ROTATED.format(marks=_marks(wanted)), wanted)
    return None if latest is None else int(latest)


async def serial_with_key(
    tx: Transaction, public: bytes, meters: Iterable[MeterId]
) -> str | None:
    """Return the serial number of one of `meters` that had this key at any time, or None.

    A physical meter that was enrolled twice is one and the same here.
    """
    wanted = list(meters)
    rows = await tx.rows(_USED.format(marks=_marks(wanted)), (public, *wanted))
    return str(rows[0][0]) if rows else None


async def key_event_id(tx: Transaction, register_id: int, seq: int) -> int | None:
    """Return the log entry id of the key event that covers a register's `seq`."""
    rows = await tx.rows(
        "SELECT log_entry_id FROM key_spans WHERE register_id = ? AND from_seq <= ?"
        " AND ? <= coalesce(to_seq, ?)",
        (register_id, seq, seq, FOR_EVER),
    )
    return rows[0][0] if rows else None


async def key_events_from(
    tx: Transaction, register_id: int, seq: int
) -> list[tuple[int, KeyValidity]]:
    """Return the keys of a register that speak at `seq` or later, with their log entries' ids."""
    rows = await tx.rows(
        "SELECT s.log_entry_id, k.algorithm, k.public, s.from_seq, s.to_seq"
        " FROM key_spans s JOIN meter_keys k ON k.id = s.key_id"
        " WHERE s.register_id = ? AND ? <= coalesce(s.to_seq, ?)"
        " ORDER BY s.from_seq, s.log_entry_id",
        (register_id, seq, FOR_EVER),
    )
    return [
        (row[0], KeyValidity(PublicKey(Algorithm(row[1]), row[2]), row[3], row[4]))
        for row in rows
    ]


def _claim(row: tuple[Any, ...]) -> Claim:
    """Read a row of _CLAIMS; Any because a driver's row has no types."""
    meter, register, register_id, agent, step, capacity_w, link, value, at = row[:9]
    mode, bits, algorithm, public, from_seq, to_seq = row[9:]
    key = PublicKey(Algorithm(algorithm), public)
    return Claim(
        register_id, MeterId(meter), RegisterId(register), agent, step, capacity_w,
        enrolment_hash=link, initial_value=value, initial_at=at,
        keys=(KeyValidity(key, from_seq, to_seq),), mode=mode, bits=bits,
    )  # fmt: skip


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
