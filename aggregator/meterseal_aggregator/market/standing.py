"""What a member's trust is now, what moved it, and what he may therefore promise.

    score = await record(tx, rules, TrustChange(7, "order 12", "delivered", 500), now=now)
    left = await left_this_month(tx, rules, 7, terms, start)

Each event moves a score once: its row is unique, and written in the transaction of what it
is about. This module must never decide how much an event is worth (`trust` does).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import stake
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.market.slots import month_of
from meterseal_aggregator.market.terms import MarketTerms
from meterseal_aggregator.market.trust import Standing, TrustRules, left_wh, moved
from meterseal_aggregator.registry.certificates import monthly_production_wh
from meterseal_aggregator.storage.database import Transaction

_SCORES: Final = "SELECT member_id, score FROM trust_scores"
_PROMISED: Final = """
SELECT coalesce(sum(promised_wh), 0) FROM slot_sales
WHERE seller_id = ? AND start >= ? AND start < ?
"""
# What did not come and the mutual fund paid something for.
_MADE_GOOD: Final = """
SELECT coalesce(sum(t.wh - t.delivered_wh), 0) FROM slot_sales s
CROSS JOIN trades t ON t.meter_point_id = s.meter_point_id AND t.start = s.start
WHERE s.seller_id = ? AND s.start >= ? AND s.start < ? AND t.seller_id = s.seller_id
  AND t.state = 'settled' AND t.delivered_wh < t.wh
  AND (SELECT sum(r.from_fund) FROM trade_runs r WHERE r.trade_id = t.id) > 0
"""
_EVENT: Final = """
SELECT id, member_id, subject, event, change, score, at FROM trust_events
"""


@dataclass(frozen=True, slots=True)
class TrustChange:
    """An event that moves a member's score by `change` (1/10,000), once for ever.

    `subject` is what it is about, as `order 12`, `ask 7`, `meter 3`; `event` names it
    among those of its subject, as `delivered`.
    """

    member: int
    subject: str
    event: str
    change: int


@dataclass(frozen=True, slots=True)
class TrustEvent:
    """An event as it was recorded; `score` is the one after it."""

    id: int
    what: TrustChange
    score: int
    at: int


async def score(tx: Transaction, rules: TrustRules, member: int) -> int:
    """Return a member's score, 0 to 10,000."""
    return (await scores(tx, rules, [member]))[member]


async def scores(
    tx: Transaction, rules: TrustRules, members: Sequence[int]
) -> dict[int, int]:
    """Return the scores of members; who has none starts where everybody does."""
    wanted = sorted(set(members))
    marks = ",".join("?" for _ in wanted)
    where = f" WHERE member_id IN ({marks})"
    rows = await tx.rows(_SCORES + where, wanted)
    return dict.fromkeys(wanted, rules.start) | {row[0]: row[1] for row in rows}


async def record(
    tx: Transaction, rules: TrustRules, what: TrustChange, *, now: int
) -> int:
    """Move a score, unless this event did already; returns the score after it."""
    known = await tx.rows(
        "SELECT score FROM trust_events WHERE subject = ? AND event = ?",
        (what.subject, what.event),
    )
    if known:
        return int(known[0][0])
    after = moved(await score(tx, rules, what.member), what.change)
    row = (what.member, what.subject, what.event, what.change, after, now)
    await tx.many(
        "INSERT INTO trust_events (member_id, subject, event, change, score, at)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [row],
    )
    await tx.many(
        "INSERT INTO trust_scores (member_id, score) VALUES (?, ?)"
        " ON CONFLICT (member_id) DO UPDATE SET score = excluded.score",
        [(what.member, after)],
    )
    return after


async def events(
    tx: Transaction, member: int, *, after: int, limit: int
) -> list[TrustEvent]:
    """Return a page of what moved a member's score, oldest first."""
    where = " WHERE member_id = ? AND id > ? ORDER BY id LIMIT ?"
    rows = await tx.rows(_EVENT + where, (member, after, limit))
    return [TrustEvent(row[0], TrustChange(*row[1:5]), *row[5:]) for row in rows]


async def declare(tx: Transaction, member: int, monthly_wh: int, *, now: int) -> None:
    """Note what a member says he makes in a month, in Wh above 0."""
    await tx.many(
        "INSERT INTO production_declarations (member_id, monthly_wh, declared_at)"
        " VALUES (?, ?, ?)",
        [(member, monthly_wh, now)],
    )


async def declared_wh(tx: Transaction, member: int) -> int | None:
    """Return what a member last said he makes in a month, None where he never did."""
    rows = await tx.rows(
        "SELECT monthly_wh FROM production_declarations WHERE member_id = ?"
        " ORDER BY id DESC LIMIT 1",
        (member,),
    )
    return rows[0][0] if rows else None


async def standing(
    tx: Transaction, rules: TrustRules, member: int, asset: Asset, *, at: int
) -> Standing:
    """Return what decides a seller's limit; who only applied declared what he applied for."""
    certified = await monthly_production_wh(tx, member, at)
    declared = await declared_wh(tx, member)
    accounts = await ledger.balances(tx, asset, [stake(member)])
    staked = accounts.get(stake(member))
    return Standing(
        score=await score(tx, rules, member),
        declared_wh=certified if declared is None else declared,
        certified_wh=certified,
        staked_micro=staked.held if staked else 0,
    )


async def left_this_month(
    tx: Transaction, rules: TrustRules, seller: int, terms: MarketTerms, second: int
) -> int:
    """Return the Wh a seller may still promise in the month around a second, >= 0.

    Promised and delivered Wh of the month's slots count against it, whatever their lane, and
    so do those that the mutual fund made good.
    """
    found = await standing(tx, rules, seller, terms.asset, at=second)
    return left_wh(rules, found, await used_in_month(tx, seller, terms, second))


async def used_in_month(
    tx: Transaction, seller: int, terms: MarketTerms, second: int
) -> int:
    """Return the Wh a seller promised, or delivered, of the month around a second.

    What he failed to deliver is his to promise again, but not where the mutual fund paid
    for it: two who work together would empty it by promising the same Wh day after day.
    """
    span = (seller, *month_of(second, terms.zone))
    ((promised,),) = await tx.rows(_PROMISED, span)
    ((made_good,),) = await tx.rows(_MADE_GOOD, span)
    return int(promised) + int(made_good)
