"""The registry's deeds: points, tenancies, meters, keys, revocation.

Every function takes the transaction first; whoever opened it commits it. The schema
refuses overlaps and second endings; here they become sentences. This module must never
shorten what is already over.
"""

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.registry.model import (
    Moment,
    Refused,
    Tenancy,
    Trouble,
)
from meterseal_aggregator.registry.store import (
    home_points,
    meter_point,
    meter_point_named,
)
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.seal import MODE_OPEN, Head
from meterseal_proto.units import MeterId, RegisterId

MAX_CAPACITY_W: Final = 100_000_000
"""100 MW: beyond any meter read over Modbus; a typing slip shows here."""


@dataclass(frozen=True, slots=True)
class NewMeter:
    """A meter to install at `meter_point_id` from `at` on."""

    meter: MeterId
    serial: str
    profile: str
    agent: str
    meter_point_id: int
    at: int


@dataclass(frozen=True, slots=True)
class NewRegister:
    """A register to open; `link` is its enrolment hash of 32 bytes."""

    meter: MeterId
    register: RegisterId
    step: int
    capacity_w: int
    value: int
    at: int
    link: bytes
    mode: int = MODE_OPEN
    bits: int = 0


@dataclass(frozen=True, slots=True)
class NewSpan:
    """A key to speak for a register from `from_seq` on; `log_entry_id` tells the public."""

    meter: MeterId
    register: RegisterId
    algorithm: str
    public: bytes
    from_seq: int
    log_entry_id: int
    at: int


async def add_meter_point(
    tx: Transaction, name: str, *, now: int, home_id: int | None = None
) -> int:
    """Add a meter point and return its id; raises Refused (OVERLAP) when the name is taken.

    `home_id` is the first point of the home it belongs to; None begins a home.
    """
    sql = (
        "INSERT INTO meter_points (name, home_id, created_at) VALUES (?, ?, ?)"
        " RETURNING id"
    )
    detail = f"there is a meter point named {name!r} already; choose another name"
    return await insert(tx, sql, (name, home_id, now), detail)


async def add_point_beside(
    tx: Transaction, meter_point_id: int, serial: str, *, at: int, now: int
) -> int:
    """Return the meter point of a further meter in the same home, for `at` and after.

    It has the home's name with the serial number behind it, and the tenants the home has
    from `at` on; no certification, which is told once a home. One of that name is taken
    again where it is of this home; else Refused (OVERLAP).
    """
    points = await home_points(tx, meter_point_id)
    home = await meter_point(tx, points[0] if points else meter_point_id)
    name = f"{home.name} / {serial}"
    known = await meter_point_named(tx, name)
    if known is not None:
        if known.id not in points:
            detail = f"meter point {name!r} is another home; give a code for it"
            raise Refused(Trouble.OVERLAP, detail)
        return known.id
    return await add_point_of_home(tx, name, home.id, at=at, now=now)


async def add_point_of_home(
    tx: Transaction, name: str, home_id: int, *, at: int, now: int
) -> int:
    """Add a meter point to a home, with the tenants the home has from `at` on.

    `home_id` is the home's first point. Raises Refused (OVERLAP) when the name is taken.
    """
    added = await add_meter_point(tx, name, now=now, home_id=home_id)
    await tx.many(
        "INSERT INTO tenancies (meter_point_id, member_id, from_at, to_at)"
        " SELECT ?, member_id, from_at, to_at FROM tenancies"
        " WHERE meter_point_id = ? AND (to_at IS NULL OR to_at > ?)",
        [(added, home_id, at)],
    )
    return added


async def begin_tenancy(tx: Transaction, tenancy: Tenancy) -> int:
    """Record that a member holds a home from `from_at`; raises Refused (OVERLAP).

    The tenancy names one of its meter points and holds for all of them. Returns the id of
    the named point's row.
    """
    sql = (
        "INSERT INTO tenancies (member_id, meter_point_id, from_at, to_at)"
        " VALUES (?, ?, ?, ?) RETURNING id"
    )
    detail = "the meter point has another tenant in that time; end that tenancy first"
    named = tenancy.meter_point_id
    begun = {}
    for point in await home_points(tx, named) or [named]:
        row = (tenancy.member_id, point, tenancy.from_at, tenancy.to_at)
        begun[point] = await insert(tx, sql, row, detail)
    return begun[named]


async def end_tenancy(tx: Transaction, meter_point_id: int, *, at: int) -> int:
    """End the open tenancy of all points of a home at `at`; returns whose it was."""
    ended = [
        await _end_tenancy(tx, point, at)
        for point in await home_points(tx, meter_point_id) or [meter_point_id]
    ]
    return ended[0]


async def install(tx: Transaction, meters: Sequence[NewMeter], *, now: int) -> None:
    """Add meters and their installations, at most one at a meter point at a time.

    Raises Refused, naming the meter: SERIAL_TAKEN, or OVERLAP where another one is.
    """
    for new in meters:
        sql = (
            "INSERT INTO meters (meter, serial, profile, agent, enrolled_at)"
            " VALUES (?, ?, ?, ?, ?) RETURNING id"
        )
        row = (new.meter, new.serial, new.profile, new.agent, now)
        detail = f"meter {new.serial!r} ({new.profile}) is in service already"
        meter_id = await insert(tx, sql, row, detail, Trouble.SERIAL_TAKEN)
        sql = (
            "INSERT INTO installations (meter_id, meter_point_id, from_at)"
            " VALUES (?, ?, ?) RETURNING id"
        )
        detail = (
            f"another meter is at the meter point when {new.serial!r} comes; take it out"
            " of service first, or give a code for a meter point of its own"
        )
        await insert(tx, sql, (meter_id, new.meter_point_id, new.at), detail)


async def open_registers(tx: Transaction, registers: Sequence[NewRegister]) -> None:
    """Add the registers of meters already added."""
    await tx.many(
        "INSERT INTO registers (meter_id, register, step, capacity_w, initial_value,"
        " initial_at, enrolment_hash, mode, bits)"
        " VALUES ((SELECT id FROM meters WHERE meter = ?), ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (
                r.meter,
                r.register,
                r.step,
                r.capacity_w,
                r.value,
                r.at,
                r.link,
                r.mode,
                r.bits,
            )
            for r in registers
        ],
    )


async def begin_spans(tx: Transaction, spans: Sequence[NewSpan]) -> None:
    """Let keys speak for registers; a key new to a meter is added."""
    await tx.many(
        "INSERT INTO meter_keys (meter_id, algorithm, public, enrolled_at)"
        " VALUES ((SELECT id FROM meters WHERE meter = ?), ?, ?, ?)"
        " ON CONFLICT (meter_id, public) DO NOTHING",
        [(s.meter, s.algorithm, s.public, s.at) for s in spans],
    )
    await tx.many(
        "INSERT INTO key_spans (key_id, register_id, from_seq, log_entry_id)"
        " SELECT k.id, r.id, ?, ? FROM meters m"
        " JOIN meter_keys k ON k.meter_id = m.id AND k.public = ?"
        " JOIN registers r ON r.meter_id = m.id AND r.register = ?"
        " WHERE m.meter = ?",
        [(s.from_seq, s.log_entry_id, s.public, s.register, s.meter) for s in spans],
    )


async def end_spans(tx: Transaction, heads: Mapping[int, Head], ended_by: str) -> None:
    """Let no key of these registers speak after `head.seq`, and never take what it spoke.

    Also a key that was to begin later, or to end later, is cut.
    """
    await tx.many(
        "UPDATE key_spans SET to_seq = max(?, from_seq - 1), ended_by = ?"
        " WHERE register_id = ?"
        " AND (to_seq IS NULL OR (to_seq >= from_seq AND to_seq > ?))",
        [(head.seq, ended_by, row_id, head.seq) for row_id, head in heads.items()],
    )


async def note_rekeying(
    tx: Transaction, meters: Iterable[MeterId], kind: str, moment: Moment
) -> None:
    """Remember that meters got another key: `kind` is rotation or replacement."""
    await tx.many(
        "INSERT INTO rekeyings (meter_id, kind, at, real_at)"
        " VALUES ((SELECT id FROM meters WHERE meter = ?), ?, ?, ?)",
        [(meter, kind, moment.now, moment.real) for meter in meters],
    )


async def remove_meter(tx: Transaction, meter: bytes, *, at: int) -> None:
    """Take a meter out of service at `at`: its installation ends, its past stays."""
    rows = await tx.rows(
        "SELECT i.id, i.from_at FROM installations i JOIN meters m ON m.id = i.meter_id"
        " WHERE m.meter = ? AND i.to_at IS NULL",
        (meter,),
    )
    if not rows:
        raise Refused(Trouble.NOT_FOUND, "no meter of that id is installed")
    if at <= rows[0][1]:
        raise Refused(Trouble.BAD_REQUEST, "the meter was installed after that second")
    await tx.many("UPDATE installations SET to_at = ? WHERE id = ?", [(at, rows[0][0])])
    await tx.many("UPDATE meters SET removed_at = ? WHERE meter = ?", [(at, meter)])


async def _end_tenancy(tx: Transaction, meter_point_id: int, at: int) -> int:
    rows = await tx.rows(
        "SELECT id, member_id, from_at FROM tenancies"
        " WHERE meter_point_id = ? AND to_at IS NULL",
        (meter_point_id,),
    )
    if not rows:
        raise Refused(Trouble.NOT_FOUND, "the meter point has no open tenancies row")
    row_id, member, from_at = rows[0]
    if at <= from_at:
        raise Refused(Trouble.BAD_REQUEST, f"it began at {from_at}; end it later")
    await tx.many("UPDATE tenancies SET to_at = ? WHERE id = ?", [(at, row_id)])
    return int(member)


async def insert(
    tx: Transaction,
    sql: str,
    row: Sequence[object],
    detail: str,
    trouble: Trouble = Trouble.OVERLAP,
) -> int:
    """Insert a row and return its id; a broken uniqueness becomes Refused, with `detail`.

    What does not exist is NOT_FOUND, what is out of range BAD_REQUEST.
    """
    try:
        ((row_id,),) = await tx.rows(sql, row)
    except sqlite3.IntegrityError as error:
        if "FOREIGN KEY" in str(error):
            raise Refused(
                Trouble.NOT_FOUND, "what it refers to does not exist"
            ) from None
        if "CHECK" in str(error):
            raise Refused(
                Trouble.BAD_REQUEST, f"a value out of range: {error}"
            ) from None
        raise Refused(trouble, detail) from None
    return int(row_id)
