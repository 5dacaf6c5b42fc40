"""What is given to the grid: credited at a price, or taken off import and kept.

Functions from a component and a case to drafts of lines. This module must never round.
"""

from meterseal_proto.rating.case import ALL, Case, Draft
from meterseal_proto.rating.components import Export, NetMetering, On, PayoutOf
from meterseal_proto.rating.line import LineKind
from meterseal_proto.rating.netting import NET

PAYOUT = "payout"
"""The part of net metering that pays what is kept when its year ends."""


def export(component: Export, case: Case) -> list[Draft]:
    """Return the credits for export: one line, or one for each period that occurs."""
    if component.price is not None:
        total = case.total(On.EXPORT)
        return [case.draft(LineKind.EXPORT, ALL, total, -component.price)]
    given = case.sums(component.calendar, On.EXPORT)
    return [
        case.draft(LineKind.EXPORT, row.period, given[row.period], -row.price)
        for row in component.prices
        if row.period in given
    ]


def net_metering(component: NetMetering, case: Case) -> list[Draft]:
    """Return what was taken off, at a price of 0, and what is paid when the year ends."""
    assert case.netted is not None
    lines = [
        case.draft(LineKind.EXPORT, period, credited, 0)
        for period, credited in case.netted.credited.items()
        if credited
    ]
    if case.ends_month(component.year_end):
        netted = case.netted
        net = component.payout_of is PayoutOf.NET
        kept = netted.bank.get(NET, 0) if net else netted.kept
        lines.append(case.draft(LineKind.EXPORT, PAYOUT, kept, -component.payout))
    return lines


def bank_after(case: Case) -> tuple[tuple[str, int], ...]:
    """Return what net metering carries on: nothing when its year has ended."""
    if case.netted is None:
        return ()
    for component in case.tariff.components:
        if isinstance(component, NetMetering) and case.ends_month(component.year_end):
            return ()
    return tuple(sorted(case.netted.bank.items()))
