"""What a member is shown of his bills on the chain, and the calls his wallet pays them by.

    for one in await shown(tx, till, member, after=0, limit=50, real_now=now): ...

A call is the name of a contract's function and its arguments as `/v1/me/calls` takes them;
the wallet reads what it signs. This module must never hand out more than a bill still asks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from meterseal_aggregator.billing.chain import store
from meterseal_aggregator.billing.chain.model import ChainBill, Quote, Till
from meterseal_aggregator.billing.chain.rules import quote_holds
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.storage.database import Transaction


class ChainState(StrEnum):
    """Where a bill stands on the chain."""

    DAYS = "days-waiting"
    """Its days are on their way there, or may still be corrected."""
    LET = "waits-for-you"
    """All is there; its member lets the provider compute it, or computes it himself."""
    MAKING = "on-its-way"
    OPEN = "open"
    HELD = "held"
    PAID = "paid"


@dataclass(frozen=True, slots=True)
class Handed:
    """A call of `CONTRACT.FUNCTION` that a member's wallet may make, arguments as JSON."""

    function: str
    arguments: Mapping[str, Any]  # JSON: numbers, texts and null


@dataclass(frozen=True, slots=True)
class Shown:
    """A bill on the chain with what may be done about it now."""

    bill: ChainBill
    state: ChainState
    calls: tuple[Handed, ...]


async def shown(
    tx: Transaction, till: Till, member: int, *, after: int, limit: int, real_now: int
) -> list[Shown]:
    """Return a page of a member's bills on the chain, by id, at a real second."""
    found = await store.of_member(tx, member, after=after, limit=limit)
    return [await shown_one(tx, till, bill, real_now) for bill in found]


async def shown_one(
    tx: Transaction, till: Till, bill: ChainBill, real_now: int
) -> Shown:
    """Return a bill with what may be done about it, at a real second."""
    state = await _state(tx, bill, real_now)
    calls: list[Handed] = []
    if state in (ChainState.LET, ChainState.DAYS):
        calls.append(let_call(till, bill, real_now))
    if state is ChainState.OPEN:
        calls.append(pay_call(till, bill, bill.outstanding))
        calls += [
            quoted_call(till, bill, one)
            for one in await store.quotes(tx, bill.id)
            if quote_holds(one, bill, real_now)
        ]
    return Shown(bill, state, tuple(calls))


def pay_call(till: Till, bill: ChainBill, amount: int) -> Handed:
    """Return the call that pays `amount` (at most what is asked) in the bill's own asset."""
    assert bill.number is not None
    told = {
        "bill": bill.number,
        "amount": min(amount, bill.outstanding),
        "asset": _asset(till, bill.asset),
    }
    return Handed("payment.pay-bill", told)


def quoted_call(till: Till, bill: ChainBill, given: Quote) -> Handed:
    """Return the call that pays all that is asked at a quote."""
    assert bill.number is not None
    asset = _asset(till, given.asset)
    told = {"bill": bill.number, "most": given.price, "asset": asset}
    return Handed("payment.pay-quoted", told)


def let_call(till: Till, bill: ChainBill, real_now: int) -> Handed:
    """Return the call by which the meter's owner lets us compute bills for 30 days."""
    told = {
        "meter": bill.meter.hex(),
        "provider": till.provider.text(),
        "until": real_now + 30 * 86_400,
    }
    return Handed("billing.let-provider", told)


async def _state(tx: Transaction, bill: ChainBill, real_now: int) -> ChainState:
    if bill.number is not None:
        if bill.held:
            return ChainState.HELD
        return ChainState.OPEN if bill.outstanding else ChainState.PAID
    there = await store.days_there(tx, bill.register, bill.begin, bill.end)
    if not there or max(there.values()) > real_now:
        return ChainState.DAYS
    let = await store.let_until(tx, bill.meter)
    return ChainState.MAKING if let >= real_now else ChainState.LET


def _asset(till: Till, asset: Asset) -> object:
    token = till.token(asset)
    if token is None:
        return None
    return {"contract": token.contract.text(), "name": token.name}
