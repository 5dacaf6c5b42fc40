"""What a tariff is made of: each thing that is charged, with the rule it is charged by.

A rule on which two readings of a tariff differ has no default: a document that leaves it
out is refused, naming it (`tariff`). Prices are integers of 10^-digits of the currency per
unit; quantities that a tariff names (limits of tiers) are thousandths of the unit (Wh,
litres, W). This module must never hold a computation: `price` has them.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_proto.rating.rules import (
    Allocation,
    Bank,
    Base,
    Count,
    LifelineRule,
    LimitPer,
    Milli,
    Minor,
    Netting,
    On,
    PayoutOf,
    Per,
    Price,
    Proration,
    QuotaRule,
    ShareKind,
    SignedPrice,
    SpanOf,
    TierCounter,
)

__all__ = [
    "Allocation",
    "Bank",
    "Base",
    "Block",
    "Calendar",
    "Component",
    "Count",
    "Demand",
    "Energy",
    "Export",
    "Fixed",
    "Flat",
    "FreeQuota",
    "Hourly",
    "Levy",
    "Lifeline",
    "LifelineRule",
    "LimitPer",
    "Losses",
    "Maximum",
    "Milli",
    "Minimum",
    "Minor",
    "NetMetering",
    "Netting",
    "On",
    "PayoutOf",
    "Per",
    "PeriodPrice",
    "PeriodTiers",
    "Price",
    "Proration",
    "QuotaRule",
    "Season",
    "Share",
    "ShareKind",
    "SignedPrice",
    "Slab",
    "SpanOf",
    "Successor",
    "Tier",
    "TierCounter",
    "TieredTimeOfUse",
    "TimeOfUse",
    "Wheeling",
    "Window",
]

_NO_WINDOW: Final = Count(0)
_NO_ENTRY: Final = Price(0)


@dataclass(frozen=True, slots=True)
class Season:
    """A part of the year: from a day, "MM-DD", until the next season begins."""

    name: str
    begin: str


@dataclass(frozen=True, slots=True)
class Window:
    """Minutes of local days that belong to a period: [begin, end) as "HH:MM", to "24:00".

    `days` in order, of mon tue wed thu fri sat sun hol; `seasons` empty for all of them.
    """

    period: str
    days: tuple[str, ...]
    begin: str = "00:00"
    end: str = "24:00"
    seasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Calendar:
    """A time-of-use calendar: every minute of every kind of day lies in one window.

    A holiday is the day "hol" where any window names it, else the day of the week it is.
    """

    name: str
    windows: tuple[Window, ...]
    seasons: tuple[Season, ...] = ()


@dataclass(frozen=True, slots=True)
class PeriodPrice:
    """The price of a period of a calendar."""

    period: str
    price: Price


@dataclass(frozen=True, slots=True)
class Tier:
    """A tier up to `to` (None: the last), at a price per unit, and `entry` once in it.

    `entry` is owed once a cycle as the tier is entered; the first is entered at its begin.
    """

    price: Price
    to: Milli | None = None
    entry: Price = _NO_ENTRY


@dataclass(frozen=True, slots=True)
class PeriodTiers:
    """The tiers of a period of a calendar."""

    period: str
    tiers: tuple[Tier, ...]


@dataclass(frozen=True, slots=True)
class Flat:
    """One price per unit."""

    name: str
    price: Price


@dataclass(frozen=True, slots=True)
class Block:
    """Tiers, each unit at the price of the tier it falls into (telescopic)."""

    name: str
    tiers: tuple[Tier, ...]
    per: LimitPer = LimitPer.CYCLE
    window_s: Count = _NO_WINDOW


@dataclass(frozen=True, slots=True)
class Slab:
    """Tiers, every unit at the price of the tier that the whole usage falls into."""

    name: str
    tiers: tuple[Tier, ...]
    per: LimitPer = LimitPer.CYCLE
    window_s: Count = _NO_WINDOW


@dataclass(frozen=True, slots=True)
class TimeOfUse:
    """A price for each period of a calendar."""

    name: str
    calendar: str
    prices: tuple[PeriodPrice, ...]


@dataclass(frozen=True, slots=True)
class TieredTimeOfUse:
    """Tiers for each period of a calendar; what they count and in which order is said.

    With a counter per period the allocation changes nothing; it is said all the same.
    """

    name: str
    calendar: str
    tier_counter: TierCounter
    allocation: Allocation
    tiers: tuple[PeriodTiers, ...]
    per: LimitPer = LimitPer.CYCLE
    window_s: Count = _NO_WINDOW


@dataclass(frozen=True, slots=True)
class Hourly:
    """8,760 prices, one for each hour of a year without a 29 February.

    A slot has the price of the local month, day and hour it begins in; 29 February those
    of the 28th. So an hour that clocks skip has no price to pay, one they show twice the
    same price twice.
    """

    name: str
    prices: tuple[SignedPrice, ...]


@dataclass(frozen=True, slots=True)
class Lifeline:
    """A low price for a little, another one above it, by one of three rules."""

    name: str
    rule: LifelineRule
    limit: Milli
    price: Price
    above: Price


@dataclass(frozen=True, slots=True)
class FreeQuota:
    """Units of another component that cost nothing: a line that takes them off.

    `up_to`: only who uses no more than this in the cycle has it.
    """

    name: str
    of: str
    quantity: Milli
    per: LimitPer
    rule: QuotaRule
    up_to: Milli | None = None


@dataclass(frozen=True, slots=True)
class Fixed:
    """A charge per day or per month."""

    name: str
    price: Price
    per: Per
    proration: Proration


@dataclass(frozen=True, slots=True)
class Demand:
    """A price per kW of the highest mean power over a window, of each period of a calendar.

    Windows are aligned to Unix time and belong to the period they begin in. Without a
    calendar, `tiers` has one row for the period "". Power is import, bought or not.
    """

    name: str
    window_s: Count
    proration: Proration
    tiers: tuple[PeriodTiers, ...]
    calendar: str = ""


@dataclass(frozen=True, slots=True)
class Minimum:
    """The least that `of` (names of components) costs; the rest is a line of its own.

    Where `of` comes to a credit it counts as nothing: the credit stays, and pays no part
    of the minimum.
    """

    name: str
    amount: Price
    per: SpanOf
    base: Base
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Maximum:
    """The most that `of` costs; what is above is taken off in a line of its own."""

    name: str
    amount: Price
    per: SpanOf
    base: Base
    of: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Successor:
    """Who keeps what a period had in the bank, where the period itself does not occur."""

    period: str
    to: str


@dataclass(frozen=True, slots=True)
class NetMetering:
    """Export is taken off import, in kWh; what is left over is kept for later.

    With a bank per period, usage nets within the periods of `calendar`; what is kept for a
    period that does not occur goes to its successor, or waits. At the end of `year_end` (a
    month, 1 to 12) what `payout_of` says is paid at `payout` and the bank is empty.
    """

    name: str
    bank: Bank
    year_end: Count
    payout: Price
    payout_of: PayoutOf
    calendar: str = ""
    successors: tuple[Successor, ...] = ()


@dataclass(frozen=True, slots=True)
class Export:
    """What is given to the grid is credited at a price, one or by period of a calendar."""

    name: str
    netting: Netting
    price: Price | None = None
    calendar: str = ""
    prices: tuple[PeriodPrice, ...] = ()


@dataclass(frozen=True, slots=True)
class Wheeling:
    """For the lines, per unit that neighbours sold."""

    name: str
    price: Price
    on: On = On.BOUGHT


@dataclass(frozen=True, slots=True)
class Losses:
    """What the lines lose of the units that neighbours sold: a share of them at a price."""

    name: str
    share_bp: Count
    price: Price
    on: On = On.BOUGHT


@dataclass(frozen=True, slots=True)
class Levy:
    """A charge for an authority or a fund, per unit, day or month; may be a credit."""

    name: str
    price: SignedPrice
    per: Per
    proration: Proration
    on: On = On.IMPORT


@dataclass(frozen=True, slots=True)
class Share:
    """A share of named components: a tax, or a levy; `rate` in 10^-digits of the base."""

    name: str
    kind: ShareKind
    rate: Price
    base: Base
    of: tuple[str, ...]


Energy = Flat | Block | Slab | TimeOfUse | TieredTimeOfUse | Hourly | Lifeline
"""What prices usage."""
Component = (
    Flat
    | Block
    | Slab
    | TimeOfUse
    | TieredTimeOfUse
    | Hourly
    | Lifeline
    | FreeQuota
    | Fixed
    | Demand
    | Minimum
    | Maximum
    | NetMetering
    | Export
    | Wheeling
    | Losses
    | Levy
    | Share
)
