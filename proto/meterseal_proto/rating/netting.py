"""Net metering: what is left to pay after export is taken off, and what is kept for later.

Pure arithmetic of kWh, in 1/grain of the unit, period by period; prices are elsewhere
(`exports`), and so is what neighbours sold (`Load.bought`). This module must never let a
kWh be used twice: usage - import = used, and bank + export - used = bank after.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from meterseal_proto.rating.components import NetMetering, PayoutOf

NET: Final = "*"
"""The account of export less import over all periods; no period has this name."""


@dataclass(frozen=True, slots=True)
class Netted:
    """What net metering made of a period: each by period of its calendar."""

    usage: Mapping[str, int]
    """What is left to pay."""
    credited: Mapping[str, int]
    """What export, of now or of before, was taken off."""
    bank: Mapping[str, int]
    """What is kept."""

    @property
    def kept(self) -> int:
        """The kWh kept for all periods."""
        return sum(kwh for period, kwh in self.bank.items() if period != NET)


def netted(
    terms: NetMetering,
    imported: Mapping[str, int],
    exported: Mapping[str, int],
    bank: Mapping[str, int],
) -> Netted:
    """Return what is used, credited and kept, of periods that occur, from a bank before."""
    kept = _moved(terms, bank, set(imported))
    usage, credited = {}, {}
    for period, taken in imported.items():
        given = exported.get(period, 0) + kept.pop(period, 0)
        credited[period] = min(taken, given)
        usage[period] = taken - credited[period]
        if given > taken:
            kept[period] = given - taken
    if terms.payout_of is PayoutOf.NET:
        net = bank.get(NET, 0) + sum(exported.values()) - sum(imported.values())
        kept[NET] = max(net, 0)
    return Netted(usage, credited, {name: kwh for name, kwh in kept.items() if kwh})


def _moved(
    terms: NetMetering, bank: Mapping[str, int], occurring: set[str]
) -> dict[str, int]:
    """Return the bank with what periods keep that do not occur, at their successors."""
    successors = {row.period: row.to for row in terms.successors}
    kept: dict[str, int] = {}
    for period, kwh in bank.items():
        to = period
        if period != NET and period not in occurring:
            to = successors.get(period, period)
        if period != NET:
            kept[to] = kept.get(to, 0) + kwh
    return kept
