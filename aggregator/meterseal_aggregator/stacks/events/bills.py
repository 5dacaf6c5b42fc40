"""What was told of committed days, totals, tariffs, bills and payments.

Usage in Wh or litres, money in micro-units of the asset (None: STX), times in Unix
seconds, days since 1970. This module must never tell usage that was not opened.
"""

from dataclasses import dataclass

from meterseal_aggregator.stacks.events.record import Hash, Keys, Meter, Told, told
from meterseal_proto.c32 import Principal


@told("meter-data", "usage-proof")
@dataclass(frozen=True, slots=True)
class UsageProof(Told):
    """A committed day is kept."""

    meter: Meter
    register: int
    first: int
    end: int
    seq: int
    hash: Hash
    counts_from: int


@told("meter-data", "equivocation")
@dataclass(frozen=True, slots=True)
class Equivocation(Told):
    """A meter signed two contents of one seq."""

    meter: Meter
    register: int
    seq: int


@told("usage-aggregation", "trustees-set")
@dataclass(frozen=True, slots=True)
class TrusteesSet(Told):
    """Three trustees sign totals from now on."""

    trustees: Keys


@told("usage-aggregation", "set-fixed")
@dataclass(frozen=True, slots=True)
class SetFixed(Told):
    """Who reported is fixed."""

    network: Hash
    cell: str
    day: int
    set: Hash
    size: int


@told("usage-aggregation", "total-posted")
@dataclass(frozen=True, slots=True)
class TotalPosted(Told):
    """A community's total stands."""

    network: Hash
    cell: str
    day: int
    set: Hash
    size: int
    usage: int


@told("billing", "tariff-posted")
@dataclass(frozen=True, slots=True)
class TariffPosted(Told):
    """A tariff is known by this hash."""

    hash: Hash
    provider: Principal
    kind: int
    start: int


@told("billing", "opening-let")
@dataclass(frozen=True, slots=True)
class OpeningLet(Told):
    """The owner lets a provider open a meter's usage; 0 ends it."""

    meter: Meter
    provider: Principal
    until: int


@told("billing", "bill-issued")
@dataclass(frozen=True, slots=True)
class BillIssued(Told):
    """A bill was computed from verified usage."""

    bill: int
    payer: Principal
    provider: Principal
    meter: Meter
    start: int
    end: int
    usage: int
    amount: int
    due_at: int


@told("billing", "bill-held")
@dataclass(frozen=True, slots=True)
class BillHeld(Told):
    """A disputed bill waits, or goes on with its time to pay prolonged."""

    bill: int
    held: bool
    due_at: int


@told("billing", "bill-corrected")
@dataclass(frozen=True, slots=True)
class BillCorrected(Told):
    """A court lowered a bill."""

    bill: int
    usage: int
    amount: int
    before: int


@told("billing", "bill-hash")
@dataclass(frozen=True, slots=True)
class BillHash(Told):
    """A bill kept elsewhere has this salted hash."""

    provider: Principal
    hash: Hash


@told("payment", "bill-paid")
@dataclass(frozen=True, slots=True)
class BillPaid(Told):
    """A bill was paid in part or whole."""

    bill: int
    by: Principal
    amount: int
    left: int


@told("payment", "bill-quoted")
@dataclass(frozen=True, slots=True)
class BillQuoted(Told):
    """The provider takes another asset."""

    bill: int
    asset: Principal | None
    price: int
    covers: int
    expires: int


@told("payment", "bill-paid-at-quote")
@dataclass(frozen=True, slots=True)
class BillPaidAtQuote(Told):
    """A bill was paid at a quote."""

    bill: int
    by: Principal
    amount: int
    asset: Principal | None
    price: int


@told("payment", "bill-refunded")
@dataclass(frozen=True, slots=True)
class BillRefunded(Told):
    """What was paid above a bill went back."""

    bill: int
    amount: int


@told("payment", "asset-allowed")
@dataclass(frozen=True, slots=True)
class AssetAllowed(Told):
    """A token was allowed or forbidden."""

    token: Principal
    allowed: bool


@told("payment", "payment-rewarded")
@dataclass(frozen=True, slots=True)
class PaymentRewarded(Told):
    """Paying in time earned utility tokens."""

    bill: int
    payer: Principal
    amount: int
