"""What a batch is posted on, what it leaves, and the layers in between.

Pure. This module must never allow or refuse: it only remembers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

from meterseal_aggregator.ledger.chart import opened
from meterseal_aggregator.ledger.model import (
    WH,
    Account,
    AccountCode,
    Asset,
    Entry,
    Frost,
    HoldState,
    Refusal,
    Result,
    TransferId,
)

AccountKey = tuple[Asset, AccountCode]
"""How an account is found: its asset and its code."""

NO_FROST: Final = Frost()
"""A hold that never was frozen."""
_NONE: Final[Mapping[TransferId, Frost]] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Book:
    """What must be known to post a batch: its accounts, its ids, its holds.

    `entries` holds every known transfer named by an id or pending id of the batch,
    `holds` the state of those that are holds, `frosts` what freezes those of them that
    ever were frozen, `accounts` every open account named, `assets` the assets of money
    in which an account may be opened.
    """

    accounts: Mapping[AccountKey, Account]
    entries: Mapping[TransferId, Entry]
    holds: Mapping[TransferId, HoldState]
    frosts: Mapping[TransferId, Frost] = field(default_factory=lambda: _NONE)
    assets: frozenset[Asset] = frozenset()


@dataclass(frozen=True, slots=True)
class Posting:
    """What a batch did: one result a transfer in order, and everything that changed."""

    results: Sequence[Result]
    entries: Mapping[TransferId, Entry]
    accounts: Mapping[AccountKey, Account]
    holds: Mapping[TransferId, HoldState]
    frosts: Mapping[TransferId, Frost]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why one transfer was not entered, and the field at fault if there is one."""

    refusal: Refusal
    field: str = ""


class Layer:
    """Changes on top of a book, and on top of one other layer while a chain is tried."""

    __slots__ = ("accounts", "book", "entries", "frosts", "holds", "under")

    def __init__(self, book: Book, under: "Layer | None" = None) -> None:
        self.book = book
        self.under = under
        self.accounts: dict[AccountKey, Account] = {}
        self.entries: dict[TransferId, Entry] = {}
        self.holds: dict[TransferId, HoldState] = {}
        self.frosts: dict[TransferId, Frost] = {}

    def account(self, key: AccountKey) -> Account | None:
        """Return an account as it stands, empty if new; None outside the chart."""
        known = self.accounts.get(key)
        if known is None and self.under is not None:
            known = self.under.accounts.get(key)
        if known is None:
            known = self.book.accounts.get(key)
        if known is None and (key[0] == WH or key[0] in self.book.assets):
            return opened(*key)
        return known

    def entry(self, transfer_id: TransferId) -> Entry | None:
        """Return the entry of a transfer, or None."""
        known = self.entries.get(transfer_id)
        if known is None and self.under is not None:
            known = self.under.entries.get(transfer_id)
        return self.book.entries.get(transfer_id) if known is None else known

    def hold(self, transfer_id: TransferId) -> HoldState | None:
        """Return where a hold stands; None when there is no such hold."""
        known = self.holds.get(transfer_id)
        if known is None and self.under is not None:
            known = self.under.holds.get(transfer_id)
        return self.book.holds.get(transfer_id) if known is None else known

    def frost(self, hold: TransferId) -> Frost:
        """Return what freezes a hold itself; its accounts have their own."""
        known = self.frosts.get(hold)
        if known is None and self.under is not None:
            known = self.under.frosts.get(hold)
        return self.book.frosts.get(hold, NO_FROST) if known is None else known

    def absorb(self, above: "Layer") -> None:
        """Take over the changes of a chain that was entered."""
        self.accounts.update(above.accounts)
        self.entries.update(above.entries)
        self.holds.update(above.holds)
        self.frosts.update(above.frosts)
