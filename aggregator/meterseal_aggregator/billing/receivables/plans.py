"""Instalments: an agreement to pay open bills by dates, and whether it is kept.

    plan = await agree(tx, Terms(7, KES, dates, "key"), by, now=now)
    await look(tx, now=now)                     # by the duty, when a date has passed

The rule: at each date what is still asked of the plan's bills is at most what its later
dates ask for. While it is so, the bills are not overdue and cost no late fee; once it is
not, the plan is broken and all of it falls due. What is disputed is not asked, and not paid
either: a plan of which nothing else is left waits for the dispute's end. This module must never move money: bills
in a plan are paid like any.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused, check_same
from meterseal_aggregator.billing.payments import Actor
from meterseal_aggregator.billing.receivables import store
from meterseal_aggregator.billing.receivables.model import Owed
from meterseal_aggregator.identity import events
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Row, Transaction

MAX_DATES: Final = 60
"""Five years of months."""
MAX_AHEAD_S: Final = 5 * 366 * 86_400
BATCH: Final = 100
"""Plans a transaction: two statements each."""
AGAIN_S: Final = 86_400
"""Between two looks at a plan that waits for nothing but a dispute, which may take a month."""

_PLAN: Final = """
SELECT id, member_id, asset, total, state, actor, request_key, agreed_at, ended_at, bills
FROM instalment_plans
"""
# What is unpaid of a bill in a plan, and what of it is asked, up to what the plan is about:
# what the bill asks beside that is paid last, else who keeps his dates would break the plan.
# A dispute is first of what is beside.
_OF_BILL: Final = """
min(i.amount, max(0, b.amount + s.late_fees + s.given - s.paid - i.beside)) AS unpaid,
min(i.amount, max(0, b.amount + s.late_fees + s.given - s.paid - max(s.disputed, i.beside)))
  AS asked
FROM instalment_bills i JOIN bills b ON b.id = i.bill_id
JOIN bill_standings s ON s.bill_id = b.id
"""
_LEFT: Final = f"""
SELECT coalesce(sum(l.unpaid), 0), coalesce(sum(l.asked), 0) FROM (SELECT {_OF_BILL}
  WHERE i.plan_id = ? AND s.state <> 'corrected') l
"""  # noqa: S608 - constants of this module
_PARTS: Final = f"""
SELECT p.id, {_OF_BILL}
JOIN instalment_plans p ON p.id = i.plan_id AND p.state = 'open' WHERE i.bill_id = ?
"""
_DATES: Final = """
SELECT due_at, amount FROM instalments WHERE plan_id = ? ORDER BY due_at
"""


class PlanState(StrEnum):
    """Where a plan stands."""

    OPEN = "open"
    KEPT = "kept"
    """All of it is paid."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Instalment:
    """An amount to be paid by the end of the second `due_at`."""

    due_at: int
    amount: int


@dataclass(frozen=True, slots=True)
class Terms:
    """What is agreed: dates in order that add up to all that is asked of the bills.

    `bills` are numbers; all open bills of the member in the asset where there are none.
    """

    member: int
    asset: Asset
    dates: tuple[Instalment, ...]
    key: str
    bills: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """An agreement as it stands; `left` is what is still asked of its bills.

    `unpaid` is that with what of it is disputed; `bills` are the numbers it was asked for,
    in order, none for all, None where that was not kept.
    """

    id: int
    member: int
    asset: Asset
    total: int
    state: PlanState
    actor: str
    key: str
    agreed_at: int
    ended_at: int | None
    dates: tuple[Instalment, ...]
    left: int
    unpaid: int
    bills: tuple[str, ...] | None


async def agree(tx: Transaction, wish: Terms, by: Actor, *, now: int) -> Plan:
    """Record an agreement; the same under the same key is one.

    Raises Refused: KEY_USED, UNKNOWN, CURRENCY, STATE where a plan is open already, where
    dates are past or too far, or do not add up to what is asked; and NoSuchMember.
    """
    rows = await tx.rows(f"{_PLAN} WHERE request_key = ?", (wish.key,))
    if rows:
        return _same(await _whole(tx, rows[0]), wish)
    await identity.member(tx, wish.member)
    _check_dates(wish, now)
    open_plans = await tx.rows(
        f"{_PLAN} WHERE member_id = ? AND asset = ? AND state = 'open'",
        (wish.member, wish.asset),
    )
    if open_plans:
        detail = f"plan {open_plans[0][0]} is open: it has to end first"
        raise Refused(Cause.STATE, detail)
    owed = await _owed(tx, wish)
    asked, offered = _sum(owed), sum(one.amount for one in wish.dates)
    if asked == 0 or asked != offered:
        raise Refused(
            Cause.STATE,
            f"the bills ask for {asked} micro-units and the instalments come to {offered}:"
            " let them be the same",
        )
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM instalment_plans")
    await _keep(tx, last + 1, wish, owed, (by.name, now))
    await identity.note(tx, by.name, "instalments", f"plan {last + 1}", now=by.real_now)
    await _tell(tx, wish.member, last + 1, PlanState.OPEN, now)
    return (await plans(tx, after=last, limit=1))[0]


async def look(tx: Transaction, *, now: int) -> int:
    """Look at plans of which a date has passed; returns how many."""
    rows = await tx.rows(
        f"{_PLAN} WHERE next_at < ? ORDER BY next_at, id LIMIT ?", (now, BATCH)
    )
    for row in rows:
        plan = await _whole(tx, row)
        later = [one for one in plan.dates if one.due_at >= now]
        if plan.unpaid == 0:
            await _end(tx, plan, PlanState.KEPT, now)
        elif plan.left > sum(one.amount for one in later):
            await _end(tx, plan, PlanState.BROKEN, now)
        else:
            next_at = later[0].due_at if later else now + AGAIN_S
            await tx.many(
                "UPDATE instalment_plans SET next_at = ? WHERE id = ?",
                [(next_at, plan.id)],
            )
    return len(rows)


async def follow(tx: Transaction, bill: int, successor: int, left: int) -> None:
    """Let a plan go on with the bill in place of one that was corrected.

    `left` is what is unpaid of the new one, disputed or not; the plan is about no more than
    it was.
    """
    kept = [
        (plan, successor, min(part, left), max(0, left - part))
        for plan, part, _ in await tx.rows(_PARTS, (bill,))
    ]
    await tx.many(
        "INSERT INTO instalment_bills (plan_id, bill_id, amount, beside)"
        " VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
        [one for one in kept if one[2] > 0],
    )


async def plans(
    tx: Transaction, *, after: int, limit: int, member: int | None = None
) -> list[Plan]:
    """Return a page of plans, all or one member's, by number."""
    rows = await tx.rows(
        f"{_PLAN} WHERE id > ? AND (? IS NULL OR member_id = ?) ORDER BY id LIMIT ?",
        (after, member, member, limit),
    )
    return [await _whole(tx, row) for row in rows]


def _check_dates(wish: Terms, now: int) -> None:
    dates = [one.due_at for one in wish.dates]
    if not 1 <= len(dates) <= MAX_DATES or dates != sorted(set(dates)):
        detail = f"name 1 to {MAX_DATES} dates, each later than the one before"
        raise Refused(Cause.STATE, detail)
    if dates[0] <= now or dates[-1] > now + MAX_AHEAD_S:
        detail = "the first date must be later than now, the last within five years"
        raise Refused(Cause.STATE, detail)


async def _owed(tx: Transaction, wish: Terms) -> list[Owed]:
    if not wish.bills:
        found = await store.open_bills(tx, wish.member, wish.asset)
        return [one for one in found if one.standing.asked]
    owed = []
    for number in dict.fromkeys(wish.bills):
        one = await store.open_bill(tx, number, wish.member)
        if one.asset != wish.asset:
            detail = f"bill {number} is in {one.asset}: make a plan for that"
            raise Refused(Cause.CURRENCY, detail)
        if one.standing.asked:
            owed.append(one)
    return owed


def _sum(owed: Sequence[Owed]) -> int:
    return sum(one.standing.asked for one in owed)


async def _keep(
    tx: Transaction,
    number: int,
    wish: Terms,
    owed: Sequence[Owed],
    by: tuple[str, int],
) -> None:
    row = (
        number, wish.member, wish.asset, _sum(owed), by[0], wish.key, by[1],
        wish.dates[0].due_at, json.dumps(_named(wish)),
    )  # fmt: skip
    await tx.many(
        "INSERT INTO instalment_plans (id, member_id, asset, total, state, actor,"
        " request_key, agreed_at, next_at, bills)"
        " VALUES (?, ?, ?, ?, 'open', ?, ?, ?, ?, ?)",
        [row],
    )
    await tx.many(
        "INSERT INTO instalment_bills (plan_id, bill_id, amount, beside)"
        " VALUES (?, ?, ?, ?)",
        [(number, one.bill, one.standing.asked, one.standing.disputed) for one in owed],
    )
    await tx.many(
        "INSERT INTO instalments (plan_id, due_at, amount) VALUES (?, ?, ?)",
        [(number, one.due_at, one.amount) for one in wish.dates],
    )


async def _end(tx: Transaction, plan: Plan, state: PlanState, now: int) -> None:
    await tx.many(
        "UPDATE instalment_plans SET state = ?, next_at = NULL, ended_at = ?"
        " WHERE id = ?",
        [(state.value, now, plan.id)],
    )
    await _tell(tx, plan.member, plan.id, state, now)


async def _tell(
    tx: Transaction, member: int, plan: int, state: PlanState, now: int
) -> None:
    body = {"id": plan, "state": state.value}
    await events.tell(tx, [events.Told(member, "instalments", body)], now=now)


def _named(wish: Terms) -> tuple[str, ...]:
    """Return the bills a wish names, however it orders them."""
    return tuple(sorted(set(wish.bills)))


def _same(known: Plan, wish: Terms) -> Plan:
    bills = _named(wish)
    compared = (
        ("member", known.member, wish.member),
        ("asset", known.asset, wish.asset),
        ("dates", known.dates, wish.dates),
        ("bills", bills if known.bills is None else known.bills, bills),
    )
    check_same(f"plan {known.id}", compared)
    return known


async def _whole(tx: Transaction, row: Row) -> Plan:
    number, member, asset, total, state, actor, key, agreed_at, ended_at, bills = row
    dates = await tx.rows(_DATES, (number,))
    ((unpaid, left),) = await tx.rows(_LEFT, (number,))
    return Plan(
        number, member, Asset(asset), total, PlanState(state), actor, key, agreed_at,
        ended_at, tuple(Instalment(*one) for one in dates), left, unpaid,
        None if bills is None else tuple(json.loads(bills)),
    )  # fmt: skip
