"""The nouns of disputes: what is disputed, where it stands, how it is decided, why not.

| state | who may end it | how |
| --- | --- | --- |
| open | its member | withdrawn |
| open | the operator | upheld, part-upheld, rejected |
| any other | nobody | it stays |

An upheld part has a remedy: `correction`, where the bill was corrected first, or `credit`,
which is paid to the member's money. A decision that is late changes nothing by itself: what
is frozen stays so, for a silent operator may not win by waiting. Amounts in micro-units,
times in Unix seconds. Pure. This module must never read a table.
"""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import Asset, TransferId
from meterseal_proto.bundle import canonical

MAX_REASON: Final = 500
MAX_OPEN: Final = 20
"""Disputes of a member that wait: a year of bills, and some trades."""
MAX_LINES: Final = 200
BILL_WINDOW_S: Final = 180 * 86_400
"""How long after its issue a bill may be disputed: two bills of half a year."""
TRADE_WINDOW_S: Final = 130 * 86_400
"""How long after its slot a trade may be: readings are corrected for as long."""
DECIDE_WITHIN_S: Final = 30 * 86_400
SALT_BYTES: Final = 16
_DOMAIN: Final = b"meterseal/decision/v1\x00"


class Subject(StrEnum):
    """What is disputed."""

    BILL = "bill"
    TRADE = "trade"


class State(StrEnum):
    """Where a dispute stands."""

    OPEN = "open"
    WITHDRAWN = "withdrawn"
    UPHELD = "upheld"
    PART_UPHELD = "part-upheld"
    REJECTED = "rejected"


class Remedy(StrEnum):
    """What became of an upheld part."""

    NONE = "none"
    CORRECTION = "correction"
    """The bill was taken back and replaced: the difference is posted there."""
    CREDIT = "credit"
    """The amount was paid to the member's money."""


class Cause(StrEnum):
    """Why a dispute is not opened or decided; the value is the problem's name on the wire."""

    UNKNOWN = "not-found"
    KEY_USED = "key-used"
    AMOUNT = "amount"
    """Nothing, or more than the bill or trade is of."""
    TOO_LATE = "too-late"
    FULL = "too-many"
    DISPUTED = "disputed-already"
    STATE = "state"
    RAIL = "rail"
    """A bill of the chain is credited there."""
    FUNDS = "funds"
    FROZEN = "disputed"


class NotDisputed(Exception):
    """What disputes do not do as things stand; the message says what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Wish:
    """What a member disputes, and why; `key` makes it once.

    Of a bill either `lines`, by their place from 1, or `amount`, or neither: all of it. Of
    a trade an `amount`, or neither. `evidence` is the SHA-256 of what he has to show.
    """

    member: int
    reason: str
    key: str
    amount: int | None = None
    lines: tuple[int, ...] = ()
    evidence: bytes | None = None


@dataclass(frozen=True, slots=True)
class Dispute:
    """A dispute; `bill` is a bill's row id. `held`: it froze a trade's hold.

    `reason` and `evidence` are None where there was none, or it was erased.
    """

    id: int
    member: int
    subject: Subject
    bill: int | None
    trade: int | None
    asset: Asset
    claimed: int
    frozen: int
    held: bool
    lines: tuple[int, ...]
    reason: str | None
    evidence: bytes | None
    state: State
    opened_at: int
    decide_by: int
    ended_at: int | None

    @property
    def freeze(self) -> TransferId:
        """The ledger's entry that freezes a trade's hold."""
        return transfer_id(self.id, "freeze")


@dataclass(frozen=True, slots=True)
class Decision:
    """How a dispute is decided: `amount` of what was claimed is right, and why."""

    verdict: State
    remedy: Remedy
    amount: int
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Decided:
    """A decision as it was kept; `reason` and `salt` None once erased."""

    dispute: int
    verdict: State
    remedy: Remedy
    amount: int
    actor: str
    reason: str | None
    decided_at: int
    salt: bytes | None
    hash: bytes
    log_entry: int


def transfer_id(dispute: int, what: str) -> TransferId:
    """Return the ledger id of a dispute's move: SHA-256 of a label and what it does."""
    text = f"meterseal-disputes/{dispute}/{what}"
    return TransferId(hashlib.sha256(text.encode()).digest())


def decision_hash(salt: bytes, dispute: Dispute, made: Decision, at: int) -> bytes:
    """Return what the log keeps of a decision: SHA-256(domain || salt || its document)."""
    document = canonical(
        {
            "amount": made.amount,
            "bill": dispute.bill,
            "claimed": dispute.claimed,
            "decided_at": at,
            "dispute": dispute.id,
            "member": dispute.member,
            "reason": made.reason,
            "remedy": made.remedy.value,
            "trade": dispute.trade,
            "verdict": made.verdict.value,
        }
    )
    return hashlib.sha256(_DOMAIN + salt + document).digest()


def check_decision(dispute: Dispute, made: Decision) -> None:
    """Go on if a decision is one that a dispute can have; raises NotDisputed."""
    if dispute.state is not State.OPEN:
        raise NotDisputed(
            Cause.STATE, f"dispute {dispute.id} is {dispute.state.value} already"
        )
    least, most = {
        State.UPHELD: (dispute.claimed, dispute.claimed),
        State.PART_UPHELD: (1, dispute.claimed - 1),
        State.REJECTED: (0, 0),
    }.get(made.verdict, (1, 0))
    if not least <= made.amount <= most:
        raise NotDisputed(
            Cause.AMOUNT,
            f"{made.verdict.value}: an amount of {least} to {most} of what is claimed",
        )
    if (made.remedy is Remedy.NONE) != (made.verdict is State.REJECTED):
        raise NotDisputed(
            Cause.STATE, "what is upheld has a remedy, what is rejected has none"
        )
    if made.remedy is Remedy.CORRECTION and dispute.subject is Subject.TRADE:
        raise NotDisputed(
            Cause.STATE, "a trade is corrected by its meter: give a credit, or reject"
        )
