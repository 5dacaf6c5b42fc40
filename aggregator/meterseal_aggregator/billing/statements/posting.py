"""What a statement posts: who is owed by its lines, and the entries of the ledger.

    chain = issued("2026-00000012", money, shares(statement.lines, minor))

A bill of 0 or more is owed by the member (`arrears`), one below 0 is given to his money
(`user`). What one act posts is one chain, and its ids come of the bill's number: posted
again, it is the same. Pure. This module must never post to an account what no line says.
"""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from meterseal_aggregator.billing.model import micro
from meterseal_aggregator.ledger.accounts import (
    ROUNDING,
    UTILITY,
    WHEELING,
    arrears,
    tax,
    user,
)
from meterseal_aggregator.ledger.model import (
    AccountCode,
    Asset,
    Transfer,
    TransferId,
    linked,
)
from meterseal_proto.rating.line import Line, LineKind

PURPOSE: Final = "bill"
"""Of entries that issue or correct a bill; the audit reads them by it."""
AGAIN: Final = "credit-again"
"""Of an entry that charges a credit again, or takes that back: no line of a bill says it."""
_SUBJECT: Final = re.compile(r"[A-Za-z0-9._-]{1,64}")
_LINES_OWNER: Final = frozenset({LineKind.WHEELING, LineKind.LOSSES})
_AUTHORITY: Final = frozenset({LineKind.LEVY, LineKind.TAX})
_DIGEST_CHARS: Final = 32

Shares = Mapping[AccountCode, int]
"""Micro-units by account: what it is owed, below 0 what it gives."""
_Move = tuple[AccountCode, AccountCode, int]
"""From, to, how much."""


@dataclass(frozen=True, slots=True)
class Money:
    """Whose bill it is, in which asset, and the second its period ended."""

    member: int
    asset: Asset
    end: int


def payee(line: Line) -> AccountCode:
    """Return who is owed a line: its authority, the lines' owner, or the utility."""
    if line.kind in _AUTHORITY:
        return tax(_subject(line.component))
    if line.kind in _LINES_OWNER:
        return WHEELING
    return ROUNDING if line.kind is LineKind.ROUNDING else UTILITY


def shares(lines: Iterable[Line], minor: int) -> Shares:
    """Return what each account is owed by the lines of a document, none of them 0."""
    owed: dict[AccountCode, int] = defaultdict(int)
    for line in lines:
        owed[payee(line)] += line.amount
    return {account: micro(amount, minor) for account, amount in owed.items() if amount}


def issued(number: str, money: Money, owed: Shares) -> list[Transfer]:
    """Return the chain that issues a bill, empty where no account is owed anything."""
    total = sum(owed.values())
    party = arrears(money.member) if total >= 0 else user(money.member)
    moves = _moves(owed, party, paying_first=total >= 0)
    return _chain(number, money, moves)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a correction posts: `owed` by account, and what of it is given to the member.

    `given` is what he had paid beyond what the new bill asks; below 0 never. `again` is
    what of earlier credits is charged more than before, below 0 less.
    """

    owed: Shares
    given: int = 0
    again: int = 0


def difference(owed: Shares, before: Shares) -> Shares:
    """Return what accounts are owed more than before, below 0 what less."""
    accounts = {*owed, *before}
    found = {one: owed.get(one, 0) - before.get(one, 0) for one in accounts}
    return {account: amount for account, amount in found.items() if amount}


def corrected(number: str, money: Money, found: Difference) -> list[Transfer]:
    """Return the chain that posts a correction under the new bill's number.

    All of it passes `arrears`: first what is owed more and what is given, then what is owed
    less, so that on the way the account never owes less than nothing.
    """
    party = arrears(money.member)
    moves = _moves(found.owed, party, paying_first=True)
    if found.given:
        moves.insert(0, (party, user(money.member), found.given))
    return _with_credits(number, money, _chain(number, money, moves), found.again)


def _with_credits(
    number: str, money: Money, chain: list[Transfer], again: int
) -> list[Transfer]:
    """Add what is charged again, first, or is no more, last: so arrears stay owed."""
    if not again:
        return chain
    party = arrears(money.member)
    debit, credit = (party, UTILITY) if again > 0 else (UTILITY, party)
    entry = Transfer(
        id=transfer_id(f"{number}/{AGAIN}", debit, credit),
        amount=abs(again),
        debit=debit,
        credit=credit,
        purpose=AGAIN,
        effective_at=money.end,
        asset=money.asset,
        reference=number.encode(),
    )
    return linked([entry, *chain] if again > 0 else [*chain, entry])


def transfer_id(number: str, debit: AccountCode, credit: AccountCode) -> TransferId:
    """Return the ledger id of a bill's move: SHA-256 of a label, its number and accounts."""
    text = f"meterseal-billing/bill/{number}/{debit}/{credit}"
    return TransferId(hashlib.sha256(text.encode()).digest())


def _moves(owed: Shares, party: AccountCode, *, paying_first: bool) -> list[_Move]:
    up = [(party, account, more) for account, more in sorted(owed.items()) if more > 0]
    down = [
        (account, party, -less) for account, less in sorted(owed.items()) if less < 0
    ]
    return [*up, *down] if paying_first else [*down, *up]


def _chain(number: str, money: Money, moves: Sequence[_Move]) -> list[Transfer]:
    reference, last = number.encode(), len(moves) - 1
    return [
        Transfer(
            id=transfer_id(number, debit, credit),
            amount=amount,
            debit=debit,
            credit=credit,
            purpose=PURPOSE,
            effective_at=money.end,
            asset=money.asset,
            reference=reference,
            linked=n < last,
        )
        for n, (debit, credit, amount) in enumerate(moves)
    ]


def _subject(component: str) -> str:
    """Return a component's name as an account may have it; others by their digest."""
    if _SUBJECT.fullmatch(component):
        return component
    return hashlib.sha256(component.encode()).hexdigest()[:_DIGEST_CHARS]
