"""The ledger's ear to the chain: a settled event of `energy-token` moves Wh in our books.

    followers = (Follow(retire, house.now),)       # given to the indexer

Minted and claimed Wh arrive; reversed ones and deposits come home; retired ones are used
up. The chain's own debts are followed, for a mint there pays less than it says. An event
that no withdrawal explains is kept as a stray and alarms; nothing is ever posted for it,
and from then on nothing that comes back is credited: it might be that which was made out
of nothing. This module must never ask a node.
"""

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from meterseal_aggregator.stacks.calls.token import Claim, Slot
from meterseal_aggregator.stacks.events.energy import (
    EnergyClaimed,
    EnergyMinted,
    EnergyRetired,
    EnergyReversed,
    EpochPosted,
)
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.stacks.withdrawals import books, returns, store
from meterseal_aggregator.stacks.withdrawals.ask import FIRST
from meterseal_aggregator.stacks.withdrawals.duty import claim_of
from meterseal_aggregator.stacks.withdrawals.model import (
    ENERGY,
    ChainRetirement,
    Epoch,
    Part,
    State,
)
from meterseal_aggregator.stacks.withdrawals.rules import keeps, transfer_id
from meterseal_aggregator.storage.database import Transaction

Retire: TypeAlias = Callable[[Transaction, ChainRetirement, int], Awaitable[bool]]
"""Moves Wh from `chain:energy` to whoever used them, at a second of the network's; tells
whether the ledger took it. Given by the composition root: retirements are the credits'."""
Issued: TypeAlias = EnergyMinted | EnergyClaimed
_log = structlog.get_logger(__name__)


class Follow:
    """Follows `energy-token`; `now` gives the network's Unix seconds."""

    def __init__(self, retire: Retire, now: Callable[[], float]) -> None:
        self._retire = retire
        self._now = now

    async def __call__(self, tx: Transaction, settled: Settled) -> None:
        """Act on a settled event, in the transaction that marks it."""
        told, now = settled.told, int(self._now())
        match told:
            case EnergyMinted() | EnergyClaimed():
                await _issued(tx, settled, told, now)
            case EpochPosted():
                await _posted(tx, settled, told, now)
            case EnergyReversed():
                await _reversed(tx, settled, told, now)
            case EnergyRetired():
                await self._retired(tx, settled, told, now)

    async def _retired(
        self, tx: Transaction, at: Settled, told: EnergyRetired, now: int
    ) -> None:
        deposit = await returns.deposit_named(tx, told.beneficiary)
        wh = told.amount
        sound = await returns.is_sound(tx) and keeps(wh, told.start, told.end)
        if not sound or not await books.has(tx, ENERGY, wh):
            await _stray(tx, at, "energy-retired", wh, now)
            return
        if deposit is not None:
            about = f"deposit/{at.txid}/{at.index}"
            await returns.take_deposit(
                tx, deposit, at, (wh, told.holder.text()), now=now
            )
            await books.bring_home(tx, deposit.member, [(ENERGY, wh, about)], now)
            return
        name = transfer_id("retired", at.txid, at.index)
        wish = ChainRetirement(name, told.beneficiary.hex(), told.start, told.end, wh)
        if not await self._retire(tx, wish, now):
            await _stray(tx, at, "energy-retired", wh, now)


async def _issued(tx: Transaction, at: Settled, told: Issued, now: int) -> None:
    paid = await _pay_debt(tx, told)
    part = await _explained(tx, told)
    if part is None:
        topic = "energy-minted" if isinstance(told, EnergyMinted) else "energy-claimed"
        await _stray(tx, at, topic, told.amount, now)
        return
    await store.arrive(tx, part, paid, (at.txid, at.index), now=now)
    await books.arrived(tx, part, paid, now=now)
    if isinstance(told, EnergyClaimed):
        # The contract's watermark passed over them: nobody can ever claim them now.
        void = await store.passed_over(tx, part.place, part.share.start)
        await store.refuse(tx, void, now=now)
        await books.give_back(tx, void, now=now)


async def _pay_debt(tx: Transaction, told: Issued) -> int:
    """Follow the contract's debts; returns what the owner was paid after its own."""
    owner = told.owner.text()
    owes = await returns.owed(tx, owner)
    repaid = min(owes, told.amount)
    if repaid:
        await returns.owe(tx, owner, owes - repaid)
    return told.amount - repaid


async def _explained(tx: Transaction, told: Issued) -> Part | None:
    """Return the part that leaves and is to the last field what was told."""
    if isinstance(told, EnergyMinted):
        part = await store.minted(tx, told.id)
        number, index = 0, 0
        known = told.revision == FIRST
    else:
        number, index = told.epoch, told.index
        known = keeps(number, index)
        part = await store.claimed(tx, number, index) if known else None
    if part is None or not known or part.state is not State.LEAVING:
        return None
    return part if claim_of(number, index, part) == _claim(told) else None


def _claim(told: Issued) -> Claim:
    """Return what was told in the words of a claim; of a mint its slot, owner and Wh."""
    slot = Slot(told.meter_point, told.register, told.start, told.end)
    epoch, index = (
        (0, 0) if isinstance(told, EnergyMinted) else (told.epoch, told.index)
    )
    return Claim(epoch, index, told.owner, slot, told.amount)


async def _posted(tx: Transaction, at: Settled, told: EpochPosted, now: int) -> None:
    epoch = await store.posting(tx)
    said = (told.epoch, told.root, told.size, told.total)
    if epoch and said == (epoch.number, epoch.root, epoch.size, epoch.total):
        await store.settle_epoch(tx, epoch.id, "posted", now=now)
        return
    await _stray(tx, at, "epoch-posted", told.total, now)
    numbers = (told.epoch, told.size, told.total)
    if keeps(*numbers) and all(numbers):
        await store.foreign(tx, Epoch(0, *said, "foreign"), now=now)


async def _reversed(
    tx: Transaction, at: Settled, told: EnergyReversed, now: int
) -> None:
    owner, burned = told.owner.text(), told.burned
    if told.amount > burned:
        owes = await returns.owed(tx, owner)
        await returns.owe(tx, owner, owes + told.amount - burned)
    part = await store.minted(tx, told.id)
    known = part is not None and part.state is State.ARRIVED and told.revision == FIRST
    if part is None or not known or not await books.has(tx, ENERGY, burned):
        await _stray(tx, at, "energy-reversed", burned, now)
        return
    number = await _reversal(tx, part, told, now)
    await returns.settle_reversal(tx, number, burned, now=now)
    # The ledger took the correction already: what the chain gave up for it comes home.
    about = f"reversed/{at.txid}/{at.index}"
    await books.bring_home(tx, part.member, [(ENERGY, burned, about)], now)


async def _reversal(tx: Transaction, part: Part, told: EnergyReversed, now: int) -> int:
    """Return the reversal that was wanted so, or a new one for what nobody wanted."""
    for one in await returns.wanted(tx):
        if (one.part, one.wh) == (part.id, told.amount):
            return one.id
    _log.error("reversal_nobody_wanted", part=part.id, wh=told.amount)
    return await returns.want_reversal(tx, part.id, told.amount, now=now)


async def _stray(tx: Transaction, at: Settled, what: str, wh: int, now: int) -> None:
    await returns.stray(tx, at, what, wh, now=now)
    _log.error("chain_unexplained", what=what, wh=wh, txid=at.txid)
