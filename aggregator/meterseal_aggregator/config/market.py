"""The tables of the market: the numbers of trust, a demo's mock, who may propose a figure.

Scores are decimals of at most four digits, read exactly: 0.05 is 500 of 10,000. This module
must never round one, nor show a key.
"""

from decimal import Decimal
from pathlib import Path
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from meterseal_aggregator.config.tables import Table
from meterseal_aggregator.market.documents.model import BASE_URL, MODEL
from meterseal_aggregator.market.terms import Mock
from meterseal_aggregator.market.trust import TrustRules, score_of
from meterseal_proto.clearing import MAX_TRUST
from meterseal_proto.loopback import is_loopback

MAX_KWH: Final = 1_000_000
"""A GWh a month of who declared nothing is a slip."""
MAX_WINDOW_MIN: Final = 7 * 24 * 60
MINUTE_S: Final = 60
FAIR_TENTHS: Final = 6
"""A fair document is worth six tenths of a good one, where nobody says otherwise."""


def exact_score(value: object) -> int:
    """Return a decimal of 0 to 1 in 1/10,000; ValueError for anything it is not exactly."""
    return score_of(_written(value))


def exact_wh(value: object) -> int:
    """Return kWh as Wh; ValueError for anything that is no decimal of three digits."""
    text = _written(value).strip()
    try:
        wh = Decimal(text).scaleb(3)
    except ArithmeticError:
        raise ValueError(f"{text!r} is no decimal of kWh, such as 10") from None
    if not wh.is_finite() or not 0 <= wh <= MAX_KWH * 1_000:
        raise ValueError(f"{text!r} is not between 0 and {MAX_KWH} kWh")
    if wh != wh.to_integral_value():
        raise ValueError(f"{text!r} has more than 3 decimals")
    return int(wh)


def _written(value: object) -> str:
    """Return a number as it was written; the shortest text of a float is what the file says."""
    match value:
        case bool():
            raise ValueError("write a decimal, such as 0.05")
        case str() | int() | float():
            return str(value)
        case _:
            raise ValueError("write a decimal, such as 0.05")


Score = Annotated[int, BeforeValidator(exact_score)]
Kwh = Annotated[int, BeforeValidator(exact_wh)]


class Trust(Table):
    """What moves trust and by how much, as `market.trust` reads it; decimals of 0 to 1.

    `default_limit_kwh` is what somebody who declared no production may sell in a month.
    The tiers and their shares are the rule itself and no configuration. A fair document is
    worth 6/10 of a good one, a late cancellation twice an early one, unless told otherwise.
    """

    default_score: Score = 3_000
    default_limit_kwh: Kwh = 10_000
    success_bonus: Score = 500
    failure_penalty: Score = 1_000
    meter_bonus: Score = 1_000
    meter_bonus_fair: Score | None = None
    cancel_penalty: Score = 500
    cancel_penalty_late: Score | None = None
    cancel_window_minutes: int = Field(default=30, ge=0, le=MAX_WINDOW_MIN)
    stake_micro: int = Field(default=0, ge=0, lt=1 << 62)

    @model_validator(mode="after")
    def _order_is_kept(self) -> Self:
        rules = self.rules()
        if rules.meter_fair > rules.meter:
            raise ValueError("meter_bonus_fair is at most meter_bonus")
        if rules.cancel_late < rules.cancel:
            raise ValueError("cancel_penalty_late is at least cancel_penalty")
        return self

    def rules(self) -> TrustRules:
        """Return the numbers as the rules take them."""
        fair, late = self.meter_bonus_fair, self.cancel_penalty_late
        return TrustRules(
            start=self.default_score,
            undeclared_wh=self.default_limit_kwh,
            success=self.success_bonus,
            failure=self.failure_penalty,
            meter=self.meter_bonus,
            meter_fair=self.meter_bonus * FAIR_TENTHS // 10 if fair is None else fair,
            cancel=self.cancel_penalty,
            cancel_late=(
                min(2 * self.cancel_penalty, MAX_TRUST) if late is None else late
            ),
            cancel_window_s=self.cancel_window_minutes * MINUTE_S,
            stake_micro=self.stake_micro,
        )


class Market(Table):
    """How a demo verifies meter points without a meter; nothing of it counts elsewhere."""

    discom_success_rate: Score = 8_500
    discom_seed: int = Field(default=0, ge=0, lt=1 << 62)

    def mock(self) -> Mock:
        """Return the mock as settlement takes it."""
        return Mock(self.discom_success_rate, self.discom_seed)


class Documents(Table):
    """Who may propose which figure of a meter's document is meant: nobody without a key.

    With one, the beginning of a text whose figure is not plain goes to `base_url`, an
    OpenAI-compatible API, with the names and addresses that stand in it. `key_file` holds
    the key, 0600; `key` comes from the environment only.
    """

    base_url: str = Field(default=BASE_URL, pattern=r"^https?://[^\s@?#]+$")
    model: str = Field(default=MODEL, min_length=1, max_length=100)
    key_file: Path | None = None
    key: SecretStr | None = None

    @model_validator(mode="after")
    def _wire_is_safe(self) -> Self:
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            raise ValueError(
                f"base_url {self.base_url} is not this machine: write https://"
            )
        if self.key is not None and self.key_file is not None:
            raise ValueError("give the key once: key_file, or DEEPSEEK_API_KEY")
        return self
