"""How a sum is spread over open bills, and what another asset is worth: pure rules.

    parts, rest = oldest_first(owed, 5_000_000)

What is over is told, and stays whose it was. This module must never pay more of a bill than
is open of it, nor count in floats.
"""

from collections.abc import Iterable, Sequence

from meterseal_aggregator.billing.receivables.model import UNIT, Owed, Part


def oldest_first(owed: Iterable[Owed], amount: int) -> tuple[list[Part], int]:
    """Spread an amount over what is asked of bills, the first due first; returns the rest.

    What is disputed is left out: only a payment that names the bill pays that.
    """
    parts = []
    for one in sorted(owed, key=lambda one: (one.standing.due_at, one.bill)):
        share = min(amount, one.standing.asked)
        if share > 0:
            parts.append(Part(one.bill, one.number, share))
            amount -= share
    return parts, amount


def all_of(one: Owed, amount: int) -> tuple[list[Part], int]:
    """Pay a bill that was named, disputed or not; returns the part, and the rest."""
    share = min(amount, one.standing.outstanding)
    if share <= 0:
        return [], amount
    return [Part(one.bill, one.number, share)], amount - share


def worth(given: int, rate: int) -> int:
    """Return what `given` pays at a quote, rounded down: never more than was quoted."""
    return given * rate // UNIT


def price(amount: int, rate: int) -> int:
    """Return the least that pays `amount` at a quote: `worth` of it is `amount` or more."""
    return -(-amount * UNIT // rate)


def sum_of(parts: Sequence[Part]) -> int:
    """Return what parts come to."""
    return sum(part.amount for part in parts)
