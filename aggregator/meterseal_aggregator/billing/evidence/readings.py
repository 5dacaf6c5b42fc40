"""A register's readings as evidence: its seals, its usage as billed, and how that came.

Reads `readings`, `seals` and `usage_long` (intake, VEE), `usage_days`, `vee_values` and
`vee_edits` (VEE), `registers` and `meters` (registry): a constant number of statements a
register. This module must never tell a reading outside of the span it was asked for, but
where one seal holds both.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.evidence.model import Entries, NotYet
from meterseal_aggregator.intake import store as intake
from meterseal_aggregator.intake.store import StoredSeal
from meterseal_aggregator.registry import store as registry
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.translog.store import Rotten
from meterseal_aggregator.vee import days
from meterseal_aggregator.vee.packing import Source
from meterseal_proto.enrolment import Genesis
from meterseal_proto.entry import operator_edit_entry, seal_entry
from meterseal_proto.evidence.slotsfile import DayVersion, History, Slots, ToldValue
from meterseal_proto.rating.edit import Edit, edit_hash
from meterseal_proto.rating.statement import Usage
from meterseal_proto.rating.usage import unpacked
from meterseal_proto.units import MeterId, RegisterId

ERASED: Final = "its readings were erased: nobody can be shown what was sealed"
DAY_S: Final = 86_400
_NEAR: Final = 2
"""Days a local date may lie beside the UTC day of its slots."""

_ROW: Final = """
SELECT r.id, r.step FROM meters m JOIN registers r ON r.meter_id = m.id
WHERE m.meter = ? AND r.register = ?
"""
# A reading longer than the step may have begun before the span.
_SEALS: Final = """
WITH RECURSIVE grid (start) AS (
  SELECT ? UNION ALL SELECT start + ? FROM grid WHERE start + ? < ?)
SELECT d.seal_id FROM grid CROSS JOIN readings d
  ON d.start = grid.start AND d.register_id = ?
UNION
SELECT d.seal_id FROM usage_long l CROSS JOIN readings d
  ON d.start = l.start AND d.register_id = l.register_id
WHERE l.register_id = ? AND l.start < ? AND l.start + l.length > ?
"""
_DAYS: Final = """
SELECT day, version, first, step, known_at, deltas, qualities FROM usage_days
WHERE register_id = ? AND day BETWEEN ? AND ? ORDER BY day, version
"""
_VALUES: Final = """
SELECT v.start, v.length, v.delta, v.quality, v.source, v.method, v.reason, v.author,
  v.known_at, e.salt, v.log_entry_id
FROM vee_values v LEFT JOIN vee_edits e ON e.value_id = v.id
WHERE v.register_id = ? AND v.start < ? AND v.start + v.length > ? AND v.known_at <= ?
ORDER BY v.id
"""


@dataclass(frozen=True, slots=True)
class Place:
    """A register's row id and its step, in seconds."""

    row: int
    step: int


@dataclass(frozen=True, slots=True)
class Billed:
    """A register of a statement: where it is, its network, and since when it was believed."""

    place: Place
    told: Usage
    network: bytes
    known_at: int


async def place_of(tx: Transaction, meter: MeterId, register: RegisterId) -> Place:
    """Return where a register's readings are."""
    ((row, step),) = await tx.rows(_ROW, (meter, register))
    return Place(row, step)


async def seals_of(
    tx: Transaction, place: Place, span: tuple[int, int], genesis: Genesis
) -> list[StoredSeal]:
    """Return the open seals that tell of a span, by sequence; NotYet where erased."""
    begin, end = span
    first = begin + -begin % place.step
    rows = await tx.rows(
        _SEALS,
        (first, place.step, place.step, end, place.row, place.row, end, begin),
    )
    found = await intake.seals_named(tx, [row[0] for row in rows], genesis)
    if any(one.erased for one in found):
        raise NotYet(ERASED, later=False)
    return sorted(found, key=lambda one: one.seal.header.seq)


async def keys_of(
    tx: Transaction, place: Place, seals: list[StoredSeal], entries: Entries
) -> list[bytes]:
    """Return the key events in force over seals, and name them and the seals to `entries`."""
    if not seals:
        return []
    seqs = [one.seal.header.seq for one in seals]
    events = await registry.key_events_from(tx, place.row, min(seqs))
    wanted = [
        entry_id
        for entry_id, key in events
        if any(
            key.from_seq <= seq and (key.to_seq is None or seq <= key.to_seq)
            for seq in seqs
        )
    ]
    for one in seals:
        header, signature = one.seal.header, one.seal.signature
        entries.add(one.log_entry_id, seal_entry(header, signature))
    return await bodies(tx, wanted, entries)


async def bodies(tx: Transaction, ids: list[int], entries: Entries) -> list[bytes]:
    """Return entries of the log by their row ids, and name them to `entries`."""
    marks = ",".join("?" for _ in ids)
    rows = await tx.rows(
        f"SELECT id, body FROM log_entries WHERE id IN ({marks}) ORDER BY id",  # noqa: S608 - question marks only
        ids,
    )
    for entry_id, body in rows:
        entries.add(entry_id, body)
    return [body for _, body in rows]


async def slots_of(tx: Transaction, billed: Billed) -> Slots:
    """Return a register's usage as a statement rated it; Rotten where it is not that."""
    row, told = billed.place.row, billed.told
    found = await days.usage(tx, [row], told.begin, told.end, known_at=billed.known_at)
    series = found[row]
    slots = Slots(
        told.meter, told.register, told.begin, told.step, tuple(series.deltas),
        series.qualities,
    )  # fmt: skip
    if slots.digest != told.digest:
        raise Rotten(f"usage_days of register {row}: not what was billed")
    return slots


async def history_of(tx: Transaction, billed: Billed, entries: Entries) -> History:
    """Return how a register's usage came to be believed, edits named to `entries`."""
    row, told = billed.place.row, billed.told
    spans = (told.begin // DAY_S - _NEAR, told.end // DAY_S + _NEAR)
    versions = await tx.rows(_DAYS, (row, *spans))
    rows = await tx.rows(_VALUES, (row, told.end, told.begin, billed.known_at))
    values = [_value(one) for one in rows]
    for value, one in zip(values, rows, strict=True):
        if value.source == Source.EDIT:
            entries.add(one[10], _edit_entry(billed, value))
    days_told = tuple(_day(one) for one in versions if _touches(one, told))
    return History(days_told, tuple(values))


def _edit_entry(billed: Billed, value: ToldValue) -> bytes:
    edit = Edit(
        billed.network, billed.told.meter, billed.told.register, value.start,
        value.end, value.delta, value.reason, value.author, value.known_at,
    )  # fmt: skip
    return operator_edit_entry(edit_hash(value.salt, edit))


def _touches(row: Row, told: Usage) -> bool:
    first, step, qualities = row[2], row[3], row[6]
    return bool(first < told.end and first + step * len(qualities) > told.begin)


def _day(row: Row) -> DayVersion:
    day, version, first, step, known_at, deltas, qualities = row
    return DayVersion(
        day, version, first, step, known_at, tuple(unpacked(deltas)), qualities
    )


def _value(row: Row) -> ToldValue:
    if row[4] == Source.EDIT and row[9] is None:
        raise NotYet(ERASED, later=False)
    start, length, delta, quality, source, method, reason, author, known_at = row[:9]
    return ToldValue(
        start, length, delta, quality, source, method, reason, author, known_at,
        row[9] or b"",
    )  # fmt: skip
