"""What holds of every trading day: each room's audit, and each member's account by hand.

    await check(days)         # after some steps
    await check_end(days)     # once every dispute has ended and the last run looked

The rooms' audits hold their tables against the ledger. Here the tables are added up once
more, member by member and slot by slot, from what was asked for and what was metered.
"""

from collections import Counter, defaultdict
from typing import Final

from meterseal_aggregator.billing import audit as payments_audit
from meterseal_aggregator.credits import audit as credits_audit
from meterseal_aggregator.ledger import check as ledger_check
from meterseal_aggregator.market import trades as trade_rows
from meterseal_aggregator.market.auction import audit as auction_audit
from meterseal_aggregator.market.delivery import cost, payment
from meterseal_aggregator.market.listings import audit as listings_audit
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.market.settlement import audit as settlement_audit
from meterseal_aggregator.stacks.withdrawals import check as withdrawals_check
from meterseal_aggregator.storage.database import Row, Transaction
from tests.support.tradingdays import Days

AUDITS: Final = (
    ledger_check.findings,
    credits_audit.findings,
    settlement_audit.findings,
    auction_audit.findings,
    listings_audit.findings,
    payments_audit.findings,
)
FEED_IN: Final = 80_000
"""Nobody agrees on another here."""

_SUMS: Final = """
SELECT asset, sum(debits_posted) - sum(credits_posted),
  sum(debits_pending) - sum(credits_pending) FROM ledger_accounts GROUP BY asset
"""
# What orders have of a slot of an offer: reserved, or whatever became of its trade but for
# what was cancelled.
_CLAIMED: Final = """
SELECT s.offer_id, s.start, s.claimed_wh, (
    SELECT coalesce(sum(l.wh), 0) FROM orders o JOIN order_slots l ON l.order_id = o.id
    WHERE o.offer_id = s.offer_id AND l.start = s.start AND (o.state = 'reserved'
      OR EXISTS (SELECT 1 FROM trades t WHERE t.order_id = o.id AND t.start = l.start
        AND t.state <> 'cancelled')))
FROM offer_slots s
"""
_ORDERS: Final = """
SELECT o.id, o.state, count(t.id), coalesce(sum(t.wh), 0), o.wh,
  coalesce(sum(t.state = 'held'), 0), coalesce(sum(t.state = 'cancelled'), 0)
FROM orders o LEFT JOIN trades t ON t.order_id = o.id GROUP BY o.id
"""
_OFFERED: Final = """
SELECT o.meter_point_id, s.start,
  sum(CASE WHEN s.closed_at IS NULL THEN s.wh ELSE s.claimed_wh END)
FROM offer_slots s JOIN offers o ON o.id = s.offer_id GROUP BY 1, 2
"""
_ASKED: Final = """
SELECT meter_point_id, start, sum(wh) FROM auction_orders
WHERE side = 'ask' AND state = 'sealed' GROUP BY 1, 2
"""
_SALES: Final = """
SELECT meter_point_id, start, promised_wh, cap_wh, settled_at IS NOT NULL FROM slot_sales
"""
_RUNS: Final = """
SELECT trade_id, sum(from_stake), sum(from_fund), sum(arrears) FROM trade_runs GROUP BY 1
"""
_FED: Final = """
SELECT t.member_id, sum(f.fed_in_wh) FROM slot_runs f
JOIN tenancies t ON t.meter_point_id = f.meter_point_id
WHERE f.run = (SELECT max(l.run) FROM slot_runs l
  WHERE l.meter_point_id = f.meter_point_id AND l.start = f.start)
GROUP BY 1
"""
# Who has promised Wh of a slot, and who buys in it: in a slot a member does one of both.
_BOTH: Final = """
SELECT s.seller_id, s.start FROM slot_sales s JOIN (
  SELECT o.buyer_id AS member, l.start FROM orders o
    JOIN order_slots l ON l.order_id = o.id WHERE o.state = 'reserved'
  UNION SELECT buyer_id, start FROM trades WHERE state IN ('held', 'settled')
  UNION SELECT member_id, start FROM auction_orders
    WHERE side = 'bid' AND state = 'sealed') b
ON b.member = s.seller_id AND b.start = s.start WHERE s.promised_wh > 0
"""
_DEBTS: Final = """
SELECT t.purpose, d.code, c.code, t.amount FROM ledger_transfers t
JOIN ledger_accounts d ON d.id = t.debit_id JOIN ledger_accounts c ON c.id = t.credit_id
WHERE t.purpose IN ('mint', 'repay', 'owe') ORDER BY t.seq
"""
_WAITS: Final = """
SELECT count(*), coalesce(sum(CASE WHEN start < ? THEN promised_wh END), 0)
FROM slot_sales WHERE seller_id = ? AND settled_at IS NULL AND promised_wh > 0
"""


async def kept_back(days: Days, member: int) -> None:
    """Hold that a producer kept what he promised of slots that have begun."""
    ((_, wh),) = await days.rows(_WAITS, days.now, member)
    rows = await days.rows(
        "SELECT credits_posted - debits_posted FROM ledger_accounts"
        " WHERE asset = 'wh' AND code = ?",
        f"producer:{member}",
    )
    assert rows, member
    assert rows[0][0] >= wh, f"{member} promised {wh} Wh, and has {rows[0][0]} left"


async def left_unsold(days: Days) -> None:
    """Hold that nothing is promised of the slots that were withdrawn just now, one by one."""
    sold = await days.rows(
        "SELECT s.meter_point_id, s.start FROM withdrawn_parts p JOIN slot_sales s"
        " ON s.meter_point_id = p.meter_point_id AND s.start <= p.start"
        " AND s.start + s.length > p.start WHERE p.mint_id IS NOT NULL"
        " AND s.promised_wh > 0"
        " AND p.withdrawal_id = (SELECT max(id) FROM withdrawals)"
    )
    assert not sold, f"the slot {sold[0]} was withdrawn and is promised"


async def answers_for_nothing(days: Days, member: int) -> None:
    """Hold that nothing that a seller promised waits to be settled."""
    ((count, _),) = await days.rows(_WAITS, days.now, member)
    assert not count, f"{member} took his stake back while {count} slots wait"


async def check(days: Days) -> None:
    """Hold every audit, sum and account."""
    async with days.database.reading() as tx:
        for findings in AUDITS:
            wrong = [one.detail for one in await findings(tx) if not one.ok]
            assert not wrong, wrong
        wrong = [
            one.detail
            for one in await withdrawals_check.findings(tx, None)
            if not one.ok
        ]
        assert not wrong, wrong
        assert all(row[1:] == (0, 0) for row in await tx.rows(_SUMS))
        trades = await trade_rows.where(tx, "1 = 1", ())
        await _check_lanes(tx, trades)
        await _check_promises(tx, trades)
        await _check_money(tx, trades)
        await _check_energy(tx, days, trades)


async def check_end(days: Days) -> None:
    """Hold that nothing waits any more, and nobody's money or energy is in between."""
    await check(days)
    async with days.database.reading() as tx:
        assert not await tx.rows("SELECT id FROM trades WHERE state = 'held'")
        assert not await tx.rows(
            "SELECT id FROM orders WHERE state IN ('reserved', 'confirmed')"
        )
        assert not await tx.rows("SELECT id FROM auction_orders WHERE state = 'sealed'")
        pending = await tx.rows(
            "SELECT code FROM ledger_accounts WHERE debits_pending <> 0"
            " OR credits_pending <> 0"
        )
        assert not pending, pending
        waits = await tx.rows(
            "SELECT code FROM ledger_accounts WHERE code LIKE 'escrow:%'"
            " AND credits_posted <> debits_posted"
            " AND code NOT IN ('escrow:refunds', 'escrow:listed-house')"
        )
        assert not waits, waits
        delivered = _by_slot(await trade_rows.where(tx, "1 = 1", ()))
        for point, start, promised, _, settled in await tx.rows(_SALES):
            assert settled, (point, start)
            assert promised == delivered[point, start], (point, start, promised)


async def _check_lanes(tx: Transaction, trades: list[Trade]) -> None:
    """An offer's claims are its orders', and an order's trades are its slots."""
    for offer, start, claimed, ordered in await tx.rows(_CLAIMED):
        assert claimed == ordered, f"offer {offer} at {start}: {claimed}, {ordered}"
    for order, state, count, traded, wh, held, gone in await tx.rows(_ORDERS):
        made = state not in ("reserved", "released", "expired")
        assert traded == (wh if made else 0), f"order {order} is {state}"
        assert (state == "cancelled") == (0 < count == gone), f"order {order}"
        assert not held or state == "confirmed", f"order {order} is {state}"
    for one in trades:
        assert one.buyer != one.seller
        assert one.delivered_wh <= one.wh
    both = await tx.rows(_BOTH)
    assert not both, f"who sells in a slot buys in it: {both[0]}"


async def _check_promises(tx: Transaction, trades: list[Trade]) -> None:
    """What is promised of a slot is what offers, asks and trades have of it."""
    wanted: Counter[tuple[int, int]] = Counter()
    for statement in (_OFFERED, _ASKED):
        for point, start, wh in await tx.rows(statement):
            wanted[point, start] += wh
    for one in trades:
        place = (one.meter_point, one.start)
        if one.state is TradeState.HELD and one.order is None:
            wanted[place] += one.wh
        elif one.state is TradeState.SETTLED:
            wanted[place] += one.delivered_wh - (one.wh if one.order else 0)
        elif one.state is TradeState.VOIDED and one.order:
            wanted[place] -= one.wh
    for point, start, promised, cap, _ in await tx.rows(_SALES):
        assert 0 <= promised <= cap
        assert promised == wanted[point, start], (
            f"{promised} Wh are promised of {point} at {start}, not {wanted[point, start]}"
        )


async def _check_money(tx: Transaction, trades: list[Trade]) -> None:
    """Every account of money is what its owner's payments, trades and deeds make it."""
    due: Counter[str] = Counter()
    await _count_outside(tx, due)
    runs = {row[0]: row[1:] for row in await tx.rows(_RUNS)}
    for one in trades:
        stake, fund, arrears = runs.get(one.id, (0, 0, 0))
        due[f"user:{one.buyer}"] += stake + fund + arrears
        due[f"stake:{one.seller}"] -= stake
        due["mutual-fund"] -= fund
        due[f"arrears:{one.buyer}"] -= arrears
        if one.state is TradeState.HELD:
            due[f"user:{one.buyer}"] -= cost(one.wh, one.terms.price)
        elif one.state is TradeState.SETTLED:
            paid = payment(one.terms, one.wh, one.delivered_wh)
            due[f"user:{one.buyer}"] -= cost(one.delivered_wh, one.terms.price)
            due[f"user:{one.seller}"] += paid.seller
            due["fee"] += paid.fee
            due["wheeling"] += paid.losses
            assert 0 <= stake + fund <= paid.owed
    await _compare(tx, due, "asset = 'XTS'")


async def _count_outside(tx: Transaction, due: Counter[str]) -> None:
    """Count all money that moved but for trades."""
    for account, way, micro in await tx.rows(
        "SELECT account, direction, amount FROM payments"
    ):
        due[account] += micro if way == "in" else -micro
        due["cash"] -= micro if way == "in" else -micro
    for who, kind, micro in await tx.rows(
        "SELECT member_id, kind, amount FROM stake_moves"
    ):
        due[f"user:{who}"] -= micro if kind == "stake" else -micro
        due[f"stake:{who}"] += micro if kind == "stake" else -micro
    for who, price, wh in await tx.rows(
        "SELECT member_id, price, wh FROM auction_orders"
        " WHERE side = 'bid' AND state = 'sealed'"
    ):
        due[f"user:{who}"] -= cost(wh, price)
    for who, wh in await tx.rows(_FED):
        due[f"user:{who}"] += cost(wh, FEED_IN)
        due["utility"] -= cost(wh, FEED_IN)
    for kind, who, seller, amount, commission in await tx.rows(
        "SELECT kind, member_id, seller, amount, commission FROM listing_deeds"
    ):
        if kind == "buy":
            due[f"user:{who}"] -= amount + commission
            due[f"user:{seller}" if seller else "escrow:refunds"] += amount
            due["escrow:refunds"] += commission
        else:
            due[f"user:{who}"] += amount
            due["escrow:refunds"] -= amount


async def _check_energy(tx: Transaction, days: Days, trades: list[Trade]) -> None:
    """Nobody delivers more than was metered, and every Wh has one owner."""
    metered = {one.number for one in days.points if one.home}
    due: Counter[str] = Counter()
    for who, wh in await tx.rows(
        "SELECT member_id, sum(posted_wh) FROM credits GROUP BY 1"
    ):
        due[f"producer:{who}"] += wh
    for one in trades:
        if one.meter_point in metered:
            due[f"producer:{one.seller}"] -= one.delivered_wh
            due[f"buyer:{one.buyer}"] += one.delivered_wh
    for who, wh in await tx.rows(_FED):
        due[f"producer:{who}"] -= wh
    for kind, who, seller, wh in await tx.rows(
        "SELECT kind, member_id, seller, wh FROM listing_deeds"
    ):
        book = f"escrow:listed-{seller or 'house'}"
        more = wh if kind in ("add", "refund") else -wh
        mine = f"producer:{who}" if kind in ("add", "remove") else f"buyer:{who}"
        due[book] += more
        due[mine] -= more
    for who, wh in await tx.rows(
        "SELECT w.member_id, sum(p.wh) FROM withdrawn_parts p"
        " JOIN withdrawals w ON w.id = p.withdrawal_id GROUP BY 1"
    ):
        due[f"producer:{who}"] -= wh
    # What a producer owes is counted against what he holds.
    for code, net in await _nets(tx, "asset = 'wh' AND code LIKE 'debt:%'"):
        due[f"producer:{code.partition(':')[2]}"] -= net
    only = "asset = 'wh' AND (code LIKE 'producer:%' OR code LIKE 'buyer:%' OR code LIKE 'escrow:%')"
    await _compare(tx, due, only)
    await _check_metered(tx, days, trades)
    await _check_debts(tx)


async def _check_debts(tx: Transaction) -> None:
    """Nobody's export was minted while he owed Wh of an earlier one."""
    owed: Counter[str] = Counter()
    for purpose, debit, credit, wh in await tx.rows(_DEBTS):
        if purpose == "owe":
            owed[debit.partition(":")[2]] += wh
        elif purpose == "repay":
            owed[credit.partition(":")[2]] -= wh
        else:
            assert not owed[credit.partition(":")[2]], f"{credit} was minted {wh} Wh"


async def _check_metered(tx: Transaction, days: Days, trades: list[Trade]) -> None:
    """Of a slot nobody was given more than its meter ever said of it."""
    most: dict[tuple[int, int], int] = defaultdict(int)
    registers = {one.home.register_id: one.number for one in days.points if one.home}
    for register, start, wh in await tx.rows(
        "SELECT register_id, start, max(delta) FROM readings WHERE delta > 0 GROUP BY 1, 2"
    ):
        most[registers[register], start - start % days.slot_s] += wh
    for place, wh in _by_slot(trades).items():
        if place[0] in registers.values():
            assert wh <= most[place], (
                f"{wh} Wh of {place}, where {most[place]} were metered"
            )


def _by_slot(trades: list[Trade]) -> Counter[tuple[int, int]]:
    found: Counter[tuple[int, int]] = Counter()
    for one in trades:
        found[one.meter_point, one.start] += one.delivered_wh
    return found


async def _compare(tx: Transaction, due: Counter[str], which: str) -> None:
    """Hold each account of some against what it should have; holds are taken off."""
    for code, net in await _nets(tx, which):
        assert net == due[code], f"{code} has {net}, and should {due[code]}"


async def _nets(tx: Transaction, which: str) -> list[Row]:
    return await tx.rows(
        "SELECT code, credits_posted - debits_posted - debits_pending"  # noqa: S608
        f" FROM ledger_accounts WHERE {which}"
    )
