"""What a run means for orders and trust, once every trade of an order or an ask has ended.

    told = await conclude(tx, rules, Ended(trades, run), now=now)

An order's state and its seller's trust follow what was metered of the trades that were
settled; cancelled and voided ones do not count. A correction moves the score by the
difference to what was recorded. This module must never move trust for a slot that nobody
metered.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.identity.events import Told
from meterseal_aggregator.market import trades as trade_rows
from meterseal_aggregator.market.lifecycle import MOVES, Event, State, after, metered
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.market.standing import TrustChange, record
from meterseal_aggregator.market.trust import TrustRules, delivery_change
from meterseal_aggregator.storage.database import SQLITE_MAX_VARIABLES, Transaction

DELIVERED: Final = "delivered"
"""The event of a first metering; a correction is `corrected-RUN-TRADE`."""

# In two steps: asked for in order of id, SQLite would read every trade there is.
_OF: Final = {
    "order": "id IN (SELECT id FROM trades WHERE order_id IN ({marks}))",
    "ask": "id IN (SELECT id FROM trades WHERE ask_id IN ({marks}))",
}
_STATES: Final = "SELECT id, state FROM orders WHERE id IN ({marks})"
_CHANGES: Final = """
SELECT subject, sum(change) FROM trust_events WHERE subject IN ({marks})
  AND (event = 'delivered' OR event LIKE 'corrected-%') GROUP BY subject
"""
_MOVE: Final = """
UPDATE orders SET state = ?, ended_at = ? WHERE id = ? AND state = ?
"""
# Orders whose last open trade was cancelled after others had been settled.
_LEFT: Final = """
SELECT o.id FROM orders o WHERE o.state = 'confirmed'
  AND EXISTS (SELECT 1 FROM trades t WHERE t.order_id = o.id
    AND t.state IN ('settled', 'voided'))
  AND NOT EXISTS (SELECT 1 FROM trades t WHERE t.order_id = o.id AND t.state = 'held')
ORDER BY o.id LIMIT ?
"""


@dataclass(frozen=True, slots=True)
class Touched:
    """An order or an ask that a run touched: `cause` names the run and the trade."""

    column: str
    id: int
    cause: str

    @property
    def subject(self) -> str:
        """What a trust event about it is about."""
        return f"{self.column} {self.id}"


def touched(trades: Sequence[tuple[Trade, int]]) -> list[Touched]:
    """Return the orders and asks of trades with the runs that moved them, each once."""
    found: dict[tuple[str, int], Touched] = {}
    for trade, run in trades:
        column = "order" if trade.order is not None else "ask"
        number = trade.order if trade.order is not None else trade.ask
        assert number is not None
        one = Touched(column, number, f"corrected-{run}-{trade.id}")
        found.setdefault((column, number), one)
    return list(found.values())


async def left_open(tx: Transaction, limit: int) -> list[Touched]:
    """Return orders that wait for nothing any more and are still open."""
    rows = await tx.rows(_LEFT, (limit,))
    return [Touched("order", row[0], f"corrected-0-{row[0]}") for row in rows]


async def conclude(
    tx: Transaction, rules: TrustRules, wanted: Sequence[Touched], *, now: int
) -> list[Told]:
    """Move orders and trust as far as their trades have ended; returns what to tell."""
    told: list[Told] = []
    for column in ("order", "ask"):
        some = [one for one in wanted if one.column == column]
        for at in range(0, len(some), SQLITE_MAX_VARIABLES):
            page = some[at : at + SQLITE_MAX_VARIABLES]
            told += await _conclude(tx, rules, page, column, now=now)
    return told


async def _conclude(
    tx: Transaction,
    rules: TrustRules,
    page: Sequence[Touched],
    column: str,
    *,
    now: int,
) -> list[Told]:
    marks = ",".join("?" for _ in page)
    numbers = [one.id for one in page]
    trades: dict[int, list[Trade]] = defaultdict(list)
    condition = _OF[column].format(marks=marks)
    for trade in await trade_rows.where(tx, condition, numbers):
        number = trade.order if column == "order" else trade.ask
        trades[number or 0].append(trade)
    ended = [
        one
        for one in page
        if all(trade.state is not TradeState.HELD for trade in trades[one.id])
    ]
    await _trust(tx, rules, ended, trades, now=now)
    if column == "ask":
        return []
    states: dict[int, str] = dict(await tx.rows(_STATES.format(marks=marks), numbers))
    return await _move(tx, ended, trades, states, now=now)


async def _trust(
    tx: Transaction,
    rules: TrustRules,
    ended: Sequence[Touched],
    trades: Mapping[int, Sequence[Trade]],
    *,
    now: int,
) -> None:
    marks = ",".join("?" for _ in ended)
    subjects = [one.subject for one in ended]
    recorded: dict[str, int] = dict(
        await tx.rows(_CHANGES.format(marks=marks), subjects)
    )
    for one in ended:
        settled = _settled(trades[one.id])
        if not settled:
            continue
        expected, came = _sums(settled)
        whole = delivery_change(rules, expected, came)
        seller = settled[0].seller
        if one.subject not in recorded:
            change = TrustChange(seller, one.subject, DELIVERED, whole)
        elif whole != recorded[one.subject]:
            more = whole - recorded[one.subject]
            change = TrustChange(seller, one.subject, one.cause, more)
        else:
            continue
        await record(tx, rules, change, now=now)


async def _move(
    tx: Transaction,
    ended: Sequence[Touched],
    trades: Mapping[int, Sequence[Trade]],
    states: Mapping[int, str],
    *,
    now: int,
) -> list[Told]:
    rows, told = [], []
    for one in ended:
        was = State(states[one.id])
        event = _event(trades[one.id])
        if event is None or event not in MOVES[was] or after(was, event) is was:
            continue
        state = after(was, event)
        rows.append((state.value, now, one.id, was.value))
        body = {"id": one.id, "state": state.value}
        first = trades[one.id][0]
        told += [Told(who, "order", body) for who in (first.seller, first.buyer)]
    await tx.many(_MOVE, rows)
    return told


def _event(trades: Sequence[Trade]) -> Event | None:
    settled = _settled(trades)
    if settled:
        return metered(*_sums(settled))
    voided = any(one.state is TradeState.VOIDED for one in trades)
    return Event.VOID if voided else None


def _settled(trades: Sequence[Trade]) -> list[Trade]:
    return [one for one in trades if one.state is TradeState.SETTLED]


def _sums(settled: Sequence[Trade]) -> tuple[int, int]:
    """Return the Wh that were ordered and those that were metered."""
    return sum(one.wh for one in settled), sum(one.metered_wh or 0 for one in settled)
