"""What our contracts hold, added up from what they printed: supply, escrow, anchored roots.

    supply = Supply()
    for told in events_of_energy_token:     # oldest first, each once
        supply.take(told)

Each mirror follows one contract from its first event on, so the order between contracts
does not matter. An event that cannot follow the ones before is Incoherent: one was lost,
told twice, or made up, and nothing that mirror says is to be believed. After a
reorganisation a mirror is made anew from the events that are left. Pure. This module must
never mend a contradiction.
"""

from dataclasses import dataclass, field
from typing import TypeAlias

from meterseal_aggregator.stacks.events.energy import (
    Anchor,
    EnergyClaimed,
    EnergyMinted,
    EnergyMoved,
    EnergyRetired,
    EnergyReversed,
)
from meterseal_aggregator.stacks.events.market import (
    TradeCancelled,
    TradeExpired,
    TradeOpened,
    TradeSettled,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_proto.c32 import Principal

Closed: TypeAlias = TradeSettled | TradeCancelled | TradeExpired


class Incoherent(Exception):
    """An event that cannot follow those before: lost, doubled or made-up events."""


@dataclass(slots=True)
class Supply:
    """Wh by holder and what producers owe, from what `energy-token` printed."""

    minted: int = 0
    burned: int = 0
    balances: dict[Principal, int] = field(default_factory=dict)
    debts: dict[Principal, int] = field(default_factory=dict)

    @property
    def total(self) -> int:
        """Wh there are: `get-total-supply`."""
        return self.minted - self.burned

    def take(self, told: Told) -> None:
        """Follow an event; raises Incoherent where a holder would have less than nothing."""
        match told:
            case EnergyMinted() | EnergyClaimed():
                self._issue(told.owner, told.amount)
            case EnergyMoved():
                self._add(told.sender, -told.amount)
                self._add(told.recipient, told.amount)
            case EnergyRetired():
                self._burn(told.holder, told.amount)
            case EnergyReversed():
                held = self.balances.get(told.owner, 0)
                if told.burned != min(told.amount, held):
                    raise Incoherent("a reversal burned what was not held")
                self._burn(told.owner, told.burned)
                owed = self.debts.get(told.owner, 0)
                self.debts[told.owner] = owed + told.amount - told.burned

    def _issue(self, owner: Principal, amount: int) -> None:
        """Pay new Wh less what the owner owes, which is thereby repaid."""
        owed = self.debts.get(owner, 0)
        repaid = min(owed, amount)
        self.debts[owner] = owed - repaid
        self.minted += amount - repaid
        self._add(owner, amount - repaid)

    def _burn(self, holder: Principal, amount: int) -> None:
        self._add(holder, -amount)
        self.burned += amount

    def _add(self, holder: Principal, amount: int) -> None:
        left = self.balances.get(holder, 0) + amount
        if left < 0:
            raise Incoherent(f"{holder.text()} would hold {left} Wh")
        self.balances[holder] = left


@dataclass(slots=True)
class Escrow:
    """What open trades hold, from what `trade-escrow` printed; asset None is STX."""

    trades: dict[int, TradeOpened] = field(default_factory=dict)
    last: int = 0

    def held(self, asset: Principal | None) -> int:
        """Micro-STX or units that open trades hold together: `get-held`."""
        return sum(one.amount for one in self.trades.values() if one.asset == asset)

    def take(self, told: Told) -> None:
        """Follow an event; raises Incoherent where a trade opens or ends twice."""
        match told:
            case TradeOpened():
                if told.trade != self.last + 1:
                    raise Incoherent(f"trade {told.trade} after {self.last}")
                self.trades[told.trade] = told
                self.last = told.trade
            case TradeSettled():
                self._close(told, told.paid + told.fee + told.refunded)
            case TradeCancelled() | TradeExpired():
                self._close(told, told.refunded)

    def _close(self, told: Closed, moved: int) -> None:
        opened = self.trades.pop(told.trade, None)
        if opened is None or opened.amount != moved:
            raise Incoherent(
                f"trade {told.trade} ended with {moved} that it did not hold"
            )


@dataclass(slots=True)
class Roots:
    """The anchored checkpoints in order, from what `energy-oracle` printed.

    `count` there are, the last of `size`; `anchors` are those taken here.
    """

    count: int = 0
    size: int = 0
    anchors: list[Anchor] = field(default_factory=list)

    def take(self, told: Told) -> None:
        """Follow an event; raises Incoherent for a number left out, or no growth."""
        if isinstance(told, Anchor):
            if told.number != self.count or told.size <= self.size:
                raise Incoherent(
                    f"anchor {told.number} of {told.size} after {self.size}"
                )
            self.anchors.append(told)
            self.count += 1
            self.size = told.size
