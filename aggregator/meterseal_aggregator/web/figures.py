"""Figures of billing for the provider's dashboards, and for auditors where many are summed.

    GET /v1/figures/billing?month=2026-09             a month of the network's zone
    GET /v1/figures/billing?month=2026-07&months=3

Operators see every tariff. Auditors see slices and totals of 20 members or more, and no
total from which a smaller slice would follow. This module must never show a household.
"""

from datetime import date, time
from typing import Annotated, Final

from fastapi import APIRouter, Query

from meterseal_aggregator.billing.figures.model import (
    MAX_MONTHS,
    K,
    Slice,
    total,
    withheld,
)
from meterseal_aggregator.billing.figures.query import Span, slices
from meterseal_aggregator.identity.model import Action, Role
from meterseal_aggregator.ledger.model import Asset
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.parameters.store import values_at
from meterseal_aggregator.parameters.zone import second_of, zone_of
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.problems import wrong_argument
from meterseal_aggregator.web.shapes import View

router = APIRouter(prefix="/v1/figures", tags=["figures"])

_MIDNIGHT: Final = time(0)
_FIRST_YEAR: Final = 1971
"""Local midnights of earlier years may lie before the Unix epoch."""
_LAST_YEAR: Final = 9_998
"""The calendar ends with 9999, and months go on into the next year."""
Month = Annotated[str, Query(pattern=r"^\d{4}-(0[1-9]|1[0-2])$")]
Months = Annotated[int, Query(ge=1, le=MAX_MONTHS)]


class AgesView(View):
    """What is asked for, undisputed and late, by days since it was due."""

    to_30_days_micro: int
    to_60_days_micro: int
    to_90_days_micro: int
    more_micro: int


class SliceView(View):
    """A tariff's figures in an asset; all tariffs' where none is named.

    `billed_micro`, `wh`, `litres` and `collection_bp` are of the bills issued in the months
    that are in force; `collected_micro`, `late_fees_micro` and `rewards_micro` are of the
    months; the rest is of now.
    """

    tariff: str | None
    asset: str
    members: int
    bills: int
    billed_micro: int
    wh: int
    litres: int
    collection_bp: int | None
    collected_micro: int
    late_fees_micro: int
    rewards_micro: int
    outstanding_micro: int
    disputed_micro: int
    overdue: AgesView
    prepaid_micro: int


class FiguresView(View):
    """Figures of [begin, end); `withheld` slices are of fewer than `least_members`."""

    begin: int
    end: int
    reward_asset: str
    least_members: int | None
    withheld: int
    totals: list[SliceView]
    tariffs: list[SliceView]


@router.get("/billing")
async def show_billing(month: Month, access: Asking, months: Months = 1) -> FiguresView:
    """Show what was billed, collected and is owed, by tariff (operators and auditors)."""
    access.allow(Action.SEE_TRAIL)
    site, now = access.site, int(access.site.now())
    async with site.database.reading() as tx:
        values = await values_at(tx, (Name.ZONE, Name.REWARD_ASSET), now)
        zone = str(values[Name.ZONE])
        span = _span(month, months, zone)
        reward = Asset(str(values[Name.REWARD_ASSET]))
        found = await slices(tx, span, reward=reward, now=now)
        each = []
        if months > 1 and access.caller.role is not Role.OPERATOR:
            each = [
                await slices(tx, _span(month, 1, zone, skip=n), reward=reward, now=now)
                for n in range(months)
            ]
    if access.caller.role is Role.OPERATOR:
        shown, least = found, None
        totals = [total(found, asset) for asset in sorted({one.asset for one in found})]
    else:
        (shown, totals), least = withheld(found, each), K
    return FiguresView(
        begin=span.begin,
        end=span.end,
        reward_asset=reward,
        least_members=least,
        withheld=len(found) - len(shown),
        totals=[_slice(one) for one in totals],
        tariffs=[_slice(one) for one in shown],
    )


def _span(month: str, months: int, zone: str, skip: int = 0) -> Span:
    """Return the span of months by the zone's calendar, `skip` later; raises the answer 422."""
    year, first = map(int, month.split("-"))
    if not _FIRST_YEAR <= year <= _LAST_YEAR:
        raise wrong_argument("month", f"name one of {_FIRST_YEAR} to {_LAST_YEAR}")
    where = zone_of(zone)
    begin, end = (
        second_of(date(year + n // 12, n % 12 + 1, 1), _MIDNIGHT, where)
        for n in (first - 1 + skip, first - 1 + skip + months)
    )
    return Span(begin, end)


def _slice(one: Slice) -> SliceView:
    return SliceView(
        tariff=one.tariff or None,
        asset=one.asset,
        members=one.members,
        bills=one.bills,
        billed_micro=one.billed,
        wh=one.wh,
        litres=one.litres,
        collection_bp=one.collection_bp,
        collected_micro=one.collected,
        late_fees_micro=one.late_fees,
        rewards_micro=one.rewards,
        outstanding_micro=one.outstanding,
        disputed_micro=one.disputed,
        overdue=AgesView(
            to_30_days_micro=one.overdue_30,
            to_60_days_micro=one.overdue_60,
            to_90_days_micro=one.overdue_90,
            more_micro=one.overdue_more,
        ),
        prepaid_micro=one.prepaid,
    )
