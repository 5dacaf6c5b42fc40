"""What is owed and what was paid, as nouns: an open bill, a wish to pay, a receipt, a quote.

Amounts are in micro-units of an asset, times are Unix seconds. Pure. This module must
never read a table.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.billing.model import Standing
from meterseal_aggregator.ledger.model import AccountCode, Asset, TransferId

UNIT: Final = 1_000_000
"""Micro-units in a unit: a quote's rate is micro-units for one unit."""
MAX_OPEN: Final = 1_000
"""Open bills one payment looks at: eighty years of months."""


class Source(StrEnum):
    """Where the money of a payment of bills came from."""

    MEMBER = "member"
    """The member's balance, by his own act."""
    PAYMENT = "payment"
    """His balance, in the transaction of an operator's record of money that came in."""
    TOP_UP = "top-up"
    """The share of a prepaid member's top-up that his arrears may take."""
    PREPAID = "prepaid"
    """What a prepaid supply's usage had drawn before the bill came."""


@dataclass(frozen=True, slots=True)
class Owed:
    """An open bill of the ledger rail, and where it stands."""

    number: str
    member: int
    supply: int
    asset: Asset
    standing: Standing

    @property
    def bill(self) -> int:
        """The bill's row id."""
        return self.standing.bill


@dataclass(frozen=True, slots=True)
class Wish:
    """A member's wish to pay bills with at most `amount` of `asset`, once a `key`.

    `bill` is a bill's number; the oldest are paid first where it is empty. `quote` is the
    id of an operator's quote where `asset` is not the bills'. Where no asset is said, it is
    the quote's, the bill's or the network's money.
    """

    member: int
    amount: int
    key: str
    asset: Asset | None = None
    bill: str = ""
    quote: int | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """What of a payment went to one bill."""

    bill: int
    number: str
    amount: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """Bills paid at once: `amount` of `asset` in parts, for `given` of `given_asset`."""

    id: int
    member: int
    source: Source
    asset: Asset
    amount: int
    given_asset: Asset
    given: int
    quote: int | None
    payment: int | None
    at: int
    parts: Sequence[Part]


@dataclass(frozen=True, slots=True)
class Quote:
    """One unit of `asset` pays `rate` micro-units of `bill_asset`, in [from_at, expires_at)."""

    id: int
    asset: Asset
    bill_asset: Asset
    rate: int
    from_at: int
    expires_at: int
    actor: str
    key: str


@dataclass(frozen=True, slots=True)
class Arrears:
    """What a member owes in an asset: `overdue` and `disputed` are parts of `outstanding`.

    `next_due_at` is when the first of his open bills is due.
    """

    asset: Asset
    outstanding: int
    overdue: int
    disputed: int
    bills: int
    next_due_at: int


def transfer_id(*about: str | int) -> TransferId:
    """Return the ledger id of a move of ours: SHA-256 of a label and what it is about."""
    text = "/".join(map(str, about))
    return TransferId(hashlib.sha256(f"meterseal-receivables/{text}".encode()).digest())


def prepaid(supply: int) -> AccountCode:
    """Return where a prepaid supply's money waits for the bill of its cycle."""
    return AccountCode(f"escrow:prepaid-{supply}")
