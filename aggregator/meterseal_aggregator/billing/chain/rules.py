"""The rules of bills on the chain, pure: what an event moves, and what it does not explain.

    moves = issued(bill, Place(txid, 0), now)      # one linked chain for the ledger

Amounts on the chain have 128 bits; what does not fit here is nothing we made, and no event
of ours. This module must never read a clock or a table.
"""

import hashlib
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from meterseal_aggregator.billing.chain.model import (
    BILLED,
    PROVIDER,
    QUOTED,
    ChainBill,
    Quote,
    owed,
)
from meterseal_aggregator.ledger.model import (
    MAX_AMOUNT,
    AccountCode,
    Asset,
    Transfer,
    TransferId,
    linked,
)
from meterseal_aggregator.stacks.events.bills import (
    BillCorrected,
    BillHeld,
    BillPaid,
    BillPaidAtQuote,
    BillRefunded,
    PaymentRewarded,
)

BillTold: TypeAlias = (
    BillPaid
    | BillPaidAtQuote
    | BillCorrected
    | BillRefunded
    | BillHeld
    | PaymentRewarded
)
"""What is told of a bill that the contract has."""

AGAIN_S: Final = 60
AGAIN_AT_LAST_S: Final = 86_400
"""What its contract refused is tried again ever more slowly: each try costs a fee."""


@dataclass(frozen=True, slots=True)
class Place:
    """An event's place: its transaction (64 hex digits) and its index there."""

    txid: str
    index: int


def again_at(tries: int, last_at: int) -> int:
    """Return the real second from which a deed refused `tries` > 0 times is tried again."""
    return last_at + min(AGAIN_S << min(tries, 20), AGAIN_AT_LAST_S)


def keeps(*numbers: int) -> bool:
    """Tell whether the chain's numbers fit where we keep them."""
    return all(0 <= number <= MAX_AMOUNT for number in numbers)


def transfer_id(place: Place, leg: int) -> TransferId:
    """Return the ledger id of an event's leg: SHA-256 of a label and its place."""
    text = f"meterseal-chain-bill/{place.txid}/{place.index}/{leg}"
    return TransferId(hashlib.sha256(text.encode()).digest())


def after(bill: ChainBill, told: BillTold) -> ChainBill:
    """Return a bill as the contract has it once it told so."""
    match told:
        case BillPaid(amount=amount) | BillPaidAtQuote(amount=amount):
            return replace(bill, paid=bill.paid + amount)
        case BillRefunded(amount=amount):
            return replace(bill, paid=bill.paid - amount)
        case BillCorrected(amount=amount):
            return replace(bill, amount=amount)
        case BillHeld(held=held, due_at=due_at):
            return replace(bill, held=held, due_at=due_at)
        case PaymentRewarded(amount=amount):
            return replace(bill, reward=amount)


def issued(bill: ChainBill, amount: int, place: Place, now: int) -> list[Transfer]:
    """Return what a bill moves when the contract has it: its member owes it there."""
    return _chain(bill, place, now, "bill", [(owed(bill.member), BILLED, amount)])


def paid(bill: ChainBill, amount: int, place: Place, now: int) -> list[Transfer]:
    """Return what a payment in the bill's own asset moves."""
    legs = [(PROVIDER, owed(bill.member), amount)]
    return _chain(bill, place, now, "pay", legs)


def paid_at_quote(
    bill: ChainBill, amount: int, quote: tuple[Asset, int], place: Place, now: int
) -> list[Transfer]:
    """Return what a payment of (`quote`: asset, price) for `amount` moves, as one pair."""
    other, price = quote
    pair = [
        _transfer(other, (PROVIDER, QUOTED, price), (place, 0), now, "pay-quoted"),
        _transfer(
            bill.asset,
            (QUOTED, owed(bill.member), amount),
            (place, 1),
            now,
            "pay-quoted",
        ),
    ]
    return linked(pair)


def lowered(bill: ChainBill, by: int, place: Place, now: int) -> list[Transfer]:
    """Return what a court's correction moves."""
    return _chain(bill, place, now, "lower", [(BILLED, owed(bill.member), by)])


def refunded(bill: ChainBill, amount: int, place: Place, now: int) -> list[Transfer]:
    """Return what a refund of what was paid too much moves."""
    return _chain(bill, place, now, "refund", [(owed(bill.member), PROVIDER, amount)])


def quote_holds(quote: Quote, bill: ChainBill, real_now: int) -> bool:
    """Tell whether the contract would take a quote now."""
    return quote.expires >= real_now and quote.covers == bill.outstanding


def _chain(
    bill: ChainBill,
    place: Place,
    now: int,
    purpose: str,
    legs: list[tuple[AccountCode, AccountCode, int]],
) -> list[Transfer]:
    moves = [
        _transfer(bill.asset, leg, (place, at), now, purpose)
        for at, leg in enumerate(legs)
        if leg[2]
    ]
    return linked(moves)


def _transfer(
    asset: Asset,
    leg: tuple[AccountCode, AccountCode, int],
    at: tuple[Place, int],
    now: int,
    purpose: str,
) -> Transfer:
    debit, credit, amount = leg
    return Transfer(
        id=transfer_id(*at),
        amount=amount,
        debit=debit,
        credit=credit,
        purpose=f"chain-{purpose}",
        effective_at=now,
        asset=asset,
        reference=bytes.fromhex(at[0].txid),
    )
