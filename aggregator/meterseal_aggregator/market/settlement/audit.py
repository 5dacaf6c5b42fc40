"""What must always hold of trades: energy once, money to the micro-unit, trust as recorded.

Reads the market's tables, `credits`, disputes' and the ledger's. This module must never write.
"""

from collections import defaultdict
from typing import Final

from meterseal_aggregator.market.delivery import Terms, payment
from meterseal_aggregator.market.trust import moved
from meterseal_aggregator.storage.database import Row, Transaction
from meterseal_aggregator.storage.finding import Finding

ENERGY: Final = 12
"""The number of "one Wh, one use: export = traded + fed in + kept"."""
MONEY: Final = 13
"""The number of "a buyer pays for what he was delivered, and nothing stays in between"."""
TRUST: Final = 14
"""The number of "a score is what its events give"."""

# Slots of which more was traded and fed in than their meter was ever credited with.
_TWICE: Final = """
SELECT s.meter_point_id FROM settled_slots s
JOIN slot_runs f ON f.meter_point_id = s.meter_point_id AND f.start = s.start
WHERE s.mocked = 0 AND f.traded_wh + f.fed_in_wh > (
  SELECT coalesce(sum(most), 0) FROM (
    SELECT max(c.value_wh) AS most FROM installations i
    JOIN registers g ON g.meter_id = i.meter_id
    JOIN credits c ON c.register_id = g.id AND c.meter_point_id = s.meter_point_id
      AND c.start >= s.start AND c.start < s.start + s.length
      AND c.member_id = s.seller_id
    WHERE i.meter_point_id = s.meter_point_id GROUP BY c.register_id, c.start))
LIMIT 1
"""
# Settled slots whose last run does not say what their trades were delivered.
_TRADED: Final = """
SELECT s.meter_point_id FROM settled_slots s WHERE (
    SELECT f.traded_wh FROM slot_runs f WHERE f.meter_point_id = s.meter_point_id
      AND f.start = s.start ORDER BY f.run DESC LIMIT 1)
  IS NOT (SELECT coalesce(sum(t.delivered_wh), 0) FROM trades t
    WHERE t.meter_point_id = s.meter_point_id AND t.start = s.start)
LIMIT 1
"""
_OPEN: Final = """
SELECT t.id FROM trades t JOIN settled_slots s
  ON s.meter_point_id = t.meter_point_id AND s.start = t.start
WHERE t.state = 'held' LIMIT 1
"""
# Wh that were fed in by the runs and by what is retired, meter point by meter point.
_FED: Final = """
SELECT (SELECT coalesce(sum(fed_in_wh), 0) FROM slot_runs f WHERE NOT EXISTS (
    SELECT 1 FROM slot_runs l WHERE l.meter_point_id = f.meter_point_id
      AND l.start = f.start AND l.run > f.run)),
  (SELECT coalesce(sum(wh), 0) FROM retirements WHERE beneficiary = 'utility'
    AND holder LIKE 'producer:%')
"""
_COUNTS: Final = """
SELECT count(*), coalesce(sum(traded_wh), 0), coalesce(sum(fed_in_wh), 0) FROM slot_runs
"""
# A first run whose trade's dispute had ended with a credit to its buyer, and that gave him
# what was credited once more: the hold was frozen, so the credit came first.
_GIVEN_TWICE: Final = """
SELECT r.trade_id FROM (SELECT d.trade_id, d.member_id, sum(c.amount) AS amount
  FROM disputes d JOIN dispute_decisions c ON c.dispute_id = d.id AND c.remedy = 'credit'
  WHERE d.held = 1 GROUP BY d.trade_id, d.member_id) g
JOIN trades t ON t.id = g.trade_id AND t.buyer_id = g.member_id
JOIN trade_runs r ON r.trade_id = t.id AND r.run = (
  SELECT min(f.run) FROM trade_runs f WHERE f.trade_id = t.id)
WHERE r.uncovered < min(g.amount, r.from_stake + r.from_fund + r.uncovered) LIMIT 1
"""
# What each trade's entries moved by their purposes, against its runs.
_SETTLED: Final = """
SELECT t.id, t.wh, t.price, t.fee, t.losses_bp, t.retail, t.metered_wh, t.delivered_wh,
  t.run, max(r.run), sum(r.paid), sum(r.to_seller), sum(r.fee), sum(r.losses),
  sum(r.from_stake), sum(r.from_fund), sum(r.uncovered), sum(r.arrears),
  (SELECT s.mocked FROM settled_slots s WHERE s.meter_point_id = t.meter_point_id
   AND s.start = t.start)
FROM trades t LEFT JOIN trade_runs r ON r.trade_id = t.id
WHERE t.state = 'settled' AND t.id > ? GROUP BY t.id ORDER BY t.id LIMIT 1000
"""
_STRAY: Final = """
SELECT r.trade_id FROM trade_runs r JOIN trades t ON t.id = r.trade_id
WHERE t.state <> 'settled' LIMIT 1
"""
_ENTRIES: Final = """
SELECT t.reference, t.purpose, sum(t.amount) FROM ledger_transfers t
WHERE length(t.reference) = 8 AND t.phase = 0 AND t.purpose IN ('sale', 'market-fee',
  'wheeling', 'delivery', 'compensation', 'compensation-fund', 'return-fund',
  'return-fund-owed', 'return-stake', 'return-stake-owed', 'pay-owed')
GROUP BY t.reference, t.purpose
"""
# Money that stands in the escrow of a trade that has ended, or none in that of one that
# is held.
_ESCROWS: Final = """
SELECT a.code FROM ledger_accounts a JOIN trades t ON a.code = 'escrow:trade-' || t.id
  AND a.asset = t.asset
WHERE a.credits_posted <> a.debits_posted OR a.debits_pending <> 0
  OR a.credits_pending <> CASE t.state WHEN 'held' THEN t.wh * (t.price / 1000) ELSE 0 END
LIMIT 1
"""
_EVENTS: Final = """
SELECT id, member_id, change, score FROM trust_events WHERE id > ? ORDER BY id LIMIT 1000
"""
_SCORES: Final = "SELECT member_id, score FROM trust_scores"

Entries = dict[int, dict[str, int]]


async def findings(tx: Transaction) -> list[Finding]:
    """Say whether trades, slots, the ledger and trust tell the same story."""
    return [await _energy(tx), await _money(tx), await _trust(tx)]


async def _energy(tx: Transaction) -> Finding:
    for statement, wrong in (
        (_TWICE, "more was used of a slot than its meter was ever credited with"),
        (_TRADED, "a slot's last run is not what its trades were delivered"),
        (_OPEN, "a trade is still held whose slot is settled"),
    ):
        rows = await tx.rows(statement)
        if rows:
            return Finding(ENERGY, ok=False, detail=f"{rows[0][0]}: {wrong}")
    ((runs, retired),) = await tx.rows(_FED)
    if runs != retired:
        detail = f"{runs} Wh were fed in by the slots, {retired} Wh are retired for it"
        return Finding(ENERGY, ok=False, detail=detail)
    ((count, traded, fed),) = await tx.rows(_COUNTS)
    detail = (
        f"{count} looks at slots: {traded} Wh traded, {fed} Wh fed in, the rest kept"
    )
    return Finding(ENERGY, ok=True, detail=detail)


async def _money(tx: Transaction) -> Finding:
    escrows = await tx.rows(_ESCROWS)
    if escrows:
        detail = f"{escrows[0][0]} does not hold what its trade says"
        return Finding(MONEY, ok=False, detail=detail)
    stray = await tx.rows(_STRAY)
    if stray:
        detail = f"trade {stray[0][0]} has a run and is not settled"
        return Finding(MONEY, ok=False, detail=detail)
    twice = await tx.rows(_GIVEN_TWICE)
    if twice:
        detail = f"trade {twice[0][0]}: what a dispute credited was compensated again"
        return Finding(MONEY, ok=False, detail=detail)
    entries = await _entries(tx)
    count = last = 0
    while page := await tx.rows(_SETTLED, (last,)):
        last = page[-1][0]
        count += len(page)
        for row in page:
            wrong = _difference(row, entries.get(row[0], {}))
            if wrong:
                detail = f"trade {row[0]}: {wrong}"
                return Finding(MONEY, ok=False, detail=detail)
    detail = f"{count} settled trades paid and delivered as their runs and entries say"
    return Finding(MONEY, ok=True, detail=detail)


async def _entries(tx: Transaction) -> Entries:
    found: Entries = defaultdict(dict)
    for reference, purpose, amount in await tx.rows(_ENTRIES):
        found[int.from_bytes(reference)][purpose] = amount
    return found


def _difference(row: Row, entries: dict[str, int]) -> str:
    """Say where a trade's terms, runs and entries differ, or nothing."""
    wh, *terms = row[1:6]
    metered, delivered, run, last = row[6:10]
    paid, to_seller, fee, losses, stake, fund, uncovered, arrears, mocked = row[10:]
    if run != last:
        return f"its last run is {last}, not {run}"
    if not 0 <= metered <= wh or not 0 <= delivered <= wh:
        return "it is delivered more than was ordered"
    due = payment(Terms(*terms), wh, delivered)
    if (paid, to_seller, fee) != (due.held - due.returned, due.seller, due.fee):
        return "its runs do not add up to the price of what was delivered"
    if losses != due.losses or stake + fund + uncovered != due.owed:
        return "its runs do not add up to the losses and the shortfall's cost"
    told = {
        "delivery": _moved(entries, delivered, mocked),
        "sale": to_seller,
        "market-fee": fee,
        "wheeling": losses,
        "stake": stake,
        "fund": fund,
        "arrears": arrears,
    }
    posted = {
        "delivery": entries.get("delivery", 0),
        "sale": entries.get("sale", 0),
        "market-fee": entries.get("market-fee", 0),
        "wheeling": entries.get("wheeling", 0),
        "stake": _net(entries, "compensation", "return-stake"),
        "fund": _net(entries, "compensation-fund", "return-fund"),
        "arrears": sum(wh for why, wh in entries.items() if why.endswith("-owed")),
    }
    wrong = [name for name, amount in posted.items() if amount != told[name]]
    return f"its entries of {wrong[0]} are not what its runs say" if wrong else ""


def _moved(entries: dict[str, int], delivered: int, mocked: int | None) -> int:
    """Return the Wh that must have moved: none by a mock, which is known of a whole slot."""
    if mocked is None and "delivery" not in entries:
        return 0
    return 0 if mocked else delivered


def _net(entries: dict[str, int], given: str, back: str) -> int:
    returned = entries.get(back, 0) + entries.get(f"{back}-owed", 0)
    return entries.get(given, 0) - returned


async def _trust(tx: Transaction) -> Finding:
    scores: dict[int, int] = {}
    count = last = 0
    while page := await tx.rows(_EVENTS, (last,)):
        last = page[-1][0]
        count += len(page)
        for number, member, change, score in page:
            if member in scores and moved(scores[member], change) != score:
                detail = f"trust event {number} does not follow from the one before"
                return Finding(TRUST, ok=False, detail=detail)
            scores[member] = score
    stored: dict[int, int] = dict(await tx.rows(_SCORES))
    if stored != scores:
        detail = "a score is not what its last event left"
        return Finding(TRUST, ok=False, detail=detail)
    detail = f"{count} events give the {len(scores)} scores there are"
    return Finding(TRUST, ok=True, detail=detail)
