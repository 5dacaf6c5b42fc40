"""Trust: what a member's word is worth here, and how much he may therefore promise.

    after = moved(score, delivery_change(rules, expected_wh, delivered_wh))
    left = left_wh(rules, Standing(score, declared_wh, certified_wh), used_wh)

Integers: a score is 0 to 10,000 in 1/10,000. Only metered delivery, cancellation and a
meter's own document move it; ratings and stakes never do. Pure. This module must never
let a score decide what was delivered, nor round a limit up.
"""

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Final

from meterseal_proto.clearing import MAX_TRUST, TIERS, tier

SCORE_DIGITS: Final = 4
"""Decimals of a score as people write it: 0.3125 is 3,125."""
FULL_PERCENT: Final = 99
"""Delivered in full from here on: meters and losses differ by less than a hundredth."""
CLOSE_PERCENT: Final = 10
"""A meter's document this near to what was declared is a good one."""
NEAR_PERCENT: Final = 20
"""And this near a fair one."""
WH_A_KWH: Final = 1_000


class Tier(Enum):
    """What a score is called, from its lower bound on, and the share it may sell."""

    NEW = (0, 10)
    STARTER = (1, 10)
    BRONZE = (2, 40)
    SILVER = (3, 60)
    GOLD = (4, 80)
    PLATINUM = (5, 100)

    @property
    def percent(self) -> int:
        """Percent of the monthly production that may be promised."""
        return self.value[1]

    @property
    def above(self) -> "Tier":
        """The next tier up; Platinum's own."""
        return _BY_NUMBER[min(self.value[0] + 1, len(TIERS))]


_BY_NUMBER: Final = tuple(Tier)


@dataclass(frozen=True, slots=True)
class TrustRules:
    """Every number of the rules: scores and changes in 1/10,000, energy in Wh.

    `undeclared_wh` is the monthly limit of who declared no production; `stake_micro` lifts
    a limit by one tier (0: no stake does).
    """

    start: int = 3_000
    undeclared_wh: int = 10 * WH_A_KWH
    success: int = 500
    failure: int = 1_000
    meter: int = 1_000
    meter_fair: int = 600
    cancel: int = 500
    cancel_late: int = 1_000
    cancel_window_s: int = 30 * 60
    stake_micro: int = 0


@dataclass(frozen=True, slots=True)
class Standing:
    """What decides a seller's limit; production is Wh a month, None where nobody said.

    `certified_wh` is what the certifier allowed; the lower of the two counts.
    """

    score: int
    declared_wh: int | None
    certified_wh: int | None
    staked_micro: int = 0


def score_of(text: str) -> int:
    """Read a decimal such as `0.3` exactly; ValueError beyond 0..1 or four decimals."""
    try:
        shifted = Decimal(text.strip()).scaleb(SCORE_DIGITS)
    except ArithmeticError:
        raise ValueError(f"{text!r} is no decimal such as 0.05") from None
    if not shifted.is_finite() or not 0 <= shifted <= MAX_TRUST:
        raise ValueError(f"{text!r} is not between 0 and 1")
    if shifted != shifted.to_integral_value():
        raise ValueError(f"{text!r} has more than {SCORE_DIGITS} decimals")
    return int(shifted)


def tier_of(score: int) -> Tier:
    """Return the tier of a score; a bound belongs to the upper one."""
    return _BY_NUMBER[tier(score)]


def moved(score: int, change: int) -> int:
    """Return a score after a change, kept within 0 and 10,000."""
    return min(max(score + change, 0), MAX_TRUST)


def delivery_change(rules: TrustRules, expected_wh: int, delivered_wh: int) -> int:
    """Return what a delivery does to the seller's score.

    Up for 99 % and more, down in proportion to what is missing, rounded half up to 1/10,000.
    ValueError where nothing was expected.
    """
    if expected_wh <= 0 or delivered_wh < 0:
        raise ValueError("a delivery is of more than nothing, expected and metered")
    if delivered_wh * 100 >= expected_wh * FULL_PERCENT:
        return rules.success
    return -_share(rules.failure, expected_wh - delivered_wh, expected_wh)


def buyer_may_cancel(
    rules: TrustRules, confirmed_at: int, slot_start: int, now: int
) -> bool:
    """Tell whether a buyer may still cancel: within the window, before the energy flows.

    Unix seconds. The window's last second is its length after the confirmation.
    """
    return now <= confirmed_at + rules.cancel_window_s and now < slot_start


def buyer_cancel_change(rules: TrustRules, ordered_wh: int, cancelled_wh: int) -> int:
    """Return what a buyer's cancelling does to his score, in proportion to what he cancels."""
    if not 0 < cancelled_wh <= ordered_wh:
        raise ValueError("what is cancelled is part of what was ordered")
    return -_share(rules.cancel, cancelled_wh, ordered_wh)


def seller_cancel_change(rules: TrustRules, confirmed_at: int, now: int) -> int:
    """Return what a seller's cancelling does to his: more once the buyer counted on it."""
    in_time = now <= confirmed_at + rules.cancel_window_s
    return -(rules.cancel if in_time else rules.cancel_late)


def document_change(rules: TrustRules, declared_wh: int, document_wh: int) -> int:
    """Return what a meter's document is worth, once a meter: near to the declaration or not.

    ValueError where nothing was declared.
    """
    if declared_wh <= 0 or document_wh < 0:
        raise ValueError("a document is compared with a declared production above 0")
    off = abs(document_wh - declared_wh) * 100
    if off <= declared_wh * CLOSE_PERCENT:
        return rules.meter
    return rules.meter_fair if off <= declared_wh * NEAR_PERCENT else 0


def monthly_wh(rules: TrustRules, standing: Standing) -> int:
    """Return the Wh that a member may promise in a month of the market's zone."""
    said = [
        one for one in (standing.declared_wh, standing.certified_wh) if one is not None
    ]
    if standing.declared_wh is None:
        return min([rules.undeclared_wh, *said])
    level = tier_of(standing.score)
    if rules.stake_micro and standing.staked_micro >= rules.stake_micro:
        level = level.above
    return min(said) * level.percent // 100


def left_wh(rules: TrustRules, standing: Standing, used_wh: int) -> int:
    """Return what is left of a month: less what is open, reserved and delivered, never < 0."""
    return max(0, monthly_wh(rules, standing) - used_wh)


def _share(whole: int, part: int, of: int) -> int:
    """Return whole x part / of, rounded half up."""
    return (2 * whole * part + of) // (2 * of)
