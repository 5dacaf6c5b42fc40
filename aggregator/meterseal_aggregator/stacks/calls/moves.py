"""Post-conditions in words: who sends exactly, at most, at least how much of what.

Amounts are micro-STX, or units of a token; `who` None is whoever signs. An amount of zero
of a token is nothing at all: a condition on it holds when nothing moved. This module must
never leave an amount open.
"""

from meterseal_aggregator.stacks.transaction import (
    MAX_UINT64,
    Amount,
    Asset,
    Condition,
)
from meterseal_proto.c32 import Principal


def exactly(
    amount: int, asset: Asset | None = None, who: Principal | None = None
) -> Condition:
    """Return that `who` sends just this; ValueError outside 0 to 2^64 - 1."""
    return _condition(Amount.EQUAL, amount, asset, who)


def at_most(
    amount: int, asset: Asset | None = None, who: Principal | None = None
) -> Condition:
    """Return that `who` sends this or less; ValueError outside 0 to 2^64 - 1."""
    return _condition(Amount.AT_MOST, amount, asset, who)


def at_least(
    amount: int, asset: Asset | None = None, who: Principal | None = None
) -> Condition:
    """Return that `who` sends this or more; ValueError outside 0 to 2^64 - 1."""
    return _condition(Amount.AT_LEAST, amount, asset, who)


def _condition(
    how: Amount, amount: int, asset: Asset | None, who: Principal | None
) -> Condition:
    if not 0 <= amount <= MAX_UINT64:
        raise ValueError("what a transaction moves is below 2^64")
    return Condition(who, how, amount, asset)
