"""Money in and out: what an operator saw paid in cash, at a bank or by mobile money.

    made = await record(tx, Wish(7, Direction.IN, 5_000_000, Way.BANK, "FT-77", "key"), by, now=now)

Each payment is one ledger entry between `cash` and an account, one row here that never
changes and one line of the operators' trail. One receipt is one payment: its reference is
taken once per way, whatever its letters' case. This module must never record a payment
that the ledger refused, nor move money between members.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from meterseal_aggregator.billing.model import Cause as Unbilled
from meterseal_aggregator.billing.model import Refused
from meterseal_aggregator.identity import events
from meterseal_aggregator.identity import store as identity
from meterseal_aggregator.ledger import store as ledger
from meterseal_aggregator.ledger.accounts import CASH, MUTUAL_FUND, REWARD_POOL, user
from meterseal_aggregator.ledger.assets import declare, declared
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Asset,
    Refusal,
    Result,
    Transfer,
    TransferId,
)
from meterseal_aggregator.market.listings.model import REFUNDS
from meterseal_aggregator.market.model import Cause, Declined, check_same
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import text_at
from meterseal_aggregator.storage.database import Transaction

MAX_PAYMENT_MICRO: Final = 10**15
"""A thousand million units at once is a slip of the finger; 9,000 of them fit an account."""
MAX_REFERENCE: Final = 64
"""Characters of a receipt's number: a bank's end-to-end reference has 35."""
REFERENCE: Final = "^[!-~]+( [!-~]+)*$"
"""Printable ASCII, single blanks inside: two spellings of one receipt are rare so."""

_PAYMENT: Final = """
SELECT id, account, member_id, direction, amount, asset, way, reference, actor,
  request_key, recorded_at, towards, bill
FROM payments
"""


class Direction(StrEnum):
    """Whether money came to us or went from us."""

    IN = "in"
    OUT = "out"


class Way(StrEnum):
    """How it was paid."""

    CASH = "cash"
    BANK = "bank"
    MOBILE = "mobile"


class Towards(StrEnum):
    """What money that came in is for."""

    BALANCE = "balance"
    """The account itself: to trade with, or a prepaid supply's top-up."""
    BILLS = "bills"
    """Bills of the member: the one named, else the oldest first."""


class Purse(StrEnum):
    """An account of the community that money is paid into and out of."""

    MUTUAL_FUND = "mutual-fund"
    """Pays what a seller's stake does not."""
    REWARD_POOL = "reward-pool"
    """Pays rewards for paying in time."""
    REFUNDS = "refunds"
    """Pays for Wh that buyers give back; filled by commissions, and here."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A payment to be recorded: `account` a member's number or a purse.

    `amount` is above 0 and at most MAX_PAYMENT_MICRO, in micro-units of `asset`, the
    network's money where it is None; `key` makes the wish one, for all operators together.
    `bill` is a bill's number: the one it is towards, or of which money goes back.
    """

    account: int | Purse
    direction: Direction
    amount: int
    way: Way
    reference: str
    key: str
    asset: Asset | None = None
    towards: Towards = Towards.BALANCE
    bill: str = ""


@dataclass(frozen=True, slots=True)
class Actor:
    """Who records it: the token's name, and the real second for the operators' trail."""

    name: str
    real_now: int


@dataclass(frozen=True, slots=True)
class Payment:
    """A payment as it was recorded; `member` is None for a purse."""

    id: int
    account: AccountCode
    member: int | None
    direction: Direction
    amount: int
    asset: Asset
    way: Way
    reference: str
    actor: str
    key: str
    recorded_at: int
    towards: Towards = Towards.BALANCE
    bill: str = ""


_PURSES: Final = {
    Purse.MUTUAL_FUND: MUTUAL_FUND,
    Purse.REWARD_POOL: REWARD_POOL,
    Purse.REFUNDS: REFUNDS,
}


async def record(tx: Transaction, wish: Wish, by: Actor, *, now: int) -> Payment:
    """Record a payment; the same wish under the same key is one and answers alike.

    Raises Declined: KEY_USED, STATE for a reference that is taken, FUNDS for more than the
    account (or the till) holds, FROZEN, RESERVE beyond what the ledger can count; Refused
    (CURRENCY) for an asset that the ledger does not know; and NoSuchMember. What a payment
    is towards is only kept here: `receivables` pays the bills, in the same transaction.
    """
    known = await _one(tx, "request_key = ?", (wish.key,))
    if known is not None:
        return _same(known, wish)
    await _check_reference(tx, wish)
    member = None if isinstance(wish.account, Purse) else wish.account
    if member is not None:
        await identity.member(tx, member)
    asset = await _asset(tx, wish, now)
    ((last,),) = await tx.rows("SELECT coalesce(max(id), 0) FROM payments")
    made = Payment(
        last + 1, account_of(wish.account), member, wish.direction, wish.amount, asset,
        wish.way, wish.reference, by.name, wish.key, now, wish.towards, wish.bill,
    )  # fmt: skip
    (result,) = await ledger.post(tx, [_transfer(made)], now=now)
    _check(result, made)
    await _keep(tx, made, by)
    return made


def account_of(account: int | Purse) -> AccountCode:
    """Return the ledger's name of a member's money or of a purse."""
    return _PURSES[account] if isinstance(account, Purse) else user(account)


def transfer_of(payment: int) -> TransferId:
    """Return the ledger id of a payment's entry: SHA-256 of a label and its number."""
    text = f"meterseal-billing/payment/{payment}"
    return TransferId(hashlib.sha256(text.encode()).digest())


async def payments(
    tx: Transaction, *, after: int, limit: int, member: int | None = None
) -> list[Payment]:
    """Return a page of payments, all or one member's, by number."""
    rows = await tx.rows(
        f"{_PAYMENT} WHERE id > ? AND (? IS NULL OR member_id = ?) ORDER BY id LIMIT ?",
        (after, member, member, limit),
    )
    return [_payment(row) for row in rows]


async def _one(
    tx: Transaction, condition: str, params: Sequence[object]
) -> Payment | None:
    rows = await tx.rows(f"{_PAYMENT} WHERE {condition}", params)
    return _payment(rows[0]) if rows else None


def _same(known: Payment, wish: Wish) -> Payment:
    """Return the payment of a key if it is this wish; raises Declined with what differs."""
    compared = (
        ("account", known.account, account_of(wish.account)),
        ("direction", known.direction, wish.direction),
        ("amount_micro", known.amount, wish.amount),
        ("way", known.way, wish.way),
        ("reference", known.reference, wish.reference),
        ("asset", known.asset, wish.asset or known.asset),
        ("towards", known.towards, wish.towards),
        ("bill", known.bill, wish.bill),
    )
    check_same(f"payment {known.id}", compared)
    return known


async def _asset(tx: Transaction, wish: Wish, now: int) -> Asset:
    """Return what is paid in: the network's money, its rewards, or what it has declared."""
    if wish.asset is None:
        return Asset(await text_at(tx, Name.MONEY_ASSET, now))
    if wish.asset not in await declared(tx):
        # The first tokens for rewards name their asset, as the parameters spell it.
        if wish.asset != await text_at(tx, Name.REWARD_ASSET, now):
            detail = f"the ledger knows no asset {wish.asset}: have it declared first"
            raise Refused(Unbilled.CURRENCY, detail)
        await declare(tx, wish.asset, now=now)
    return wish.asset


async def _check_reference(tx: Transaction, wish: Wish) -> None:
    taken = await _one(
        tx, "way = ? AND upper(reference) = upper(?)", (wish.way.value, wish.reference)
    )
    if taken is not None:
        raise Declined(
            Cause.STATE,
            f"payment {taken.id} has this reference by this way already: look whether"
            " it is the same money",
        )


def _transfer(made: Payment) -> Transfer:
    into = made.direction is Direction.IN
    return Transfer(
        id=transfer_of(made.id),
        amount=made.amount,
        debit=CASH if into else made.account,
        credit=made.account if into else CASH,
        purpose="payment",
        effective_at=made.recorded_at,
        asset=made.asset,
        reference=made.id.to_bytes(8),
    )


def _check(result: Result, made: Payment) -> None:
    match result.refusal:
        case None:
            return
        case Refusal.EXCEEDS_CREDITS:
            detail = f"{made.account} does not hold that much: pay out less"
            raise Declined(Cause.FUNDS, detail)
        case Refusal.EXCEEDS_DEBITS:
            detail = "more would be paid out than ever came in: pay out less"
            raise Declined(Cause.FUNDS, detail)
        case Refusal.FROZEN:
            detail = f"a dispute holds {made.account}: wait for its end"
            raise Declined(Cause.FROZEN, detail)
        case Refusal.OVERFLOW:
            detail = "the ledger cannot count sums as large as this would make"
            raise Declined(Cause.RESERVE, detail)
        case _:
            raise AssertionError(f"the ledger answers {result} to a payment")


async def _keep(tx: Transaction, made: Payment, by: Actor) -> None:
    row = (
        made.id, made.account, made.member, made.direction.value, made.amount,
        made.asset, made.way.value, made.reference, made.actor, made.key,
        made.recorded_at, made.towards.value, made.bill or None,
    )  # fmt: skip
    await tx.many(
        "INSERT INTO payments (id, account, member_id, direction, amount, asset, way,"
        " reference, actor, request_key, recorded_at, towards, bill)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [row],
    )
    what = f"payment {made.id}"
    await identity.note(tx, by.name, "payment", what, now=by.real_now)
    if made.member is not None:
        body = {
            "id": made.id,
            "direction": made.direction.value,
            "amount_micro": made.amount,
        }
        told = events.Told(made.member, "payment", body)
        await events.tell(tx, [told], now=made.recorded_at)


def _payment(row: Sequence[Any]) -> Payment:  # rows are typed Any by the driver
    number, account, member, direction, amount, asset, way = row[:7]
    reference, actor, key, at, towards, bill = row[7:]
    return Payment(
        number, AccountCode(account), member, Direction(direction), amount,
        Asset(asset), Way(way), reference, actor, key, at,
        Towards(towards or Towards.BALANCE), bill or "",
    )  # fmt: skip
