"""Which supplies have a bill to get, and all that their bills are made of.

    batch = await prepared(tx, moment, limit=500)

A supply is due when a billing cycle of its tariff is over (or the supply is) and final. One
that cannot be billed yet is refused with its cause and looked at again later, so that it
holds up nobody else. A batch is of one tariff and one cycle; it costs the same number of
statements however many supplies it has. This module must never write.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.draft import (
    Moment,
    Versions,
    Wish,
    after_of,
    local_of,
)
from meterseal_aggregator.billing.statements.netting import Pool, delivered
from meterseal_aggregator.billing.supplies.model import Supply, Terms
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.billing.usage import Want, load_of, metered
from meterseal_aggregator.credits.final import final_before
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import values_at
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.statement import Rail
from meterseal_proto.rating.tariff import FullTariff, parse_full_tariff

BATCH: Final = 500
"""Bills a transaction: the writer is held for a third of a second."""
TRADES_WAIT_S: Final = 3 * 86_400
"""A bill waits so long after its cycle for sellers' meters; what they tell later stays with
the buyer as Wh."""
AGAIN_S: Final = 3_600
"""A supply that could not be billed is looked at again after an hour."""
_LOOK: Final = 4
"""Supplies looked at for one that is billed in a batch: others have another tariff."""

_IN_FORCE: Final = """
SELECT v.code, v.document FROM full_tariffs v
WHERE v.valid_from = (SELECT max(l.valid_from) FROM full_tariffs l
  WHERE l.code = v.code AND l.valid_from <= ?)
"""
_COLUMNS: Final = """
s.id, s.member_id, s.meter_point_id, s.tariff_code, s.rail, s.prepaid, s.from_at, s.to_at,
  s.billed_to
"""
# Two ways to be due, each by an index of its own: a cycle is over, or the supply is.
_DUE: Final = f"""
WITH due (code, before) AS (
  SELECT json_extract(d.value, '$[0]'), json_extract(d.value, '$[1]') FROM json_each(?1) d)
SELECT * FROM (
  SELECT {_COLUMNS} FROM supplies s JOIN due ON due.code = s.tariff_code
  WHERE (s.to_at IS NULL OR s.billed_to < s.to_at)
    AND s.billed_to < (SELECT max(before) FROM due) AND s.billed_to < due.before
    AND NOT EXISTS (SELECT 1 FROM bill_waits w WHERE w.supply_id = s.id AND w.again_at > ?2)
  ORDER BY s.billed_to, s.id LIMIT ?4)
UNION
SELECT * FROM (
  SELECT {_COLUMNS} FROM supplies s
  WHERE s.billed_to < s.to_at AND s.to_at <= ?3
    AND NOT EXISTS (SELECT 1 FROM bill_waits w WHERE w.supply_id = s.id AND w.again_at > ?2)
  ORDER BY s.to_at, s.id LIMIT ?4)
ORDER BY 9, 1
"""  # noqa: S608 - the columns are this module's own
_BEFORE: Final = """
SELECT b.supply_id, b.document
FROM json_each(?) p
CROSS JOIN bills b ON b.supply_id = json_extract(p.value, '$[0]')
  AND b.to_at = json_extract(p.value, '$[1]') AND b.kind = 'bill'
JOIN bill_standings s ON s.bill_id = b.id AND s.state <> 'corrected'
"""


@dataclass(frozen=True, slots=True)
class Wait:
    """A supply whose bill from `begin` on cannot be made now, and why."""

    supply: Supply
    begin: int
    refused: Refused


@dataclass(frozen=True, slots=True)
class Batch:
    """Bills to be made, and supplies that wait; nothing of both where nobody is due."""

    wishes: tuple[Wish, ...] = ()
    waits: tuple[Wait, ...] = ()

    @property
    def count(self) -> int:
        """How many supplies it looked at."""
        return len(self.wishes) + len(self.waits)


async def prepared(tx: Transaction, moment: Moment, *, limit: int = BATCH) -> Batch:
    """Return the next bills that are due at a moment, at most `limit`."""
    final = await _final_before(tx, moment.issued_at)
    found = await due(tx, final, now=moment.issued_at, limit=limit)
    if not found:
        return Batch()
    try:
        versions = await _versions(tx, found[0])
    except Refused as refused:
        return Batch(waits=(Wait(found[0], found[0].billed_to, refused),))
    cycle = cycle_at(versions, found[0].billed_to)
    alike = [
        one
        for one in found
        if one.terms.tariff_code == found[0].terms.tariff_code
        and cycle[0] <= one.billed_to < cycle[1]
    ]
    return await gathered(tx, alike[:limit], cycle, moment, final=final)


async def gathered(
    tx: Transaction,
    supplies: Sequence[Supply],
    cycle: tuple[int, int],
    moment: Moment,
    *,
    final: int,
) -> Batch:
    """Return what the bills of supplies of one tariff over one cycle are made of.

    `final` is the second up to which usage is final. Supplies whose cycle is not over, or
    whose usage is not complete, wait.
    """
    ends = {one.id: min(cycle[1], one.to_at or cycle[1]) for one in supplies}
    ready = [one for one in supplies if ends[one.id] <= final]
    early = [one for one in supplies if ends[one.id] > final]
    waits = [Wait(one, one.billed_to, _not_over(one)) for one in early]
    if not ready:
        return Batch(waits=tuple(waits))
    wants = [
        Want(one.meter_point, one.member, one.billed_to, ends[one.id]) for one in ready
    ]
    span = (min(want.begin for want in wants), max(want.end for want in wants))
    try:
        versions = await _over(tx, ready[0].terms.tariff_code, *span)
    except Refused as refused:
        waits += [Wait(one, one.billed_to, refused) for one in ready]
        return Batch(waits=tuple(waits))
    commodity = versions[0][2].commodity
    usage = await metered(tx, wants, commodity, known_at=moment.known_at)
    pool = await delivered(tx, (one.member for one in ready), *span)
    before = await carried(tx, [(one.id, one.billed_to) for one in ready])
    wishes = []
    for supply, want, found in zip(ready, wants, usage, strict=True):
        if supply.member in pool.open and moment.issued_at < want.end + TRADES_WAIT_S:
            waits.append(Wait(supply, supply.billed_to, _trades_open(supply, want.end)))
        elif isinstance(found, Refused):
            waits.append(Wait(supply, supply.billed_to, found))
        else:
            wish = Wish(
                supply,
                want.begin,
                want.end,
                cycle,
                _within(versions, want.begin, want.end),
                found,
                carried=before.get(supply.id, NOTHING_CARRIED),
            )
            wishes.append(with_bought(wish, pool))
    return Batch(tuple(wishes), tuple(waits))


async def due(tx: Transaction, final: int, *, now: int, limit: int) -> list[Supply]:
    """Return supplies with a cycle that is over and final, the longest due first.

    At most `_LOOK` times `limit`; those that wait until later than `now` are left out.
    """
    rows = await tx.rows(_IN_FORCE, (final,))
    codes = [[code, _cycle_begin(document, final)] for code, document in rows]
    found = await tx.rows(_DUE, (json.dumps(codes), now, final, _LOOK * limit))
    return [supply_of(row) for row in found]


async def carried(
    tx: Transaction, ends: Iterable[tuple[int, int]]
) -> dict[int, Carried]:
    """Return what the bills that end there leave to the next: by (supply, second)."""
    rows = await tx.rows(_BEFORE, (json.dumps(list(ends)),))
    return {supply: after_of(document) for supply, document in rows}


def with_bought(wish: Wish, pool: Pool) -> Wish:
    """Return a wish with what its member's neighbours delivered for it, taken from a pool."""
    if not pool.slots.get(wish.supply.member):
        return wish
    return replace(wish, bought=pool.take(wish.supply.member, load_of(wish.metered)))


def cycle_at(versions: Versions, at: int) -> tuple[int, int]:
    """Return the billing cycle around a second, by the version that holds then."""
    tariff = next(t for begin, end, t in versions if begin <= at < end)
    return cycle_of(tariff, at, local_of(tariff.zone))


def supply_of(row: Row) -> Supply:
    """Return the supply of a row of its columns."""
    number, member, point, code, rail, prepaid, from_at, to_at, billed_to = row
    terms = Terms(code, Rail(rail), bool(prepaid))
    return Supply(number, MemberId(member), point, terms, from_at, to_at, billed_to)


async def _final_before(tx: Transaction, now: int) -> int:
    names = (Name.FINALITY_DELAY_S, Name.ZONE)
    values = await values_at(tx, names, now)
    return final_before(now, int(values[Name.FINALITY_DELAY_S]), str(values[Name.ZONE]))


async def _versions(tx: Transaction, supply: Supply) -> Versions:
    return await _over(
        tx, supply.terms.tariff_code, supply.billed_to, supply.billed_to + 1
    )


async def _over(tx: Transaction, code: str, begin: int, end: int) -> Versions:
    try:
        return tuple(await tariffs.versions(tx, code, begin, end))
    except NotPublished as error:
        raise Refused(Cause.NO_TARIFF, error.detail) from None


def _trades_open(supply: Supply, end: int) -> Refused:
    return Refused(
        Cause.TRADES,
        f"trades of supply {supply.id} wait for their sellers' meters, until"
        f" {end + TRADES_WAIT_S} at most",
    )


def _not_over(supply: Supply) -> Refused:
    return Refused(
        Cause.NOT_DUE,
        f"the cycle of supply {supply.id} from {supply.billed_to} is not over and final yet",
    )


def _within(versions: Versions, begin: int, end: int) -> Versions:
    return tuple(
        (max(a, begin), min(b, end), tariff)
        for a, b, tariff in versions
        if a < end and begin < b
    )


@lru_cache(maxsize=1_000)
def _cycle_begin(document: bytes, at: int) -> int:
    tariff = _parsed(document)
    return cycle_of(tariff, at, local_of(tariff.zone))[0]


@lru_cache(maxsize=256)
def _parsed(document: bytes) -> FullTariff:
    return parse_full_tariff(document)
