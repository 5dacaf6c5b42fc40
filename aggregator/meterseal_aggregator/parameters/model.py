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
MAX_TEXT: Final = 256
"""Longest text value; an IANA zone name has fewer than 40 characters."""


class Name(StrEnum):
    """Every parameter, by the name it has in the table."""

    FINALITY_DELAY_S = "finality_delay_s"
    ZONE = "zone"
    MONEY_ASSET = "money_asset"
    CERTIFICATION_FEE_MICRO = "certification_fee_micro"
    CERTIFICATION_MINIMUM_WH = "certification_minimum_wh"
    CERTIFICATION_MAXIMUM_WH = "certification_maximum_wh"


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a parameter may be: its default's type is its type.

    Integers have a range, texts may have a shape (a regular expression).
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
