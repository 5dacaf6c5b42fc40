"""The ledger's ear to bills on the chain: settled events of `billing` and `payment`.

    followers = (Follow(till, house.now), ...)     # given to the indexer

A bill is ours when its member asked for just this one; then what was billed, paid, lowered
and given back moves in `chain:*` accounts, and the bill's standing with it. Anything else
under our name is a stray: alarmed and never posted. Of other providers' bills nothing is
kept. This module must never ask a node.
"""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

import structlog

from meterseal_aggregator.billing.chain import rules, store
from meterseal_aggregator.billing.chain.model import ChainBill, Quote, Till
from meterseal_aggregator.billing.chain.rules import Place, after, keeps
from meterseal_aggregator.billing.model import Act, BillAct, Refused
from meterseal_aggregator.billing.statements import store as bills
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.assets import declare
from meterseal_aggregator.ledger.model import MAX_AMOUNT, Transfer
from meterseal_aggregator.stacks.events.bills import (
    BillCorrected,
    BillHash,
    BillHeld,
    BillIssued,
    BillPaid,
    BillPaidAtQuote,
    BillQuoted,
    BillRefunded,
    OpeningLet,
    PaymentRewarded,
    TariffPosted,
    UsageProof,
)
from meterseal_aggregator.stacks.events.record import Told
from meterseal_aggregator.stacks.mirror.indexer import Settled
from meterseal_aggregator.storage.database import Transaction

ACTOR: Final = "chain"
"""Who did what the chain told, in a bill's acts."""
LOWERED: Final = "taken off by the court on the chain"
_log = structlog.get_logger(__name__)


_Doing = Callable[[Transaction, Settled], Awaitable[None]]


class BooksDiffer(Exception):
    """The ledger does not take what the chain told: nothing is written, look at once."""


class Follow:
    """Follows bills; `now` gives the network's Unix seconds."""

    def __init__(self, till: Till, now: Callable[[], float]) -> None:
        self._till = till
        self._now = now
        self._acts: dict[type[Told], _Doing] = {
            BillIssued: self._issued,
            BillPaid: self._paid,
            BillPaidAtQuote: self._paid_at_quote,
            BillCorrected: self._corrected,
            BillRefunded: self._refunded,
            BillHeld: self._held,
            BillQuoted: self._quoted,
            PaymentRewarded: self._rewarded,
            BillHash: self._hashed,
            TariffPosted: self._tariff,
            OpeningLet: self._let,
            UsageProof: self._day,
        }

    async def __call__(self, tx: Transaction, settled: Settled) -> None:
        """Act on a settled event, in the transaction that marks it."""
        doing = self._acts.get(type(settled.told))
        if doing is not None:
            await doing(tx, settled)

    async def _issued(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillIssued)
        if told.provider != self._till.provider:
            return
        bill = await self._explained(tx, told)
        if bill is None:
            await self._stray(tx, at, "bill-issued", told.bill)
            return
        stood = replace(bill, number=told.bill, due_at=told.due_at, amount=told.amount)
        await store.stand(tx, stood)
        now = int(self._now())
        await store.act(tx, bill, at, ("issued", told.amount), now=now)
        await declare(tx, bill.asset, now=now)
        await _post(tx, rules.issued(bill, told.amount, _place(at), now), now)

    async def _explained(self, tx: Transaction, told: BillIssued) -> ChainBill | None:
        """Return the bill that waits and is to the last field what was told."""
        if not keeps(told.bill, told.start, told.end, told.usage, told.due_at):
            return None
        bill = await store.waiting_for(tx, told.meter, told.start, told.end)
        if bill is None:
            return None
        said = (told.payer.text(), told.usage, told.amount)
        return bill if said == (bill.payer, bill.usage, bill.asked) else None

    async def _ours(
        self, tx: Transaction, at: Settled, what: str, number: int
    ) -> ChainBill | None:
        """Return the bill of a number; a stray where it is strange, None for a stranger's."""
        bill = await store.numbered(tx, number) if keeps(number) else None
        if bill is None and await store.is_strange(tx, number):
            await self._stray(tx, at, what, number)
        return bill

    async def _paid(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillPaid)
        bill = await self._ours(tx, at, "bill-paid", told.bill)
        if bill is None:
            return
        if not 0 < told.amount == bill.outstanding - told.left:
            await self._stray(tx, at, "bill-paid", told.bill)
            return
        now = int(self._now())
        await store.stand(tx, after(bill, told))
        await store.act(tx, bill, at, ("paid", told.amount), now=now)
        await _post(tx, rules.paid(bill, told.amount, _place(at), now), now)
        await _act(tx, bill, Act.PAID, told.amount, (now, f"tx {at.txid}"))

    async def _paid_at_quote(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillPaidAtQuote)
        bill = await self._ours(tx, at, "bill-paid-at-quote", told.bill)
        if bill is None:
            return
        asset = self._till.named(told.asset)
        sound = told.amount == bill.outstanding and told.price > 0 and keeps(told.price)
        if asset is None or not sound or asset == bill.asset:
            await self._stray(tx, at, "bill-paid-at-quote", told.bill)
            return
        now, quote = int(self._now()), (asset, told.price)
        await store.stand(tx, after(bill, told))
        what = ("paid-at-quote", told.amount)
        await store.act(tx, bill, at, what, now=now, quote=quote)
        await declare(tx, asset, now=now)
        moves = rules.paid_at_quote(bill, told.amount, quote, _place(at), now)
        await _post(tx, moves, now)
        await _act(tx, bill, Act.PAID, told.amount, (now, f"tx {at.txid}"))

    async def _corrected(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillCorrected)
        bill = await self._ours(tx, at, "bill-corrected", told.bill)
        if bill is None:
            return
        if bill.amount != told.before or not told.amount < told.before:
            await self._stray(tx, at, "bill-corrected", told.bill)
            return
        by, left, now = told.before - told.amount, bill.outstanding, int(self._now())
        lower = after(bill, told)
        await store.stand(tx, lower)
        await store.act(tx, bill, at, ("corrected", by), now=now)
        await _post(tx, rules.lowered(bill, by, _place(at), now), now)
        await _act(tx, bill, Act.PAID, left - lower.outstanding, (now, LOWERED))

    async def _refunded(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillRefunded)
        bill = await self._ours(tx, at, "bill-refunded", told.bill)
        if bill is None:
            return
        if not 0 < told.amount == bill.excess:
            await self._stray(tx, at, "bill-refunded", told.bill)
            return
        now = int(self._now())
        await store.stand(tx, after(bill, told))
        await store.act(tx, bill, at, ("refunded", told.amount), now=now)
        await _post(tx, rules.refunded(bill, told.amount, _place(at), now), now)

    async def _held(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillHeld)
        bill = await self._ours(tx, at, "bill-held", told.bill)
        if bill is None or bill.held == told.held:
            return
        if not keeps(told.due_at):
            await self._stray(tx, at, "bill-held", told.bill)
            return
        now = int(self._now())
        await store.stand(tx, after(bill, told))
        act = "held" if told.held else "let-go"
        await store.act(tx, bill, at, (act, bill.outstanding), now=now)
        await _dispute(tx, bill, now, held=told.held)

    async def _quoted(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillQuoted)
        bill = await self._ours(tx, at, "bill-quoted", told.bill)
        asset = self._till.named(told.asset)
        if bill is None or asset is None:
            return
        if keeps(told.price, told.covers, told.expires):
            given = Quote(asset, told.price, told.covers, told.expires)
            await store.quote(tx, bill.id, given)

    async def _rewarded(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, PaymentRewarded)
        bill = await self._ours(tx, at, "payment-rewarded", told.bill)
        if bill is None:
            return
        known = (told.payer.text(), bill.reward, bill.outstanding) == (bill.payer, 0, 0)
        if not known or not (told.amount and keeps(told.amount)):
            await self._stray(tx, at, "payment-rewarded", told.bill)
            return
        await store.stand(tx, after(bill, told))
        what = ("rewarded", told.amount)
        await store.act(tx, bill, at, what, now=int(self._now()))

    async def _hashed(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, BillHash)
        if told.provider != self._till.provider:
            return
        bill = await store.bill_hashed(tx, told.hash)
        if bill is None or not await store.hash_stands(tx, bill, at):
            await self._stray(tx, at, "bill-hash", 0)

    async def _tariff(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, TariffPosted)
        if told.provider != self._till.provider:
            return
        if await store.tariff_named(tx, told.hash) is None:
            await self._stray(tx, at, "tariff-posted", 0)
            return
        await store.tariff_stands(tx, told.hash)

    async def _let(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, OpeningLet)
        if told.provider == self._till.provider:
            # For ever is written as any number: what is beyond ours ends never here.
            until = told.until if keeps(told.until) else MAX_AMOUNT
            await store.let(tx, told.meter, until)

    async def _day(self, tx: Transaction, at: Settled) -> None:
        told = at.told
        assert isinstance(told, UsageProof)
        if not keeps(told.register, told.first, told.counts_from):
            return
        register = await store.register_named(tx, told.meter, told.register)
        if register is not None:
            row = (register, told.first, told.hash, told.counts_from)
            await store.day_stands(tx, row)

    async def _stray(
        self, tx: Transaction, at: Settled, what: str, number: int
    ) -> None:
        await store.stray(tx, at, what, number, int(self._now()))
        _log.error("chain_bill_unexplained", what=what, bill=number, txid=at.txid)


def _place(at: Settled) -> Place:
    return Place(at.txid, at.index)


async def _post(tx: Transaction, moves: list[Transfer], now: int) -> None:
    for result in await ledger.post(tx, moves, now=now):
        if not result.entered or result.duplicate:
            raise BooksDiffer(f"the ledger answers {result} to a new move")


async def _act(
    tx: Transaction, bill: ChainBill, act: Act, amount: int, when: tuple[int, str]
) -> None:
    """Let the bill's standing follow as far as it can: the contract is the truth."""
    standing = (await bills.standings(tx, [bill.bill])).get(bill.bill)
    if standing is None:
        return
    most = max(0, standing.outstanding)
    if act is Act.DISPUTED:
        most -= standing.disputed
    elif act is Act.RESOLVED:
        most = standing.disputed
    done = min(amount, most)
    if done:
        now, note = when
        await bills.act(tx, [BillAct(bill.bill, act, done, now, ACTOR, note)])


async def _dispute(tx: Transaction, bill: ChainBill, now: int, *, held: bool) -> None:
    act = Act.DISPUTED if held else Act.RESOLVED
    try:
        await _act(tx, bill, act, bill.outstanding, (now, "held on the chain"))
    except Refused as refused:
        _log.warning("bill_not_disputed", bill=bill.bill, why=refused.detail)
