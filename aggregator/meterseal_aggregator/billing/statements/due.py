"""Which supplies have a bill to get: the next batch of them.

    batch = await prepared(tx, moment, limit=500)

A supply is due when a billing cycle of its tariff is over (or the supply is) and final. One
that cannot be billed yet waits with its cause and is looked at again later, so that it holds
up nobody else. A batch is of one tariff and one cycle. This module must never write.
"""

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.draft import Moment, local_of
from meterseal_aggregator.billing.statements.gather import (
    Ask,
    Batch,
    Wait,
    cycle_around,
    gather,
    sharing,
)
from meterseal_aggregator.billing.supplies.model import Supply, Terms
from meterseal_aggregator.credits.final import final_before
from meterseal_aggregator.identity.model import MemberId
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import values_at
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.statement import Rail
from meterseal_proto.rating.tariff import FullTariff, parse_full_tariff

BATCH: Final = 500
"""Bills a transaction: the writer is held for a third of a second."""
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
  SELECT {_COLUMNS} FROM supplies s
  WHERE (s.to_at IS NULL OR s.billed_to < s.to_at)
    AND s.billed_to < (SELECT max(before) FROM due)
    AND s.billed_to < (SELECT before FROM due WHERE due.code = s.tariff_code)
    AND s.id NOT IN (SELECT value FROM json_each(?5))
    AND NOT EXISTS (SELECT 1 FROM bill_waits w WHERE w.supply_id = s.id
      AND w.from_at = s.billed_to AND w.again_at > ?2)
  ORDER BY s.billed_to, s.id LIMIT ?4)
UNION
SELECT * FROM (
  SELECT {_COLUMNS} FROM supplies s
  WHERE s.billed_to < s.to_at AND s.to_at <= ?3
    AND s.id NOT IN (SELECT value FROM json_each(?5))
    AND NOT EXISTS (SELECT 1 FROM bill_waits w WHERE w.supply_id = s.id
      AND w.from_at = s.billed_to AND w.again_at > ?2)
  ORDER BY s.to_at, s.id LIMIT ?4)
ORDER BY 9, 1
"""  # noqa: S608 - the columns are this module's own


async def prepared(
    tx: Transaction,
    moment: Moment,
    *,
    limit: int = BATCH,
    flying: Collection[int] = (),
) -> Batch:
    """Return the next bills that are due at a moment, at most `limit`.

    Supplies in `flying` are being billed by somebody else and are left out.
    """
    final = await final_second(tx, moment.issued_at)
    look = Look(moment.issued_at, limit, tuple(flying))
    found = await due(tx, final, look)
    if not found:
        return Batch()
    first = found[0]
    code = first.terms.tariff_code
    alike = [one for one in found if one.terms.tariff_code == code]
    try:
        cycle = await cycle_around(tx, first, first.billed_to)
        begins = await sharing(tx, first, cycle, {one.billed_to for one in alike})
    except Refused as refused:
        return Batch(waits=(Wait(first, first.billed_to, refused),))
    alike = [one for one in alike if one.billed_to in begins][:limit]
    asks = [ask for one in alike if (ask := ask_of(one, cycle)).end <= final]
    # Nothing that `due` names is early, unless its tariff changed the length of its cycle.
    early = [one for one in alike if ask_of(one, cycle).end > final]
    batch = await gather(tx, asks, cycle, moment)
    waits = [Wait(one, one.billed_to, not_over(one)) for one in early]
    return Batch(batch.wishes, (*batch.waits, *waits))


@dataclass(frozen=True, slots=True)
class Look:
    """A look for who is due: those that wait until later than `now` are left out."""

    now: int
    limit: int
    flying: tuple[int, ...] = ()


async def due(tx: Transaction, final: int, look: Look) -> list[Supply]:
    """Return supplies with a cycle that is over and final, the longest due first.

    At most `_LOOK` times the look's limit.
    """
    rows = await tx.rows(_IN_FORCE, (final,))
    codes = [[code, _cycle_begin(document, final)] for code, document in rows]
    found = await tx.rows(
        _DUE,
        (
            json.dumps(codes),
            look.now,
            final,
            _LOOK * look.limit,
            json.dumps(look.flying),
        ),
    )
    return [supply_of(row) for row in found]


async def final_second(tx: Transaction, now: int) -> int:
    """Return the second up to which usage is final at `now`."""
    names = (Name.FINALITY_DELAY_S, Name.ZONE)
    values = await values_at(tx, names, now)
    return final_before(now, int(values[Name.FINALITY_DELAY_S]), str(values[Name.ZONE]))


def ask_of(supply: Supply, cycle: tuple[int, int]) -> Ask:
    """Return what is next to bill of a supply: to the cycle's end, or its own."""
    to_at = cycle[1] if supply.to_at is None else min(cycle[1], supply.to_at)
    return Ask(supply, supply.billed_to, to_at)


def not_over(supply: Supply) -> Refused:
    """Return why a supply is not billed before its cycle is over and final."""
    return Refused(
        Cause.NOT_DUE,
        f"the cycle of supply {supply.id} from {supply.billed_to} is not over and final yet",
    )


def supply_of(row: Row) -> Supply:
    """Return the supply of a row of its columns."""
    number, member, point, code, rail, prepaid, from_at, to_at, billed_to = row
    terms = Terms(code, Rail(rail), bool(prepaid))
    return Supply(number, MemberId(member), point, terms, from_at, to_at, billed_to)


@lru_cache(maxsize=1_000)
def _cycle_begin(document: bytes, at: int) -> int:
    tariff = _parsed(document)
    return cycle_of(tariff, at, local_of(tariff.zone))[0]


@lru_cache(maxsize=256)
def _parsed(document: bytes) -> FullTariff:
    return parse_full_tariff(document)
