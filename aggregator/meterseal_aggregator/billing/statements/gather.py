"""All that bills are made of, read for many at once: usage, tariff, Wh bought, what is carried.

    batch = await gather(tx, asks, cycle, moment)

The asks of a batch are of one tariff and one cycle, so that it costs the same number of
statements however many they are. What cannot be billed now waits, with its cause. This
module must never write.
"""

import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
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
from meterseal_aggregator.billing.supplies.model import Supply
from meterseal_aggregator.billing.tariffs import store as tariffs
from meterseal_aggregator.billing.tariffs.model import NotPublished
from meterseal_aggregator.billing.usage import Metered, Want, load_of, metered
from meterseal_aggregator.ledger.assets import declared
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.components import Export, Netting
from meterseal_proto.rating.line import NOTHING_CARRIED, Carried
from meterseal_proto.rating.load import Load

TRADES_WAIT_S: Final = 3 * 86_400
"""A bill waits so long after its period for sellers' meters; what they tell later corrects it
(`touched`)."""

# The bill in force that ends there: no other was issued in its place.
_BEFORE: Final = """
SELECT b.supply_id, b.document
FROM json_each(?) p
CROSS JOIN bills b ON b.supply_id = json_extract(p.value, '$[0]')
  AND b.to_at = json_extract(p.value, '$[1]') AND b.kind = 'bill'
JOIN bill_standings s ON s.bill_id = b.id AND s.state <> 'corrected'
"""


@dataclass(frozen=True, slots=True)
class Ask:
    """A supply's part [begin, end) of a billing cycle."""

    supply: Supply
    begin: int
    end: int
    replaces: str = ""


@dataclass(frozen=True, slots=True)
class Wait:
    """A supply whose bill from `begin` on cannot be made now, and why; to `end` if known."""

    supply: Supply
    begin: int
    refused: Refused
    end: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    """Bills to be made, and supplies that wait; nothing of both where nobody is due."""

    wishes: tuple[Wish, ...] = ()
    waits: tuple[Wait, ...] = ()

    @property
    def count(self) -> int:
        """How many supplies it looked at."""
        return len(self.wishes) + len(self.waits)


async def gather(
    tx: Transaction, asks: Sequence[Ask], cycle: tuple[int, int], moment: Moment
) -> Batch:
    """Return what bills of one tariff's code over one cycle are made of.

    Each netted slot is netted once, however many supplies a member has: those asked for
    first come first.
    """
    if not asks:
        return Batch()
    span = (min(one.begin for one in asks), max(one.end for one in asks))
    try:
        versions = await versions_of(tx, asks[0].supply, *span)
        await _check_currency(tx, versions)
    except Refused as refused:
        return Batch(waits=tuple(_wait(one, refused) for one in asks))
    wants = [
        Want(one.supply.meter_point, one.supply.member, one.begin, one.end)
        for one in asks
    ]
    commodity = versions[0][2].commodity
    usage = await metered(tx, wants, commodity, known_at=moment.known_at)
    pool = await delivered(
        tx, [(one.supply.id, one.supply.member) for one in asks], span
    )
    before = await carried(tx, [(one.supply.id, one.begin) for one in asks])
    batch = _Gathered(cycle, versions, pool, before)
    wishes, waits = list[Wish](), list[Wait]()
    for ask, found in zip(asks, usage, strict=True):
        made = batch.wish(ask, found, moment)
        if isinstance(made, Refused):
            waits.append(_wait(ask, made))
        else:
            wishes.append(made)
    return Batch(tuple(wishes), tuple(waits))


async def carried(
    tx: Transaction, ends: Iterable[tuple[int, int]]
) -> dict[int, Carried]:
    """Return what the bills that end there leave to the next: by (supply, second)."""
    rows = await tx.rows(_BEFORE, (json.dumps(list(ends)),))
    return {supply: after_of(document) for supply, document in rows}


async def versions_of(
    tx: Transaction, supply: Supply, begin: int, end: int
) -> Versions:
    """Return what holds of a supply's tariff over a span; raises Refused (NO_TARIFF)."""
    try:
        found = await tariffs.versions(tx, supply.terms.tariff_code, begin, end)
    except NotPublished as error:
        raise Refused(Cause.NO_TARIFF, error.detail) from None
    return tuple(found)


async def _check_currency(tx: Transaction, versions: Versions) -> None:
    known = await declared(tx)
    for _, _, tariff in versions:
        if tariff.currency not in known:
            raise Refused(
                Cause.CURRENCY,
                f"the ledger knows no {tariff.currency}, in which tariff {tariff.id!r} bills:"
                " have the operator declare it",
            )


async def cycle_around(tx: Transaction, supply: Supply, at: int) -> tuple[int, int]:
    """Return a supply's billing cycle around a second; raises Refused (NO_TARIFF)."""
    ((_, _, tariff),) = await versions_of(tx, supply, at, at + 1)
    return cycle_of(tariff, at, local_of(tariff.zone))


async def sharing(
    tx: Transaction, supply: Supply, cycle: tuple[int, int], begins: Collection[int]
) -> set[int]:
    """Return those of some seconds whose cycle is this one of a supply's tariff code.

    A second within the cycle may have another: a later version may bill by other cycles.
    The first of them is that of the supply itself.
    """
    within = [at for at in begins if cycle[0] <= at < cycle[1]]
    first, found = min(within), {min(within)}
    try:
        versions = await versions_of(tx, supply, first, max(within) + 1)
    except Refused:
        return found
    for begin, end, tariff in versions:
        local = local_of(tariff.zone)
        found |= {
            at
            for at in within
            if begin <= at < end and cycle_of(tariff, at, local) == cycle
        }
    return found


@dataclass(frozen=True, slots=True)
class _Gathered:
    cycle: tuple[int, int]
    versions: Versions
    pool: Pool
    before: dict[int, Carried]

    def wish(
        self, ask: Ask, found: Metered | Refused, moment: Moment
    ) -> Wish | Refused:
        supply, until = ask.supply, ask.end + TRADES_WAIT_S
        if isinstance(found, Refused):
            return found
        if supply.member in self.pool.open and moment.issued_at < until:
            return Refused(
                Cause.TRADES,
                f"trades of supply {supply.id} wait for their sellers' meters, until"
                f" {until} at most",
            )
        wish = Wish(
            supply,
            ask.begin,
            ask.end,
            self.cycle,
            _within(self.versions, ask.begin, ask.end),
            found,
            carried=self.before.get(supply.id, NOTHING_CARRIED),
            replaces=ask.replaces,
        )
        if not self.pool.has(supply.id, supply.member):
            return wish
        load = _taken(load_of(found), wish.versions)
        before, more = self.pool.take(supply.id, supply.member, load)
        return replace(wish, before=before, more=more)


def _taken(load: Load, versions: Versions) -> Load:
    """Return what may be netted: where a tariff nets by slot, import beyond export."""
    by_slot = any(
        isinstance(one, Export) and one.netting is Netting.SLOT
        for _, _, tariff in versions
        for one in tariff.components
    )
    if not by_slot or not load.exported:
        return load
    pairs = zip(load.imported, load.exported, strict=True)
    return replace(load, imported=[max(0, taken - given) for taken, given in pairs])


def _within(versions: Versions, begin: int, end: int) -> Versions:
    return tuple(
        (max(a, begin), min(b, end), tariff)
        for a, b, tariff in versions
        if a < end and begin < b
    )


def _wait(ask: Ask, refused: Refused) -> Wait:
    return Wait(ask.supply, ask.begin, refused, ask.end)
