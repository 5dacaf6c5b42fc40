"""Terms of payment: late fee, reward for paying in time, arrears' share of a top-up.

    fee = late_fee(tariff.terms, outstanding=1_250, days_late=12)

Pure: amounts in, an amount out, all in the same integers (minor units of a statement or
micro-units of the ledger). Whoever pays or posts calls this. This module must never round
to a member's harm: what does not divide is left.
"""

from dataclasses import dataclass
from typing import Final

from meterseal_proto.rating.components import Count, Minor

BASIS_POINTS: Final = 10_000
DAY_S: Final = 86_400
_DUE_DAYS: Final = Count(14)
_ALL: Final = Count(BASIS_POINTS)
_HALF: Final = Count(BASIS_POINTS // 2)
_NONE: Final = Count(0)
_NOTHING: Final = Minor(0)


@dataclass(frozen=True, slots=True)
class Terms:
    """When a bill is due and what follows from paying early, late or in parts.

    `late_fee` once (minor units) and `late_bp` of what is outstanding once, from the day
    after `due_days + grace_days` on, together at most `late_most_bp` of it; `reward_bp`
    of a bill paid in full by its due day, in utility tokens; `arrears_bp` is the most of a
    prepaid top-up that old debts may take.
    """

    due_days: Count = _DUE_DAYS
    grace_days: Count = _NONE
    late_fee: Minor = _NOTHING
    late_bp: Count = _NONE
    late_most_bp: Count = _ALL
    reward_bp: Count = _NONE
    arrears_bp: Count = _HALF


def check_terms(terms: Terms) -> None:
    """Raise ValueError for a share of more than the whole."""
    for name in ("late_bp", "late_most_bp", "reward_bp", "arrears_bp"):
        if getattr(terms, name) > BASIS_POINTS:
            raise ValueError(f"terms.{name}: at most {BASIS_POINTS} basis points")


def due_at(terms: Terms, issued_at: int) -> int:
    """Return the second a bill issued at a second is due."""
    return issued_at + terms.due_days * DAY_S


def late_fee(
    terms: Terms, *, outstanding: int, due_at: int, now: int, unit: int
) -> int:
    """Return the fee on what is late and undisputed, 0 while there is none.

    Amounts are multiples of 1/`unit` of a minor unit: `unit` is 1 for a statement's minor
    units and 10^(6 - minor) for the ledger's micro-units.
    """
    if outstanding <= 0 or now <= due_at + terms.grace_days * DAY_S:
        return 0
    asked = terms.late_fee * unit + outstanding * terms.late_bp // BASIS_POINTS
    return min(asked, outstanding * terms.late_most_bp // BASIS_POINTS)


def reward(terms: Terms, *, paid: int, due_at: int, paid_at: int) -> int:
    """Return the reward for a bill of `paid` that was paid in full at `paid_at`."""
    if paid <= 0 or paid_at > due_at:
        return 0
    return paid * terms.reward_bp // BASIS_POINTS


def arrears_share(terms: Terms, *, top_up: int, arrears: int) -> int:
    """Return what old debts take of a top-up: never more than the cap, or than is owed."""
    return max(0, min(arrears, top_up * terms.arrears_bp // BASIS_POINTS))
