"""The parameters there are: name, kind, default, range and reason, in one table.

A name that is not here does not exist. Pure: nothing here reads a table or a clock.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

Value = int | str
"""A parameter's value: an integer in the unit its name ends with, or a text."""

NEXT_MORNING: Final = -1
"""As `finality_delay_s`: final at 06:00 local time of the day after the slot's (D+1)."""
MAX_FINALITY_DELAY_S: Final = 400 * 86_400
"""Longest delay: the furthest an interval may still be corrected (400 days)."""
MAX_MONTHLY_WH: Final = 1 << 50
"""Above what a producer of 100 MW makes in a month; sums of thousands still fit 64 bits."""
MAX_FEE_MICRO: Final = 10**15
"""The most the contract on the chain takes for an application."""
MAX_PRICE_MICRO: Final = (1 << 40) - 1
"""Micro-units per kWh, as in the auction: beyond any price of energy."""
MAX_RESERVE_WH: Final = (1 << 62) - 1
"""Wh for sale together; sums of two still fit 64 bits."""
ALL_BP: Final = 10_000
"""The whole of what basis points are counted in."""
DAY_S: Final = 86_400
WHOLE_MILLI: Final = "0|[1-9][0-9]*000"
"""A price is a multiple of 1,000 micro-units per kWh, so that Wh times price is whole."""
MAX_TEXT: Final = 256
"""Longest text value; an IANA zone name has fewer than 40 characters."""


class Name(StrEnum):
    """Every parameter, by the name it has in the table."""

    FINALITY_DELAY_S = "finality_delay_s"
    ZONE = "zone"
    MONEY_ASSET = "money_asset"
    REWARD_ASSET = "reward_asset"
    CERTIFICATION_FEE_MICRO = "certification_fee_micro"
    CERTIFICATION_MINIMUM_WH = "certification_minimum_wh"
    CERTIFICATION_MAXIMUM_WH = "certification_maximum_wh"
    MARKET_SLOT_S = "market_slot_s"
    MARKET_TICK_MICRO = "market_tick_micro"
    MARKET_FEE_MICRO = "market_fee_micro"
    MARKET_LOSSES_BP = "market_losses_bp"
    RETAIL_PRICE_MICRO = "retail_price_micro"
    FEED_IN_PRICE_MICRO = "feed_in_price_micro"
    GATE_CLOSURE_S = "gate_closure_s"
    LISTED_PRICE_MICRO = "listed_price_micro"
    LISTED_COMMISSION_BP = "listed_commission_bp"
    LISTED_REFUND_BP = "listed_refund_bp"
    LISTED_RESERVE_WH = "listed_reserve_wh"
    LISTED_USER_RESERVE_WH = "listed_user_reserve_wh"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter may be: its default's type is its type.

    Integers have a range, and either may have a shape (a regular expression of how it is
    written).
    """

    default: Value
    reason: str
    low: int = 0
    high: int = 0
    shape: str = ""


PARAMETERS: Final[dict[Name, Parameter]] = {
    Name.FINALITY_DELAY_S: Parameter(
        default=NEXT_MORNING,
        low=NEXT_MORNING,
        high=MAX_FINALITY_DELAY_S,
        reason="seconds after a slot's end until it is final; the demo says 0",
    ),
    Name.ZONE: Parameter(
        default="UTC",
        reason="IANA zone of the network's local day",
    ),
    Name.MONEY_ASSET: Parameter(
        default="XTS",
        shape="[A-Z0-9]{2,12}",
        reason="the asset prices and bills are in, as KES; XTS is ISO 4217's for tests",
    ),
    Name.REWARD_ASSET: Parameter(
        default="MSU",
        shape="[A-Z0-9]{2,12}",
        reason="the utility token that rewards for paying in time are in, 6 decimals",
    ),
    Name.CERTIFICATION_FEE_MICRO: Parameter(
        default=0,
        high=MAX_FEE_MICRO,
        reason="micro-units an application to be a producer costs; written down with it",
    ),
    Name.CERTIFICATION_MINIMUM_WH: Parameter(
        default=1,
        low=1,
        high=MAX_MONTHLY_WH,
        reason="the least monthly production that is certified",
    ),
    Name.CERTIFICATION_MAXIMUM_WH: Parameter(
        default=MAX_MONTHLY_WH,
        low=1,
        high=MAX_MONTHLY_WH,
        reason="the most monthly production that is certified",
    ),
    Name.MARKET_SLOT_S: Parameter(
        default=900,
        low=900,
        high=3_600,
        shape="900|1800|3600",
        reason="seconds of a market slot; the meters' step divides it",
    ),
    Name.MARKET_TICK_MICRO: Parameter(
        default=1_000,
        low=1_000,
        high=MAX_PRICE_MICRO,
        shape=WHOLE_MILLI,
        reason="the step between two prices of the auction",
    ),
    Name.MARKET_FEE_MICRO: Parameter(
        default=0,
        high=MAX_PRICE_MICRO,
        shape=WHOLE_MILLI,
        reason="what the house keeps of each traded kWh's price",
    ),
    Name.MARKET_LOSSES_BP: Parameter(
        default=0,
        high=ALL_BP - 1,
        reason="of the rest, what goes to the lines' owner for losses",
    ),
    Name.RETAIL_PRICE_MICRO: Parameter(
        default=250_000,
        high=MAX_PRICE_MICRO,
        shape=WHOLE_MILLI,
        reason="what the utility takes for a kWh; nobody pays a neighbour more",
    ),
    Name.FEED_IN_PRICE_MICRO: Parameter(
        default=80_000,
        high=MAX_PRICE_MICRO,
        shape=WHOLE_MILLI,
        reason="what the utility gives for a kWh; nobody sells to a neighbour for less",
    ),
    Name.GATE_CLOSURE_S: Parameter(
        default=3_600,
        low=0,
        high=7 * DAY_S,
        reason="seconds before a slot's start at which its auction is held",
    ),
    Name.LISTED_PRICE_MICRO: Parameter(
        default=150_000,
        low=1_000,
        high=MAX_PRICE_MICRO,
        shape=WHOLE_MILLI,
        reason="the community's price of a kWh that is minted already",
    ),
    Name.LISTED_COMMISSION_BP: Parameter(
        default=500,
        high=ALL_BP,
        reason="added to that price for the house; the buyer pays it",
    ),
    Name.LISTED_REFUND_BP: Parameter(
        default=9_000,
        high=ALL_BP,
        reason="the share of today's price a buyer gets for Wh he gives back",
    ),
    Name.LISTED_RESERVE_WH: Parameter(
        default=1_000_000_000,
        high=MAX_RESERVE_WH,
        reason="the most minted Wh for sale together",
    ),
    Name.LISTED_USER_RESERVE_WH: Parameter(
        default=10_000_000,
        high=MAX_RESERVE_WH,
        reason="the most minted Wh one seller has for sale",
    ),
}


def problem(name: Name, value: Value) -> str:
    """Return why `value` cannot be this parameter's, in one sentence, or nothing."""
    parameter = PARAMETERS[name]
    if isinstance(value, bool) or type(value) is not type(parameter.default):
        return f"{name} must be of type {type(parameter.default).__name__}"
    if isinstance(value, int) and not parameter.low <= value <= parameter.high:
        return f"{name} must lie between {parameter.low} and {parameter.high}"
    if isinstance(value, str) and not 1 <= len(value) <= MAX_TEXT:
        return f"{name} must have 1 to {MAX_TEXT} characters"
    if parameter.shape and not re.fullmatch(parameter.shape, str(value)):
        return f"{name} must look like {parameter.default}: {parameter.shape}"
    return ""
