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

# The last value of each name by a second.
_HELD: Final = """
SELECT p.name, p.number, p.text FROM parameters p
WHERE p.name IN ({marks}) AND p.from_at = (
  SELECT max(l.from_at) FROM parameters l WHERE l.name = p.name AND l.from_at <= ?)
"""


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


async def values_at(
    tx: Transaction, names: Collection[Name], at: int
) -> dict[Name, Value]:
    """Return what held at the Unix second `at`: last recorded values, or defaults."""
    marks = ",".join("?" for _ in names)
    wanted = [name.value for name in names]
    rows = await tx.rows(_HELD.format(marks=marks), (*wanted, at))
    found: dict[Name, Value] = {name: PARAMETERS[name].default for name in names}
    for name, number, text in rows:
        found[Name(name)] = text if number is None else number
    return found


async def value_at(tx: Transaction, name: Name, at: int) -> Value:
    """Return what held at the Unix second `at`: the last recorded value, or the default."""
    return (await values_at(tx, [name], at))[name]


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
