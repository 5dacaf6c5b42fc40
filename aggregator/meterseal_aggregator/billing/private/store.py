"""The tables of private periods: what was asked of which home, and what became of it.

Reads `supplies` and `full_tariffs` (billing), `installations`, `registers` and `meters`
(registry), `private_bills`, `bill_requests`, `netting_requests` and `committed_seals`
(privacy), in one statement each. Whoever opened the transaction commits it. This module
must never write any table but its own.
"""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.private.model import (
    AskedPeriod,
    Home,
    Opened,
    PeriodState,
    PrivatePeriod,
)
from meterseal_aggregator.billing.statements.due import supply_of
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.errand import BillAsked, NoBill
from meterseal_proto.units import MeterId, RegisterId

_HASH: Final = 32
_HOME: Final = """
s.id, s.member_id, s.meter_point_id, s.tariff_code, s.rail, s.prepaid, s.from_at, s.to_at,
  s.billed_to, r.id, m.meter, r.register, r.step
"""
_AT: Final = """
JOIN installations i ON i.meter_point_id = s.meter_point_id AND i.from_at <= {at}
  AND coalesce(i.to_at, 9223372036854775807) > {at}
JOIN meters m ON m.id = i.meter_id
JOIN registers r ON r.meter_id = m.id AND r.mode = 1
"""
_DUE: Final = f"""
WITH due (code, before) AS (
  SELECT json_extract(d.value, '$[0]'), json_extract(d.value, '$[1]') FROM json_each(?1) d)
SELECT {_HOME} FROM supplies s JOIN due ON due.code = s.tariff_code
{_AT.format(at="s.billed_to")}
WHERE (s.to_at IS NULL OR s.billed_to < s.to_at)
  AND (s.billed_to < due.before OR s.to_at <= ?2)
  AND NOT EXISTS (SELECT 1 FROM private_periods p
    WHERE p.supply_id = s.id AND p.from_at = s.billed_to)
  AND NOT EXISTS (SELECT 1 FROM bill_waits w
    WHERE w.supply_id = s.id AND w.again_at > ?2 AND w.cause <> 'private')
ORDER BY s.billed_to, s.id LIMIT ?3
"""  # noqa: S608 - constants of this module
_PERIOD: Final = f"""
SELECT {_HOME}, p.id, p.from_at, p.to_at, p.tariff, p.fallback_at, p.state, p.bill_id
FROM private_periods p JOIN supplies s ON s.id = p.supply_id
JOIN registers r ON r.id = p.register_id JOIN meters m ON m.id = r.meter_id
"""  # noqa: S608 - the same
# As their index says it: most periods are billed, and are not looked at again.
_WAITING: Final = "p.state IN ('asked', 'fallback')"
# All that a period asks for is opened where nothing it asks for lacks a kept bill.
_WHOLE: Final = """
NOT EXISTS (SELECT 1 FROM private_openings o WHERE o.period_id = p.id
  AND NOT EXISTS (SELECT 1 FROM private_bills b WHERE b.register_id = p.register_id
    AND b.from_at = p.from_at AND b.to_at = p.to_at AND b.tariff = o.tariff))
"""
# A refusal is written down, and looked at again after a while.
_RESTED: Final = """
NOT EXISTS (SELECT 1 FROM bill_waits w WHERE w.supply_id = p.supply_id
  AND w.again_at > ? AND w.cause <> 'private')
"""
# A device that is asked what it nets has its time to answer.
_NETTED: Final = """
NOT EXISTS (SELECT 1 FROM netting_requests q WHERE q.register_id = p.register_id
  AND q.from_at = p.from_at AND q.to_at = p.to_at AND q.answered_at IS NULL
  AND q.waits_until > ?)
"""
_SEALED: Final = """
SELECT s.id, s.hash, s.first, s.step, s.count, s.bits FROM committed_seals s
WHERE s.register_id = ? AND s.first >= ? AND s.first < ? ORDER BY s.first, s.revision
"""
_BEGIN: Final = """
INSERT INTO private_periods (supply_id, register_id, from_at, to_at, tariff, asked_at,
  fallback_at)
VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id
"""
# A device says so before its own day is accepted: it cuts one hours after midnight.
_TOO_SOON: Final = """
SELECT p.register_id, m.meter, r.register, p.from_at, p.to_at, o.tariff
FROM private_periods p
JOIN private_openings o ON o.period_id = p.id
JOIN bill_requests q ON q.register_id = p.register_id AND q.from_at = p.from_at
  AND q.to_at = p.to_at AND q.tariff = o.tariff
JOIN registers r ON r.id = p.register_id JOIN meters m ON m.id = r.meter_id
WHERE p.state IN ('asked', 'fallback') AND q.bill_id IS NULL AND q.why = ?
  AND q.said_at <= CASE p.state WHEN 'asked' THEN ? ELSE ? END
ORDER BY q.said_at, q.id LIMIT ?
"""
_OPENED: Final = """
SELECT o.place, b.id, b.digest, b.amount FROM private_openings o
JOIN private_periods p ON p.id = o.period_id
JOIN private_bills b ON b.register_id = p.register_id AND b.from_at = p.from_at
  AND b.to_at = p.to_at AND b.tariff = o.tariff
WHERE o.period_id = ? ORDER BY o.place, b.id DESC
"""
_BEFORE: Final = """
SELECT p.id FROM private_periods p
WHERE p.supply_id = ? AND p.to_at <= ? AND p.state IN ('opened', 'corrected')
ORDER BY p.from_at DESC LIMIT ?
"""
_UNTOLD: Final = """
SELECT DISTINCT f.hash FROM supplies s
JOIN full_tariffs f ON f.code = s.tariff_code AND (f.valid_to IS NULL OR f.valid_to > ?1)
JOIN installations i ON i.meter_point_id = s.meter_point_id AND i.to_at IS NULL
JOIN registers r ON r.meter_id = i.meter_id AND r.mode = 1
WHERE s.to_at IS NULL OR s.to_at > ?1
"""


@dataclass(frozen=True, slots=True)
class Sealed:
    """A committed day as its header names it: its row, hash, and `count` slots of `step` s."""

    row: int
    digest: bytes
    first: int
    step: int
    count: int
    bits: int


async def in_use(tx: Transaction, now: int) -> list[bytes]:
    """Return the versions of tariffs that private homes are, or will be, supplied by."""
    return [row[0] for row in await tx.rows(_UNTOLD, (now,))]


async def due(
    tx: Transaction, codes: Sequence[tuple[str, int]], *, now: int, limit: int
) -> list[Home]:
    """Return homes with a period to be asked for, the oldest first.

    `codes`: tariffs with the second before which a supply's last bill ends if it is due.
    """
    rows = await tx.rows(_DUE, (json.dumps(list(codes)), now, limit))
    return [_home(row) for row in rows]


async def begin(tx: Transaction, home: Home, asked: AskedPeriod, *, now: int) -> None:
    """Keep that a home's period is asked for, and by what it is opened."""
    span = (asked.begin, asked.end)
    row = (home.supply.id, home.row, *span, asked.tariff, now, asked.fallback_at)
    ((period,),) = await tx.rows(_BEGIN, row)
    await tx.many(
        "INSERT INTO private_openings (period_id, place, tariff) VALUES (?, ?, ?)",
        [(period, place, one) for place, one in enumerate(asked.openings)],
    )


async def too_soon(
    tx: Transaction, before: tuple[int, int], limit: int
) -> list[tuple[int, BillAsked]]:
    """Return what devices could not open yet, with the register's row, the oldest first.

    `before`: seconds up to which one said so of a period that waits, and of one that is
    billed by the fallback.
    """
    rows = await tx.rows(_TOO_SOON, (int(NoBill.NOT_FILLED), *before, limit))
    return [
        (row, BillAsked(MeterId(meter), RegisterId(register), begin, end, tariff))
        for row, meter, register, begin, end, tariff in rows
    ]


async def opened_whole(
    tx: Transaction, state: PeriodState, *, now: int, limit: int
) -> list[PrivatePeriod]:
    """Return periods of a state all of which is opened, oldest first.

    Those whose device is asked what it nets are left out while they wait for it.
    """
    where = f"""WHERE {_WAITING} AND p.state = ? AND {_WHOLE} AND {_RESTED} AND {_NETTED}
      ORDER BY p.id LIMIT ?"""
    return await _periods(tx, where, (state.value, now, now, limit))


async def silent(tx: Transaction, *, now: int, limit: int) -> list[PrivatePeriod]:
    """Return periods that are asked for and whose time is over, oldest first."""
    where = f"""WHERE {_WAITING} AND p.state = 'asked' AND p.fallback_at <= ? AND NOT ({_WHOLE})
      AND {_RESTED} ORDER BY p.id LIMIT ?"""
    return await _periods(tx, where, (now, now, limit))


async def before(
    tx: Transaction, supply: int, end: int, limit: int
) -> list[PrivatePeriod]:
    """Return a supply's last periods that its device opened, up to a second."""
    rows = await tx.rows(_BEFORE, (supply, end, limit))
    found = [await _periods(tx, "WHERE p.id = ?", (period,)) for (period,) in rows]
    return [one for page in found for one in page]


async def of_bill(tx: Transaction, bill: int) -> PrivatePeriod | None:
    """Return the period whose bill (row id) this is."""
    found = await _periods(tx, "WHERE p.bill_id = ?", (bill,))
    return found[0] if found else None


async def every_period(
    tx: Transaction, *, after: int, limit: int
) -> list[PrivatePeriod]:
    """Return periods by id."""
    return await _periods(tx, "WHERE p.id > ? ORDER BY p.id LIMIT ?", (after, limit))


async def opened(tx: Transaction, period: PrivatePeriod) -> Opened:
    """Return what the device opened of a period, in the order it is asked by."""
    found: dict[int, tuple[int, bytes, int]] = {}
    for place, row, digest, amount in await tx.rows(_OPENED, (period.id,)):
        found.setdefault(place, (row, digest, int(amount)))
    rows = [found[place] for place in sorted(found)]
    return Opened(
        tuple(row[2] for row in rows),
        tuple(row[0] for row in rows),
        tuple(row[1] for row in rows),
    )


async def sealed(
    tx: Transaction, period: PrivatePeriod, opened: Opened
) -> list[Sealed]:
    """Return the days that an opened period is over, by start."""
    ((headers,),) = await tx.rows(
        "SELECT headers FROM private_bills WHERE id = ?", (opened.bills[0],)
    )
    over = {headers[at : at + _HASH] for at in range(0, len(headers), _HASH)}
    span = (period.home.row, period.begin, period.end)
    found = [Sealed(*row) for row in await tx.rows(_SEALED, span)]
    return [day for day in found if day.digest in over]


async def netted(tx: Transaction, bill: int) -> dict[tuple[int, int], int]:
    """Return what a bill (row id) nets: Wh by the market's slot, its start and length."""
    rows = await tx.rows(
        "SELECT start, length, wh FROM netted_slots WHERE bill_id = ?", (bill,)
    )
    return {(start, length): wh for start, length, wh in rows}


async def billed(tx: Transaction, period: int, state: PeriodState, bill: int) -> None:
    """Note that a period is billed (row id of the bill), and how."""
    await tx.many(
        "UPDATE private_periods SET state = ?, bill_id = ? WHERE id = ?",
        [(state.value, bill, period)],
    )


async def _periods(
    tx: Transaction, where: str, params: Sequence[object]
) -> list[PrivatePeriod]:
    rows = await tx.rows(_PERIOD + where, params)
    ids = json.dumps([row[13] for row in rows])
    asked: dict[int, list[bytes]] = defaultdict(list)
    for period, tariff in await tx.rows(
        "SELECT o.period_id, o.tariff FROM json_each(?) p"
        " JOIN private_openings o ON o.period_id = p.value ORDER BY o.period_id, o.place",
        (ids,),
    ):
        asked[period].append(tariff)
    return [_period(row, tuple(asked[row[13]])) for row in rows]


# Rows are typed Any by the driver; these two functions give them their types again.
def _home(row: Row) -> Home:
    number, meter, register, step = row[9:13]
    return Home(supply_of(row[:9]), number, MeterId(meter), RegisterId(register), step)


def _period(row: Row, openings: tuple[bytes, ...]) -> PrivatePeriod:
    number, begin, end, tariff, fallback_at, state, bill = row[13:]
    return PrivatePeriod(
        number, _home(row), begin, end, tariff, fallback_at, PeriodState(state), bill,
        openings,
    )  # fmt: skip
