"""The ledger's nouns: accounts, transfers, entries, freezes and refusals.

Semantics follow TigerBeetle's (docs/reference: two-phase transfers, linked events,
balancing transfers): a transfer debits one account and credits another by the same
integer amount of one asset, at once or in two phases. Nothing here reads a clock, a
disk or a wire, and no amount is ever a float.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Final, NewType

Asset = NewType("Asset", str)
"""What is counted: `wh` for energy; an asset of money by its name, in micro-units."""
AccountCode = NewType("AccountCode", str)
"""An account's name within an asset, e.g. `producer:7`; its shape is in `ledger.chart`."""
TransferId = NewType("TransferId", bytes)
"""A transfer's identity, 16 or 32 bytes, chosen by whoever asks for it."""

WH: Final = Asset("wh")
"""Energy in watt-hours."""

MAX_AMOUNT: Final = (1 << 63) - 1
"""Largest amount and balance: what a signed 64-bit column holds. As the amount of a
POST or of an `AtMost` transfer it means "all there is"."""
MAX_TIMEOUT_S: Final = 400 * 86_400
"""Longest hold: the furthest an interval may still be corrected (400 days)."""
MAX_TEXT: Final = 64
"""Longest purpose, and longest reference in bytes: a 32-byte hash in hex just fits."""
MAX_CODE: Final = 160
"""Longest account code: two subjects of 64 characters and their words."""
ID_LENGTHS: Final = (16, 32)
"""A random id of 128 bits, or a SHA-256."""


class Floor(IntEnum):
    """Which side of an account must cover the other, pending amounts included."""

    NONE = 0
    CREDITS_COVER = 1
    """Debits must not exceed posted credits: what is held here cannot go below zero."""
    DEBITS_COVER = 2
    """Credits must not exceed posted debits: a source or a debt cannot be overpaid."""


class Phase(IntEnum):
    """What a transfer does."""

    DIRECT = 0
    """Moves its amount at once."""
    HOLD = 1
    """Reserves its amount on both sides until it is posted, voided or expires."""
    POST = 2
    """Moves a hold's amount, or less, and releases the rest."""
    VOID = 3
    """Releases a hold and moves nothing."""
    EXPIRE = 4
    """Releases a hold whose time is over; written by the ledger itself."""


RESOLVING: Final = frozenset({Phase.POST, Phase.VOID, Phase.EXPIRE})
"""The phases that end a hold and inherit what they leave empty from it."""


class AtMost(IntEnum):
    """Whether a transfer moves less than it asks for where a balance runs out."""

    EXACT = 0
    DEBIT = 1
    """No more than the debited account holds (credits beyond its debits)."""
    CREDIT = 2
    """No more than the credited account owes (debits beyond its credits)."""
    BOTH = 3


class Freeze(IntEnum):
    """What a HOLD of amount 0 freezes until it is voided or expires.

    TigerBeetle's `closing_debit` and `closing_credit`, and a single hold besides, so that
    one disputed trade does not stop a member's others.
    """

    NOTHING = 0
    DEBIT = 1
    CREDIT = 2
    BOTH = 3
    HOLD = 4
    """The hold named in `pending_id`; its accounts go on."""


class HoldState(IntEnum):
    """Where a hold stands; it leaves PENDING once and for ever."""

    PENDING = 0
    POSTED = 1
    VOIDED = 2
    EXPIRED = 3


class Refusal(IntEnum):
    """Why a transfer was not entered. Order is precedence: the first that holds is given."""

    LINKED_FAILED = 1
    """Another transfer of its chain was refused."""
    CHAIN_OPEN = 2
    """The batch ended before the chain did: the last transfer still said `linked`."""
    MALFORMED = 3
    """A field has no legal value by itself; the field is named."""
    ID_TAKEN = 4
    """The id is known with other content; the first field that differs is named."""
    ACCOUNTS_SAME = 5
    """Debit and credit are one account."""
    ACCOUNT_UNKNOWN = 6
    """The chart of accounts has no such account; `debit` or `credit` is named."""
    PENDING_NOT_FOUND = 7
    """No transfer has the pending id."""
    PENDING_NO_HOLD = 8
    """The transfer with the pending id is no hold."""
    PENDING_DIFFERS = 9
    """The hold says otherwise; the field is named."""
    EXCEEDS_PENDING = 10
    """More than the hold's amount."""
    ALREADY_POSTED = 11
    ALREADY_VOIDED = 12
    ALREADY_EXPIRED = 13
    FROZEN = 14
    """Disputed: `debit`, `credit` or `pending_id` (the hold) is named. Wait for the end."""
    NOT_DUE = 15
    """The hold's time is not over."""
    OVERFLOW = 16
    """A balance would pass `MAX_AMOUNT`."""
    EXCEEDS_CREDITS = 17
    """The debited account's floor (CREDITS_COVER) would break."""
    EXCEEDS_DEBITS = 18
    """The credited account's floor (DEBITS_COVER) would break."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account of one asset and its four running totals, each 0..MAX_AMOUNT.

    Posted totals only grow; pending ones are what holds reserve right now. `frozen` is
    how many freezes stand on it, `thawed_at` the second in which one last ended.
    """

    asset: Asset
    code: AccountCode
    floor: Floor = Floor.NONE
    debits_pending: int = 0
    debits_posted: int = 0
    credits_pending: int = 0
    credits_posted: int = 0
    frozen: int = 0
    thawed_at: int = 0

    @property
    def held(self) -> int:
        """What the account may still give: posted credits less all debits, >= 0."""
        return max(0, self.credits_posted - self.debits_posted - self.debits_pending)

    @property
    def owed(self) -> int:
        """What the account may still take: posted debits less all credits, >= 0."""
        return max(0, self.debits_posted - self.credits_posted - self.credits_pending)


@dataclass(frozen=True, slots=True)
class Frost:
    """What freezes one hold: how many freezes stand, the second in which one last ended."""

    frozen: int = 0
    thawed_at: int = 0


@dataclass(frozen=True, slots=True)
class Transfer:
    """A wish to move `amount` of `asset` from `debit` to `credit`.

    `purpose` says why in one word, `reference` is what it is about (<= 64 bytes),
    `effective_at` the Unix second it counts for (when it is written is kept apart).
    `linked` binds it to the next transfer of the batch: all of a chain or none.
    POST, VOID and EXPIRE name their hold in `pending_id` and may leave `debit`,
    `credit`, `purpose` and `reference` empty; the hold's are taken. A HOLD expires
    `timeout_s` seconds after it is written, never when 0. A HOLD that `freezes` moves
    nothing; its purpose and reference say why and in which dispute, and one that freezes
    a hold names it in `pending_id` and may leave the accounts and the asset empty.
    """

    id: TransferId
    amount: int
    debit: AccountCode = AccountCode("")
    credit: AccountCode = AccountCode("")
    purpose: str = ""
    effective_at: int = 0
    asset: Asset = WH
    phase: Phase = Phase.DIRECT
    pending_id: TransferId = TransferId(b"")
    timeout_s: int = 0
    reference: bytes = b""
    at_most: AtMost = AtMost.EXACT
    linked: bool = False
    freezes: Freeze = Freeze.NOTHING


def linked(transfers: Sequence[Transfer]) -> list[Transfer]:
    """Return transfers as one chain, in their order: all of them are entered, or none."""
    last = len(transfers) - 1
    return [replace(one, linked=n < last) for n, one in enumerate(transfers)]


@dataclass(frozen=True, slots=True)
class Entry:
    """A transfer as it was entered: every field resolved, with the second it was written."""

    transfer: Transfer
    recorded_at: int

    @property
    def expires_at(self) -> int | None:
        """The second from which a hold is no longer good; None when it is for ever."""
        t = self.transfer
        return self.recorded_at + t.timeout_s if t.timeout_s else None


@dataclass(frozen=True, slots=True)
class Result:
    """The answer to one transfer: entered with `amount`, or refused with the field named.

    `duplicate` tells that it was entered before; the answer is otherwise the same.
    """

    id: TransferId
    amount: int = 0
    refusal: Refusal | None = None
    field: str = ""
    duplicate: bool = False

    @property
    def entered(self) -> bool:
        """Whether the ledger holds this transfer."""
        return self.refusal is None
