"""The parameters' table: append a value with its second, ask what held at a second.

History must never be rewritten: a value may only begin after those already recorded and, but
for the first of its name, not before the moment it is recorded.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from meterseal_aggregator.parameters.model import PARAMETERS, Name, Value, problem
from meterseal_aggregator.storage.database import Transaction

_NEXT: Final = "SELECT min(from_at) FROM parameters WHERE from_at > ?"


class ParameterRefused(Exception):
    """The value cannot be recorded; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """One recorded value: it holds from the Unix second `from_at` until the next one."""

    name: Name
    value: Value
    from_at: int
    recorded_at: int
    recorded_by: str


async def record(tx: Transaction, wish: Change) -> None:
    """Append a value. Raises ParameterRefused when type, range or time do not allow it."""
    wrong = problem(wish.name, wish.value) or _unknown_zone(wish)
    if wrong:
        raise ParameterRefused(wrong)
    ((latest,),) = await tx.rows(
        "SELECT max(from_at) FROM parameters WHERE name = ?", (wish.name.value,)
    )
    if latest is not None and wish.from_at < wish.recorded_at:
        raise ParameterRefused(
            f"{wish.name} may not change in the past; choose a later start"
        )
    if latest is not None and wish.from_at <= latest:
        raise ParameterRefused(
            f"{wish.name} already changes at {latest}; choose a later start"
        )
    number = wish.value if isinstance(wish.value, int) else None
    text = wish.value if isinstance(wish.value, str) else None
    row = (
        wish.name.value,
        number,
        text,
        wish.from_at,
        wish.recorded_at,
        wish.recorded_by,
    )
    await tx.many(
        "INSERT INTO parameters (name, number, text, from_at, recorded_at, recorded_by)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [row],
    )


async def record_first(tx: Transaction, change: Change) -> bool:
    """Record a value if none of that name ever was; tells whether it did.

    Raises ParameterRefused.
    """
    known = await tx.rows(
        "SELECT 1 FROM parameters WHERE name = ?", (change.name.value,)
    )
    if known:
        return False
    await record(tx, change)
    return True


def _unknown_zone(wish: Change) -> str:
    """Say that this machine's time zone database lacks the zone, or nothing."""
    if wish.name is not Name.ZONE or wish.value == "UTC":
        return ""
    try:
        ZoneInfo(str(wish.value))
    except (ZoneInfoNotFoundError, ValueError):
        return (
            f"{wish.value!r} is no IANA zone known here; write it like Africa/Nairobi"
        )
    return ""


async def value_at(tx: Transaction, name: Name, at: int) -> Value:
    """Return what held at the Unix second `at`: the last recorded value, or the default."""
    rows = await tx.rows(
        "SELECT number, text FROM parameters WHERE name = ? AND from_at <= ?"
        " ORDER BY from_at DESC LIMIT 1",
        (name.value, at),
    )
    if not rows:
        return PARAMETERS[name].default
    number, text = rows[0]
    value: Value = text if number is None else number
    return value


async def number_at(tx: Transaction, name: Name, at: int) -> int:
    """Return an integer parameter at `at`; a text parameter is a bug of the caller."""
    value = await value_at(tx, name, at)
    assert isinstance(value, int), name
    return value


async def text_at(tx: Transaction, name: Name, at: int) -> str:
    """Return a text parameter at `at`; an integer parameter is a bug of the caller."""
    value = await value_at(tx, name, at)
    assert isinstance(value, str), name
    return value


async def next_change(
    tx: Transaction, names: Collection[Name], after: int
) -> int | None:
    """Return the first second later than `after` in which one of these changes, or None."""
    marks = ",".join("?" for _ in names)
    among = f" AND name IN ({marks})"
    rows = await tx.rows(_NEXT + among, (after, *(name.value for name in names)))
    found: int | None = rows[0][0]
    return found


async def history(tx: Transaction, name: Name) -> list[Change]:
    """Return every recorded value of a parameter, oldest first."""
    rows = await tx.rows(
        "SELECT number, text, from_at, recorded_at, recorded_by FROM parameters"
        " WHERE name = ? ORDER BY from_at",
        (name.value,),
    )
    return [
        Change(name, text if number is None else number, from_at, recorded_at, by)
        for number, text, from_at, recorded_at, by in rows
    ]
