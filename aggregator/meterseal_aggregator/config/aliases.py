"""Names of the design we follow, accepted where ours are not given: DATABASE_URL, TRUST_*.

An alias counts below our own variable, which wins over all, and below the file. A value that cannot be read is
refused by the name it was given under. This module must never change a value's meaning.
"""

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from meterseal_aggregator.config.market import exact_score, exact_wh
from meterseal_aggregator.config.model import PREFIX
from meterseal_aggregator.config.tables import ConfigError

UNUSED: Final = {
    "REDIS_URL": "the database keeps the queues",
    "GOOGLE_CLIENT_ID": "members have tokens of this house",
}
"""Accepted, and why nothing comes of it."""
MS_A_S: Final = 1_000
_WHOLE_DIGITS: Final = 9


@dataclass(frozen=True, slots=True)
class Alias:
    """A name of the design: the table and key it stands for, and how its text is read."""

    table: str
    key: str
    read: Callable[[str], object]
    other: str | None = None
    """Another key that says the same."""

    @property
    def ours(self) -> str:
        """The variable of ours that says it, and wins."""
        return f"{PREFIX}{self.table}__{self.key}".upper()

    @property
    def names(self) -> set[str]:
        """The keys of the file that say it already."""
        return {self.key} if self.other is None else {self.key, self.other}


def _score(text: str) -> str:
    exact_score(text)
    return text


def _kwh(text: str) -> str:
    exact_wh(text)
    return text


def _whole(text: str) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) <= _WHOLE_DIGITS):
        raise ValueError(f"{text!r} is no whole number")
    return int(digits)


def _seconds(text: str) -> float:
    """Return milliseconds as the seconds nearest to them that a float can say."""
    return float(Decimal(_whole(text)) / MS_A_S)


def _secret(text: str) -> str:
    key = text.strip()
    if not (key.isascii() and key.isprintable()) or " " in key:
        raise ValueError("this is no key: one word of ASCII letters")
    return key


ALIASES: Final = {
    "TRUST_DEFAULT_SCORE": Alias("trust", "default_score", _score),
    "TRUST_DEFAULT_LIMIT": Alias("trust", "default_limit_kwh", _kwh),
    "TRUST_SUCCESS_BONUS": Alias("trust", "success_bonus", _score),
    "TRUST_FAILURE_PENALTY": Alias("trust", "failure_penalty", _score),
    "TRUST_METER_BONUS": Alias("trust", "meter_bonus", _score),
    "TRUST_CANCEL_PENALTY": Alias("trust", "cancel_penalty", _score),
    "CANCEL_WINDOW_MINUTES": Alias("trust", "cancel_window_minutes", _whole),
    "DISCOM_SUCCESS_RATE": Alias("market", "discom_success_rate", _score),
    "DISCOM_CHECK_INTERVAL_MS": Alias("jobs", "settle_s", _seconds),
    "DEEPSEEK_BASE_URL": Alias("documents", "base_url", str.strip),
    "DEEPSEEK_API_KEY": Alias("documents", "key", _secret, "key_file"),
}


def take_aliases(
    content: dict[str, Any], environment: Mapping[str, str]
) -> dict[tuple[str, str], str]:
    """Fill in what only the design's names say; returns the name each key came from.

    `content` is the file's, as tomllib gives it. ConfigError names a variable of no use.
    """
    ours = f"{PREFIX}DATABASE_URL"
    if "DATABASE_URL" in environment and ours not in environment:
        content.setdefault("database_url", environment["DATABASE_URL"])
    given = {name.upper() for name in environment}
    taken = {}
    for name, alias in ALIASES.items():
        if alias.ours in given:
            continue
        if name in environment and _is_taken(content, name, alias, environment[name]):
            taken[alias.table, alias.key] = name
    for name, why in UNUSED.items():
        if name in environment:
            warnings.warn(f"{name} is accepted and unused: {why}", stacklevel=3)
    return taken


def _is_taken(content: dict[str, Any], name: str, alias: Alias, text: str) -> bool:
    """Fill in one key, and tell whether it was: not where the file says it, or nothing is."""
    table = content.setdefault(alias.table, {})
    if alias.table == "documents" and not text.strip():
        # Written down and left empty is how a feature is left off.
        return False
    try:
        value = alias.read(text)
    except ValueError as error:
        raise ConfigError(f"{name}: {error}") from None
    if not isinstance(table, dict) or not table.keys().isdisjoint(alias.names):
        return False
    table[alias.key] = value
    return True
