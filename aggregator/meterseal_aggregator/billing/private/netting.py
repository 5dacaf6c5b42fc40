"""What neighbours sold to a private home: asked of its device once, netted whole or not at all.

    found = await netted(tx, period, opened, moment)

| found | why |
| --- | --- |
| Refused (TRADES) | trades of the period wait for their sellers' meters, as for any bill |
| None | its device is asked now, and has until the fallback's time to answer |
| Netted | what it proved, within what the member still holds; NOTHING where that is none |

A period whose device was asked is looked at again once it answered, or its time is over
(`store.opened_whole`).

A slot's Wh are netted whole or stay the member's: a part of them would be his usage. What a
device proved it proved together, so a bill nets all of that or, where the member sold Wh on
meanwhile, none of it. This module must never ask a device twice about a period.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private import store
from meterseal_aggregator.billing.private.model import DAY_S, Opened, PrivatePeriod
from meterseal_aggregator.billing.private.store import Sealed
from meterseal_aggregator.billing.statements.draft import Moment
from meterseal_aggregator.billing.statements.gather import TRADES_WAIT_S
from meterseal_aggregator.billing.statements.netting import Pool, delivered
from meterseal_aggregator.billing.usage import Bought
from meterseal_aggregator.privacy.errands import nettings
from meterseal_aggregator.privacy.errands.nettings import NettingRequest, Want
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.netting import MAX_NETTED_WH, NettedDay, Netting
from meterseal_proto.netting_message import fitting

LATE_WAIT_S: Final = DAY_S
"""A device that opened at the last moment, or after it, has a day to net."""


@dataclass(frozen=True, slots=True)
class Netted:
    """What a bill nets: `slots` of the register (start, Wh), as the device proved them.

    `traded` are the same Wh by the market's slots they were traded in, which are retired.
    """

    slots: tuple[tuple[int, int], ...] = ()
    traded: tuple[Bought, ...] = ()


NOTHING: Final = Netted()
"""Nobody sold anything, or none of it was proved, or it is the member's no more."""


async def netted(
    tx: Transaction, period: PrivatePeriod, opened: Opened, moment: Moment
) -> Netted | Refused | None:
    """Return what an opened period nets, why it waits, or None as its device is asked."""
    home, now = period.home, moment.issued_at
    supply = home.supply
    span = (period.begin, period.end)
    pool = await delivered(tx, [(supply.id, supply.member)], span)
    until = period.end + TRADES_WAIT_S
    if supply.member in pool.open and now < until:
        return Refused(
            Cause.TRADES,
            f"trades of supply {supply.id} wait for their sellers' meters, until {until}"
            " at most",
        )
    request = await nettings.of_period(tx, moment.network, (home.row, *span))
    if request is None:
        return None if await _ask(tx, period, opened, pool, moment) else NOTHING
    if request.answered_at is None:
        return NOTHING
    return within(netted_by(request), pool, supply.member)


def netted_by(request: NettingRequest) -> Netted:
    """Return what a device proved, by its slots and by the market's."""
    traded: dict[tuple[int, int], int] = defaultdict(int)
    for one in request.netted:
        traded[one.traded] += one.wh
    return Netted(
        tuple((one.start, one.wh) for one in request.netted),
        tuple(Bought(*slot, wh) for slot, wh in sorted(traded.items())),
    )


def within(found: Netted, pool: Pool, member: int) -> Netted:
    """Return what was proved if the member still has all of it, NOTHING otherwise."""
    left = {(one.start, one.length): one.wh for one in pool.slots.get(member, ())}
    there = all(one.wh <= left.get((one.start, one.length), 0) for one in found.traded)
    whole = sum(one.wh for one in found.traded)
    return found if there and whole <= pool.held.get(member, 0) else NOTHING


async def _ask(
    tx: Transaction, period: PrivatePeriod, opened: Opened, pool: Pool, moment: Moment
) -> bool:
    """Ask a period's device what it may net; False where there is nothing to ask about."""
    member, now = period.home.supply.member, moment.issued_at
    if not pool.slots.get(member):
        return False
    days = await store.sealed(tx, period, opened)
    wants = wanted(pool.slots[member], pool.held.get(member, 0), days)
    fits = {day.header for day in _fitting(period, days, wants, moment.network).days}
    rows = {day.row for day in days if day.digest in fits}
    wants = [one for one in wants if one.seal in rows]
    if not wants:
        return False
    until = max(period.fallback_at, now + LATE_WAIT_S)
    place = nettings.Period(period.home.row, period.begin, period.end, until)
    await nettings.ask(tx, place, wants, now=now)
    return True


def wanted(bought: Sequence[Bought], held: int, days: Sequence[Sealed]) -> list[Want]:
    """Return what a device is asked about of what its member bought and still holds.

    A market's slot that several of the register's fill is shared among them evenly: how it
    was used is nobody's to know. One that is shorter than the register's, or that no day
    covers, stays the member's.
    """
    places = {
        day.first + n * day.step: (day, n) for day in days for n in range(day.count)
    }
    found: dict[int, Want] = {}
    for one in bought:
        wh = min(one.wh, held)
        held -= wh
        day, _ = places.get(one.start, (None, 0))
        if day is None or one.length % day.step:
            continue
        for start, share in _shares(one, wh, day.step):
            if share and start in places and start not in found:
                seal, place = places[start]
                found[start] = Want(seal.row, place, share, one.start, one.length)
    return [found[start] for start in sorted(found)]


def _shares(one: Bought, wh: int, step: int) -> Iterator[tuple[int, int]]:
    """Yield (start, Wh) of the register's slots that fill a market's."""
    parts = one.length // step
    each, rest = divmod(wh, parts)
    for n in range(parts):
        yield one.start + n * step, min(each + (n < rest), MAX_NETTED_WH)


def _fitting(
    period: PrivatePeriod, days: Sequence[Sealed], wants: Sequence[Want], network: bytes
) -> Netting:
    """Return what is asked about as far as one message takes its answer."""
    home = period.home
    slots: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for one in wants:
        slots[one.seal].append((one.place, one.wh))
    asked = [day for day in days if day.row in slots]
    whole = Netting(
        network, home.meter, home.register, period.begin, period.end,
        tuple(
            NettedDay(day.digest, day.first, day.step, tuple(slots[day.row]))
            for day in asked
        ),
    )  # fmt: skip
    return fitting(whole, [day.bits for day in asked])
