"""What a run does to a slot: whose Wh come, what of them can be given, what is left over.

    plan = plan_slot(slot, trades, purse, setting)
    run = surplus(slot, plan, before, purse, feeds=True)

The export is shared among all that was sold (`delivery.shared`); what is then delivered is
bounded by what the producer's account holds, for a debt is repaid first, in the same order.
Nobody is given more than the slot exported. Pure. This module must never let a trade that
waits take from the share of another, nor another from its share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meterseal_aggregator.ledger.accounts import producer, stake, user
from meterseal_aggregator.ledger.model import WH
from meterseal_aggregator.market.delivery import Promise, shared
from meterseal_aggregator.market.model import Trade, TradeState
from meterseal_aggregator.market.settlement.mock import TEST_ASSET, verified
from meterseal_aggregator.market.settlement.model import (
    NOTHING,
    Covered,
    How,
    Outcome,
    Slot,
    SlotRun,
)
from meterseal_aggregator.market.settlement.paying import Look, settle
from meterseal_aggregator.market.settlement.purse import Purse
from meterseal_aggregator.market.settlement.runs import Run
from meterseal_aggregator.market.terms import Mock

_LIVING = (TradeState.HELD, TradeState.SETTLED)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a run knows beside the slot: its number, the mock, and of trades what is disputed.

    `disputed` are the trades whose hold is frozen; `covered` what earlier runs gave.
    """

    run: Run
    mock: Mock | None = None
    disputed: frozenset[int] = frozenset()
    covered: Mapping[int, Covered] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run does to a slot's trades; `whole` when none of them has to wait."""

    slot: Slot
    run: Run
    outcomes: list[Outcome]
    voids: list[Trade]
    traded_wh: int
    whole: bool
    settled: bool
    """Whether any trade of the slot is settled, so that a later run may change it."""

    @property
    def released_wh(self) -> int:
        """Wh that are promised no more: ordered and not delivered; below 0 when more came."""
        wh = sum(one.wh for one in self.voids)
        for outcome in self.outcomes:
            found = outcome.found
            first = found.trade.state is TradeState.HELD
            wh += found.trade.wh if first else found.trade.delivered_wh
            wh -= found.delivered_wh
        return wh


def plan_slot(
    slot: Slot, trades: Sequence[Trade], before: SlotRun, purse: Purse, setting: Setting
) -> Plan:
    """Plan a run of a slot; `before` is what the last one found. The purse follows."""
    living = [one for one in trades if one.state in _LIVING]
    found = _metered(slot, living, setting.mock)
    open_ = [one for one in living if one.id in found and one.run < setting.run]
    more = _given(slot, living, open_, found, before, purse)
    outcomes = []
    waiting = [one for one in living if _held(one) and one.id not in found]
    for one in open_:
        if found[one.id] == one.metered_wh:
            continue
        covered = setting.covered.get(one.id, Covered())
        if _blocked(one, covered, purse, setting):
            # Its Wh stay where they are: nobody else is given them.
            purse.take(WH, producer(slot.seller), more[one.id])
            waiting.append(one)
            continue
        energy = slot.how is How.METER
        look = Look(one, setting.run, found[one.id], more[one.id], covered, energy)
        outcomes.append(settle(purse, look))
    voids = [one for one in waiting if _hopeless(one, found, purse, setting)]
    delivered = sum(one.delivered_wh for one in living)
    return Plan(
        slot=slot,
        run=setting.run,
        outcomes=outcomes,
        voids=voids,
        traded_wh=delivered + sum(_more(one) for one in outcomes),
        whole=len(voids) == len(waiting),
        settled=bool(outcomes) or any(not _held(one) for one in living),
    )


def surplus(
    plan: Plan, before: SlotRun, purse: Purse, *, feeds: bool, reserved_wh: int = 0
) -> tuple[SlotRun, int]:
    """Return what became of a whole slot's export, and the Wh of it fed in just now.

    Fed in is what no run had left before, as far as the producer still holds it beyond
    what is reserved for his trades elsewhere.
    """
    export = plan.slot.export_wh
    if plan.slot.how is How.MOCK:
        export = plan.traded_wh
    used = plan.traded_wh + before.fed_in_wh
    fed = 0
    if feeds and plan.slot.how is How.METER:
        fresh = max(0, export - used - before.kept_wh)
        theirs = producer(plan.slot.seller)
        free = max(0, purse.holds(WH, theirs) - reserved_wh)
        fed = purse.take(WH, theirs, min(fresh, free))
    left = export - used - fed
    found = SlotRun(
        export_wh=export,
        traded_wh=plan.traded_wh,
        fed_in_wh=before.fed_in_wh + fed,
        kept_wh=max(0, left),
        owed_wh=max(0, -left),
    )
    return found, fed


def _metered(slot: Slot, living: Sequence[Trade], mock: Mock | None) -> dict[int, int]:
    """Return each trade's share of what was metered; without those nobody can tell of."""
    if slot.how is How.METER:
        return _shared(slot.export_wh, living, {one.id: one.wh for one in living})
    if slot.how is How.NOBODY or mock is None:
        return {}
    return {
        one.id: verified(mock, one.id, one.wh)
        for one in living
        if one.asset == TEST_ASSET
    }


def _given(
    slot: Slot,
    living: Sequence[Trade],
    open_: Sequence[Trade],
    found: Mapping[int, int],
    before: SlotRun,
    purse: Purse,
) -> dict[int, int]:
    """Return what each open trade is delivered beyond what it was."""
    wanted = {
        one.id: max(0, found[one.id] - max(one.metered_wh or 0, one.delivered_wh))
        for one in open_
    }
    if slot.how is not How.METER:
        return wanted
    room = slot.export_wh - before.fed_in_wh - sum(one.delivered_wh for one in living)
    there = min(max(0, room), purse.holds(WH, producer(slot.seller)))
    return _shared(there, open_, wanted)


def _shared(
    total: int, trades: Sequence[Trade], wh: Mapping[int, int]
) -> dict[int, int]:
    # Trades are numbered as they are confirmed.
    promises = [
        Promise(str(one.id), one.lane, one.id, wh[one.id])
        for one in trades
        if wh[one.id]
    ]
    found = shared(total, promises)
    return {one.id: found.get(str(one.id), 0) for one in trades}


def _blocked(trade: Trade, covered: Covered, purse: Purse, setting: Setting) -> bool:
    """Tell whether a dispute stops a trade; a stake in dispute only where it is paid back."""
    if trade.id in setting.disputed:
        return True
    needed = [trade.escrow, user(trade.buyer), user(trade.seller)]
    if covered.stake:
        needed.append(stake(trade.seller))
    return any(purse.frozen(trade.asset, code) for code in needed)


def _hopeless(
    trade: Trade, found: Mapping[int, int], purse: Purse, setting: Setting
) -> bool:
    """Tell whether a trade that waits is given up: nobody can tell of it by the last run."""
    if trade.id in found or setting.run is not Run.LAST:
        return False
    return not _blocked(trade, Covered(), purse, setting)


def _held(trade: Trade) -> bool:
    return trade.state is TradeState.HELD


def _more(outcome: Outcome) -> int:
    return outcome.found.delivered_wh - outcome.found.trade.delivered_wh


def before_of(found: Mapping[tuple[int, int], SlotRun], slot: Slot) -> SlotRun:
    """Return what the last run found of a slot."""
    return found.get(slot.key, NOTHING)
