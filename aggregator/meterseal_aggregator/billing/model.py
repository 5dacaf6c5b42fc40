"""Billing's nouns: a bill's row, where it stands, and why something is refused.

Who is billed for what is a supply (`supplies.model`).

Amounts are in micro-units of the bill's asset, 10^-6 of its unit; documents count minor
units. Times are Unix seconds. Pure. This module must never read a table.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from meterseal_aggregator.ledger.model import Asset
from meterseal_proto.rating.statement import MAX_MINOR, Rail, StatementKind

MAX_NUMBER: Final = 32
"""Characters of a bill's number."""
_MICRO: Final = tuple(
    int("1".ljust(MAX_MINOR - n + 1, "0")) for n in range(MAX_MINOR + 1)
)
"""Micro-units of a minor unit, by how many decimals it has."""


class Cause(StrEnum):
    """Why billing refuses something; the value is the problem's name on the wire."""

    UNKNOWN = "not-found"
    INCOMPLETE = "usage-incomplete"
    """A slot of the period has no value, or is not final; the register is named."""
    NO_METER = "no-meter"
    """No open register of the tariff's commodity stood at the meter point."""
    PRIVATE = "private"
    """A committed register stood there: its device makes the bill."""
    EMPTY = "nothing-to-bill"
    """No slot of the meter begins in the period: it is over without a bill."""
    NO_TARIFF = "no-tariff"
    """No version of the tariff holds in some of the period."""
    UNRATEABLE = "unrateable"
    """The tariff cannot price this load; the missing rule is named."""
    CURRENCY = "currency"
    """The tariff's currency is no asset of this network, or not that of the bill."""
    NOT_DUE = "not-due"
    """The cycle is not over, or nothing of the supply is left to bill."""
    TRADES = "trades-open"
    """Trades of the period wait for the sellers' meters."""
    GUARD = "above-verified-usage"
    """The statement asks for more than the tariff gives for the verified usage."""
    BILLED = "billed-already"
    STATE = "state"
    """The bill stands otherwise: corrected, paid, or owing less."""
    FUNDS = "funds"
    FROZEN = "disputed"
    KEY_USED = "key-used"
    ERASED = "erased"
    """The salt is gone: nobody can be shown what the log's hash is of."""


class Refused(Exception):
    """What billing does not do as things stand; the message says what to do."""

    def __init__(self, cause: Cause, detail: str) -> None:
        super().__init__(detail)
        self.cause = cause
        self.detail = detail

    def __reduce__(self) -> tuple[type["Refused"], tuple[Cause, str]]:
        """Let it come back from a worker process with its cause."""
        return Refused, (self.cause, self.detail)


def check_same(known: str, compared: Iterable[tuple[str, object, object]]) -> None:
    """Go on if a wish is the one its key was used for, `known`; else raise Refused (KEY_USED).

    Compared are fields by what their asker calls them: as they were, and as they are now.
    """
    for name, before, asked in compared:
        if before != asked:
            raise Refused(
                Cause.KEY_USED,
                f"this idempotency key was used with different {name}, for {known}: send"
                " a new key",
            )


class BillState(StrEnum):
    """Where a bill stands. A dispute is an amount beside it, no state."""

    ISSUED = "issued"
    PART_PAID = "part-paid"
    PAID = "paid"
    """Nothing is outstanding, be it that nothing was asked."""
    OVERDUE = "overdue"
    CORRECTED = "corrected"
    """A credit note took it back: it asks for nothing any more."""


class Act(StrEnum):
    """What is done to a bill; each is a row of `bill_acts`."""

    ISSUED = "issued"
    PAID = "paid"
    UNPAID = "unpaid"
    """A payment that was taken back: it is outstanding again."""
    GIVEN = "given"
    """Credited to the member's money: a negative total, or what he paid too much."""
    LATE_FEE = "late-fee"
    WAIVED = "waived"
    """Late fees that are asked for no more."""
    OVERDUE = "overdue"
    DISPUTED = "disputed"
    RESOLVED = "resolved"
    """Disputed no more, whoever was right: a correction says that."""
    CREDITED = "credited"
    """Paid to the member's money by a decided dispute; it asks for as much as before."""
    CORRECTED = "corrected"


@dataclass(frozen=True, slots=True)
class BillRow:
    """A bill or credit note as it was issued; `amount` is negative where it credits.

    `corrects` and `replaces` are bills by row id; `salt` is None once it was erased.
    """

    id: int
    number: str
    kind: StatementKind
    supply: int
    member: int
    begin: int
    end: int
    asset: Asset
    amount: int
    corrects: int | None
    replaces: int | None
    private_bill: int | None
    rail: Rail
    known_at: int
    issued_at: int
    document: bytes
    salt: bytes | None
    hash: bytes
    log_entry: int


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a bill stands: `amount` is the bill's, the rest is what came of it since.

    `given` is what it credited to the member's money. `looked_to`: usage that was known by
    then has been compared with what was billed.
    """

    bill: int
    amount: int
    state: BillState
    due_at: int
    paid: int = 0
    late_fees: int = 0
    disputed: int = 0
    given: int = 0
    looked_to: int = 0

    @property
    def outstanding(self) -> int:
        """What is still owed, disputed or not; 0 of a bill that was taken back."""
        if self.state is BillState.CORRECTED:
            return 0
        return self.amount + self.late_fees + self.given - self.paid

    @property
    def asked(self) -> int:
        """What is owed and not disputed."""
        return max(0, self.outstanding - self.disputed)


@dataclass(frozen=True, slots=True)
class BillAct:
    """One thing done to a bill: `amount` >= 0 (an issued bill's may be negative)."""

    bill: int
    act: Act
    amount: int
    at: int
    actor: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class WaitRow:
    """A supply that waits for its bill from `begin` on, or for that bill's correction.

    `cause` is the last one, said at `at`.
    """

    id: int
    supply: int
    begin: int
    cause: str
    detail: str
    at: int
    again_at: int


def micro(minor_units: int, minor: int) -> int:
    """Return minor units (10^-minor of the currency's unit) as micro-units."""
    if not 0 <= minor <= MAX_MINOR:
        raise ValueError(f"minor units have 0 to {MAX_MINOR} decimals")
    return minor_units * _MICRO[minor]
