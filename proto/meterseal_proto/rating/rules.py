"""The rules that a tariff states, each with its readings, and the kinds of its numbers.

`components` puts them to use. This module must never hold a default: which reading a
tariff means, its document says.
"""

from enum import StrEnum
from typing import NewType

Price = NewType("Price", int)
"""Integers of 10^-digits of the currency per unit; never negative."""
SignedPrice = NewType("SignedPrice", int)
"""The same, of either sign: adjustments, prices of a market by the hour."""
Milli = NewType("Milli", int)
"""Thousandths of a unit: Wh, litres, W; positive."""
Minor = NewType("Minor", int)
"""Minor units of the currency, never negative."""
Count = NewType("Count", int)
"""Days, seconds, basis points; never negative."""


class On(StrEnum):
    """Which quantity of a load something is charged on."""

    GRID = "grid"
    """Import less what neighbours sold: what the utility supplied."""
    IMPORT = "import"
    BOUGHT = "bought"
    EXPORT = "export"


class Per(StrEnum):
    """What a charge is repeated by."""

    UNIT = "unit"
    DAY = "day"
    """A local day; some have 23 or 25 hours."""
    EVEN_DAY = "even-day"
    """A day, but every billing cycle has a twelfth of 365: so months cost the same."""
    MONTH = "month"
    """A billing cycle, called a month as on every bill."""


class LimitPer(StrEnum):
    """What the limits of tiers, and quotas, are multiplied by."""

    CYCLE = "cycle"
    """Nothing: so much a billing cycle."""
    DAY = "day"
    """The local days of what is rated; they are not carried from part to part."""
    KW = "kw"
    """The highest mean import over `window_s`, in kW: hours of use of it."""


class Proration(StrEnum):
    """What a part of a billing cycle pays of a charge per month."""

    DAYS = "days"
    """Its share of the cycle's local days."""
    WHOLE = "whole"
    """All of it, in each part."""
    BEGIN = "begin"
    """All of it in the part that begins the cycle, nothing in the others."""


class TierCounter(StrEnum):
    """What the tiers of a time-of-use tariff count."""

    ALL = "all-periods"
    """The usage of the whole cycle, whatever the period."""
    PERIOD = "per-period"
    """Each period its own usage."""


class Allocation(StrEnum):
    """Which period's usage fills the tiers first, where they count over all periods."""

    CHRONOLOGICAL = "chronological"
    """As it was used, slot by slot."""
    PROPORTIONAL = "proportional"
    """Each tier holds the periods in the share they have in all usage that is rated."""


class LifelineRule(StrEnum):
    """Who gets the lifeline price, and for what."""

    TELESCOPIC = "telescopic"
    """Everybody, for the first units of a cycle."""
    ELIGIBILITY = "eligibility"
    """Who stays within the limit, for everything; who does not, for nothing."""
    DAILY = "daily-allowance"
    """Everybody, for so many units a day of the period, whenever they are used."""


class QuotaRule(StrEnum):
    """Which units a free quota makes free, of those that a component charges."""

    FIRST = "first"
    """The first ones: at what the first tiers cost."""
    MEAN = "mean"
    """Any: at the mean price of all."""


class SpanOf(StrEnum):
    """What a minimum or maximum is of."""

    PERIOD = "period"
    """Of what is rated, however short it is."""
    CYCLE = "cycle"
    """Of a billing cycle, parted as the tariff parts cycles."""
    YEAR = "year"
    """Of the calendar year, told in the period that ends it."""


class Base(StrEnum):
    """What a share is taken of."""

    EXACT = "exact"
    """The amounts of its base before rounding."""
    ROUNDED = "rounded"
    """The rounded amounts, as they stand on the bill."""


class PayoutOf(StrEnum):
    """Which kWh are paid when the year of a bank ends."""

    BANK = "bank"
    """All that it keeps, of every period."""
    NET = "net"
    """Export less import over all periods, month by month, never below nothing."""


class Bank(StrEnum):
    """How kWh that were given are kept until they are taken."""

    ONE = "one"
    """One account: any kWh for any other."""
    PER_PERIOD = "per-period"
    """By period of a calendar: a kWh of the night for a kWh of the night."""


class Netting(StrEnum):
    """What an export price is paid on."""

    SLOT = "slot"
    """Export less what the grid supplied in the same slot, which shrinks alike (net billing)."""
    REGISTER = "register"
    """All that the export register counted (feed-in, buy-all-sell-all)."""


class ShareKind(StrEnum):
    """To whom a share of a base is owed."""

    TAX = "tax"
    LEVY = "levy"
