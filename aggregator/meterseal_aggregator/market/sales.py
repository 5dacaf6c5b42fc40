"""What sellers promised of each slot at each meter point: one cap for both lanes.

    await promise(tx, rules, Selling(seller, meter_point, {start: wh}), terms, now=now)
    await release(tx, {(meter_point, start): wh})
    still = await backed(tx, rules, [(meter_point, start)])

A promise is an offer or an ask. It needs an open export meter under a certificate, or a
demo; it stays within what the point's capacity gives in a slot and within what the seller's
trust allows in a month. This module must never move energy or money.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.market.model import Cause, Declined
from meterseal_aggregator.market.slots import aligned, month_of, slot_of
from meterseal_aggregator.market.standing import left_this_month
from meterseal_aggregator.market.terms import MarketRules, MarketTerms
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.clearing import MAX_WH
from meterseal_proto.units import EXPORT

MAX_SLOTS: Final = 192
"""Slots of one wish: two days of quarter hours."""
MAX_AHEAD_S: Final = 35 * 86_400
"""How far ahead is traded: nobody knows next season's sun, and limits are by the month."""
HOUR_S: Final = 3_600

_HELD: Final = """
SELECT 1 FROM tenancies WHERE member_id = ? AND meter_point_id = ? AND from_at <= ?
  AND (to_at IS NULL OR to_at >= ?)
"""
_REGISTERS: Final = """
SELECT g.mode, g.step FROM installations i
JOIN registers g ON g.meter_id = i.meter_id AND g.register = ?
WHERE i.meter_point_id = ? AND i.from_at <= ? AND i.to_at IS NULL
"""
_METERED: Final = """
SELECT 1 FROM installations WHERE meter_point_id = ? AND to_at IS NULL
"""
_CERTIFIED: Final = """
SELECT capacity_w FROM certifications WHERE meter_point_id = ? AND from_at <= ?
  AND (to_at IS NULL OR to_at >= ?) AND (member_id IS NULL OR member_id = ?)
"""
_WRITE: Final = """
INSERT INTO slot_sales (meter_point_id, start, length, seller_id, cap_wh, promised_wh)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (meter_point_id, start) DO UPDATE
SET seller_id = excluded.seller_id, cap_wh = excluded.cap_wh,
  promised_wh = excluded.promised_wh
"""
# Where a member buys: reserved or confirmed orders, trades and sealed bids.
_BUYS: Final = """
SELECT s.start FROM order_slots s JOIN orders o ON o.id = s.order_id
  WHERE o.buyer_id = ? AND o.state = 'reserved' AND s.start BETWEEN ? AND ?
UNION SELECT start FROM trades
  WHERE buyer_id = ? AND state IN ('held', 'settled') AND start BETWEEN ? AND ?
UNION SELECT start FROM auction_orders
  WHERE member_id = ? AND side = 'bid' AND state = 'sealed' AND start BETWEEN ? AND ?
"""
# Of promised slots that are not settled: does the seller hold the meter point through it,
# does a meter stand there, and has it open export under a certificate of his through it?
_BACKED: Final = f"""
WITH wanted (meter_point_id, start) AS (VALUES {{pairs}})
SELECT p.meter_point_id, p.start,
  EXISTS (SELECT 1 FROM tenancies t
    WHERE t.member_id = p.seller_id AND t.meter_point_id = p.meter_point_id
    AND t.from_at <= p.start AND (t.to_at IS NULL OR t.to_at >= p.start + p.length)),
  EXISTS (SELECT 1 FROM installations i
    WHERE i.meter_point_id = p.meter_point_id AND i.to_at IS NULL),
  EXISTS (SELECT 1 FROM installations i
    JOIN registers g ON g.meter_id = i.meter_id AND g.register = {int(EXPORT)}
      AND g.mode = 0
    WHERE i.meter_point_id = p.meter_point_id AND i.to_at IS NULL)
  AND EXISTS (SELECT 1 FROM certifications c
    WHERE c.meter_point_id = p.meter_point_id AND c.from_at <= p.start
    AND (c.to_at IS NULL OR c.to_at >= p.start + p.length)
    AND (c.member_id IS NULL OR c.member_id = p.seller_id))
FROM wanted w CROSS JOIN slot_sales p
  ON p.meter_point_id = w.meter_point_id AND p.start = w.start AND p.settled_at IS NULL
"""  # noqa: S608 - a number of ours


@dataclass(frozen=True, slots=True)
class Selling:
    """What a seller wants to promise of a meter point: Wh by the slot's first second."""

    seller: int
    meter_point: int
    wh: Mapping[int, int]


def check_slots(starts: Iterable[int], terms: MarketTerms, *, now: int) -> None:
    """Go on if these can be slots of the time to come; raises Declined."""
    wanted = list(starts)
    if not 1 <= len(wanted) <= MAX_SLOTS or len(set(wanted)) < len(wanted):
        raise Declined(Cause.SLOT, f"name 1 to {MAX_SLOTS} slots, each once")
    for start in wanted:
        if start > now + MAX_AHEAD_S:
            days = MAX_AHEAD_S // 86_400
            raise Declined(
                Cause.SLOT, f"{start} is more than {days} days ahead: trade it then"
            )
        if start <= now:
            raise Declined(
                Cause.TOO_LATE, f"the slot at {start} has begun: choose a later one"
            )
        if not aligned(start, terms.slot_s, terms.zone):
            raise Declined(
                Cause.SLOT,
                f"no slot begins at {start}, the one around it does at"
                f" {slot_of(start, terms.slot_s, terms.zone)}: slots have"
                f" {terms.slot_s} s by the clock of {terms.zone}",
            )
        if terms.grid_ends is not None and start + terms.slot_s > terms.grid_ends:
            raise Declined(
                Cause.SLOT,
                f"slots lie otherwise from {terms.grid_ends} on: trade those then",
            )


async def promise(
    tx: Transaction, rules: MarketRules, wish: Selling, terms: MarketTerms, *, now: int
) -> None:
    """Add a promise to its slots, all or none; raises Declined with what to do."""
    check_slots(wish.wh, terms, now=now)
    if not all(0 < wh <= MAX_WH for wh in wish.wh.values()):
        raise Declined(Cause.SLOT, f"promise 1 to {MAX_WH} Wh of each slot")
    await _check_holds(tx, wish, terms)
    buying = await buys_in(tx, wish.seller, wish.wh)
    if buying:
        raise Declined(
            Cause.BOTH_SIDES, f"you buy in the slot at {min(buying)}: sell in another"
        )
    caps = await _caps(tx, rules, wish, terms, now=now)
    await _check_trust(tx, rules, wish, terms)
    rows = []
    for start, promised in (await _promised(tx, wish)).items():
        whole = promised + wish.wh[start]
        if whole > caps[start]:
            left = max(0, caps[start] - promised)
            raise Declined(
                Cause.ABOVE_CAP,
                f"of the slot at {start} {left} Wh are left to sell at this meter point,"
                " in both lanes together: promise no more, or choose another slot",
            )
        key = (wish.meter_point, start, terms.slot_s, wish.seller)
        rows.append((*key, max(caps[start], whole), whole))
    await tx.many(_WRITE, rows)


async def release(tx: Transaction, wh: Mapping[tuple[int, int], int]) -> None:
    """Take Wh back from what is promised, by meter point and slot: one statement.

    Settled slots too: each room takes back what it knows of, before or after. Below 0 is
    promised again.
    """
    await tx.many(
        "UPDATE slot_sales SET promised_wh = promised_wh - ?"
        " WHERE meter_point_id = ? AND start = ?",
        [(less, *place) for place, less in wh.items() if less],
    )


async def backed(
    tx: Transaction, rules: MarketRules, places: Iterable[tuple[int, int]]
) -> set[tuple[int, int]]:
    """Return which promised slots, by meter point and start, can still be delivered.

    Since he promised, a seller may have moved out, lost his certificate or his meter; then
    his slots give nothing, and the mutual fund would pay for it. Each lane looks before
    anybody's money is bound.
    """
    rows = await tx.rows_of_pairs(_BACKED, list(places))
    return {
        (point, start)
        for point, start, held, metered, certified in rows
        if held and (certified if metered else rules.mock is not None)
    }


async def sells_in(tx: Transaction, member: int, starts: Iterable[int]) -> set[int]:
    """Return in which of these slots a member has promised energy."""
    wanted = set(starts)
    rows = await tx.rows(
        "SELECT start FROM slot_sales WHERE seller_id = ? AND start BETWEEN ? AND ?"
        " AND promised_wh > 0",
        (member, min(wanted), max(wanted)),
    )
    return {row[0] for row in rows} & wanted


async def buys_in(tx: Transaction, member: int, starts: Iterable[int]) -> set[int]:
    """Return in which of these slots a member buys, or has bid."""
    wanted = set(starts)
    span = (member, min(wanted), max(wanted))
    return {row[0] for row in await tx.rows(_BUYS, span * 3)} & wanted


async def _check_holds(tx: Transaction, wish: Selling, terms: MarketTerms) -> None:
    first, last = min(wish.wh), max(wish.wh) + terms.slot_s
    row = (wish.seller, wish.meter_point, first, last)
    if not await tx.rows(_HELD, row):
        raise Declined(
            Cause.NOT_YOURS,
            "you do not hold this meter point all that time: name one you do",
        )


async def _caps(
    tx: Transaction, rules: MarketRules, wish: Selling, terms: MarketTerms, *, now: int
) -> dict[int, int]:
    """Return what each slot can give; raises Declined where nothing certifies it."""
    if not await _metered(tx, wish.meter_point, terms, now):
        if rules.mock is None:
            raise Declined(
                Cause.NO_METER, "no meter stands at this meter point: enrol one first"
            )
        # Nothing bounds an unmetered point but its seller's trust.
        return dict.fromkeys(wish.wh, MAX_WH)
    caps = {}
    for start in wish.wh:
        row = (wish.meter_point, start, start + terms.slot_s, wish.seller)
        found = await tx.rows(_CERTIFIED, row)
        if not found:
            raise Declined(
                Cause.UNCERTIFIED,
                f"no certificate of yours is in force here at {start}: apply for one",
            )
        caps[start] = found[0][0] * terms.slot_s // HOUR_S
    return caps


async def _metered(
    tx: Transaction, meter_point: int, terms: MarketTerms, now: int
) -> bool:
    """Tell whether a meter of open export stands there; Declined for one that is of no use."""
    if not await tx.rows(_METERED, (meter_point,)):
        return False
    rows = await tx.rows(_REGISTERS, (EXPORT, meter_point, now))
    if not rows:
        raise Declined(Cause.NO_METER, "the meter there has no export register")
    if any(mode for mode, _ in rows):
        raise Declined(
            Cause.NO_METER,
            "the export register there is private: only an open one sells",
        )
    if any(terms.slot_s % step for _, step in rows):
        raise Declined(Cause.SLOT, "the meter's intervals are longer than the slot")
    return True


async def _check_trust(
    tx: Transaction, rules: MarketRules, wish: Selling, terms: MarketTerms
) -> None:
    months: dict[int, dict[int, int]] = defaultdict(dict)
    for start, wh in wish.wh.items():
        months[month_of(start, terms.zone)[0]][start] = wh
    for slots in months.values():
        wh = sum(slots.values())
        # By what he is certified for then: at a month's first second he may not have been.
        first = min(slots)
        left = await left_this_month(tx, rules.trust, wish.seller, terms, first)
        if wh > left:
            raise Declined(
                Cause.ABOVE_TRUST,
                f"your trust lets you promise {left} Wh more in that month, not {wh}:"
                " promise less, or declare what you make in a month if you did not",
            )


async def _promised(tx: Transaction, wish: Selling) -> dict[int, int]:
    """Return what is promised of each wanted slot so far."""
    rows = await tx.rows(
        "SELECT start, promised_wh, seller_id FROM slot_sales"
        " WHERE meter_point_id = ? AND start BETWEEN ? AND ?",
        (wish.meter_point, min(wish.wh), max(wish.wh)),
    )
    found = {start: wh for start, wh, _ in rows if start in wish.wh}
    if any(wh and start in wish.wh and who != wish.seller for start, wh, who in rows):
        raise Declined(
            Cause.NOT_YOURS, "another member sold this slot there: choose a later one"
        )
    return dict.fromkeys(wish.wh, 0) | found
