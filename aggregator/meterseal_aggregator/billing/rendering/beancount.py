"""A member's bills and payments as a beancount ledger, for him or for who bills him.

    text = beancount(Book(statements, entries, zone="Africa/Nairobi"))

Plain-text double entry (beancount.github.io, "Beancount Language Syntax"): accounts
opened, one transaction a bill, credit note or payment, and after each day that has some
the balance asserted, so that `bean-check` finds a line that is missing. Numbers are told,
names are not. This module must never assert a balance that it did not add up itself.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.rendering.accepted import cleaned
from meterseal_aggregator.billing.rendering.charges import Group, group_of
from meterseal_aggregator.billing.rendering.numerals import (
    MICRO,
    local,
    plain,
    zone_of,
)
from meterseal_aggregator.billing.rendering.request import Cause, Unrenderable
from meterseal_proto.rating.line import Line, LineKind
from meterseal_proto.rating.statement import Statement, StatementKind

MAX_BOOK: Final = 20_000
"""Statements and entries of one book: a century of days."""
_COMMODITY: Final = re.compile(r"[A-Z][A-Z0-9'._-]{0,22}[A-Z0-9]")


class Side(StrEnum):
    """Whose ledger it is."""

    MEMBER = "member"
    PROVIDER = "provider"


class EntryKind(StrEnum):
    """What happened to a bill besides being issued."""

    PAYMENT = "payment"
    REFUND = "refund"
    LATE_FEE = "late-fee"
    REWARD = "reward"
    """For paying in time: in tokens, owed by nobody before."""


@dataclass(frozen=True, slots=True)
class BookEntry:
    """Money that moved: `amount` above 0, in micro-units; `number` the bill it is for.

    `reference` is the payment's own (a bank's, a phone's), or empty.
    """

    at: int
    kind: EntryKind
    amount: int
    currency: str
    number: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Book:
    """All bills and entries of one member, in any order; days are those of `zone`."""

    member: int
    statements: tuple[Statement, ...]
    entries: tuple[BookEntry, ...]
    zone: str
    side: Side = Side.MEMBER


@dataclass(frozen=True, slots=True)
class _Posting:
    account: str
    micro: int
    currency: str


@dataclass(frozen=True, slots=True)
class _Transaction:
    day: date
    text: str
    number: str
    postings: tuple[_Posting, ...]


def beancount(book: Book) -> bytes:
    """Return a ledger in UTF-8 that `bean-check` accepts.

    Unrenderable for too many entries, or a currency that beancount has no name for.
    """
    if len(book.statements) + len(book.entries) > MAX_BOOK:
        raise Unrenderable(
            Cause.TOO_LARGE, f"a book has at most {MAX_BOOK} bills and payments"
        )
    found = sorted(_transactions(book), key=lambda row: row.day)
    lines = [f"; Bills and payments of member {book.member}."]
    if found:
        lines += _opened(found)
        lines += _told(found, _owed(book))
    return ("\n".join(lines) + "\n").encode()


def _transactions(book: Book) -> Iterator[_Transaction]:
    zone = zone_of(book.zone)
    names: dict[str, str] = {}
    for statement in book.statements:
        day = local(statement.issued_at, zone).date()
        what = "Bill" if statement.kind is StatementKind.BILL else "Credit note"
        currency = _commodity(statement.currency, names)
        postings = tuple(_bill(book, statement, currency))
        yield _Transaction(
            day, f"{what} {statement.number}", statement.number, postings
        )
    for entry in book.entries:
        if entry.amount <= 0:
            raise ValueError("an entry of a book moves something")
        day = local(entry.at, zone).date()
        text = f"{entry.kind.value.capitalize().replace('-', ' ')} {entry.reference}"
        currency = _commodity(entry.currency, names)
        postings = tuple(_moved(book, entry, currency))
        yield _Transaction(day, text.strip(), entry.number, postings)


def _bill(book: Book, statement: Statement, currency: str) -> Iterator[_Posting]:
    """Yield what a bill charges by account, and last what is owed for it."""
    sums: dict[str, int] = defaultdict(int)
    micro = 10 ** (MICRO - statement.minor)
    for line in statement.lines:
        sums[_charged(book.side, line)] += line.amount * micro
    sign = _sign(book)
    for account, amount in sums.items():
        yield _Posting(account, sign * amount, currency)
    yield _Posting(_owed(book), -sign * statement.total * micro, currency)


def _moved(book: Book, entry: BookEntry, currency: str) -> Iterator[_Posting]:
    """Yield both legs of an entry; `sign` turns the member's side into the provider's."""
    amount = _sign(book) * entry.amount
    into, out_of = _legs(book, entry.kind)
    yield _Posting(into, amount, currency)
    yield _Posting(out_of, -amount, currency)


def _legs(book: Book, kind: EntryKind) -> tuple[str, str]:
    """Return the accounts that grow and shrink where it is the member's ledger."""
    member, owed = book.side is Side.MEMBER, _owed(book)
    match kind:
        case EntryKind.PAYMENT:
            return owed, "Assets:Bank"
        case EntryKind.REFUND:
            return "Assets:Bank", owed
        case EntryKind.LATE_FEE:
            return ("Expenses:Utility:LateFees" if member else "Income:LateFees"), owed
        case EntryKind.REWARD:
            if member:
                return "Assets:Rewards", "Income:Utility:Rewards"
            return "Assets:RewardPool", "Expenses:Rewards"


_MEMBERS: Final = {
    Group.USAGE: "Expenses:Utility:Usage",
    Group.NETWORK: "Expenses:Utility:Network",
    Group.STANDING: "Expenses:Utility:Standing",
    Group.TAXES: "Expenses:Utility:Taxes",
    Group.ROUNDING: "Expenses:Utility:Rounding",
}
_PROVIDERS: Final = {
    Group.USAGE: "Income:Usage",
    Group.NETWORK: "Income:Network",
    Group.STANDING: "Income:Standing",
    Group.TAXES: "Liabilities:Taxes",
    Group.ROUNDING: "Income:Rounding",
}


def _charged(side: Side, line: Line) -> str:
    if line.kind is LineKind.EXPORT:
        return "Income:Utility:Export" if side is Side.MEMBER else "Expenses:Export"
    return (_MEMBERS if side is Side.MEMBER else _PROVIDERS)[group_of(line)]


def _owed(book: Book) -> str:
    if book.side is Side.MEMBER:
        return "Liabilities:Utility"
    return f"Assets:Receivable:Member{book.member}"


def _sign(book: Book) -> int:
    return 1 if book.side is Side.MEMBER else -1


def _commodity(currency: str, names: dict[str, str]) -> str:
    """Return beancount's name of a currency: capitals; two may not come to the same."""
    name = currency.upper()
    if not _COMMODITY.fullmatch(name) or names.setdefault(name, currency) != currency:
        raise Unrenderable(
            Cause.NOT_SAYABLE, f"beancount has no name of its own for {currency[:24]!r}"
        )
    return name


def _opened(found: list[_Transaction]) -> Iterator[str]:
    first = found[0].day
    accounts = {posting.account for row in found for posting in row.postings}
    for account in sorted(accounts):
        yield f"{first} open {account}"


def _told(found: list[_Transaction], owed: str) -> Iterator[str]:
    """Yield the transactions, and what is owed on the morning after each day of some."""
    balances: dict[str, int] = defaultdict(int)
    for place, row in enumerate(found):
        yield ""
        yield f'{row.day} * "{_quoted(row.text)}"'
        yield f'  bill: "{_quoted(row.number)}"'
        for posting in row.postings:
            amount = _amount(posting.micro)
            yield f"  {posting.account}  {amount} {posting.currency}"
            if posting.account == owed:
                balances[posting.currency] += posting.micro
        if place + 1 == len(found) or found[place + 1].day != row.day:
            morning = row.day + timedelta(days=1)
            for currency, micro in sorted(balances.items()):
                yield f"{morning} balance {owed}  {_amount(micro)} {currency}"


def _amount(micro: int) -> str:
    """Return an amount with two decimals at least, and no more than it has beyond."""
    decimals = MICRO
    while decimals > 2 and micro % 10 == 0:
        micro, decimals = micro // 10, decimals - 1
    return plain(micro, decimals)


def _quoted(text: str) -> str:
    return cleaned(text).replace("\\", "\\\\").replace('"', '\\"')
