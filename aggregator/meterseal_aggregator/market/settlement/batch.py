"""One batch of slots settled in one transaction: read, plan, post, write, tell.

    done, last = await settle(tx, rules, slots, clock)

Everything a run says changes together: ledger, trades, promises, orders, trust and what
members are told. Trades of all the batch's slots come first, then what is fed in, so that
nobody's promise is fed in. This module must never write what the ledger did not take.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.credits.retire import Retirement, retire
from meterseal_aggregator.identity.events import Told, tell
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import (
    MUTUAL_FUND,
    UTILITY,
    producer,
    stake,
    user,
)
from meterseal_aggregator.ledger.model import (
    WH,
    Account,
    AccountCode,
    Asset,
    Result,
    Transfer,
)
from meterseal_aggregator.market import sales
from meterseal_aggregator.market import trades as trade_rows
from meterseal_aggregator.market.delivery import cost
from meterseal_aggregator.market.model import Trade, TradeState, transfer_id
from meterseal_aggregator.market.settlement import feeding, store
from meterseal_aggregator.market.settlement.model import (
    BooksDiffer,
    How,
    Key,
    Outcome,
    Slot,
    SlotRun,
)
from meterseal_aggregator.market.settlement.plan import (
    Plan,
    Setting,
    before_of,
    plan_slot,
    surplus,
)
from meterseal_aggregator.market.settlement.purse import Purse
from meterseal_aggregator.market.settlement.repute import conclude, touched
from meterseal_aggregator.market.settlement.store import Clock, Closed
from meterseal_aggregator.market.terms import MarketRules
from meterseal_aggregator.storage.database import Transaction
from meterseal_proto.intervals import Interval

MAX_TRADES: Final = 1_000
"""Trades a batch: at nine entries each they fit one ledger batch."""
BENEFICIARY: Final = "utility"
"""Who uses what is fed in."""
_CODES: Final = 20_000
"""Accounts asked for in one statement."""


@dataclass(slots=True)
class _Batch:
    """The slots of a batch with all that is known of them."""

    slots: list[Slot]
    trades: dict[Key, list[Trade]]
    before: dict[Key, SlotRun]
    choices: feeding.Choices
    purse: Purse


async def settle(
    tx: Transaction, rules: MarketRules, slots: Sequence[Slot], clock: Clock
) -> tuple[int, Slot]:
    """Settle slots as far as they can be; returns how many slots and trades went on.

    Those beyond MAX_TRADES are left for the next batch: the last that was not comes with
    the number. Raises BooksDiffer.
    """
    batch = await _read(tx, slots)
    plans = await _plan(tx, rules, batch, clock)
    now = clock.now
    outcomes = [outcome for plan in plans for outcome in plan.outcomes]
    voids = [trade for plan in plans for trade in plan.voids]
    await _post(tx, outcomes, now=now)
    await trade_rows.void(tx, voids, now=now)
    closed = await _surplus(tx, batch, plans, now=now)
    await store.write_trades(tx, outcomes, now=now)
    # Of what was promised what was ordered and did not come.
    await sales.release(tx, {plan.slot.key: plan.released_wh for plan in plans})
    await store.write_slots(tx, closed, now=now)
    moved = [(one.found.trade, int(one.found.run)) for one in outcomes]
    moved += [(one, 0) for one in voids]
    told = [said for outcome in outcomes for said in _say(outcome)]
    told += [said for trade in voids for said in _say_void(trade)]
    if moved:
        told += await conclude(tx, rules.trust, touched(moved), now=now)
    await tell(tx, told, now=now)
    return len(closed) + len(moved), batch.slots[-1]


async def _read(tx: Transaction, slots: Sequence[Slot]) -> _Batch:
    trades = await store.trades_of(tx, slots)
    taken: list[Slot] = []
    count = 0
    for slot in slots:
        count += len(trades.get(slot.key, ()))
        if taken and count > MAX_TRADES:
            break
        taken.append(slot)
    living = [one for slot in taken for one in trades.get(slot.key, ())]
    return _Batch(
        slots=taken,
        trades=trades,
        before=await store.last_runs(tx, taken),
        choices=await feeding.choices(tx, {one.seller for one in taken}),
        purse=Purse(await _accounts(tx, taken, living)),
    )


async def _accounts(
    tx: Transaction, slots: Sequence[Slot], trades: Sequence[Trade]
) -> list[Account]:
    wanted: dict[Asset, set[AccountCode]] = {WH: set()}
    wanted[WH].update(producer(one.seller) for one in slots)
    for one in trades:
        codes = wanted.setdefault(one.asset, {MUTUAL_FUND})
        codes.update((user(one.buyer), user(one.seller), stake(one.seller), one.escrow))
    found: list[Account] = []
    for asset, codes in wanted.items():
        every = sorted(codes)
        for at in range(0, len(every), _CODES):
            page = await ledger.balances(tx, asset, every[at : at + _CODES])
            found += page.values()
    return found


async def _plan(
    tx: Transaction, rules: MarketRules, batch: _Batch, clock: Clock
) -> list[Plan]:
    held = [
        one
        for slot in batch.slots
        for one in batch.trades.get(slot.key, ())
        if one.state is TradeState.HELD
    ]
    disputed = await store.disputed(tx, held)
    covered = await store.covered(tx, batch.slots)
    plans = []
    for slot in batch.slots:
        setting = Setting(clock.run(slot.start), rules.mock, disputed, covered)
        trades = batch.trades.get(slot.key, [])
        before = before_of(batch.before, slot)
        plans.append(plan_slot(slot, trades, before, batch.purse, setting))
    return plans


async def _post(tx: Transaction, outcomes: Sequence[Outcome], *, now: int) -> None:
    page: list[Transfer] = []
    for outcome in outcomes:
        if len(page) + len(outcome.chain) > ledger.MAX_BATCH:
            check(await ledger.post(tx, page, now=now))
            page = []
        page += outcome.chain
    check(await ledger.post(tx, page, now=now))


async def _surplus(
    tx: Transaction, batch: _Batch, plans: Sequence[Plan], *, now: int
) -> list[Closed]:
    """Feed in what is left of whole slots where their producers want it."""
    whole = [plan for plan in plans if plan.whole]
    feeding_in = {
        plan.slot
        for plan in whole
        if batch.choices.feeds(plan.slot.seller, plan.slot.start)
    }
    waiting = await store.waiting(tx, batch.slots) if feeding_in else {}
    closed, fed = [], []
    for plan in whole:
        slot = plan.slot
        feeds = slot in feeding_in
        owed = sum(
            wh for start, wh in waiting.get(slot.seller, ()) if start <= slot.start
        )
        found, wh = surplus(
            plan,
            before_of(batch.before, slot),
            batch.purse,
            feeds=feeds,
            reserved_wh=owed,
        )
        over = slot.how is not How.METER or not (plan.settled or feeds)
        closed.append(Closed(slot, plan.run, found, over))
        if wh:
            fed.append((plan, wh))
    if fed:
        await _feed_in(tx, fed, now=now)
    return closed


async def _feed_in(
    tx: Transaction, fed: Sequence[tuple[Plan, int]], *, now: int
) -> None:
    tariff = await feeding.tariff(tx)
    payments = []
    for plan, wh in fed:
        slot = plan.slot
        about = ("feed-in", *slot.key, int(plan.run))
        span = Interval(slot.start, slot.length)
        wish = Retirement(
            transfer_id(*about, "wh"), producer(slot.seller), BENEFICIARY, span, wh
        )
        check([await retire(tx, wish, now=now)])
        payments.append(
            Transfer(
                id=transfer_id(*about, "money"),
                amount=cost(wh, tariff.price(slot)),
                debit=UTILITY,
                credit=user(slot.seller),
                purpose="feed-in",
                asset=tariff.asset(slot),
                effective_at=slot.end,
                reference=f"{slot.meter_point}/{slot.start}".encode(),
            )
        )
    check(await ledger.post(tx, [one for one in payments if one.amount], now=now))


def check(results: Iterable[Result]) -> None:
    """Go on if the ledger entered all of it, now; raises BooksDiffer."""
    for result in results:
        if not result.entered or result.duplicate:
            raise BooksDiffer(f"the ledger answers {result} to a settlement")


def _say(outcome: Outcome) -> list[Told]:
    found = outcome.found
    trade = found.trade
    body = {
        "id": trade.id,
        "state": TradeState.SETTLED.value,
        "run": int(found.run),
        "wh": trade.wh,
        "metered_wh": found.metered_wh,
        "delivered_wh": found.delivered_wh,
    }
    paid = {
        "paid_micro": found.paid,
        "compensation_micro": found.from_stake + found.from_fund,
        "uncovered_micro": found.uncovered,
        "arrears_micro": found.arrears,
    }
    got = {"received_micro": found.to_seller, "from_stake_micro": found.from_stake}
    return [
        Told(trade.buyer, "trade", body | paid),
        Told(trade.seller, "trade", body | got),
    ]


def _say_void(trade: Trade) -> list[Told]:
    body = {"id": trade.id, "state": TradeState.VOIDED.value, "wh": trade.wh}
    return [Told(who, "trade", body) for who in (trade.buyer, trade.seller)]
