"""Money, quantities and times as a locale writes them.

Exact values come in, text goes out; what had to be shortened says so with "~". Currencies
are written by their code, so no two share a sign and no font lacks one. This module must
never round an amount of money.
"""

from copy import copy
from datetime import datetime, tzinfo
from decimal import Decimal, localcontext
from fractions import Fraction
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from babel import Locale
from babel.dates import format_date, format_time
from babel.numbers import NumberPattern

from meterseal_aggregator.billing.rendering.request import Cause, Unrenderable

MICRO: Final = 6
"""Decimals that the ledger counts."""
PRICE_DECIMALS: Final = 6
QUANTITY_DECIMALS: Final = 3
"""A Wh of a kWh, a litre of a m3."""
_PRECISION: Final = 160
"""Digits of the longest fraction that a statement may hold, and some."""
_NBSP: Final = "\u00a0"
_LAST_YEAR: Final = 9_000


def zone_of(name: str) -> tzinfo:
    """Return a zone by its IANA name; Unrenderable for one nobody knows."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise Unrenderable(
            Cause.UNKNOWN_ZONE, f"no zone is named {name[:40]!r}"
        ) from error


def local(at: int, zone: tzinfo) -> datetime:
    """Return a Unix second as a wall clock shows it; Unrenderable past year 9000."""
    if not 0 <= at < (_LAST_YEAR - 1970) * 365 * 86_400:
        raise Unrenderable(Cause.NOT_SAYABLE, f"{at} is no second of this age")
    return datetime.fromtimestamp(at, zone)


def money(locale: Locale, amount: int, decimals: int, currency: str) -> str:
    """Return `amount` of 10^-decimals of a currency, with its code: "1,234.50 EUR"."""
    return with_code(locale, figure(locale, amount, decimals), currency)


def with_code(locale: Locale, text: str, currency: str) -> str:
    """Return a number with its currency's code on the side where the locale puts signs."""
    if str(locale.currency_formats["standard"].pattern).startswith("¤"):
        return f"{currency}{_NBSP}{text}"
    return f"{text}{_NBSP}{currency}"


def micro_money(locale: Locale, amount: int, decimals: int, currency: str) -> str:
    """Return an amount in micro-units; with more than `decimals` only where it has them."""
    digits = MICRO
    while digits > decimals and amount % 10 == 0:
        amount, digits = amount // 10, digits - 1
    return money(locale, amount, digits, currency)


def figure(locale: Locale, amount: int, decimals: int) -> str:
    """Return amount x 10^-decimals, all its decimals shown."""
    return _apply(locale, amount, decimals, decimals)


def plain(amount: int, decimals: int) -> str:
    """Return amount x 10^-decimals as programs read it: "-1234.50"."""
    return f"{_decimal(amount, decimals):f}"


def quantity(locale: Locale, value: Fraction, most: int = QUANTITY_DECIMALS) -> str:
    """Return a fraction with at most `most` decimals; "~" before it where it has more."""
    scaled = value * 10**most
    text = _apply(locale, round(scaled), most, 0)
    return text if scaled.denominator == 1 else f"~{_NBSP}{text}"


def price(locale: Locale, value: Fraction, decimals: int) -> str:
    """Return a price with the currency's decimals at least and six at most."""
    scaled = value * 10**PRICE_DECIMALS
    text = _apply(locale, round(scaled), PRICE_DECIMALS, decimals)
    return text if scaled.denominator == 1 else f"~{_NBSP}{text}"


def day(locale: Locale, at: datetime) -> str:
    """Return a date, the month in letters: "1 May 2026"."""
    return format_date(at.date(), "long", locale=locale)


def iso_day(at: datetime) -> str:
    """Return a date as everybody reads it alike and as programs do: "2026-05-01"."""
    return at.date().isoformat()


def moment(locale: Locale, at: datetime) -> str:
    """Return a date and a time of day; the date alone at midnight."""
    date = format_date(at.date(), "medium", locale=locale)
    if at.hour == at.minute == at.second == 0:
        return date
    return f"{date} {format_time(at.time(), 'short', locale=locale)}"


def _apply(locale: Locale, amount: int, decimals: int, least: int) -> str:
    with localcontext() as context:
        context.prec = _PRECISION
        value = _decimal(amount, decimals)
        text: str = _pattern(locale, least, decimals).apply(value, locale)
        return text


def _decimal(amount: int, decimals: int) -> Decimal:
    digits = tuple(map(int, str(abs(amount))))
    return Decimal((int(amount < 0), digits, -decimals))


@cache
def _pattern(locale: Locale, least: int, most: int) -> NumberPattern:
    """Return the locale's pattern of numbers with its groups and our decimals."""
    pattern: NumberPattern = copy(locale.decimal_formats[None])
    pattern.frac_prec = (least, most)
    return pattern
