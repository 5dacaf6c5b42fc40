"""The options of `meterseal-aggregator price`, and what they ask for.

    meterseal-aggregator price --tariff rate.json --usage year.csv --year 2018 --json

This module must never price anything, and never fill in a rule that was not stated.
"""

import argparse
import re
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final, TypeVar

from meterseal_aggregator.app.pricing import Wish, as_json, as_table, price_year
from meterseal_aggregator.billing.tariffs.metering import Metering
from meterseal_aggregator.billing.tariffs.urdb import Stated
from meterseal_proto.rating.components import Allocation, TierCounter

FIRST_YEAR: Final = 1970
LAST_YEAR: Final = 2200
_Word = TypeVar("_Word", bound=StrEnum)
_RATE: Final = re.compile(r"\d{1,6}(\.\d{1,12})?")


def add_options(sub: argparse.ArgumentParser) -> None:
    """Add the options to a command."""
    sub.add_argument(
        "--tariff", type=Path, required=True, help="a tariff in full, or a URDB rate"
    )
    sub.add_argument(
        "--usage", type=Path, required=True, help="CSV of every hour of the year, kWh"
    )
    sub.add_argument(
        "--year", type=_year, required=True, help="whose hours these are, like 2018"
    )
    sub.add_argument("--pv", metavar="COLUMN", help="the column of what was produced")
    sub.add_argument(
        "--metering",
        choices=[one.value for one in Metering],
        help="how export is settled, where the tariff does not say",
    )
    sub.add_argument(
        "--sell-rate",
        type=_rate,
        metavar="R",
        help="paid per kWh given; with net metering, of what the year leaves over",
    )
    sub.add_argument(
        "--tier-counter",
        choices=[one.value for one in TierCounter],
        help="what tiers count, where periods of the day have tiers",
    )
    sub.add_argument(
        "--allocation",
        choices=[one.value for one in Allocation],
        help="which usage fills such tiers first",
    )
    sub.add_argument(
        "--demand-window",
        type=_minutes,
        metavar="MINUTES",
        help="over which a peak is a mean, where the rate does not say",
    )
    sub.add_argument(
        "--actual-days",
        action="store_true",
        help="a rate's charge per day by the days of each month, not by a twelfth of 365",
    )
    sub.add_argument("--json", action="store_true", help="one JSON object")


def answer(options: argparse.Namespace) -> str:
    """Return what the options ask for, as text; NotPriced says what is wrong."""
    year = price_year(wish_of(options))
    return as_json(year) if options.json else "\n".join(as_table(year))


def wish_of(options: argparse.Namespace) -> Wish:
    """Return what the options ask for."""
    window: int | None = options.demand_window
    return Wish(
        tariff=options.tariff,
        usage=options.usage,
        year=options.year,
        produced=options.pv,
        metering=_one_of(Metering, options.metering),
        sell_rate=options.sell_rate,
        stated=Stated(
            tier_counter=_one_of(TierCounter, options.tier_counter),
            allocation=_one_of(Allocation, options.allocation),
            window_s=None if window is None else window * 60,
            actual_days=options.actual_days,
        ),
    )


def _one_of(kind: type[_Word], word: str | None) -> _Word | None:
    return None if word is None else kind(word)


def _year(text: str) -> int:
    return _whole(text, FIRST_YEAR, LAST_YEAR)


def _minutes(text: str) -> int:
    return _whole(text, 1, 1_440)


def _whole(text: str, low: int, high: int) -> int:
    if not (text.isascii() and text.isdigit() and low <= int(text) <= high):
        raise argparse.ArgumentTypeError(f"write a whole number of {low} to {high}")
    return int(text)


def _rate(text: str) -> Decimal:
    if _RATE.fullmatch(text) is None:
        raise argparse.ArgumentTypeError("write a plain decimal, like 0.05")
    return Decimal(text)
