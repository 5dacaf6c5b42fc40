"""Which registers stood at meter points, and what they moved: read for many at once.

This module must never fill a gap: what nobody knows is refused, naming register and span.
"""

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.usage.model import Metered, Part, Want, up
from meterseal_aggregator.storage.database import Transaction
from meterseal_aggregator.vee.days import Series, cut, usage
from meterseal_proto.rating.tariff import Commodity
from meterseal_proto.units import (
    EXPORT,
    IMPORT,
    WATER,
    MeterId,
    RegisterId,
    obis_text,
)

TAKEN: Final = {Commodity.ELECTRICITY: IMPORT, Commodity.WATER: WATER}
"""The register of what is taken, by commodity."""
GIVEN: Final = {Commodity.ELECTRICITY: EXPORT}
"""The register of what is given back, where there is one."""
_STOOD: Final = """
SELECT i.meter_point_id, r.id, m.meter, r.register, r.step, r.mode,
  max(i.from_at, r.initial_at), coalesce(i.to_at, 9223372036854775807),
  r.initial_at, r.initial_value
FROM json_each(?) p
CROSS JOIN installations i ON i.meter_point_id = p.value
JOIN meters m ON m.id = i.meter_id
JOIN registers r ON r.meter_id = m.id AND r.register IN (?, ?)
WHERE i.from_at < ? AND coalesce(i.to_at, 9223372036854775807) > ?
ORDER BY i.meter_point_id, i.from_at, r.id
"""
_CERTIFIED: Final = """
SELECT c.meter_point_id, c.member_id, c.from_at, coalesce(c.to_at, 9223372036854775807)
FROM json_each(?) p
CROSS JOIN certifications c ON c.meter_point_id = p.value
WHERE c.from_at < ? AND coalesce(c.to_at, 9223372036854775807) > ?
ORDER BY c.meter_point_id, c.from_at
"""
_ENDS: Final = """
SELECT r.register_id, r.start + r.length, r.value
FROM (VALUES {pairs}) v
JOIN readings r ON r.register_id = v.column1 AND r.start = v.column2
ORDER BY r.revision
"""


@dataclass(frozen=True, slots=True)
class _Stood:
    """A register of a meter point and while it stood there; `initial` is (at, value)."""

    row: int
    meter: MeterId
    register: RegisterId
    step: int
    private: bool
    begin: int
    end: int
    initial: tuple[int, int]


async def metered(
    tx: Transaction, wants: Sequence[Want], commodity: Commodity, *, known_at: int
) -> list[Metered | Refused]:
    """Return each want's usage as known at a second, or why there is none, in order.

    Four statements, however many wants; their periods should lie close together, as all
    days from the first begin to the last end are read. Refused: NO_METER, PRIVATE,
    INCOMPLETE, EMPTY.
    """
    if not wants:
        return []
    span = (min(one.begin for one in wants), max(one.end for one in wants))
    points = json.dumps(sorted({one.meter_point for one in wants}))
    stood = await _stood(tx, points, commodity, span)
    certified = await _certified(tx, points, span) if commodity in GIVEN else {}
    rows = sorted({one.row for found in stood.values() for one in found})
    series = await usage(tx, rows, *span, known_at=known_at)
    found = [
        _metered(want, stood.get(want.meter_point, ()), certified, series)
        for want in wants
    ]
    return await _with_ends(tx, found, stood)


async def _stood(
    tx: Transaction, points: str, commodity: Commodity, span: tuple[int, int]
) -> dict[int, list[_Stood]]:
    registers = (TAKEN[commodity], GIVEN.get(commodity, TAKEN[commodity]))
    found: dict[int, list[_Stood]] = defaultdict(list)
    for row in await tx.rows(_STOOD, (points, *registers, span[1], span[0])):
        point, number, meter, register, step, mode, begin, end, *initial = row
        found[point].append(
            _Stood(
                number,
                MeterId(meter),
                RegisterId(register),
                step,
                bool(mode),
                begin,
                end,
                (initial[0], initial[1]),
            )
        )
    return found


_Certificates = dict[int, list[tuple[int | None, int, int]]]


async def _certified(
    tx: Transaction, points: str, span: tuple[int, int]
) -> _Certificates:
    found: _Certificates = defaultdict(list)
    for point, *row in await tx.rows(_CERTIFIED, (points, span[1], span[0])):
        found[point].append((row[0], row[1], row[2]))
    return found


def _metered(
    want: Want,
    stood: Sequence[_Stood],
    certified: _Certificates,
    series: dict[int, Series],
) -> Metered | Refused:
    mine = [one for one in stood if one.begin < want.end and want.begin < one.end]
    taken = [one for one in mine if one.register != EXPORT]
    given = [one for one in mine if one.register == EXPORT]
    if not taken:
        return Refused(
            Cause.NO_METER,
            f"meter point {want.meter_point} had no such register from {want.begin} to"
            f" {want.end}: enrol a meter there",
        )
    if any(one.private for one in mine):
        return Refused(
            Cause.PRIVATE,
            f"meter point {want.meter_point} is metered privately: ask its device for a"
            " bill",
        )
    if all(up(want.begin, one.step) >= up(want.end, one.step) for one in taken):
        return Refused(
            Cause.EMPTY,
            f"no slot of meter point {want.meter_point} begins from {want.begin} to"
            f" {want.end}: there is nothing to bill",
        )
    chain = _chain(want, taken, series)
    hole = _hole(want, chain)
    if hole is not None:
        return hole
    own = [
        (one[1], one[2])
        for one in certified.get(want.meter_point, ())
        if one[0] in (None, want.member)
    ]
    free = [part for one in _chain(want, given, series) for part in _without(one, own)]
    for part in (*chain, *free):
        if part.series.missing:
            return _missing(part)
    return Metered(want, tuple(chain), tuple(free))


def _chain(
    want: Want, stood: Iterable[_Stood], series: dict[int, Series]
) -> list[Part]:
    """Return parts that follow each other: a slot is its first register's."""
    parts: list[Part] = []
    at = want.begin
    for one in stood:
        begin = up(max(at, one.begin), one.step)
        end = up(min(want.end, one.end), one.step)
        if begin < end:
            own = cut(series[one.row], begin, end)
            parts.append(Part(one.row, one.meter, one.register, begin, end, own))
            at = end
    return parts


def _hole(want: Want, chain: Sequence[Part]) -> Refused | None:
    at = want.begin
    for part in chain:
        if part.begin > up(at, part.series.step):
            return _uncovered(want, at, part.begin)
        at = part.end
    return _uncovered(want, at, want.end) if at < want.end else None


def _uncovered(want: Want, begin: int, end: int) -> Refused:
    return Refused(
        Cause.INCOMPLETE,
        f"no register stood at meter point {want.meter_point} from {begin} to {end}:"
        " enter what was used, or end the supply there",
    )


def _missing(part: Part) -> Refused:
    (begin, end), *more = part.series.missing
    beside = f", and in {len(more)} spans more" if more else ""
    return Refused(
        Cause.INCOMPLETE,
        f"register {obis_text(part.register)} of meter {part.meter.hex()} has no value"
        f" from {begin} to {end}{beside}: wait for its device, or have it estimated",
    )


def _without(part: Part, spans: Iterable[tuple[int, int]]) -> list[Part]:
    """Return what of a part is not in spans: slots that lie in one as a whole go."""
    found, step = [part], part.series.step
    for begin, end in spans:
        low, high = up(begin, step), end - end % step
        found = (
            [
                replace(one, begin=a, end=b, series=cut(one.series, a, b))
                for one in found
                for a, b in (
                    (one.begin, min(one.end, max(low, one.begin))),
                    (max(one.begin, min(high, one.end)), one.end),
                )
                if a < b
            ]
            if low < high
            else found
        )
    return found


async def _with_ends(
    tx: Transaction, found: list[Metered | Refused], stood: dict[int, list[_Stood]]
) -> list[Metered | Refused]:
    """Give each part what its register showed at either end."""
    whole = [one for one in found if isinstance(one, Metered)]
    pairs = {
        (part.row, at - part.series.step)
        for one in whole
        for part in one.parts
        for at in (part.begin, part.end)
    }
    shown = {
        (one.row, one.initial[0]): one.initial[1]
        for row in stood.values()
        for one in row
    }
    for row, at, value in await tx.rows_of_pairs(_ENDS, sorted(pairs)):
        shown[row, at] = value

    def told(part: Part) -> Part:
        first = shown.get((part.row, part.begin))
        last = shown.get((part.row, part.end))
        return part if first is last is None else replace(part, first=first, last=last)

    return [
        Metered(one.want, tuple(map(told, one.taken)), tuple(map(told, one.given)))
        if isinstance(one, Metered)
        else one
        for one in found
    ]
