"""Prepaid supplies: each day's usage is drawn from the balance, and the bill finds it paid.

    done = await settle_bills(tx, now=now) or await draw(tx, now=now)      # by the duty

A balance is the member's own money. Once a local day's usage is known, the supply's span
since its last bill is rated whole by its tariff, as that bill will be, and what it comes to
beyond what was drawn moves to `escrow:prepaid-N`; less than before moves back. So fixed
charges, tiers and corrections need no rule of their own. When the bill is issued it is paid
from there, the rest goes back, and what the balance lacked stays owed. This module must
never draw more than a balance holds, nor draw for a span that a bill is already about.
"""

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Final

from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.billing.receivables import store
from meterseal_aggregator.billing.receivables.model import prepaid, transfer_id
from meterseal_aggregator.billing.receivables.pay import draw_on
from meterseal_aggregator.billing.statements.draft import Moment, drafted
from meterseal_aggregator.billing.statements.due import supply_of
from meterseal_aggregator.billing.statements.gather import (
    Ask,
    cycle_around,
    gather,
    versions_of,
)
from meterseal_aggregator.billing.supplies.model import Supply
from meterseal_aggregator.identity import events
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import user
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Asset,
    AtMost,
    Transfer,
)
from meterseal_aggregator.parameters.zone import second_of, zone_of
from meterseal_aggregator.storage.database import Row, Transaction

BATCH: Final = 20
"""Supplies a transaction: each is rated from its last bill on, some milliseconds."""
AGAIN_S: Final = 3_600
"""A day whose usage is not known yet, and a balance that is short, are tried each hour."""
LOW_DAYS: Final = 3
"""A member is told when what he has left is less than three mean days of his."""
PURPOSE: Final = "prepaid"
_NETWORK: Final = bytes(32)
"""Of a statement that nobody is shown."""
_MIDNIGHT: Final = time(0)

_COLUMNS: Final = """
s.id, s.member_id, s.meter_point_id, s.tariff_code, s.rail, s.prepaid, s.from_at, s.to_at,
  s.billed_to, p.charged_to, p.drawn_from, p.low
"""
_DUE: Final = f"""
SELECT {_COLUMNS} FROM supplies s LEFT JOIN prepaid_standings p ON p.supply_id = s.id
WHERE s.prepaid = 1 AND s.rail = 'ledger' AND (s.to_at IS NULL OR s.billed_to < s.to_at)
  AND coalesce(p.next_at, s.from_at) <= ?
ORDER BY coalesce(p.next_at, s.from_at), s.id LIMIT ?
"""  # noqa: S608 - the columns are this module's own
_BILLED: Final = f"""
SELECT {_COLUMNS} FROM prepaid_standings p JOIN supplies s ON s.id = p.supply_id
WHERE p.drawn_from IS NOT NULL AND p.drawn_from < s.billed_to ORDER BY s.id LIMIT ?
"""  # noqa: S608 - likewise
_OPEN: Final = """
SELECT b.id FROM bills b JOIN bill_standings s ON s.bill_id = b.id
WHERE b.supply_id = ? AND b.rail = 'ledger' AND s.state IN ('issued', 'part-paid', 'overdue')
  AND b.from_at >= ? ORDER BY b.from_at, b.id
"""
_ASSET: Final = """
SELECT asset, to_at FROM prepaid_draws WHERE supply_id = ? ORDER BY id DESC LIMIT 1
"""
_STAND: Final = """
INSERT INTO prepaid_standings (supply_id, charged_to, drawn_from, cost, next_at, low)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (supply_id) DO UPDATE SET charged_to = excluded.charged_to,
  drawn_from = excluded.drawn_from, cost = excluded.cost, next_at = excluded.next_at,
  low = excluded.low
"""
_KEEP: Final = """
INSERT INTO prepaid_draws (id, supply_id, from_at, to_at, asset, cost, amount, kind, at)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""


@dataclass(frozen=True, slots=True)
class _Meter:
    """A prepaid supply, how far it is charged, and what it was last told."""

    supply: Supply
    charged_to: int
    drawn_from: int | None
    low: bool

    @property
    def begin(self) -> int:
        """From when it is charged now: where its last bill ended."""
        return self.supply.billed_to


@dataclass(frozen=True, slots=True)
class _Cost:
    """What a supply came to from its last bill to the second `end`, in micro-units."""

    asset: Asset
    end: int
    amount: int
    day_s: int
    """Seconds of the day it ends with, for the mean."""


async def settle_bills(tx: Transaction, *, now: int) -> int:
    """Pay the bills that came of what was drawn for them; returns how many supplies."""
    rows = await tx.rows(_BILLED, (BATCH,))
    for meter in map(_meter, rows):
        await _settle(tx, meter, now)
    return len(rows)


async def draw(tx: Transaction, *, now: int) -> int:
    """Charge the next batch of supplies for a day more; returns how many were looked at."""
    rows = await tx.rows(_DUE, (now, BATCH))
    for meter in map(_meter, rows):
        cost = await _cost(tx, meter, now)
        if cost is None:
            await _stand(
                tx, meter, (meter.charged_to, meter.drawn_from), 0, now + AGAIN_S
            )
        else:
            await _draw(tx, meter, cost, now)
    return len(rows)


async def _settle(tx: Transaction, meter: _Meter, now: int) -> None:
    begin = meter.drawn_from or 0
    ((asset, to_at),) = await tx.rows(_ASSET, (meter.supply.id,))
    for (bill,) in await tx.rows(_OPEN, (meter.supply.id, begin)):
        (owed,) = await store.among(tx, [bill])
        if owed.asset == asset:
            held = await _held(tx, prepaid(meter.supply.id), Asset(asset))
            await draw_on(tx, owed, held, now=now)
    left = await _held(tx, prepaid(meter.supply.id), Asset(asset))
    if left:
        kept = _Cost(Asset(asset), to_at, 0, 0)
        await _move(tx, meter, kept, (begin, -left, "returned"), now)
    await _stand(tx, meter, (meter.begin, None), 0, now)


async def _draw(tx: Transaction, meter: _Meter, cost: _Cost, now: int) -> None:
    drawn = await _held(tx, prepaid(meter.supply.id), cost.asset)
    wanted = max(0, cost.amount) - drawn
    moved = 0
    if wanted:
        moved = await _move(tx, meter, cost, (meter.begin, wanted, "usage"), now)
    short = wanted - moved
    next_at = now + AGAIN_S if short else max(now, cost.end + cost.day_s)
    low = await _tell_low(tx, meter, cost, short, now)
    # What a short balance lacks is looked for again, as the same day.
    charged_to = meter.charged_to if short else cost.end
    drawn_from = meter.begin if drawn + moved else None
    await _stand(
        tx, replace(meter, low=low), (charged_to, drawn_from), cost.amount, next_at
    )


async def _cost(tx: Transaction, meter: _Meter, now: int) -> _Cost | None:
    """Rate a supply to the end of its next day that is over; None while it cannot be."""
    supply, at = meter.supply, max(meter.begin, meter.charged_to)
    try:
        ((_, _, tariff),) = await versions_of(tx, supply, meter.begin, meter.begin + 1)
        cycle = await cycle_around(tx, supply, meter.begin)
    except Refused:
        return None
    limit = min(cycle[1], supply.to_at or cycle[1])
    end, day_s = _next_midnight(at, limit, tariff.zone)
    if at >= limit or end > now:
        return None
    moment = Moment(_NETWORK, now, now)
    batch = await gather(tx, [Ask(supply, meter.begin, end)], cycle, moment)
    for wish in batch.wishes:
        made = await asyncio.to_thread(drafted, wish, moment)
        if not isinstance(made, Refused):
            return _Cost(made.asset, end, made.amount, day_s)
    return None


def _next_midnight(at: int, limit: int, zone: str) -> tuple[int, int]:
    """Return the end of the local day around a second, at most `limit`, and its length."""
    where = zone_of(zone)
    day = datetime.fromtimestamp(at, where).date()
    begin = second_of(day, _MIDNIGHT, where)
    end = second_of(day + timedelta(days=1), _MIDNIGHT, where)
    return min(end, limit), end - begin


async def _move(
    tx: Transaction,
    meter: _Meter,
    cost: _Cost,
    what: tuple[int, int, str],
    now: int,
) -> int:
    """Move money to where it waits, or back (below 0); returns how much went."""
    begin, amount, kind = what
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM prepaid_draws")
    purse, mine = prepaid(meter.supply.id), user(meter.supply.member)
    entry = Transfer(
        id=transfer_id(PURPOSE, last + 1),
        amount=abs(amount),
        debit=mine if amount > 0 else purse,
        credit=purse if amount > 0 else mine,
        purpose=PURPOSE,
        effective_at=now,
        asset=cost.asset,
        reference=meter.supply.id.to_bytes(8),
        at_most=AtMost.DEBIT,
    )
    if amount > 0 and await _held(tx, mine, cost.asset) == 0:
        return 0
    (result,) = await ledger.post(tx, [entry], now=now)
    assert result.entered, result
    moved = result.amount if amount > 0 else -result.amount
    row = (
        last + 1, meter.supply.id, begin, cost.end, cost.asset, cost.amount, moved, kind,
        now,
    )  # fmt: skip
    await tx.many(_KEEP, [row])
    return moved


async def _tell_low(
    tx: Transaction, meter: _Meter, cost: _Cost, short: int, now: int
) -> bool:
    """Tell a member once that little is left; returns whether it is so."""
    left = await _held(tx, user(meter.supply.member), cost.asset)
    days = max(1, -(-(cost.end - meter.begin) // max(1, cost.day_s)))
    low = short > 0 or left < LOW_DAYS * max(0, cost.amount) // days
    if low and not meter.low:
        body = {"supply": meter.supply.id, "left_micro": left, "asset": cost.asset}
        told = events.Told(meter.supply.member, "balance-low", body)
        await events.tell(tx, [told], now=now)
    return low


async def _stand(
    tx: Transaction,
    meter: _Meter,
    reach: tuple[int, int | None],
    cost: int,
    next_at: int,
) -> None:
    row = (meter.supply.id, *reach, cost, next_at, meter.low)
    await tx.many(_STAND, [row])


async def _held(tx: Transaction, code: AccountCode, asset: Asset) -> int:
    found = (await ledger.balances(tx, asset, [code])).get(code)
    return found.held if found else 0


def _meter(row: Row) -> _Meter:
    supply = supply_of(row[:9])
    charged_to, drawn_from, low = row[9:]
    return _Meter(supply, charged_to or supply.from_at, drawn_from, bool(low))
