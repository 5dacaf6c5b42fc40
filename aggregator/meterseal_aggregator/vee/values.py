"""Values that no device sealed: kept beside the readings, each with source, reason and author.

Estimates, imports and edits bill and never mint. Of this table credits read edits alone,
and only to take back; the market reads none. A value is never changed; a later one takes
its place. Reads `registers` and `meters` (registry); it must never write any but VEE's own.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.packing import Source
from meterseal_proto.rating.usage import MAX_SLOT
from meterseal_proto.units import MeterId, RegisterId, plausible_wh

MAX_REASON: Final = 200

_PLACE: Final = """
SELECT g.id, m.meter, g.register, g.step, g.capacity_w, g.initial_at, g.mode
FROM registers g JOIN meters m ON m.id = g.meter_id
"""
_VALUE: Final = """
SELECT id, register_id, start, length, delta, quality, source, method, reason, author,
  known_at, log_entry_id
FROM vee_values
"""
_WRITE: Final = """
INSERT INTO vee_values (id, register_id, start, length, delta, quality, source, method,
  reason, author, known_at, log_entry_id)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


class Cause(StrEnum):
    """Why a value is not taken; the value is the problem's name on the wire."""

    UNKNOWN = "not-found"
    KEY_USED = "key-used"
    PRIVATE = "private"
    """The register is committed: nobody here knows its slots."""
    SPAN = "span"
    """Off the register's grid, before its beginning, too long, or not over yet."""
    ABOVE_CAPACITY = "above-capacity"
    UNESTIMABLE = "unestimable"
    FILE = "file"
    """The file is not what it should be; nothing of it is written."""


class NotValued(Exception):
    """A value that is not taken: its cause, and one sentence what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Place:
    """A register as values see it: its grid of `step` s, capacity in W, beginning, mode."""

    register_id: int
    meter: MeterId
    register: RegisterId
    step: int
    capacity_w: int
    initial_at: int
    mode: int


class Claimed(NamedTuple):
    """What a file says of a slot; see Value."""

    delta: int
    length: int
    quality: int
    method: str


@dataclass(frozen=True, slots=True)
class Value:
    """`delta` Wh or litres of a register over [start, start + length), and why.

    `method` is how it was estimated or what a file says of it, `author` who did it,
    `known_at` since when it is believed. `log_entry_id` is an edit's.
    """

    id: int
    register_id: int
    start: int
    length: int
    delta: int
    quality: int
    source: Source
    method: str
    reason: str
    author: str
    known_at: int
    log_entry_id: int | None = None

    @property
    def end(self) -> int:
        """The first second after it."""
        return self.start + self.length


async def place_of(tx: Transaction, meter: bytes, register: RegisterId) -> Place:
    """Return an open register by its meter and code; raises NotValued."""
    rows = await tx.rows(
        f"{_PLACE} WHERE m.meter = ? AND g.register = ?", (meter, register)
    )
    if not rows:
        raise NotValued(Cause.UNKNOWN, "there is no such register of that meter")
    place = Place(*rows[0])
    check_open(place)
    return place


async def places_of_serial(
    tx: Transaction, serial: str, register: RegisterId
) -> list[Place]:
    """Return the registers of that code of all meters of a serial number, whatever model."""
    rows = await tx.rows(
        f"{_PLACE} WHERE m.serial = ? AND g.register = ? ORDER BY g.id",
        (serial, register),
    )
    return [Place(*row) for row in rows]


def check_open(place: Place) -> None:
    """Raise NotValued (PRIVATE) for a committed register."""
    if place.mode:
        raise NotValued(
            Cause.PRIVATE, "this register is private: only its device can tell more"
        )


def check_span(
    place: Place, begin: int, end: int, *, until: int, longest_s: int
) -> None:
    """Raise NotValued (SPAN) unless [begin, end) is whole slots the register counted.

    They end by the second `until` and are together not longer than `longest_s`.
    """
    if begin % place.step or end % place.step or begin >= end:
        detail = (
            f"the span must be whole slots of {place.step} s: both ends on its grid"
        )
    elif begin < place.initial_at:
        detail = f"the register counts from {place.initial_at} on: begin there"
    elif end > until:
        detail = f"that time is not over: end by {until}"
    elif end - begin > longest_s:
        detail = f"at most {longest_s // 86_400} days at once: make two of it"
    else:
        return
    raise NotValued(Cause.SPAN, detail)


def check_capacity(place: Place, delta: int, length: int) -> None:
    """Raise NotValued (ABOVE_CAPACITY) for more than a register can move in `length` s."""
    most = min(plausible_wh(place.capacity_w, length), length // place.step * MAX_SLOT)
    if delta > most:
        raise NotValued(
            Cause.ABOVE_CAPACITY,
            f"the register can move at most {most} in {length} s: look at the figure",
        )


async def write(tx: Transaction, values: Sequence[Value]) -> list[Value]:
    """Append values, whose ids are given here; two statements however many."""
    if not values:
        return []
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM vee_values")
    made = [
        Value(
            last + n, v.register_id, v.start, v.length, v.delta, v.quality, v.source,
            v.method, v.reason, v.author, v.known_at, v.log_entry_id,
        )
        for n, v in enumerate(values, 1)
    ]  # fmt: skip
    await tx.many(
        _WRITE,
        [
            (v.id, v.register_id, v.start, v.length, v.delta, v.quality,
             v.source.value, v.method, v.reason, v.author, v.known_at, v.log_entry_id)
            for v in made
        ],
    )  # fmt: skip
    return made


async def value(tx: Transaction, value_id: int) -> Value:
    """Return one value, which exists."""
    (row,) = await tx.rows(f"{_VALUE} WHERE id = ?", (value_id,))
    return _value(row)


async def of_register(
    tx: Transaction, register_id: int, span: tuple[int, int], *, after: int, limit: int
) -> list[Value]:
    """Return a register's values that start in [begin, end), by id, after one of them."""
    rows = await tx.rows(
        f"{_VALUE} WHERE register_id = ? AND start >= ? AND start < ? AND id > ?"
        " ORDER BY id LIMIT ?",
        (register_id, *span, after, limit),
    )
    return [_value(row) for row in rows]


def _value(row: Sequence[object]) -> Value:
    fields = list(row)
    fields[6] = Source(str(fields[6]))
    # The columns are in the order of the fields, and STRICT tables keep their types.
    return Value(*fields)  # type: ignore[arg-type]


async def import_values(
    tx: Transaction,
    claims: Mapping[int, Mapping[int, Claimed]],
    *,
    reason: str,
    author: str,
    now: int,
) -> int:
    """Write what a file tells, by register row and slot's start, and is not known so.

    Returns how many values that were; two statements a register.
    """
    count = 0
    for register_id, told in claims.items():
        known = await _imported(tx, register_id, told)
        rows = [
            (None, register_id, start, claim.length, claim.delta, int(claim.quality),
             Source.IMPORT.value, claim.method, reason, author, now, None)
            for start, claim in told.items()
            if known.get(start) != claim
        ]  # fmt: skip
        await tx.many(_WRITE, rows)
        count += len(rows)
    return count


async def _imported(
    tx: Transaction, register_id: int, told: Mapping[int, Claimed]
) -> dict[int, Claimed]:
    """Return what imports say so far, by start, of the time in which a file tells slots."""
    if not told:
        return {}
    rows = await tx.rows(
        "SELECT start, delta, length, quality, method FROM vee_values"
        " WHERE register_id = ? AND start >= ? AND start <= ? AND source = 'import'"
        " ORDER BY id",
        (register_id, min(told), max(told)),
    )
    return {row[0]: Claimed(*row[1:]) for row in rows}
