"""Cells and days for the operator: who signed what, who is waited for and why.

A trustee's refusal is shown in its own words. This module must never show what a home
told, nor anything that a trustee answered about a set without a total.
"""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from meterseal_aggregator.identity.model import Action
from meterseal_aggregator.parameters import store as parameters
from meterseal_aggregator.parameters.model import Name
from meterseal_aggregator.privacy import totals, wholedays
from meterseal_aggregator.privacy.trustees import view
from meterseal_aggregator.privacy.trustees.calendar import day_of
from meterseal_aggregator.privacy.trustees.view import (
    CellState,
    DayState,
    TrusteeState,
    Wait,
)
from meterseal_aggregator.web.auth import Asking
from meterseal_aggregator.web.shapes import View
from meterseal_aggregator.web.totals import CellName, DayNumber, TotalView, total_view
from meterseal_proto.reporting import Place, parse_quarter, quarter_of, quarter_text

router = APIRouter(prefix="/v1", tags=["totals"])

_QUARTER: Final = r"^[0-9]{4}-Q[1-4]$"
Since = Annotated[str | None, Query(pattern=_QUARTER)]


class WaitView(View):
    """A trustee that is waited for; `why` is `silent`, its rule's name, or ours."""

    trustee: int
    act: str
    why: str
    detail: str
    since: int | None


class RosterView(View):
    """A cell of a quarter: who signed its roster; `lacking` members' seeds are not kept."""

    cell: str
    quarter: str
    members: int
    lacking: int
    signed: list[int]
    waits: list[WaitView]


class AbsentView(View):
    """A meter whose day was receipted and is not in the set."""

    meter: str
    why: str


class DayView(View):
    """A cell's day: its stage, and whoever it waits for, lacks or blames."""

    cell: str
    day: int
    stage: str
    homes: int
    set_id: int | None
    statement: str | None
    waits: list[WaitView]
    absent: list[AbsentView]
    closed: str | None
    blamed: list[str]
    total: TotalView | None


class CellsView(View):
    """The cells of a quarter and later ones."""

    items: list[RosterView]


class RefusedSeedsView(View):
    """A meter whose seeds a trustee does not take, in its words."""

    meter: str
    why: str
    detail: str
    at: int


class TrusteeView(View):
    """A trustee: its fingerprint, whether it answers, how many meters' seeds it keeps."""

    number: int
    key: str
    fingerprint: str
    silent_since: int | None
    silent_why: str | None
    kept: int
    waiting: int
    refused: list[RefusedSeedsView]


class TrusteesView(View):
    """The three trustees, or none."""

    items: list[TrusteeView]


@router.get("/trustees")
async def list_trustees(access: Asking) -> TrusteesView:
    """Show the trustees: who is silent, whose seeds they keep, wait for and refuse."""
    access.allow(Action.MANAGE)
    async with access.site.database.reading() as tx:
        found = await view.trustees(tx)
    return TrusteesView(items=[_trustee(one) for one in found])


@router.get("/cells")
async def list_cells(access: Asking, since: Since = None) -> CellsView:
    """List cells from a quarter on, e.g. 2026-Q4 (this one), with who signed their rosters."""
    access.allow(Action.MANAGE)
    site = access.site
    now = int(site.now())
    async with site.database.reading() as tx:
        zone = await parameters.text_at(tx, Name.ZONE, now)
        this = quarter_of(day_of(now, zone))
        found = await view.cells(tx, parse_quarter(since) if since else this)
    return CellsView(items=[_cell(one) for one in found])


@router.get("/cells/{cell}/days/{day}")
async def show_day(cell: CellName, day: DayNumber, access: Asking) -> DayView:
    """Show how a cell's day stands: waiting for a trustee, refused, closed, or its total."""
    access.allow(Action.MANAGE)
    site = access.site
    place = Place(site.terms.genesis.network, cell, day)
    async with site.database.reading() as tx:
        zone = await parameters.text_at(tx, Name.ZONE, int(site.now()))
        span = totals.day_span(day, zone)
        homes = len(await wholedays.reportable(tx, place, span))
        return _day(place, await view.day(tx, place, homes))


def _trustee(one: TrusteeState) -> TrusteeView:
    since, why = one.silent if one.silent else (None, None)
    refused = [
        RefusedSeedsView(
            meter=meter.hex(), why=said.why, detail=said.detail, at=said.at
        )
        for meter, said in one.refused
    ]
    return TrusteeView(
        number=one.key.number,
        key=one.key.text(),
        fingerprint=one.key.fingerprint(),
        silent_since=since,
        silent_why=why,
        kept=one.kept,
        waiting=one.waiting,
        refused=refused,
    )


def _cell(one: CellState) -> RosterView:
    return RosterView(
        cell=one.cell,
        quarter=quarter_text(one.quarter),
        members=one.members,
        lacking=one.lacking,
        signed=list(one.signed),
        waits=[_wait(wait) for wait in one.waits],
    )


def _day(place: Place, one: DayState) -> DayView:
    return DayView(
        cell=place.cell,
        day=place.day,
        stage=one.stage.value,
        homes=one.homes,
        set_id=one.set_id,
        statement=one.statement.hex() or None,
        waits=[_wait(wait) for wait in one.waits],
        absent=[AbsentView(meter=day.meter.hex(), why=day.why) for day in one.absent],
        closed=one.closed or None,
        blamed=[meter.hex() for meter in one.blamed],
        total=None if one.total is None else total_view(one.total),
    )


def _wait(wait: Wait) -> WaitView:
    return WaitView(
        trustee=wait.trustee,
        act=wait.act.name.lower(),
        why=wait.why,
        detail=wait.detail,
        since=wait.since,
    )
