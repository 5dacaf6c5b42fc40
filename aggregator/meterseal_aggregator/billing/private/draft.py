"""From what a device opened to a statement that has all but its number. Pure.

    draft = drafted(period, tariff, opened, carried, moment)     # Refused says why there is none

The tariff's own engine rates what was opened; the guard reckons it again, by a code of its
own, from the same openings. This module must never put a usage into a document that was not
opened, nor let a statement ask for more than was proved.
"""

from dataclasses import dataclass, replace

from meterseal_aggregator.billing.model import Cause, Refused
from meterseal_aggregator.billing.private.model import Opened, PrivatePeriod
from meterseal_aggregator.billing.private.netting import NOTHING, Netted
from meterseal_aggregator.billing.statements import guard
from meterseal_aggregator.billing.statements.draft import (
    Body,
    Draft,
    Moment,
    draft_of,
    local_of,
    statement_of,
)
from meterseal_proto.rating.calendar import cycle_of
from meterseal_proto.rating.hidden import Plan, plan_of
from meterseal_proto.rating.line import Carried
from meterseal_proto.rating.load import Period
from meterseal_proto.rating.opened import (
    OpenedPeriod,
    laid_out,
    rate_opened,
    usage_of,
)
from meterseal_proto.rating.price import Unrateable
from meterseal_proto.rating.statement import Segment, Statement, Usage
from meterseal_proto.rating.tariff import FullTariff


@dataclass(frozen=True, slots=True)
class Basis:
    """What a private statement is made of: the tariff, what was opened, what is carried.

    `replaces` is the number of the bill it stands in for, `netted` what of neighbours' Wh
    it takes off.
    """

    tariff: FullTariff
    opened: Opened
    carried: Carried
    replaces: str = ""
    netted: Netted = NOTHING


def drafted(period: PrivatePeriod, basis: Basis, moment: Moment) -> Draft | Refused:
    """Return a period's draft, or why there is none: UNRATEABLE, GUARD."""
    try:
        return _drafted(period, basis, moment)
    except Refused as refused:
        return refused
    except Unrateable as error:
        supply = period.home.supply.id
        return Refused(Cause.UNRATEABLE, f"supply {supply}: {error}")


def _drafted(period: PrivatePeriod, basis: Basis, moment: Moment) -> Draft:
    tariff, opened = basis.tariff, basis.opened
    local = local_of(tariff.zone)
    cycle = cycle_of(tariff, period.begin, local)
    span = Period(period.begin, period.end, *cycle)
    found = OpenedPeriod(span, period.home.step, opened.amounts, basis.netted.slots)
    plan = plan_of(tariff)
    rated = rate_opened(tariff, plan, found, local, basis.carried)
    segment = Segment(
        tariff.hash(), period.begin, period.end, *cycle, rated.lines, basis.carried,
        rated.carried,
    )  # fmt: skip
    body = Body(
        replace(period.home.supply, billed_to=period.begin),
        period.begin,
        period.end,
        (tariff,),
        _usage(period, plan, opened, found),
        (segment,),
        basis.replaces,
    )
    statement = statement_of(body, moment)
    check(statement, plan, tariff, found)
    return replace(
        draft_of(body, statement),
        netted=basis.netted.traded,
        private_bill=opened.bills[0] if opened.bills else None,
    )


def check(
    statement: Statement, plan: Plan, tariff: FullTariff, found: OpenedPeriod
) -> None:
    """Go on if a statement asks no more than its tariff gives for what was opened.

    Raises Refused (GUARD). An opened amount is held as a quantity at a price of 1.
    """
    local = local_of(tariff.zone)
    priced, load = laid_out(tariff, plan, found, local)
    name = priced.hash()
    segments = tuple(
        replace(one, tariff=name if one.tariff == tariff.hash() else one.tariff)
        for one in statement.segments
    )
    versions = [(statement.begin, statement.end, priced)]
    guard.check(replace(statement, segments=segments), versions, load, local)


def _usage(
    period: PrivatePeriod, plan: Plan, opened: Opened, found: OpenedPeriod
) -> tuple[Usage, ...]:
    """Return a row for each opening with its digest as proof; one of an estimate without."""
    home = period.home
    whole = Usage(
        meter=home.meter,
        register=home.register,
        begin=period.begin,
        end=period.end,
        step=home.step,
        first=None,
        last=None,
        quantity=None,
        estimated=0,
    )
    if not opened.digests:
        return (replace(whole, estimated=usage_of(plan, found) or 0),)
    return tuple(replace(whole, proof=digest) for digest in opened.digests)
