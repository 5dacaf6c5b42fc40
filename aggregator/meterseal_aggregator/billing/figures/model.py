"""What a figure is of: the bills of one tariff in one asset over months, or all of them.

Money in micro-units of the asset, energy in Wh, water in litres. Whoever may not see single
households is shown no slice of fewer than K members, nor a total from which one would
follow by taking away the others. Pure. This module must never hold a member's own figure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Final

from meterseal_aggregator.ledger.model import Asset

K: Final = 20
"""Members a slice has at least, where single households are not to be seen: as for the
community's totals."""
MAX_MONTHS: Final = 12
BP: Final = 10_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Figures of a tariff's code (empty: of all) in an asset.

    Of bills issued in the months and still in force: `bills`, of `members`, ask `billed`
    (fees and what was given back included: `asked`), of which `settled` is paid by now;
    `wh` and `litres` is what they are for. In the months: `collected`, `late_fees` and
    `rewards` (millionths of utility tokens, what corrections took back left out). Now, of
    all bills: `outstanding`, `disputed` of it, and what is overdue by days; and the
    `prepaid` money of members with a prepaid supply.
    """

    tariff: str
    asset: Asset
    members: int = 0
    bills: int = 0
    billed: int = 0
    asked: int = 0
    settled: int = 0
    wh: int = 0
    litres: int = 0
    collected: int = 0
    late_fees: int = 0
    rewards: int = 0
    outstanding: int = 0
    disputed: int = 0
    overdue_30: int = 0
    overdue_60: int = 0
    overdue_90: int = 0
    overdue_more: int = 0
    prepaid: int = 0

    @property
    def collection_bp(self) -> int | None:
        """The part of what the months' bills ask that is paid, in basis points."""
        return self.settled * BP // self.asked if self.asked > 0 else None


COUNTED: Final = tuple(one.name for one in fields(Slice))[2:]
"""The figures of a slice: all but what it is of."""


def total(slices: Iterable[Slice], asset: Asset) -> Slice:
    """Return the sum of slices of an asset; a member of two tariffs counts twice."""
    found = [one for one in slices if one.asset == asset]
    sums = {name: sum(getattr(one, name) for one in found) for name in COUNTED}
    return Slice("", asset, **sums)


def withheld(
    slices: Sequence[Slice], months: Sequence[Sequence[Slice]] = ()
) -> tuple[list[Slice], list[Slice]]:
    """Return the slices and the totals, by asset, that show no fewer than K members.

    A total is left out where what it holds beyond the slices shown is of 1 to K - 1
    members: whoever took the others away would have it. `months` are the slices of each
    month, where several are summed: what would be hidden of one of them hides the sum, or
    whoever took the other months away would have that.
    """
    few = {_name(one) for month in months for one in month if _few(one)}
    shown = [one for one in slices if one.members >= K and _name(one) not in few]
    totals = [
        total(slices, asset)
        for asset in sorted({one.asset for one in slices})
        if _whole(slices, shown, asset)
        and all(_shows_total(month, asset) for month in months)
    ]
    return shown, totals


def _shows_total(month: Sequence[Slice], asset: Asset) -> bool:
    if not _moves(total(month, asset)):
        return True
    return _whole(month, [one for one in month if not _few(one)], asset)


def _whole(slices: Sequence[Slice], shown: Sequence[Slice], asset: Asset) -> bool:
    """Tell whether an asset's total shows neither few members nor few beside the others."""
    names = {_name(one) for one in shown}
    hidden = [o for o in slices if o.asset == asset and _name(o) not in names]
    rest = sum(one.members for one in hidden)
    return total(slices, asset).members >= K and (not hidden or rest >= K)


def _few(one: Slice) -> bool:
    return one.members < K and _moves(one)


def _moves(one: Slice) -> bool:
    """Tell whether anything of a month itself is in a slice; what is owed is of now."""
    return any((one.members, one.bills, one.collected, one.late_fees, one.rewards))


def _name(one: Slice) -> tuple[str, Asset]:
    return one.tariff, one.asset
