"""What a statement can spell and the books can count: a tariff may ask for more than either.

Prices have up to thirty digits and shares stand on shares, so a legal tariff can make
amounts that no reader of statements takes, or that no account holds. Such a bill is refused
by itself, before it is written: the others of its batch go on. Pure. This module must never
round.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from typing import Final

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.statements.posting import Shares
from meterseal_proto.rating.statement import Statement

MAX_SHARE: Final = 10**15
"""Micro-units an account is owed by one bill: as much as can be paid at once."""
MAX_BITS: Final = 380
"""Of an exact amount's numerator and denominator: 116 digits, of 120 that a reader takes."""


def check_bounds(statement: Statement, owed: Shares) -> None:
    """Go on if a statement can be read again and posted; raises Refused (UNRATEABLE)."""
    total = sum(owed.values())
    if any(abs(share) > MAX_SHARE for share in (total, *owed.values())):
        raise Refused(
            Cause.UNRATEABLE,
            f"meter point {statement.meter_point}: the tariff comes to more than"
            f" {MAX_SHARE} micro-units: look at the digits of its prices",
        )
    if any(_bits(one) > MAX_BITS for one in _exact(statement)):
        raise Refused(
            Cause.UNRATEABLE,
            f"meter point {statement.meter_point}: exact amounts have more digits than a"
            " statement spells: publish the tariff with fewer, or shares of fewer shares",
        )


def _exact(statement: Statement) -> Iterator[Fraction]:
    for segment in statement.segments:
        for carried in (segment.before, segment.after):
            yield carried.charged
            yield carried.cycle
        for line in segment.lines:
            yield from _told((line.exact, line.quantity, line.price))


def _told(found: Iterable[Fraction | None]) -> Iterator[Fraction]:
    return (one for one in found if one is not None)


def _bits(one: Fraction) -> int:
    return one.numerator.bit_length() + one.denominator.bit_length()
